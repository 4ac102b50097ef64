//! JSON Schema: what is wrong with a document.
//!
//! Its job: [`Schema::compile`] takes a schema, and [`Schema::errors`] says where a document does not match it. Messages never repeat a
//! value, because values are health data.
//!
//! Its promises: a schema refers to nothing outside itself, so no file and no address is read; a document has a bounded number of
//! errors.
//!
//! What it must not know: what else a contract says, events, IO. It is a crate of its own because the validator is generic over kinds
//! of documents: whoever calls it compiles it again, and nobody else has to.

use std::collections::HashSet;

use bellwire_domain::escape_pointer;
use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

/// The most errors reported for one document.
const ERRORS_MAX: usize = 20;

/// Something in a document that does not match its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataError {
    /// Where, as a JSON pointer inside the data; empty for the whole.
    pub pointer: String,
    /// What is wrong, without repeating a value.
    pub message: String,
}

/// A schema that is ready to check documents.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
}

impl Schema {
    /// Compiles a schema. Formats are checked, too.
    ///
    /// # Errors
    /// What about it is no JSON Schema, or that it refers to something outside.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        let options = jsonschema::options().should_validate_formats(true).offline();
        let validator = options.build(schema).map_err(|error| error.masked().to_string())?;
        Ok(Self { validator })
    }

    /// Everything that the schema refuses in `data`, the first twenty at most.
    pub fn errors(&self, data: &Value) -> Vec<DataError> {
        let mut errors = Vec::new();
        let mut seen = HashSet::new();
        for error in self.validator.iter_errors(data).take(ERRORS_MAX) {
            let pointer = error.instance_path().to_string();
            match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected }
                | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                    for name in unexpected {
                        let message = "the contract does not declare this field".to_owned();
                        errors.push(DataError { pointer: format!("{pointer}/{}", escape_pointer(name)), message });
                    }
                }
                _ => errors.push(DataError { pointer, message: error.masked().to_string() }),
            }
        }
        errors.retain(|error| seen.insert((error.pointer.clone(), error.message.clone())));
        errors.truncate(ERRORS_MAX);
        errors
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_have_a_place_and_repeat_no_value() {
        let schema = json!({
            "properties": { "mrn": { "type": "string", "pattern": "^[0-9]+$" }, "born": { "format": "date" } },
            "additionalProperties": false,
        });
        let schema = Schema::compile(&schema).unwrap();
        let errors = schema.errors(&json!({ "mrn": "Jane Doe", "born": "yesterday", "a/b": 1 }));
        let places: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(places.len(), 3, "{errors:?}");
        assert!(["/mrn", "/born", "/a~1b"].iter().all(|place| places.contains(place)), "{errors:?}");
        assert!(!errors.iter().any(|error| error.message.contains("Jane") || error.message.contains("yesterday")), "{errors:?}");
        assert_eq!(schema.errors(&json!({ "mrn": "1", "born": "1970-01-01" })), []);
    }

    #[test]
    fn the_number_of_errors_is_bounded() {
        let schema = json!({ "items": { "type": "string" }, "properties": { "a": {} }, "additionalProperties": false });
        let schema = Schema::compile(&schema).unwrap();
        assert_eq!(schema.errors(&json!(vec![1; 1_000])).len(), ERRORS_MAX);
        let many: serde_json::Map<_, _> = (0..1_000).map(|index| (format!("f{index}"), json!(1))).collect();
        assert_eq!(schema.errors(&Value::Object(many)).len(), ERRORS_MAX);
    }

    #[test]
    fn nothing_outside_is_read() {
        assert!(Schema::compile(&json!({ "$ref": "http://127.0.0.1:9/schema.json" })).is_err());
        assert!(Schema::compile(&json!({ "$ref": "file:///etc/passwd" })).is_err());
        assert!(Schema::compile(&json!({ "type": "no such type" })).is_err());
    }
}
