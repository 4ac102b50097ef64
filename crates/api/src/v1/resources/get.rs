//! `GET /v1/accounts/{account}/resources/{kind}/{id}`

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::response::IntoResponse;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::etag;

/// Read a resource: its document as it was put, byte for byte
#[utoipa::path(
    get, path = "/v1/accounts/{account}/resources/{kind}/{id}", operation_id = "resources.get", tag = "resources",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("kind" = String, Path, description = "A kind of resource of the account's contract."),
        ("id" = String, Path, description = "The resource's id."),
    ),
    responses((status = 200, description = "The document.", body = serde_json::Value,
        headers(("etag" = String, description = "The version.")),
        example = json!({ "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78", "status": "processing" })),
        (status = 409, description = "The contract of the account is not loaded."),
    )
)]
pub(super) async fn get(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, kind, id)): Params<(String, String, String)>,
) -> Result<impl IntoResponse, Problem> {
    let access = api.app.open_account(&actor, Operation::ResourceRead, &account).await?;
    let resource = api.app.get_resource(&access, &kind, &id).await?;
    let headers = [(CONTENT_TYPE, "application/json".to_owned()), (ETAG, etag(resource.head.version))];
    Ok((headers, resource.document))
}
