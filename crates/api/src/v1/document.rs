//! `GET /v1/openapi.json`

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bellwire_http::Api;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(document))
}

/// This API as OpenAPI 3.1
#[utoipa::path(
    get, path = "/v1/openapi.json", operation_id = "document", tag = "health", security(()),
    responses((status = 200, description = "The document.", body = serde_json::Value,
        example = json!({ "openapi": "3.1.0", "info": { "title": "Bellwire", "version": "0.1.0" }, "paths": {} })))
)]
async fn document(State(api): State<Api>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], api.document.clone())
}
