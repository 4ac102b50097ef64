//! `GET /v1/contracts/{contract}`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::ContractAnswer;
use crate::query::Query;

/// Read a contract
#[utoipa::path(
    get, path = "/v1/contracts/{contract}", operation_id = "contracts.get", tag = "contracts",
    params(
        ("contract" = String, Path, description = "The contract's name."),
        ("version" = Option<String>, Query, description = "Which version; without it the default, or the account's for its own key."),
    ),
    responses((status = 200, description = "The contract.", body = ContractAnswer, example = json!(ContractAnswer::sample())))
)]
pub(super) async fn get(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(name): Params<String>,
    mut query: Query,
) -> Result<Json<ContractAnswer>, Problem> {
    let scope = api.app.permit(&actor, Operation::ContractRead)?;
    let version = query.text("version")?;
    query.finish()?;
    let contract = api.app.get_contract(&scope, &name, version.as_deref()).await?;
    Ok(Json(ContractAnswer::show(&contract)))
}
