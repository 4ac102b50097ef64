//! Names that occur twice in an object.
//!
//! Readers of JSON disagree about which of the two counts (RFC 8259 §4). A validator that looks at the last would let the first out
//! unseen. So where a schema closes an object, a name in it may occur once.

use std::collections::HashSet;
use std::fmt::Write as _;

use bellwire_domain::escape_pointer;
use bellwire_schema::DataError;
use serde_json::Value;

use crate::json;

/// The most schemas that apply to one place.
const APPLICABLE_MAX: usize = 256;

/// The first name that occurs twice in an object of `data`, at any depth. `data` is valid, and its depth is bounded.
pub(crate) fn repeated_anywhere(data: &str) -> Option<DataError> {
    find(data, &mut String::new(), &Closed::Everywhere)
}

/// The same for those objects only that `schema` closes.
pub(super) fn repeated_where_closed(schema: &Value, data: &str) -> Option<DataError> {
    find(data, &mut String::new(), &Closed::By { root: schema, here: applicable(schema, vec![schema]) })
}

/// Whether a schema closes an object anywhere.
pub(super) fn closes_something(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => closes(schema) || members.iter().any(|(_, inner)| closes_something(inner)),
        Value::Array(items) => items.iter().any(closes_something),
        _ => false,
    }
}

/// Which objects are closed, from one place in the data on.
enum Closed<'s> {
    Everywhere,
    By {
        root: &'s Value,
        /// The schemas that apply here.
        here: Vec<&'s Value>,
    },
}

impl<'s> Closed<'s> {
    fn closes(&self) -> bool {
        match self {
            Self::Everywhere => true,
            Self::By { here, .. } => here.iter().any(|schema| closes(schema)),
        }
    }

    /// The same at a child. `None`: nothing below it is closed.
    fn at(&self, child: impl Fn(&'s Value) -> Vec<&'s Value>) -> Option<Self> {
        match self {
            Self::Everywhere => Some(Self::Everywhere),
            Self::By { root, here } => {
                let below = applicable(root, here.iter().flat_map(|schema| child(schema)).collect());
                (!below.is_empty()).then_some(Self::By { root, here: below })
            }
        }
    }
}

/// The recursion is as deep as the data, which is bounded where it enters.
fn find(raw: &str, pointer: &mut String, closed: &Closed<'_>) -> Option<DataError> {
    let length = pointer.len();
    match raw.trim_start().as_bytes().first()? {
        b'{' => {
            let mut seen = closed.closes().then(HashSet::new);
            for (name, value) in json::members(raw) {
                pointer.push('/');
                pointer.push_str(&escape_pointer(&name));
                let below = closed.at(|schema| of_member(schema, &name));
                if seen.as_mut().is_some_and(|seen| !seen.insert(name)) {
                    return Some(DataError { pointer: pointer.clone(), message: "the name occurs twice".to_owned() });
                }
                if let Some(found) = below.and_then(|below| find(value, pointer, &below)) {
                    return Some(found);
                }
                pointer.truncate(length);
            }
        }
        b'[' => {
            for (index, item) in json::elements(raw).enumerate() {
                let Some(below) = closed.at(|schema| of_item(schema, index)) else { break };
                let _ = write!(pointer, "/{index}");
                if let Some(found) = find(item, pointer, &below) {
                    return Some(found);
                }
                pointer.truncate(length);
            }
        }
        _ => {}
    }
    None
}

/// Whether a schema by itself closes the object that it applies to.
fn closes(schema: &Value) -> bool {
    ["additionalProperties", "unevaluatedProperties"].iter().any(|key| schema.get(key) == Some(&Value::Bool(false)))
}

/// The schemas and all those that they bring with them to the same place.
fn applicable<'s>(root: &'s Value, start: Vec<&'s Value>) -> Vec<&'s Value> {
    let mut found: Vec<&Value> = Vec::new();
    let mut open = start;
    while let Some(schema) = open.pop() {
        if !schema.is_object() || found.len() >= APPLICABLE_MAX || found.iter().any(|known| std::ptr::eq(*known, schema)) {
            continue;
        }
        found.push(schema);
        for key in ["allOf", "anyOf", "oneOf"] {
            open.extend(schema.get(key).and_then(Value::as_array).into_iter().flatten());
        }
        open.extend(["if", "then", "else"].iter().filter_map(|key| schema.get(key)));
        open.extend(schema.get("dependentSchemas").and_then(Value::as_object).into_iter().flat_map(|inner| inner.values()));
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        open.extend(target.and_then(|pointer| root.pointer(pointer)));
    }
    found
}

/// The schemas of a member. A pattern counts as fitting, so an object is rather held closed than open.
fn of_member<'s>(schema: &'s Value, name: &str) -> Vec<&'s Value> {
    let named = schema.get("properties").and_then(|properties| properties.get(name));
    let patterns = schema.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(|inner| inner.values());
    let others = ["additionalProperties", "unevaluatedProperties"].iter().filter_map(|key| schema.get(key));
    named.into_iter().chain(patterns).chain(others.filter(|_| named.is_none())).collect()
}

fn of_item(schema: &Value, index: usize) -> Vec<&Value> {
    let prefix = schema.get("prefixItems").and_then(|items| items.get(index));
    let others = ["items", "unevaluatedItems", "contains"].iter().filter_map(|key| schema.get(key));
    prefix.into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(schema: &Value, data: &str) -> Option<String> {
        repeated_where_closed(schema, data).map(|error| error.pointer)
    }

    #[test]
    fn a_name_occurs_once_at_every_depth_that_a_schema_closes() {
        let schema = json!({
            "$defs": { "line": { "type": "object", "properties": { "sku": {} }, "additionalProperties": false } },
            "properties": {
                "id": { "type": "string" },
                "lines": { "items": { "$ref": "#/$defs/line" } },
                "open": { "type": "object" },
                "either": { "anyOf": [{ "$ref": "#/$defs/line" }, { "type": "null" }] },
            },
            "unevaluatedProperties": false,
        });
        for (data, expected) in [
            (r#"{"id":{"ssn":"0"},"id":"x"}"#, Some("/id")),
            (r#"{"\u0069d":1,"id":2}"#, Some("/id")),
            (r#"{"lines":[{"sku":1},{"sku":1,"sku":2}]}"#, Some("/lines/1/sku")),
            (r#"{"either":{"sku":1,"s\u006bu":2}}"#, Some("/either/sku")),
            (r#"{"open":{"a":1,"a":2},"id":1}"#, None),
            (r#"{"id":1,"lines":[],"open":[{"a":1,"a":1}]}"#, None),
        ] {
            assert_eq!(place(&schema, data).as_deref(), expected, "{data}");
        }
        assert_eq!(place(&json!({ "properties": { "a": {} } }), r#"{"a":1,"a":2}"#), None);
        assert!(closes_something(&schema) && !closes_something(&json!({ "properties": { "a": {} } })));
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({ "allOf": [{ "$ref": "#" }], "properties": { "a": { "$ref": "#" } }, "additionalProperties": false });
        assert_eq!(place(&schema, r#"{"a":{"a":{"a":1,"a":2}}}"#).as_deref(), Some("/a/a/a"));
    }

    #[test]
    fn a_document_has_each_name_once_at_every_depth() {
        assert_eq!(repeated_anywhere(r#"{"a/b":[{"x":1,"x":2}]}"#).map(|error| error.pointer).as_deref(), Some("/a~1b/0/x"));
        assert_eq!(repeated_anywhere(r#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#), None);
    }
}
