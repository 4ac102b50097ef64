//! `DELETE /v1/accounts/{account}/holds/{subject}`

use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

/// Lift a hold
#[utoipa::path(
    delete, path = "/v1/accounts/{account}/holds/{subject}", operation_id = "holds.delete", tag = "holds",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("subject" = String, Path, description = "The subject, as events name it."),
    ),
    responses((status = 204, description = "The subject is not under a hold any more."))
)]
pub(super) async fn delete(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, subject)): Params<(String, String)>,
) -> Result<StatusCode, Problem> {
    let access = api.app.open_account(&actor, Operation::SubjectManage, &account).await?;
    api.app.delete_hold(&access, &subject).await?;
    Ok(StatusCode::NO_CONTENT)
}
