//! `GET /v1/contracts/{contract}`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;

use super::ContractAnswer;
use crate::Api;
use crate::extract::{Caller, Params};
use crate::problem::Problem;

/// Read a contract
#[utoipa::path(
    get, path = "/v1/contracts/{contract}", operation_id = "contracts.get", tag = "contracts",
    params(("contract" = String, Path, description = "The contract's name.")),
    responses((status = 200, description = "The contract.", body = ContractAnswer, example = json!({
        "name": "noyo", "title": "Noyo", "description": null,
        "events": [{ "type": "difference.created", "title": "Difference created", "description": null, "entitlement": null,
            "enabled_by_default": true }], "any_event": false,
        "test_event": "test.hello_world",
        "resources": [{ "kind": "difference", "title": "Difference", "description": null,
            "states": ["processing", "discrepancy", "resolved", "replaced"] }],
        "published": { "title": "Noyo Tracking API", "path": "/published/noyo", "url": null, "header": "authorization",
            "scheme": "Bearer", "routes": [{ "method": "GET", "path": "/differences/{id}", "title": "Read a difference",
                "description": null, "does": "read_resource", "public": false }] },
        "subscription": { "events": "all", "url": "https", "secret": "consumer", "enabled": true, "sandbox": false,
            "register": "consumer", "headers": false }
    })))
)]
pub(super) async fn get(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(name): Params<String>,
) -> Result<Json<ContractAnswer>, Problem> {
    let scope = api.app.permit(&actor, Operation::ContractRead)?;
    let contract = api.app.get_contract(&scope, &name).await?;
    Ok(Json(ContractAnswer::show(&contract)))
}
