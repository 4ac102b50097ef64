//! `GET /v1/audit/checkpoint`

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;

/// Take a checkpoint of the audit log
///
/// The signed head of the log: its name, how many records it has, and the hash over all of them (C2SP `tlog-checkpoint`). Keep it where
/// nobody of this server can change it: `bellwire audit verify --since` proves with it that the log has only grown.
#[utoipa::path(
    get, path = "/v1/audit/checkpoint", operation_id = "audit.checkpoint", tag = "audit",
    responses((status = 200, description = "The signed note.", body = String, content_type = "text/plain",
        example = json!("bellwire/5f0c1d2e3a4b5c6d\n4711\nqL0…=\n\n— bellwire/5f0c1d2e3a4b5c6d 0zB…=\n")))
)]
pub(super) async fn checkpoint(State(api): State<Api>, Caller(actor): Caller) -> Result<impl IntoResponse, Problem> {
    let checkpoint = api.app.audit_checkpoint(&actor).await?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], checkpoint.note))
}
