//! JSON that stays text until an expression looks inside.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};

use super::carried::{failed, number_value};
use crate::json;
use crate::meter::Meter;
use crate::piece::EvalError;

/// What the index of one member or item takes, in bytes.
const INDEXED_BYTES: usize = 64;

/// A JSON list or object that stays text until someone looks inside.
pub(super) struct RawJson {
    raw: Bytes,
    meter: Arc<Meter>,
    /// Where its children are. Made when all of them are gone through, so that each is not searched for from the start.
    index: OnceLock<Index>,
}

enum Index {
    List(Vec<Bytes>),
    Object(HashMap<String, Bytes>),
}

impl RawJson {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.raw).unwrap_or_default()
    }

    fn is_list(&self) -> bool {
        self.text().trim_start().starts_with('[')
    }

    fn slice(&self, raw: &str) -> Bytes {
        self.raw.slice_ref(raw.as_bytes())
    }

    fn index(&self) -> Result<&Index, EvalError> {
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        self.meter.step(self.raw.len())?;
        let mut made = 0usize;
        let mut charge = |meter: &Meter| {
            made += 1;
            if made.is_multiple_of(64) { meter.make(64 * INDEXED_BYTES) } else { Ok(()) }
        };
        let index = if self.is_list() {
            let items = json::elements(self.text()).map(|raw| charge(&self.meter).map(|()| self.slice(raw)));
            Index::List(items.collect::<Result<_, _>>()?)
        } else {
            let members = json::members(self.text());
            let members = members.map(|(key, raw)| charge(&self.meter).map(|()| (key.into_owned(), self.slice(raw))));
            Index::Object(members.collect::<Result<_, _>>()?)
        };
        Ok(self.index.get_or_init(|| index))
    }

    fn find(&self, key: &Value) -> Option<Bytes> {
        match (self.index.get(), key.as_str()) {
            (Some(Index::List(items)), None) => items.get(key.as_usize()?).cloned(),
            (Some(Index::Object(members)), Some(key)) => members.get(key).cloned(),
            (Some(_), _) => None,
            (None, Some(key)) => json::member(self.text(), key).map(|raw| self.slice(raw)),
            (None, None) => json::element(self.text(), key.as_usize()?).map(|raw| self.slice(raw)),
        }
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RawJson")
    }
}

impl Object for RawJson {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if self.is_list() { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let read = if self.index.get().is_some() { INDEXED_BYTES } else { self.raw.len() };
        if let Err(error) = self.meter.step(read) {
            return Some(invalid(error));
        }
        Some(json_value(&self.find(key)?, &self.meter))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.index() {
            Ok(Index::List(items)) => Enumerator::Seq(items.len()),
            Ok(Index::Object(_)) => {
                let names = json::members(self.text()).map(|(name, _)| text_value(&name, &self.meter));
                Enumerator::Iter(Box::new(names.collect::<Vec<_>>().into_iter()))
            }
            Err(error) => Enumerator::Iter(Box::new(std::iter::once(invalid(error)))),
        }
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        // A failed step shows when the expression has ended.
        let _ = self.meter.step(self.raw.len());
        let text = self.text();
        Some(if self.is_list() { json::elements(text).count() } else { json::members(text).count() })
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}

/// A JSON value as the library knows it. Texts are charged: they are copied.
pub(super) fn json_value(raw: &Bytes, meter: &Arc<Meter>) -> Value {
    let text = std::str::from_utf8(raw).unwrap_or_default().trim();
    match text.as_bytes().first() {
        Some(b'{' | b'[') => Value::from_object(RawJson { raw: raw.clone(), meter: Arc::clone(meter), index: OnceLock::new() }),
        Some(b'"') => json::unquote(text).map_or(Value::UNDEFINED, |text| text_value(&text, meter)),
        Some(b't') => Value::from(true),
        Some(b'f') => Value::from(false),
        Some(b'n') => Value::from(()),
        _ => number_value(text),
    }
}

fn text_value(text: &str, meter: &Meter) -> Value {
    match meter.make(text.len()) {
        Ok(()) => Value::from(text),
        Err(error) => invalid(error),
    }
}

/// A value that ends the expression with an error.
fn invalid(error: EvalError) -> Value {
    Value::from(failed(error.message, error.absent))
}
