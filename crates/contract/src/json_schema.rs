//! The JSON Schema of the language, so that editors complete and check a contract while it is written.
//!
//! It is made from the tables by which contracts are read. The compiler checks more than a schema can say; this one never refuses
//! what the compiler accepts.

use serde_json::{Map, Value, json};

use crate::compile;
use crate::grammar::{Definition, KeySpec, Shape, Variant, union};

/// The JSON Schema (2020-12) of a contract; `docs/contract.schema.json` is its committed copy.
pub fn json_schema() -> Value {
    let mut writer = Writer::default();
    let mut schema = writer.mapping(compile::KEYS);
    schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".to_owned(), "Bellwire contract".into());
    schema.insert("description".to_owned(), "Everything in which one platform's webhooks differ from another's.".into());
    schema.insert("$defs".to_owned(), Value::Object(writer.definitions));
    Value::Object(schema)
}

/// Writes shapes, and the definitions that they name.
#[derive(Default)]
struct Writer {
    definitions: Map<String, Value>,
}

impl Writer {
    fn shape(&mut self, shape: &Shape) -> Map<String, Value> {
        let value = match shape {
            Shape::Any => json!({}),
            Shape::Types([only]) => json!({ "type": only }),
            Shape::Types(several) => json!({ "type": several }),
            Shape::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
            Shape::Url => json!({ "type": "string", "format": "uri" }),
            Shape::Whole { min, max } => range("integer", *min, *max),
            Shape::Number { min, max } => range("number", *min, *max),
            Shape::Words([only]) => json!({ "const": only }),
            Shape::Words(words) => json!({ "enum": words }),
            Shape::Keys(keys) => Value::Object(self.mapping(keys)),
            Shape::OneKey(keys) => {
                let mut mapping = self.mapping(keys);
                mapping.extend([("minProperties".to_owned(), 1.into()), ("maxProperties".to_owned(), 1.into())]);
                Value::Object(mapping)
            }
            Shape::Variants { of, common } => self.variants(&of(), common),
            Shape::MapOf(shape) => json!({ "type": "object", "additionalProperties": self.shape(shape) }),
            Shape::List { of, min, max } => self.list(of, *min, *max),
            Shape::OneOrMany { of, min } => json!({ "oneOf": [self.shape(of), self.list(of, *min, None)] }),
            Shape::Either(shapes) => json!({ "oneOf": shapes.iter().map(|shape| self.shape(shape)).collect::<Vec<_>>() }),
            Shape::Named(definition) => {
                self.define(definition);
                json!({ "$ref": format!("#/$defs/{}", definition.name) })
            }
            Shape::Computed(compute) => compute(),
        };
        if let Value::Object(members) = value { members } else { Map::new() }
    }

    fn list(&mut self, of: &Shape, min: Option<usize>, max: Option<usize>) -> Value {
        let mut list = json!({ "type": "array", "items": self.shape(of) });
        for (name, bound) in [("minItems", min), ("maxItems", max)] {
            if let (Value::Object(members), Some(bound)) = (&mut list, bound) {
                members.insert(name.to_owned(), bound.into());
            }
        }
        list
    }

    fn mapping(&mut self, keys: &[KeySpec]) -> Map<String, Value> {
        let required: Vec<&str> = keys.iter().filter(|key| key.required.is_some()).map(|key| key.name).collect();
        let properties: Map<String, Value> = keys.iter().map(|key| (key.name.to_owned(), self.key(key))).collect();
        let mut mapping = Map::new();
        mapping.insert("type".to_owned(), "object".into());
        if !required.is_empty() {
            mapping.insert("required".to_owned(), required.into());
        }
        mapping.insert("additionalProperties".to_owned(), false.into());
        mapping.insert("properties".to_owned(), Value::Object(properties));
        mapping
    }

    fn variants(&mut self, variants: &[Variant], common: &'static [KeySpec]) -> Value {
        let demanded = |variant: &Variant| {
            let required = variant.keys.iter().filter(|key| key.required.is_some());
            let required: Vec<&str> = std::iter::once(&variant.chosen_by).chain(required).map(|key| key.name).collect();
            json!({ "required": required })
        };
        let mut mapping = self.mapping(&union(variants, common));
        mapping.remove("required");
        mapping.insert("oneOf".to_owned(), variants.iter().map(demanded).collect());
        Value::Object(mapping)
    }

    fn key(&mut self, key: &KeySpec) -> Value {
        let mut value = self.shape(&key.shape);
        value.insert("description".to_owned(), key.about.into());
        Value::Object(value)
    }

    fn define(&mut self, definition: &Definition) {
        if self.definitions.contains_key(definition.name) {
            return;
        }
        self.definitions.insert(definition.name.to_owned(), Value::Null); // one that names itself ends here
        let mut value = self.shape(&definition.shape);
        value.insert("description".to_owned(), definition.about.into());
        if !definition.examples.is_empty() {
            value.insert("examples".to_owned(), definition.examples.into());
        }
        self.definitions.insert(definition.name.to_owned(), Value::Object(value));
    }
}

fn range(kind: &str, min: u32, max: Option<u32>) -> Value {
    match max {
        Some(max) => json!({ "type": kind, "minimum": min, "maximum": max }),
        None => json!({ "type": kind, "minimum": min }),
    }
}

#[cfg(test)]
mod tests;
