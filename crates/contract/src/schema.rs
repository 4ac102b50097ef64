//! The schemas of event data.
//!
//! A contract can close a schema: then undeclared fields are refused at every depth, so that nobody's data leaves by accident.
//! Messages never repeat a value, because values are health data.

mod repeated;

use std::collections::HashMap;

use bellwire_schema::{DataError, Schema};
use serde_json::Value;
use serde_json::value::RawValue;

pub(crate) use repeated::repeated_anywhere;

/// A schema that is ready to check data.
#[derive(Debug)]
pub(crate) struct DataSchema {
    schema: Schema,
    /// The schema, if it closes an object somewhere.
    closing: Option<Value>,
}

/// Compiles a schema; with `closed`, undeclared fields are refused.
pub(crate) fn compile(schema: &Value, closed: bool) -> Result<DataSchema, String> {
    let mut schema = schema.clone();
    if closed {
        close(&mut schema);
    }
    let closing = repeated::closes_something(&schema).then(|| schema.clone());
    Ok(DataSchema { schema: Schema::compile(&schema)?, closing })
}

/// Everything that is wrong with posted data. Its depth is bounded where it enters.
pub(crate) fn check_posted(schema: &DataSchema, data: &[u8]) -> Vec<DataError> {
    let value = match read(data) {
        Ok(value) => value,
        Err(error) => {
            let message = format!("not valid JSON, line {}, column {}", error.line(), error.column());
            return vec![DataError { pointer: String::new(), message }];
        }
    };
    let text = std::str::from_utf8(data).unwrap_or_default();
    let repeated = schema.closing.as_ref().and_then(|closing| repeated::repeated_where_closed(closing, text));
    repeated.into_iter().chain(check(schema, &value)).collect()
}

/// Makes a schema refuse undeclared fields wherever it describes an object.
fn close(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    for key in ["properties", "patternProperties"] {
        if let Some(Value::Object(properties)) = members.get_mut(key) {
            properties.values_mut().for_each(close);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = members.get_mut(key) {
            close(inner);
        }
    }
    if let Some(Value::Array(items)) = members.get_mut("prefixItems") {
        items.iter_mut().for_each(close);
    }
    for key in ["$defs", "definitions", "allOf", "anyOf", "oneOf"] {
        match members.get_mut(key) {
            Some(Value::Object(inner)) => inner.values_mut().for_each(close_inside),
            Some(Value::Array(inner)) => inner.iter_mut().for_each(close_inside),
            _ => {}
        }
    }
    let decided = members.contains_key("additionalProperties") || members.contains_key("unevaluatedProperties");
    let describes_object = ["properties", "$ref", "allOf", "anyOf", "oneOf"].iter().any(|key| members.contains_key(*key));
    if describes_object && !decided {
        members.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }
}

/// The same for a part of a schema, which is closed as a whole by whoever refers to it.
fn close_inside(schema: &mut Value) {
    close(schema);
    if let Value::Object(members) = schema
        && members.get("unevaluatedProperties") == Some(&Value::Bool(false))
    {
        members.remove("unevaluatedProperties");
    }
}

/// The deepest nesting that is read.
const DEPTH_MAX: usize = 128;

/// An event's data as the validator takes it. The validator's numbers have 64 bits, so a larger one counts as the largest of its
/// sign. This is only for checking: the posted bytes are what is delivered.
fn read(data: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(data).or_else(|error| {
        let raw: &RawValue = serde_json::from_slice(data)?;
        clamp(raw, DEPTH_MAX).ok_or(error)
    })
}

fn clamp(raw: &RawValue, depth: usize) -> Option<Value> {
    let text = raw.get();
    let inside = depth.checked_sub(1)?;
    match text.as_bytes().first()? {
        b'{' => {
            let members: HashMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            members.into_iter().map(|(name, value)| Some((name, clamp(value, inside)?))).collect::<Option<_>>().map(Value::Object)
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            items.into_iter().map(|item| clamp(item, inside)).collect::<Option<_>>().map(Value::Array)
        }
        b'-' => Some(serde_json::from_str(text).unwrap_or_else(|_| f64::MIN.into())),
        b'0'..=b'9' => Some(serde_json::from_str(text).unwrap_or_else(|_| f64::MAX.into())),
        _ => serde_json::from_str(text).ok(),
    }
}

/// Everything that the schema refuses in `data`.
pub(crate) fn check(schema: &DataSchema, data: &Value) -> Vec<DataError> {
    schema.schema.errors(data)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_of_any_size_can_be_checked() {
        let read = |text: &str| read(text.as_bytes());
        assert_eq!(
            read(r#"{"a":[1e400,-1e400,1.5,"1e400"],"b":{"c":null,"c":true},"d":1e-400}"#).unwrap(),
            json!({ "a": [f64::MAX, f64::MIN, 1.5, "1e400"], "b": { "c": true }, "d": 0.0 })
        );
        for text in ["", "{", "[1e400,]", "1e400 x", r#"{"a":"\ud800","b":1e400}"#] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&format!("{}1e400{}", "[".repeat(100_000), "]".repeat(100_000))).is_err());
    }
}
