//! `GET /v1/contracts`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;

use super::ContractAnswer;
use crate::answer::List;
use crate::query::Query;

/// List the loaded contracts
///
/// Each is shown in its default version. A consumer's key sees its account's contract, in its account's version.
#[utoipa::path(
    get, path = "/v1/contracts", operation_id = "contracts.list", tag = "contracts",
    params(
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<String>, Query, description = "The `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of contracts.", body = List<ContractAnswer>,
        example = json!(List::sample(ContractAnswer::sample()))))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    query: Query,
) -> Result<Json<List<ContractAnswer>>, Problem> {
    let scope = api.app.permit(&actor, Operation::ContractRead)?;
    let page = query.only_page(api.app.limits())?;
    let contracts = api.app.list_contracts(&scope, page).await?;
    Ok(Json(List::of(contracts, |contract| ContractAnswer::show(&contract))))
}
