//! `GET /v1/accounts/{account}/holds/{subject}`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::HoldAnswer;

/// Read the hold that a subject is under
#[utoipa::path(
    get, path = "/v1/accounts/{account}/holds/{subject}", operation_id = "holds.get", tag = "holds",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("subject" = String, Path, description = "The subject, as events name it."),
    ),
    responses((status = 200, description = "The hold.", body = HoldAnswer, example = json!(HoldAnswer::sample())))
)]
pub(super) async fn get(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, subject)): Params<(String, String)>,
) -> Result<Json<HoldAnswer>, Problem> {
    let access = api.app.open_account(&actor, Operation::DisclosureRead, &account).await?;
    Ok(Json(HoldAnswer::show(api.app.get_hold(&access, &subject).await?)))
}
