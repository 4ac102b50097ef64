//! The part of the schema about published APIs.

use serde_json::{Map, Value, json};

use crate::published::{ErrorKind, Verb};

pub(super) fn published() -> Value {
    let verbs: Vec<&str> = Verb::ALL.iter().map(|verb| verb.as_str()).collect();
    let status = |kind: &ErrorKind| (kind.as_str().to_owned(), json!({ "type": "integer", "minimum": 400, "maximum": 599 }));
    let statuses: Map<String, Value> = ErrorKind::ALL.iter().map(status).collect();
    let headers = json!({
        "type": "object",
        "additionalProperties": {
            "anyOf": [{ "$ref": "#/$defs/template" }, { "type": "array", "items": { "$ref": "#/$defs/template" } }]
        }
    });
    let inputs = |names: &[&str]| -> Value {
        let either = |name: &&str| [(*name).to_owned(), format!("{name}?")];
        let members = names.iter().flat_map(either).map(|name| (name, json!({ "$ref": "#/$defs/tree" })));
        json!({ "type": "object", "additionalProperties": false, "properties": members.collect::<Map<_, _>>() })
    };
    let mut resource = inputs(&["id"]);
    if let Some(properties) = resource.pointer_mut("/properties").and_then(Value::as_object_mut) {
        properties.insert("kind".to_owned(), json!({ "type": "string", "description": "A kind of `resources`." }));
    }
    json!({
        "published": {
            "type": "object",
            "required": ["routes", "errors"],
            "additionalProperties": false,
            "description": "The API that the platform has published.",
            "properties": {
                "title": { "type": "string" },
                "url": { "type": "string", "format": "uri", "description": "Where consumers reach it." },
                "authentication": { "$ref": "#/$defs/published_authentication" },
                "routes": { "type": "array", "minItems": 1, "maxItems": 100, "items": { "$ref": "#/$defs/published_route" } },
                "errors": { "$ref": "#/$defs/published_errors" }
            }
        },
        "published_authentication": {
            "type": "object",
            "required": ["header"],
            "additionalProperties": false,
            "properties": {
                "header": { "type": "string", "description": "The header that has the API key." },
                "scheme": { "type": "string", "description": "A word before the key." }
            }
        },
        "published_route": {
            "type": "object",
            "required": ["method", "path", "does", "answer"],
            "additionalProperties": false,
            "properties": {
                "method": { "enum": ["POST", "PUT", "PATCH", "DELETE", "GET"] },
                "path": { "type": "string", "pattern": "^/", "description": "What varies is a whole segment: `{id}`." },
                "title": { "type": "string" },
                "description": { "type": "string" },
                "does": { "enum": verbs },
                "public": { "type": "boolean", "description": "Whether it takes no key." },
                "account": { "$ref": "#/$defs/tree", "description": "The account that the request names: the caller's own." },
                "endpoint": inputs(&["id", "url", "name", "events", "secret", "enabled", "overlap"]),
                "resource": resource,
                "event": inputs(&["type", "since", "until"]),
                "page": inputs(&["limit", "after"]),
                "answer": { "$ref": "#/$defs/published_answer" }
            }
        },
        "published_answer": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "status": { "type": "integer", "minimum": 200, "maximum": 299 },
                "headers": headers.clone(),
                "body": { "$ref": "#/$defs/tree" }
            }
        },
        "published_errors": {
            "type": "object",
            "required": ["body"],
            "additionalProperties": false,
            "properties": {
                "status": { "type": "object", "additionalProperties": false, "properties": statuses },
                "headers": headers,
                "body": { "$ref": "#/$defs/tree" }
            }
        }
    })
}
