//! Looking into documents: the value at a path, and whether two values are equal.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bellwire_domain::escape_pointer;

use crate::json;

/// The most names in a path.
const NAMES_MAX: usize = 16;
/// The number of decimal digits that a double always holds exactly.
const DIGITS_EXACT_MAX: usize = 15;

/// The path to a value inside a document: `status`, or `prescription.transferred`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DocumentPath(Vec<String>);

impl DocumentPath {
    /// Reads names joined by dots.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let names: Vec<String> = text.split('.').map(str::to_owned).collect();
        let valid = names.len() <= NAMES_MAX && names.iter().all(|name| !name.is_empty() && name.trim() == name);
        valid.then_some(Self(names))
    }

    /// The raw value there; `null` counts as none.
    pub(super) fn find<'d>(&self, document: &'d str) -> Option<&'d str> {
        let found = self.0.iter().try_fold(document, |raw, name| json::member(raw, name))?;
        (found != "null").then_some(found)
    }

    /// The path as a JSON pointer.
    pub(super) fn pointer(&self) -> String {
        self.0.iter().flat_map(|name| ["/".into(), escape_pointer(name)]).collect()
    }
}

/// Something that must hold in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) field: DocumentPath,
    /// The values it may have, as JSON. `None`: it only has to be there.
    pub(super) equals: Option<Vec<String>>,
}

impl Condition {
    pub(super) fn holds(&self, document: &str) -> bool {
        let Some(found) = self.field.find(document) else { return false };
        self.equals.as_ref().is_none_or(|values| values.iter().any(|value| equal(value, found)))
    }
}

/// The text of a string, a number or a boolean.
pub(super) fn scalar(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => json::unquote(raw),
        b'{' | b'[' => None,
        _ => Some(Cow::Borrowed(raw)),
    }
}

/// Whether a field has the same value in both. A missing field, `null` and anything empty all mean the same: nothing yet.
pub(super) fn same(left: Option<&str>, right: Option<&str>) -> bool {
    match (left.filter(|raw| !is_empty(raw)), right.filter(|raw| !is_empty(raw))) {
        (None, None) => true,
        (Some(left), Some(right)) => equal(left, right),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn is_empty(raw: &str) -> bool {
    let inner = raw.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inner = inner.or_else(|| raw.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')));
    inner.is_some_and(|inner| inner.trim().is_empty())
}

/// Whether two JSON values are equal. Spaces, the order of members and the spelling of strings do not matter. Numbers compare by
/// value where a double is exact, and otherwise by spelling.
///
/// The depth of documents is bounded where they enter.
pub(super) fn equal(left: &str, right: &str) -> bool {
    let (left, right) = (left.trim(), right.trim());
    if left == right {
        return true;
    }
    match (left.as_bytes().first(), right.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => {
            let (left, right) = (members(left), members(right));
            left.len() == right.len() && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| equal(value, other)))
        }
        (Some(b'['), Some(b'[')) => {
            let (mut left, mut right) = (json::elements(left), json::elements(right));
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return true,
                    (Some(left), Some(right)) if equal(left, right) => {}
                    _ => return false,
                }
            }
        }
        (Some(b'"'), Some(b'"')) => json::unquote(left) == json::unquote(right),
        _ => equal_numbers(left, right),
    }
}

/// The members of an object; the last one where several have the same name.
fn members(raw: &str) -> BTreeMap<Cow<'_, str>, &str> {
    json::members(raw).collect()
}

fn equal_numbers(left: &str, right: &str) -> bool {
    let exact = |text: &str| {
        let digits = text.bytes().take_while(|byte| !b"eE".contains(byte)).filter(u8::is_ascii_digit).count();
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.filter(|_| json::is_number(text) && digits <= DIGITS_EXACT_MAX)
    };
    matches!((exact(left), exact(right)), (Some(left), Some(right)) if left.total_cmp(&right).is_eq())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths() {
        let path = |text| DocumentPath::parse(text).unwrap();
        let document = r#"{"a":{"b c":[1],"d":null},"a/b":"x"}"#;
        assert_eq!(path("a.b c").find(document), Some("[1]"));
        assert_eq!((path("a.d").find(document), path("a.d.e").find(document), path("z").find(document)), (None, None, None));
        assert_eq!(path("a/b.c").pointer(), "/a~1b/c");
        for text in ["", ".", "a.", "a..b", " a"] {
            assert_eq!(DocumentPath::parse(text), None, "{text}");
        }
    }

    #[test]
    fn equality() {
        for (left, right) in [
            (r#"{"a":1,"b":[true,"x"]}"#, "{ \"b\" : [ true , \"\\u0078\" ] , \"a\":1.0 }"),
            ("1e2", "100"),
            ("[]", " [ ] "),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("12345678901234567890", "12345678901234567890"),
        ] {
            assert!(equal(left, right) && equal(right, left), "{left} {right}");
        }
        for (left, right) in [
            ("1", "\"1\""),
            ("[1]", "[1,1]"),
            ("{}", r#"{"a":null}"#),
            ("null", "false"),
            ("9007199254740993", "9007199254740992"),
            (r#"{"a":1}"#, r#"{"b":1}"#),
        ] {
            assert!(!equal(left, right) && !equal(right, left), "{left} {right}");
        }
    }

    #[test]
    fn nothing_is_the_same_as_nothing() {
        for left in [None, Some("[]"), Some("{ }")] {
            for right in [None, Some("[ ]"), Some("{}")] {
                assert!(same(left, right), "{left:?} {right:?}");
            }
            assert!(!same(left, Some("0")) && !same(Some("[1]"), left) && !same(Some("\"\""), left));
        }
    }

    proptest! {
        #[test]
        fn every_value_equals_itself_spelled_otherwise(seed in 0u64..1_000_000) {
            let value = serde_json::json!({ "n": seed, "list": [seed % 7, null, { "x": "é\n" }], "text": seed.to_string() });
            let other = serde_json::json!({ "n": seed, "list": [seed % 7, null, { "x": "é\n" }], "text": "other" });
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert!(equal(&value.to_string(), &pretty));
            prop_assert!(!equal(&other.to_string(), &pretty));
        }
    }
}
