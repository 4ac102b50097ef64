//! The routes of a published API as OpenAPI paths. Bodies are the contract's own templates, so only their place is described.

use bellwire_contract::{PublishedApi, PublishedRoute};
use serde_json::{Map, Value, json};

/// Adds the paths, their server, and how to authenticate.
pub(super) fn add(published: &PublishedApi, document: &mut Value) {
    let mut paths: Map<String, Value> = Map::new();
    for route in published.routes() {
        let item = paths.entry(route.path()).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method().as_str().to_ascii_lowercase(), operation(route));
        }
    }
    let Some(members) = document.as_object_mut() else { return };
    members.insert("paths".to_owned(), paths.into());
    if let Some(url) = published.url() {
        members.insert("servers".to_owned(), json!([{ "url": url }]));
    }
    let authentication = published.authentication();
    let scheme = match &authentication.scheme {
        Some(scheme) if authentication.header == "authorization" => json!({ "type": "http", "scheme": scheme }),
        _ => json!({ "type": "apiKey", "in": "header", "name": authentication.header.as_str() }),
    };
    if let Some(components) = members.get_mut("components").and_then(Value::as_object_mut) {
        components.insert("securitySchemes".to_owned(), json!({ "key": scheme }));
    }
}

fn operation(route: &PublishedRoute) -> Value {
    let names = route.path().split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> =
        names.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })).collect();
    let mut operation = json!({
        "parameters": parameters,
        "responses": {
            route.status().as_u16().to_string(): { "description": "Done." },
            "default": { "description": "What went wrong." }
        },
        "security": if route.is_public() { json!([]) } else { json!([{ "key": [] }]) }
    });
    if let Some(members) = operation.as_object_mut() {
        for (name, text) in [("summary", route.title()), ("description", route.description())] {
            members.extend(text.map(|text| (name.to_owned(), text.into())));
        }
        if route.reads_body() {
            let body = json!({ "content": { "application/json": { "schema": { "type": "object" } } } });
            members.insert("requestBody".to_owned(), body);
        }
    }
    operation
}
