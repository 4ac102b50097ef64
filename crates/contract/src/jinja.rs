//! The bridge to the expression library: the sandboxed environment, and values in both directions.
//!
//! Raw JSON enters as an object that hands out its children lazily, and it leaves as the same bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use bellwire_domain::Timestamp;
use bytes::Bytes;
use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use crate::filters::{Filter, FilterName, TimeFormat};
use crate::json;
use crate::path::Path;
use crate::piece::{EvalError, Piece};
use crate::variables::Scope;

/// The most steps that one expression may take.
const FUEL: u64 = 50_000;
/// The longest text that an expression may produce, in bytes.
const TEXT_LENGTH_MAX: usize = 1 << 24;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL));
    environment.remove_global("debug");
    for name in FilterName::ALL {
        environment.add_filter(name.as_str(), move |value: Value| filter_value(Filter::from(*name), &value));
    }
    environment.add_filter(FilterName::Rfc3339.as_str(), |value: Value, arguments: Kwargs| {
        let digits: Option<u32> = arguments.get("digits")?;
        let zone: Option<String> = arguments.get("zone")?;
        arguments.assert_all_used()?;
        let digits = digits.map(|digits| digits.to_string());
        let format = TimeFormat::read(digits.as_deref(), zone.as_deref());
        let format = format.map_err(|message| Error::new(ErrorKind::InvalidOperation, message))?;
        filter_value(Filter { name: FilterName::Rfc3339, format }, &value)
    });
    environment
});

/// A compiled expression.
pub(crate) struct Compiled(minijinja::Expression<'static, 'static>);

impl fmt::Debug for Compiled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Compiled")
    }
}

/// Compiles an expression; the error says what is wrong with it.
pub(crate) fn compile(source: &str) -> Result<Compiled, String> {
    let compiled = ENVIRONMENT.compile_expression_owned(source.to_owned());
    compiled.map(Compiled).map_err(|error| error.detail().map_or_else(|| error.kind().to_string(), str::to_owned))
}

/// The top-level names that the library sees in the expression.
pub(crate) fn roots(compiled: &Compiled) -> Vec<String> {
    let mut roots: Vec<String> = compiled.0.undeclared_variables(false).into_iter().collect();
    roots.sort();
    roots
}

/// Whether a filter has this name.
pub(crate) fn has_filter(name: &str) -> bool {
    let error = ENVIRONMENT.empty_state().apply_filter(name, &[]).err();
    error.is_none_or(|error| error.kind() != ErrorKind::UnknownFilter)
}

/// Whether a test (`is …`) has this name.
pub(crate) fn has_test(name: &str) -> bool {
    let error = ENVIRONMENT.empty_state().perform_test(name, &[]).err();
    error.is_none_or(|error| error.kind() != ErrorKind::UnknownTest)
}

/// Evaluates an expression that uses the values at `paths`.
pub(crate) fn evaluate(compiled: &Compiled, paths: &[Path], scope: Scope<'_>) -> Result<Piece<'static>, EvalError> {
    let mut roots: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
    let mut context: BTreeMap<&str, Value> = BTreeMap::new();
    for path in paths {
        let value = to_value(&scope.get(&path.variable));
        match path.variable.names() {
            (root, Some(field)) => {
                let fields = roots.entry(root).or_default();
                if !value.is_undefined() {
                    fields.insert(field, value);
                }
            }
            (root, None) => {
                context.insert(root, value);
            }
        }
    }
    for (root, fields) in roots {
        context.insert(root, Value::from_pairs(fields));
    }
    let result = compiled.0.eval(Value::from_pairs(context)).map_err(|error| explain(&error))?;
    let piece = from_value(&result)?;
    Ok(match piece {
        Piece::Number(spelling) if !result.is_integer() => Piece::Number(as_posted(spelling, paths, scope)),
        other => other,
    })
}

/// A fraction that passed through unchanged keeps the spelling it was posted with.
fn as_posted(spelling: Cow<'static, str>, paths: &[Path], scope: Scope<'_>) -> Cow<'static, str> {
    let Ok(number) = spelling.parse::<f64>() else { return spelling };
    for path in paths {
        let Piece::Json(raw) = scope.get(&path.variable) else { continue };
        if let Some(posted) =
            json::numbers(&raw).find(|posted| posted.parse::<f64>().is_ok_and(|posted| posted.to_bits() == number.to_bits()))
        {
            return Cow::Owned(posted.to_owned());
        }
    }
    spelling
}

/// Messages that begin like this never repeat a value: our own filters wrote them, or they are about names and types.
const SAFE_BEGINNINGS: &[&str] = &["is ", "has ", "makes ", "a filter ", "tried to use ", "`digits`", "`zone`"];

/// What failed. The library's details are dropped where they could repeat a value: values are health data.
fn explain(error: &Error) -> EvalError {
    let about_names = matches!(
        error.kind(),
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownMethod
            | ErrorKind::UnknownTest
            | ErrorKind::MissingArgument
            | ErrorKind::TooManyArguments
    );
    let safe = |detail: &&str| about_names || SAFE_BEGINNINGS.iter().any(|beginning| detail.starts_with(beginning));
    let message = match error.detail().filter(safe) {
        Some(detail) => detail.to_owned(),
        None => format!("failed: {}", error.kind()),
    };
    EvalError { message, absent: error.kind() == ErrorKind::UndefinedError }
}

fn filter_value(filter: Filter, value: &Value) -> Result<Value, Error> {
    let convert = |error: EvalError| {
        let kind = if error.absent { ErrorKind::UndefinedError } else { ErrorKind::InvalidOperation };
        Error::new(kind, error.message)
    };
    let piece = from_value(value).map_err(convert)?;
    filter.apply(piece).map(|piece| to_value(&piece)).map_err(convert)
}

/// A time as the library carries it.
#[derive(Debug)]
struct Time(Timestamp);

impl Object for Time {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// A JSON list or object that stays text until someone looks inside.
struct RawJson(Bytes);

impl RawJson {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn child(&self, raw: &str) -> Value {
        json_value(&self.0.slice_ref(raw.as_bytes()))
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RawJson")
    }
}

impl Object for RawJson {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if self.text().trim_start().starts_with('[') { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let raw = match key.as_str() {
            Some(key) => json::member(self.text(), key)?,
            None => json::element(self.text(), key.as_usize()?)?,
        };
        Some(self.child(raw))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        if self.repr() == ObjectRepr::Seq {
            return Enumerator::Seq(json::elements(self.text()).count());
        }
        let keys: Vec<Value> = json::members(self.text()).map(|(key, _)| Value::from(key.as_ref())).collect();
        Enumerator::Iter(Box::new(keys.into_iter()))
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}

fn json_value(raw: &Bytes) -> Value {
    let text = std::str::from_utf8(raw).unwrap_or_default().trim();
    match text.as_bytes().first() {
        Some(b'{' | b'[') => Value::from_object(RawJson(raw.clone())),
        Some(b'"') => json::unquote(text).map_or(Value::UNDEFINED, |text| Value::from(text.as_ref())),
        Some(b't') => Value::from(true),
        Some(b'f') => Value::from(false),
        Some(b'n') => Value::from(()),
        _ => number_value(text),
    }
}

/// The number as the library knows it. `-0` becomes a fraction, since no integer keeps its sign.
fn number_value(text: &str) -> Value {
    if text != "-0" {
        if let Ok(number) = text.parse::<i64>() {
            return Value::from(number);
        }
        if let Ok(number) = text.parse::<i128>() {
            return Value::from(number);
        }
    }
    text.parse::<f64>().map_or(Value::UNDEFINED, Value::from)
}

fn to_value(piece: &Piece<'_>) -> Value {
    match piece {
        Piece::Absent => Value::UNDEFINED,
        Piece::Null => Value::from(()),
        Piece::Bool(value) => Value::from(*value),
        Piece::Number(text) => number_value(text),
        Piece::Text(text) => Value::from(text.as_ref()),
        Piece::Time(at) => Value::from_object(Time(*at)),
        Piece::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::from(text),
            Err(_) => Value::from_bytes(bytes.to_vec()),
        },
        Piece::Json(raw) => json_value(&Bytes::copy_from_slice(raw.as_bytes())),
    }
}

fn from_value(value: &Value) -> Result<Piece<'static>, EvalError> {
    if let Some(time) = value.downcast_object_ref::<Time>() {
        return Ok(Piece::Time(time.0));
    }
    if let Some(raw) = value.downcast_object_ref::<RawJson>() {
        return Ok(Piece::Json(Cow::Owned(raw.text().to_owned())));
    }
    match value.kind() {
        ValueKind::Undefined => Ok(Piece::Absent),
        ValueKind::None => Ok(Piece::Null),
        ValueKind::Bool => Ok(Piece::Bool(value.is_true())),
        ValueKind::Number => number(value),
        ValueKind::String => match value.as_str() {
            Some(text) if text.len() <= TEXT_LENGTH_MAX => Ok(Piece::Text(Cow::Owned(text.to_owned()))),
            _ => Err(EvalError::new("makes a text that is too long")),
        },
        ValueKind::Bytes => Ok(Piece::Bytes(Cow::Owned(value.as_bytes().unwrap_or_default().to_vec()))),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            let mut out = String::new();
            write_container(value, &mut out, 0)?;
            Ok(Piece::Json(Cow::Owned(out)))
        }
        other => Err(EvalError::new(format!("is a value of type {other}, which cannot be sent"))),
    }
}

fn number(value: &Value) -> Result<Piece<'static>, EvalError> {
    if value.is_integer() {
        return Ok(Piece::number(value));
    }
    let number = f64::try_from(value.clone()).ok().and_then(serde_json::Number::from_f64);
    number.map(|number| Piece::number(&number)).ok_or_else(|| EvalError::new("is a number that JSON cannot write"))
}

fn write_container(value: &Value, out: &mut String, depth: usize) -> Result<(), EvalError> {
    if depth > 64 || out.len() > TEXT_LENGTH_MAX {
        return Err(EvalError::new("makes a value that is too large"));
    }
    let is_map = value.kind() == ValueKind::Map;
    out.push(if is_map { '{' } else { '[' });
    let items = value.try_iter().map_err(|error| explain(&error))?;
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        let mut member = item.clone();
        if is_map {
            json::write_string(out, item.as_str().ok_or_else(|| EvalError::new("has a key that is not text"))?);
            out.push(':');
            member = value.get_item(&item).map_err(|error| explain(&error))?;
        }
        let raw = member.downcast_object_ref::<RawJson>().is_some();
        match member.kind() {
            ValueKind::Seq | ValueKind::Iterable | ValueKind::Map if !raw => write_container(&member, out, depth + 1)?,
            _ => from_value(&member)?.write_json(out)?,
        }
    }
    out.push(if is_map { '}' } else { ']' });
    Ok(())
}
