//! `GET /v1/accounts/{account}/clients/{client}`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::ClientAnswer;

/// Read a client
#[utoipa::path(
    get, path = "/v1/accounts/{account}/clients/{client}", operation_id = "clients.get", tag = "clients",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("client" = String, Path, description = "The client's id."),
    ),
    responses((status = 200, description = "The client.", body = ClientAnswer, example = json!(ClientAnswer::sample())))
)]
pub(super) async fn get(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, client)): Params<(String, String)>,
) -> Result<Json<ClientAnswer>, Problem> {
    let access = api.app.open_account(&actor, Operation::ClientManage, &account).await?;
    Ok(Json(ClientAnswer::show(&*api.app.get_client(&access, &client).await?)))
}
