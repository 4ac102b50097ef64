//! The JSON Schema of the language, so that editors can complete and check a contract while it is written.
//!
//! The compiler checks more than a schema can say; this one never refuses what the compiler accepts.

mod published;

use serde_json::{Value, json};

/// The JSON Schema (2020-12) of a contract; `docs/contract.schema.json` is its committed copy.
pub fn json_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Bellwire contract",
        "description": "Everything in which one platform's webhooks differ from another's.",
        "type": "object",
        "required": ["contract", "title", "events", "request"],
        "additionalProperties": false,
        "properties": {
            "contract": { "type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$", "description": "Short name, unique among the loaded contracts." },
            "title": { "type": "string", "description": "Name for people." },
            "description": { "type": "string", "description": "What the platform is." },
            "ids": { "$ref": "#/$defs/ids" },
            "data": { "enum": ["declared_only", "open"], "description": "Whether fields that a schema does not declare may pass." },
            "events": { "$ref": "#/$defs/events" },
            "test_event": { "$ref": "#/$defs/test_event" },
            "resources": {
                "type": "object",
                "additionalProperties": { "$ref": "#/$defs/resource" },
                "description": "Objects whose stored changes cause events, by kind."
            },
            "published": { "$ref": "#/$defs/published" },
            "subscription": { "$ref": "#/$defs/subscription" },
            "request": { "$ref": "#/$defs/request" },
            "signatures": { "type": "object", "additionalProperties": { "$ref": "#/$defs/signature" }, "description": "Named values computed with secrets." },
            "delivery": { "$ref": "#/$defs/delivery" },
            "verify": {
                "type": "object",
                "additionalProperties": false,
                "properties": { "tolerance": { "$ref": "#/$defs/duration", "description": "How far a time may be from now; 5m unless given." } }
            }
        },
        "$defs": definitions()
    })
}

fn definitions() -> Value {
    let mut all = serde_json::Map::new();
    for group in [basics(), catalogue(), resources(), published::published(), subscription(), request(), delivery()] {
        if let Value::Object(group) = group {
            all.extend(group);
        }
    }
    Value::Object(all)
}

fn basics() -> Value {
    json!({
        "duration": { "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "examples": ["200ms", "5s", "1m", "2h", "3d"] },
        "template": { "type": ["string", "number", "boolean"], "description": "Text with {{ expressions }} in it." },
        "tree": { "description": "Any value; a text that is exactly one {{ expression }} keeps the type of its value." },
        "id_format": { "type": "string", "description": "`uuid`, or a prefix that ends in `_`, `-` or `.`.", "examples": ["uuid", "evt_"] },
        "ids": {
            "type": "object",
            "additionalProperties": false,
            "properties": { "event": { "$ref": "#/$defs/id_format" }, "endpoint": { "$ref": "#/$defs/id_format" } }
        }
    })
}

fn catalogue() -> Value {
    json!({
        "events": {
            "oneOf": [
                { "const": "any" },
                { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/event" } }
            ]
        },
        "event": {
            "type": "object",
            "required": ["type"],
            "additionalProperties": false,
            "properties": {
                "type": { "type": ["string", "number"], "description": "The event's name; `*` stands for all that are not listed." },
                "aliases": {
                    "type": "array",
                    "items": { "type": "string" },
                    "description": "Other names under which the event may be posted; `type` is what is stored and sent."
                },
                "title": { "type": "string" },
                "description": { "type": "string" },
                "schema": { "type": ["object", "boolean"], "description": "JSON Schema (2020-12) of the data." },
                "strict": { "type": "boolean", "description": "Whether undeclared fields are refused." },
                "example": { "description": "Data of such an event; it is checked and rendered when the contract is loaded." },
                "enabled_by_default": { "type": "boolean", "description": "Whether an endpoint that names no events gets it." },
                "entitlement": { "type": "string", "description": "What an account must be entitled to." },
                "fields": { "type": "object", "description": "Constants, for `event.fields`." },
                "request": { "$ref": "#/$defs/event_request" }
            }
        },
        "test_event": {
            "type": "object",
            "required": ["type"],
            "additionalProperties": false,
            "properties": {
                "type": { "type": ["string", "number"] },
                "title": { "type": "string" },
                "description": { "type": "string" },
                "data": {},
                "fields": { "type": "object" }
            }
        }
    })
}

fn resources() -> Value {
    json!({
        "states": {
            "description": "A state, or several.",
            "oneOf": [
                { "type": ["string", "number", "boolean"] },
                { "type": "array", "items": { "type": ["string", "number", "boolean"] } }
            ]
        },
        "resource": {
            "type": "object",
            "required": ["state", "states", "events"],
            "additionalProperties": false,
            "properties": {
                "title": { "type": "string" },
                "description": { "type": "string" },
                "id": { "type": "string", "description": "The field with the id, which must be that of the URL." },
                "state": { "type": "string", "description": "The field with the state." },
                "states": { "type": "array", "minItems": 1, "maxItems": 64, "items": { "type": ["string", "number", "boolean"] } },
                "starts_in": { "type": ["string", "number", "boolean"], "description": "The state before any change." },
                "transitions": {
                    "type": "object",
                    "additionalProperties": { "$ref": "#/$defs/states" },
                    "description": "What may follow a state; any may follow those left out."
                },
                "final": { "$ref": "#/$defs/states", "description": "States that nothing follows." },
                "events": { "type": "array", "items": { "$ref": "#/$defs/resource_event" } }
            }
        },
        "resource_event": {
            "type": "object",
            "required": ["type", "when"],
            "additionalProperties": false,
            "properties": {
                "type": { "type": ["string", "number"], "description": "An event of the catalogue." },
                "when": {
                    "oneOf": [
                        { "$ref": "#/$defs/trigger" },
                        { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/trigger" } }
                    ]
                },
                "in": { "$ref": "#/$defs/states", "description": "It is in one of these now." },
                "before": { "$ref": "#/$defs/states", "description": "Until this change it was in none of these." },
                "after": { "$ref": "#/$defs/states", "description": "It is in one of these, or was at some time." },
                "where": {
                    "oneOf": [
                        { "$ref": "#/$defs/condition" },
                        { "type": "array", "items": { "$ref": "#/$defs/condition" } }
                    ]
                },
                "each_item": { "type": "boolean", "description": "One event for each item that the list grew by." },
                "id": { "$ref": "#/$defs/template", "description": "The event's id; the same again is the same event, sent again." },
                "data": { "$ref": "#/$defs/tree", "description": "The event's data; the document unless given." }
            }
        },
        "trigger": {
            "oneOf": [
                { "enum": ["created", "state_changed"] },
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": false,
                    "properties": {
                        "reached": { "$ref": "#/$defs/states" },
                        "changed": { "type": "string", "description": "A field of the document." },
                        "grew": { "type": "string", "description": "A field of the document that is a list." }
                    }
                }
            ]
        },
        "condition": {
            "type": "object",
            "required": ["field"],
            "additionalProperties": false,
            "properties": {
                "field": { "type": "string", "description": "A field of the document, which must be there." },
                "equals": { "description": "The value it must have, or a list of those." }
            }
        }
    })
}

fn subscription() -> Value {
    json!({
        "subscription": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "events": { "enum": ["all", "choose"] },
                "url": { "enum": ["any", "https"] },
                "enabled": { "type": "boolean", "description": "Whether a new endpoint is enabled at once." },
                "sandbox": { "type": "boolean", "description": "Whether sandbox accounts may have endpoints." },
                "register": { "enum": ["consumer", "operator"] },
                "secret": { "$ref": "#/$defs/secret" }
            }
        },
        "secret": {
            "type": "object",
            "required": ["from"],
            "additionalProperties": false,
            "properties": {
                "from": { "enum": ["consumer", "generated", "account"] },
                "readable": { "type": "boolean" },
                "required": { "type": "boolean" },
                "length_min": { "type": "integer", "minimum": 0, "maximum": 1024 },
                "length_max": { "type": "integer", "minimum": 0, "maximum": 1024 },
                "format": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "prefix": { "type": "string" },
                        "encoding": { "enum": ["text", "base64", "base64url", "hex"] },
                        "bytes_min": { "type": "integer", "minimum": 0, "maximum": 512 },
                        "bytes_max": { "type": "integer", "minimum": 0, "maximum": 512 }
                    }
                }
            }
        }
    })
}

fn request() -> Value {
    let mut members = json!({
        "method": { "enum": ["POST", "PUT", "PATCH", "DELETE", "GET"] },
        "url": { "$ref": "#/$defs/template", "description": "The endpoint's own URL unless given; must stay on its host." },
        "query": { "type": "object", "additionalProperties": { "$ref": "#/$defs/template" } },
        "headers": {
            "type": "object",
            "additionalProperties": {
                "anyOf": [{ "$ref": "#/$defs/template" }, { "type": "array", "items": { "$ref": "#/$defs/template" } }]
            }
        },
        "body": { "$ref": "#/$defs/tree" },
        "spacing": { "enum": ["compact", "spaced"] }
    });
    let event_members = members.clone();
    if let Value::Object(members) = &mut members {
        members.insert("custom_headers".to_owned(), json!({ "type": "boolean" }));
    }
    let hash = json!({ "enum": ["sha1", "sha256", "sha384", "sha512"] });
    json!({
        "request": { "type": "object", "required": ["body"], "additionalProperties": false, "properties": members },
        "event_request": { "type": "object", "additionalProperties": false, "properties": event_members },
        "key": {
            "oneOf": [
                { "enum": ["text", "base64", "base64url", "hex"] },
                {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "as": { "enum": ["text", "base64", "base64url", "hex"] },
                        "strip": { "type": "string" },
                        "prefix": { "type": "string" },
                        "suffix": { "type": "string" }
                    }
                }
            ]
        },
        "signature": {
            "type": "object",
            "additionalProperties": false,
            "oneOf": [{ "required": ["hmac", "over"] }, { "required": ["hash", "over"] }, { "required": ["jwt"] }, { "required": ["plain"] }],
            "properties": {
                "hmac": hash.clone(),
                "hash": hash,
                "jwt": {
                    "type": "object",
                    "required": ["claims"],
                    "additionalProperties": false,
                    "properties": { "alg": { "enum": ["HS256", "HS384", "HS512"] }, "header": { "type": "object" }, "claims": { "type": "object" } }
                },
                "plain": { "$ref": "#/$defs/template", "description": "The secret itself, as it is or with text around it." },
                "key": { "$ref": "#/$defs/key" },
                "over": { "$ref": "#/$defs/template" },
                "encode": { "enum": ["hex", "HEX", "base64", "base64url"] },
                "prefix": { "type": "string" },
                "join": { "type": "string" },
                "secrets": { "enum": ["all", "newest", "previous", "oldest"] }
            }
        }
    })
}

fn delivery() -> Value {
    let status = json!({ "type": ["string", "integer"] });
    json!({
        "delivery": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "timeout": { "$ref": "#/$defs/duration" },
                "success": { "anyOf": [status.clone(), { "type": "array", "items": status }] },
                "retry": { "$ref": "#/$defs/retry" },
                "retry_after": {
                    "oneOf": [
                        { "const": "ignore" },
                        { "type": "object", "required": ["max"], "additionalProperties": false, "properties": { "max": { "$ref": "#/$defs/duration" } } }
                    ]
                },
                "gone": { "enum": ["disable", "retry"] },
                "in_flight": { "type": "integer", "minimum": 1, "maximum": 10_000 },
                "answers": { "enum": ["keep", "drop"] },
                "rate_limit": { "type": "string", "pattern": "^[0-9]{1,7}/[smh]$" },
                "health": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "unhealthy": {
                            "type": "object",
                            "required": ["after_failures"],
                            "additionalProperties": false,
                            "properties": { "after_failures": { "type": "integer", "minimum": 1 } }
                        },
                        "failed": {
                            "type": "object",
                            "additionalProperties": false,
                            "properties": {
                                "after_unhealthy_for": { "$ref": "#/$defs/duration" },
                                "after_failing_for": { "$ref": "#/$defs/duration" },
                                "after_failures": { "type": "integer", "minimum": 1 },
                                "then": { "enum": ["pause", "disable"] }
                            }
                        }
                    }
                }
            }
        },
        "retry": {
            "oneOf": [
                { "const": "none" },
                {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "schedule": { "type": "array", "items": { "$ref": "#/$defs/duration" } },
                        "retries": { "type": "integer", "minimum": 0, "maximum": 1_000 },
                        "within": { "$ref": "#/$defs/duration" },
                        "backoff": { "enum": ["exponential", "linear"] },
                        "first": { "$ref": "#/$defs/duration" },
                        "every": { "$ref": "#/$defs/duration" },
                        "step": { "$ref": "#/$defs/duration" },
                        "factor": { "type": "number", "minimum": 1 },
                        "max": { "$ref": "#/$defs/duration" },
                        "jitter": { "type": "number", "minimum": 0, "maximum": 1 }
                    }
                }
            ]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Contracts, diagnostic::Report, yaml};

    #[test]
    fn the_committed_copy_is_fresh_and_fits_every_shipped_contract() {
        let text = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
        let copy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract.schema.json");
        if std::env::var_os("BELLWIRE_UPDATE").is_some() {
            std::fs::write(&copy, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&copy).unwrap_or_default();
        assert!(committed == text, "docs/contract.schema.json is stale: run the tests with BELLWIRE_UPDATE=1");
        let validator = jsonschema::validator_for(&json_schema()).unwrap();
        for contract in Contracts::shipped().unwrap().iter() {
            let tree = yaml::parse(contract.source(), &mut Report::new("t")).unwrap();
            let value: Value = serde_json::from_str(&tree.to_json()).unwrap();
            let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", contract.name());
        }
    }

    #[test]
    fn every_key_of_the_language_is_in_the_schema_and_on_the_page() {
        let schema = json_schema();
        let page = include_str!("../../../docs/contract-language.md");
        let names = |pointer: &str| -> Vec<String> {
            schema.pointer(pointer).and_then(Value::as_object).unwrap().keys().cloned().collect()
        };
        let mut top = names("/properties");
        let mut known: Vec<String> = crate::contract::KEYS.iter().map(ToString::to_string).collect();
        top.sort();
        known.sort();
        assert_eq!(top, known);
        for part in [
            "event",
            "test_event",
            "resource",
            "resource_event",
            "condition",
            "published",
            "published_authentication",
            "published_route",
            "published_answer",
            "published_errors",
            "subscription",
            "secret",
            "request",
            "signature",
            "delivery",
            "retry/oneOf/1",
        ] {
            for key in names(&format!("/$defs/{part}/properties")) {
                assert!(page.contains(&format!("`{key}`")), "`{key}` of {part} is not documented");
            }
        }
        for (name, _) in crate::filters::FILTERS {
            assert!(page.contains(&format!("`{name}`")), "the filter `{name}` is not documented");
        }
        for (name, _) in crate::variables::NAMES {
            assert!(page.contains(&format!("`{name}`")), "the value `{name}` is not documented");
        }
    }
}
