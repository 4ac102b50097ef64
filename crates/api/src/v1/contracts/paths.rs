//! The routes of a published API as OpenAPI paths. Bodies are the contract's own templates, so only their place is described.

use bellwire_contract::{PublishedApi, PublishedRoute, TokenRules};
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
    if let Some(tokens) = published.tokens() {
        add_tokens(tokens, &mut paths);
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
        let mut schemes = json!({ "key": scheme });
        if let (Some(schemes), Some(tokens)) = (schemes.as_object_mut(), published.tokens()) {
            schemes.insert("token".to_owned(), token_scheme(tokens));
        }
        components.insert("securitySchemes".to_owned(), schemes);
    }
    if published.tokens().is_some() {
        let Some(paths) = members.get_mut("paths").and_then(Value::as_object_mut) else { return };
        let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
        for security in operations.filter_map(|operation| operation.get_mut("security")?.as_array_mut()) {
            if !security.is_empty() {
                security.push(json!({ "token": [] }));
            }
        }
    }
}

/// The route for tokens (RFC 6749 §4.4.2), and that of the document about it.
fn add_tokens(tokens: &TokenRules, paths: &mut Map<String, Value>) {
    let text = json!({ "type": "string" });
    let (member, error) =
        (|name: &str| json!({ "type": "string", "const": name }), json!({ "description": "Refused (RFC 6749 §5.2)." }));
    let form = json!({
        "type": "object",
        "required": ["grant_type", "scope", "client_assertion_type", "client_assertion"],
        "properties": {
            "grant_type": member("client_credentials"),
            "scope": &text,
            "client_assertion_type": member("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            "client_assertion": &text,
        }
    });
    let answer = json!({
        "type": "object",
        "required": ["access_token", "token_type", "expires_in", "scope"],
        "properties": { "access_token": &text, "token_type": member("bearer"), "expires_in": { "type": "integer" }, "scope": &text }
    });
    let operation = json!({
        "summary": "Get an access token",
        "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": { "schema": form } } },
        "responses": {
            "200": { "description": "The token.", "content": { "application/json": { "schema": answer } } },
            "400": &error, "401": &error
        },
        "security": []
    });
    paths.insert(tokens.path().to_owned(), json!({ "post": operation }));
    if let Some(path) = tokens.configuration_path() {
        let responses = json!({ "200": { "description": "The document.", "content": { "application/json": {} } } });
        let operation = json!({ "summary": "How to get an access token", "responses": responses, "security": [] });
        paths.insert(path.to_owned(), json!({ "get": operation }));
    }
}

fn token_scheme(tokens: &TokenRules) -> Value {
    let scopes: Map<String, Value> = tokens.scopes().map(|(name, right)| (name.to_owned(), right.as_str().into())).collect();
    json!({ "type": "oauth2", "flows": { "clientCredentials": { "tokenUrl": tokens.url(), "scopes": scopes } } })
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
