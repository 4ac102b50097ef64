//! `GET /v1/contracts/{contract}/openapi.json`
//!
//! The document is built from the catalogue and from requests that the contract renders with its examples, so it shows what is
//! really sent: the headers, and the body around each event's data.

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_contract::{
    AccountInput, AttemptInput, Contract, DeliveryInput, EndpointInput, EventDefinition, EventInput, OutboundRequest, RenderInput,
};
use bellwire_domain::{Timestamp, Trigger};
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;
use serde_json::{Map, Value, json};

use crate::query::Query;

use super::paths;

/// 2025-01-15T10:30:00Z, the instant of all examples.
const EXAMPLE_AT: Timestamp = Timestamp::from_secs(1_736_937_000);

/// A contract's webhooks and published API as OpenAPI 3.1, for the platform's consumers
#[utoipa::path(
    get, path = "/v1/contracts/{contract}/openapi.json", operation_id = "contracts.webhooks", tag = "contracts",
    params(
        ("contract" = String, Path, description = "The contract's name."),
        ("version" = Option<String>, Query, description = "Which version; without it the default, or the account's for its own key."),
    ),
    responses((status = 200, description = "The document.", body = serde_json::Value, example = json!({
        "openapi": "3.1.0",
        "info": { "title": "Noyo", "version": "1" },
        "webhooks": { "difference.created": { "post": {
            "operationId": "difference.created", "summary": "Difference created",
            "responses": { "2XX": { "description": "Received." } }
        } } }
    })))
)]
pub(super) async fn webhooks(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(name): Params<String>,
    mut query: Query,
) -> Result<Json<Value>, Problem> {
    let scope = api.app.permit(&actor, Operation::ContractRead)?;
    let version = query.text("version")?;
    query.finish()?;
    let contract = api.app.get_contract(&scope, &name, version.as_deref()).await?;
    Ok(Json(webhooks_document(&contract.contract)))
}

/// The OpenAPI 3.1 document of a contract's webhooks and of its published API.
pub fn webhooks_document(contract: &Contract) -> Value {
    let all = || contract.events().iter().chain(contract.any_event());
    let webhooks: Map<String, Value> = all().map(|event| (event.event_type.to_string(), webhook(contract, event))).collect();
    let schemas: Map<String, Value> = all().map(|event| (schema_name(event), data_schema(event))).collect();
    let mut info = Map::new();
    info.insert("title".to_owned(), contract.title().into());
    info.insert("version".to_owned(), contract.version().unwrap_or("1").into());
    if let Some(description) = contract.description() {
        info.insert("description".to_owned(), description.into());
    }
    let mut document = json!({ "openapi": "3.1.0", "info": info, "webhooks": webhooks, "components": { "schemas": schemas } });
    if let Some(published) = contract.published() {
        paths::add(published, &mut document);
    }
    document
}

fn webhook(contract: &Contract, event: &EventDefinition) -> Value {
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), event.event_type.as_str().into());
    operation.insert("summary".to_owned(), event.title.as_str().into());
    if let Some(description) = &event.description {
        operation.insert("description".to_owned(), description.as_str().into());
    }
    let request = example_request(contract, event);
    if let Some(request) = &request {
        operation.insert("parameters".to_owned(), headers(request).into());
    }
    let content = request.as_ref().and_then(|request| body(request, event));
    let content = content.unwrap_or_else(|| json!({ "application/json": { "schema": schema_ref(event) } }));
    operation.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    let received = format!("{} counts as received; everything else does not.", contract.success_text());
    operation.insert("responses".to_owned(), json!({ "default": { "description": received } }));
    let method = request.map_or_else(|| "post".to_owned(), |request| request.method.as_str().to_ascii_lowercase());
    json!({ method: operation })
}

/// The request that the contract sends for the event's example.
fn example_request(contract: &Contract, event: &EventDefinition) -> Option<OutboundRequest> {
    let input = RenderInput {
        event: EventInput {
            id: "example",
            event_type: &event.event_type,
            occurred_at: EXAMPLE_AT,
            seq: 1,
            data: &contract.minimise(event.example.get(), None),
            is_test: false,
        },
        attempt: AttemptInput { number: 1, at: EXAMPLE_AT, trigger: Trigger::Automatic, random: [7; 24] },
        delivery: DeliveryInput {
            id: "dlv_example",
            number: 1,
            created_at: EXAMPLE_AT,
            first_attempt_at: Some(EXAMPLE_AT),
            previous: None,
        },
        endpoint: EndpointInput {
            id: "example",
            url: "https://example.com/webhooks",
            name: Some("Example"),
            expires_at: contract.subscription().lease.and_then(|lease| lease.example(EXAMPLE_AT)),
            headers: &[],
            options: None,
            credentials: contract.example_credentials(),
        },
        account: AccountInput { id: "example", name: Some("Example") },
        secrets: contract.example_secrets(),
        activation: None,
        others: &[],
        access_token: contract.example_access_token(),
    };
    contract.render(&input).ok()
}

/// The contract's own headers, without those that every request has.
fn headers(request: &OutboundRequest) -> Vec<Value> {
    let own = request
        .headers
        .iter()
        .filter(|(name, _)| !["content-type", "content-length", "user-agent", "host"].contains(&name.as_str()));
    own.map(|(name, value)| {
        let example = String::from_utf8_lossy(value.as_bytes());
        json!({ "name": name.as_str(), "in": "header", "required": true, "schema": { "type": "string" }, "example": example })
    })
    .collect()
}

fn body(request: &OutboundRequest, event: &EventDefinition) -> Option<Value> {
    let media_type = request.headers.get("content-type")?.to_str().ok()?;
    let data: Value = serde_json::from_str(event.example.get()).unwrap_or_default();
    let media = match serde_json::from_slice::<Value>(&request.body) {
        Ok(body) => json!({ "schema": shape(&body, &data, event), "example": body }),
        Err(_) => json!({ "schema": { "type": "string" }, "example": String::from_utf8_lossy(&request.body) }),
    };
    Some(json!({ media_type: media }))
}

/// The schema of a body, as far as an example shows it. The event's data has its own schema.
fn shape(value: &Value, data: &Value, event: &EventDefinition) -> Value {
    match value {
        _ if value == data => schema_ref(event),
        Value::Object(members) => {
            let properties: Map<String, Value> =
                members.iter().map(|(name, value)| (name.clone(), shape(value, data, event))).collect();
            let required: Vec<&String> = members.keys().collect();
            json!({ "type": "object", "required": required, "properties": properties })
        }
        Value::Array(_) => json!({ "type": "array" }),
        Value::String(_) => json!({ "type": "string" }),
        Value::Number(_) => json!({ "type": "number" }),
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Null => json!({}),
    }
}

fn data_schema(event: &EventDefinition) -> Value {
    let mut schema = event.schema.clone().unwrap_or_else(|| json!({}));
    if let (Some(members), Ok(example)) = (schema.as_object_mut(), serde_json::from_str::<Value>(event.example.get())) {
        members.insert("examples".to_owned(), json!([example]));
    }
    schema
}

fn schema_ref(event: &EventDefinition) -> Value {
    json!({ "$ref": format!("#/components/schemas/{}", schema_name(event)) })
}

/// Component names allow only some characters (OpenAPI 3.1 §4.8.7.1).
fn schema_name(event: &EventDefinition) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() || "._-".contains(character) { character } else { '_' };
    event.event_type.as_str().chars().map(plain).collect()
}
