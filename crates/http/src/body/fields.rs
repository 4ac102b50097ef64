//! The members of one object, and the faults found in it.

use std::borrow::Cow;

use bellwire_app::Fault;
use bellwire_contract::nearest;
use bellwire_domain::escape_pointer;
use serde::de::DeserializeSeed;
use serde_json::value::RawValue;

use super::members::{Element, Members, WithList};
use crate::problem::{Code, Problem};

/// The members of one object that are still to be read.
pub struct Fields<'a> {
    pointer: String,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
    faults: Vec<Fault>,
    /// False if something other than an object was found. That is the only fault then; nothing counts as missing.
    is_object: bool,
}

impl<'a> Fields<'a> {
    /// The object that a body is.
    pub fn read(body: &'a [u8]) -> Result<Self, Problem> {
        parse(body, std::marker::PhantomData::<Members<'a>>).map(|members| Self::new(String::new(), members))
    }

    /// Like [`Fields::read`], where the member `name`, if there is one, is a list of objects: all in one pass over the body. Of
    /// a list with more than `max` elements, one more is read.
    pub fn read_with_list(body: &'a [u8], name: &'static str, max: usize) -> Result<(Self, Option<Vec<Self>>), Problem> {
        let (members, element) = parse(body, WithList { list: Some((name, max.saturating_add(1))) })?;
        let mut fields = Self::new(String::new(), members);
        let elements = match element {
            None => return Ok((fields, None)),
            Some(Element::List(elements)) => elements,
            Some(Element::Object(_) | Element::Other) => {
                fields.fault(name, "must be a list of objects");
                Vec::new()
            }
        };
        fields.refuse_repeated(name);
        let place = |(index, element)| Self::of(element, format!("/{name}/{index}"));
        Ok((fields, Some(elements.into_iter().enumerate().map(place).collect())))
    }

    /// An object inside another. Anything else has no members and a fault.
    fn of(element: Element<'a>, pointer: String) -> Self {
        match element {
            Element::Object(members) => Self::new(pointer, members),
            Element::List(_) | Element::Other => {
                let faults = vec![Fault::new(pointer.as_str(), "must be an object")];
                Self { pointer, members: Vec::new(), faults, is_object: false }
            }
        }
    }

    fn new(pointer: String, members: Members<'a>) -> Self {
        Self { pointer, members: members.0, faults: Vec::new(), is_object: true }
    }

    /// Takes a member as posted, `null` included.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let place = self.members.iter().position(|(key, _)| key == name)?;
        let (_, value) = self.members.swap_remove(place);
        self.refuse_repeated(name);
        Some(value)
    }

    fn refuse_repeated(&mut self, name: &str) {
        if self.members.iter().any(|(key, _)| key == name) {
            self.members.retain(|(key, _)| key != name);
            self.fault(name, "the name occurs twice");
        }
    }

    /// The members of an object that is the member `name`, apart from those that are null. `None`: it is no object, or has members
    /// other than these, and there is a fault.
    pub fn inner(
        &mut self,
        value: &'a RawValue,
        name: &str,
        names: &[&'static str],
    ) -> Option<Vec<(&'static str, &'a RawValue)>> {
        let Ok(members) = serde_json::from_str::<Members<'a>>(value.get()) else {
            self.fault(name, "must be an object");
            return None;
        };
        let mut inner = Self::new(format!("{}/{name}", self.pointer), members);
        let found: Vec<_> = names.iter().filter_map(|name| Some((*name, inner.take(name)?))).collect();
        let faults = inner.end(names);
        let is_whole = faults.is_empty();
        self.faults.extend(faults);
        is_whole.then(|| found.into_iter().filter(|(_, value)| value.get() != "null").collect())
    }

    /// Adds a fault of the member `name`.
    pub fn fault(&mut self, name: &str, detail: impl Into<String>) {
        if self.is_object {
            self.faults.push(Fault::new(format!("{}/{name}", self.pointer), detail));
        }
    }

    /// Ends the reading, and returns all faults. Members that are left are unknown; `names` are the known ones.
    pub fn end(mut self, names: &[&str]) -> Vec<Fault> {
        for (key, _) in &self.members {
            let shown = shorten(key);
            let detail = match nearest(shown, names.iter().copied()) {
                Some(meant) => format!("unknown field `{shown}`; did you mean `{meant}`?"),
                None => format!("unknown field `{shown}`"),
            };
            self.faults.push(Fault::new(format!("{}/{}", self.pointer, escape_pointer(shown)), detail));
        }
        self.faults
    }
}

/// Reads a whole body, which must be an object.
fn parse<'a, S: DeserializeSeed<'a>>(body: &'a [u8], seed: S) -> Result<S::Value, Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        Problem::new(Code::MalformedJson, format!("the body is not UTF-8 after byte {}", error.valid_up_to()))
    })?;
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed = seed.deserialize(&mut json).and_then(|parsed| json.end().map(|()| parsed));
    parsed.map_err(|error| {
        if error.is_data() {
            Problem::invalid(vec![Fault::new("", "the body must be a JSON object")])
        } else {
            Problem::new(Code::MalformedJson, format!("the body is not JSON: {error}"))
        }
    })
}

/// The start of a name that a stranger chose.
fn shorten(name: &str) -> &str {
    name.char_indices().nth(64).and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}
