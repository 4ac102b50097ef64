//! Reading JSON bodies field by field.
//!
//! Not a derived deserialiser, for three reasons: every field that is wrong is reported at once and by its JSON pointer;
//! unknown and repeated fields are refused by name; and the value of a field stays the raw text that was posted until, and
//! unless, somebody needs more.

mod members;

use std::borrow::Cow;

use bellwire_app::Fault;
use bellwire_domain::Timestamp;
use serde::de::DeserializeSeed;
use serde_json::value::RawValue;

use crate::problem::{Code, Problem};
use members::{Element, Members, WithList};

/// The members of one object that are still to be read.
pub(crate) struct Fields<'a> {
    pointer: String,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
    faults: Vec<Fault>,
    /// What was to be an object is none: that is the one fault, and nothing is missing in it.
    is_object: bool,
}

impl<'a> Fields<'a> {
    /// The object that a body is.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Problem> {
        parse(body, std::marker::PhantomData::<Members<'a>>).map(|members| Self::new(String::new(), members))
    }

    /// As [`Fields::read`], where the member `name`, if there is one, is a list of objects: all in one pass over the body. Of a
    /// list with more than `max` elements, one more is read.
    pub(crate) fn read_with_list(body: &'a [u8], name: &'static str, max: usize) -> Result<(Self, Option<Vec<Self>>), Problem> {
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
        if fields.members.iter().any(|(key, _)| key == name) {
            fields.members.retain(|(key, _)| key != name);
            fields.fault(name, "given more than once");
        }
        let place = |(index, element)| Self::of(element, format!("/{name}/{index}"));
        Ok((fields, Some(elements.into_iter().enumerate().map(place).collect())))
    }

    /// An object inside another; what is no object has no members and a fault.
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

    /// Where this object stands.
    pub(crate) fn pointer(&self) -> &str {
        &self.pointer
    }

    /// A member as posted, `null` included.
    pub(crate) fn raw(&mut self, name: &str) -> Option<&'a RawValue> {
        let place = self.members.iter().position(|(key, _)| key == name)?;
        let (_, value) = self.members.swap_remove(place);
        if self.members.iter().any(|(key, _)| key == name) {
            self.members.retain(|(key, _)| key != name);
            self.fault(name, "given more than once");
        }
        Some(value)
    }

    /// A member as posted; there must be one.
    pub(crate) fn required_raw(&mut self, name: &str) -> Option<&'a RawValue> {
        let value = self.raw(name);
        if value.is_none() {
            self.fault(name, "missing");
        }
        value
    }

    /// A member that is not `null`: for most fields `null` says the same as leaving it out.
    fn value(&mut self, name: &str) -> Option<&'a RawValue> {
        self.raw(name).filter(|value| value.get() != "null")
    }

    /// A string.
    pub(crate) fn text(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let value = self.value(name)?;
        let text = string(value);
        if text.is_none() {
            self.fault(name, "must be a string");
        }
        text
    }

    /// A string that there must be; empty when it is not, which is a fault.
    pub(crate) fn required_text(&mut self, name: &str) -> Cow<'a, str> {
        let before = self.faults.len();
        let text = self.text(name);
        if text.is_none() && self.faults.len() == before {
            self.fault(name, "missing");
        }
        text.unwrap_or_default()
    }

    /// A string, or `null` to remove what is there.
    #[expect(clippy::option_option, reason = "left out, null and a value are three things to say")]
    pub(crate) fn nullable_text(&mut self, name: &str) -> Option<Option<String>> {
        let value = self.raw(name)?;
        if value.get() == "null" {
            return Some(None);
        }
        let text = string(value);
        if text.is_none() {
            self.fault(name, "must be a string or null");
        }
        text.map(|text| Some(text.into_owned()))
    }

    /// True or false.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.value(name)?.get() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.fault(name, "must be true or false");
                None
            }
        }
    }

    /// A whole number.
    pub(crate) fn whole(&mut self, name: &str) -> Option<i64> {
        let value = self.value(name)?;
        let number = value.get().parse().ok();
        if number.is_none() {
            self.fault(name, "must be a whole number");
        }
        number
    }

    /// A whole number, or `null` to remove what is there.
    #[expect(clippy::option_option, reason = "left out, null and a value are three things to say")]
    pub(crate) fn nullable_whole(&mut self, name: &str) -> Option<Option<i64>> {
        let is_null = self.members.iter().any(|(key, value)| key == name && value.get() == "null");
        let number = self.whole(name);
        if is_null { Some(None) } else { number.map(Some) }
    }

    /// An RFC 3339 instant.
    pub(crate) fn instant(&mut self, name: &str) -> Option<Timestamp> {
        let text = self.text(name)?;
        Timestamp::parse_rfc3339(&text).map_err(|error| self.fault(name, error.to_string())).ok()
    }

    /// An RFC 3339 instant that there must be.
    pub(crate) fn required_instant(&mut self, name: &str) -> Option<Timestamp> {
        let before = self.faults.len();
        let instant = self.instant(name);
        if instant.is_none() && self.faults.len() == before {
            self.fault(name, "missing");
        }
        instant
    }

    /// A list of strings.
    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let value = self.value(name)?;
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(value.get()) else {
            self.fault(name, "must be a list of strings");
            return None;
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            match string(item) {
                Some(text) => texts.push(text.into_owned()),
                None => self.fault(&format!("{name}/{index}"), "must be a string"),
            }
        }
        Some(texts)
    }

    /// A list of strings, or `null` to remove what is there.
    #[expect(clippy::option_option, reason = "left out, null and a value are three things to say")]
    pub(crate) fn nullable_texts(&mut self, name: &str) -> Option<Option<Vec<String>>> {
        let is_null = self.members.iter().any(|(key, value)| key == name && value.get() == "null");
        let texts = self.texts(name);
        if is_null { Some(None) } else { texts.map(Some) }
    }

    /// An object with strings as values, in its order.
    pub(crate) fn text_members(&mut self, name: &str) -> Option<Vec<(String, String)>> {
        let value = self.value(name)?;
        let Ok(Members(members)) = serde_json::from_str::<Members<'a>>(value.get()) else {
            self.fault(name, "must be an object with strings as values");
            return None;
        };
        let mut texts = Vec::with_capacity(members.len());
        for (key, value) in members {
            match string(value) {
                Some(text) => texts.push((key.into_owned(), text.into_owned())),
                None => self.fault(&format!("{name}/{}", escape_pointer(&key)), "must be a string"),
            }
        }
        Some(texts)
    }

    /// Adds a fault of the member `name`.
    pub(crate) fn fault(&mut self, name: &str, detail: impl Into<String>) {
        if !self.is_object {
            return;
        }
        self.faults.push(Fault::new(format!("{}/{name}", self.pointer), detail));
    }

    /// Everything is read: what is left over is unknown. Hands over all faults.
    pub(crate) fn end(mut self) -> Vec<Fault> {
        for (key, _) in &self.members {
            let detail = format!("unknown field `{}`", shorten(key));
            self.faults.push(Fault::new(format!("{}/{}", self.pointer, escape_pointer(shorten(key))), detail));
        }
        self.faults
    }

    /// As [`Fields::end`], where any fault is a problem.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        let faults = self.end();
        if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
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

/// The text of a raw string, borrowed when nothing in it is escaped.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw.get()).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

fn escape_pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The start of a name that a stranger chose.
fn shorten(name: &str) -> &str {
    name.char_indices().nth(64).and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(fields: Fields<'_>) -> Vec<String> {
        fields.end().into_iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect()
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let body = br#"{"url": 1, "on": "yes", "list": ["a", 2], "at": "soon", "x/y~": 1, "twice": "a", "twice": "b"}"#;
        let mut fields = Fields::read(body).unwrap();
        fields.required_text("url");
        fields.required_text("name");
        fields.flag("on");
        fields.texts("list");
        fields.instant("at");
        fields.text("twice");
        let mut found = faults(fields);
        found.sort();
        assert_eq!(
            found,
            [
                "/at `soon` is not a date and time as in RFC 3339, for example 2025-01-15T10:30:00Z",
                "/list/1 must be a string",
                "/name missing",
                "/on must be true or false",
                "/twice given more than once",
                "/url must be a string",
                "/x~1y~0 unknown field `x/y~`",
            ]
        );
    }

    #[test]
    fn a_list_of_objects_is_read_with_the_object_around_it() {
        let body = r#"{"a":1,"list":[{"x":"1"},7,[{}],null,"s",{"y":{"z":[2]}}, 1.5, true, -1, {"past":"the end"}],"b":2}"#;
        let (mut outer, list) = Fields::read_with_list(body.as_bytes(), "list", 8).unwrap();
        let mut list = list.unwrap();
        assert_eq!((list.len(), outer.whole("a"), outer.whole("b")), (9, Some(1), Some(2)));
        assert!(outer.finish().is_ok());
        assert_eq!(list.remove(0).text("x").unwrap(), "1");
        assert_eq!(list.remove(4).raw("y").unwrap().get(), r#"{"z":[2]}"#);
        let wrong: Vec<String> = list.into_iter().flat_map(faults).collect();
        assert_eq!(wrong, [1, 2, 3, 4, 6, 7, 8].map(|index| format!("/list/{index} must be an object")));
        for (body, expected) in [
            (r#"{"list":{"x":1}}"#, "/list must be a list of objects"),
            (r#"{"list":[],"list":[]}"#, "/list given more than once"),
        ] {
            let (outer, list) = Fields::read_with_list(body.as_bytes(), "list", 8).unwrap();
            assert_eq!((faults(outer), list.unwrap().len()), (vec![expected.to_owned()], 0));
        }
        assert!(Fields::read_with_list(br#"{"":[1]}"#, "list", 8).unwrap().1.is_none());
        for malformed in [r#"{"list":[{"a":]}"#, r#"{"list":[[[}"#, r#"{"list":[] "a":1}"#, r#"{"list":[]}}"#] {
            assert!(Fields::read_with_list(malformed.as_bytes(), "list", 0).is_err(), "{malformed}");
        }
    }

    #[test]
    fn raw_values_stay_as_posted() {
        let body = r#" { "d" : {"b":1.10, "a" : "\u00e9" ,"n":12345678901234567890} , "\u0064x": "esc\"aped" } "#;
        let mut fields = Fields::read(body.as_bytes()).unwrap();
        assert_eq!(fields.raw("d").unwrap().get(), r#"{"b":1.10, "a" : "\u00e9" ,"n":12345678901234567890}"#);
        assert_eq!(fields.text("dx").unwrap(), "esc\"aped");
        assert!(fields.finish().is_ok());
    }

    #[test]
    fn null_is_nothing_except_where_it_removes() {
        let mut fields = Fields::read(br#"{"a":null,"b":null,"c":null}"#).unwrap();
        assert_eq!((fields.text("a"), fields.nullable_text("b"), fields.nullable_texts("c")), (None, Some(None), Some(None)));
        assert_eq!((fields.nullable_text("d"), fields.nullable_texts("d")), (None, None));
        assert!(faults(fields).is_empty());
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for (body, status) in
            [("", 400), ("{", 400), ("{\"a\":1,}", 400), ("{\"a\":\u{1}}", 400), ("[]", 422), ("3", 422), ("{} x", 400)]
        {
            let response = axum::response::IntoResponse::into_response(Fields::read(body.as_bytes()).err().unwrap());
            assert_eq!(response.status().as_u16(), status, "{body:?}");
        }
        assert!(Fields::read(b"{\"a\":\"\xff\"}").is_err());
    }
}
