//! `DELETE /v1/accounts/{account}/clients/{client}`

use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

/// Delete a client
///
/// It gets no access token any more, and those that it has work no more.
#[utoipa::path(
    delete, path = "/v1/accounts/{account}/clients/{client}", operation_id = "clients.delete", tag = "clients",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("client" = String, Path, description = "The client's id."),
    ),
    responses((status = 204, description = "The client is deleted."))
)]
pub(super) async fn delete(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, client)): Params<(String, String)>,
) -> Result<StatusCode, Problem> {
    let access = api.app.open_account(&actor, Operation::ClientManage, &account).await?;
    api.app.delete_client(&access, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
