//! For supervisors and metrics collectors: alive, ready, and metrics.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bellwire_http::Api;
use bellwire_http::problem::{Code, Problem};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Whether the process is running
#[utoipa::path(
    get, path = "/healthz", operation_id = "health.alive", tag = "health", security(()),
    responses((status = 200, description = "It is running.", body = String, content_type = "text/plain", example = json!("ok\n")))
)]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the process takes requests and its store works
#[utoipa::path(
    get, path = "/readyz", operation_id = "health.ready", tag = "health", security(()),
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain", example = json!("ready\n")),
        (status = 503, description = "It is starting or stopping, or its store does not work."))
)]
async fn readyz(State(api): State<Api>) -> Result<&'static str, Problem> {
    if !api.ready.load(Ordering::Acquire) {
        return Err(Problem::new(Code::Unavailable, "Bellwire is starting or stopping"));
    }
    match api.app.check().await {
        Ok(()) => Ok("ready\n"),
        Err(error) => {
            tracing::warn!(%error, "the store does not work");
            Err(Problem::new(Code::Unavailable, "the store does not work; the log says why"))
        }
    }
}

/// Metrics as Prometheus text
#[utoipa::path(
    get, path = "/metrics", operation_id = "health.metrics", tag = "health", security(()),
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain",
        example = json!("bellwire_api_requests_total{route=\"/healthz\",method=\"GET\",status=\"200\"} 1\n")))
)]
async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (api.metrics)())
}
