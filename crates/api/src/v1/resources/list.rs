//! `GET /v1/accounts/{account}/resources/{kind}`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;
use bellwire_store::ResourceHead;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::List;
use crate::query::Query;

/// A resource without its document.
#[derive(Serialize, ToSchema)]
#[schema(as = Resource)]
pub(super) struct ResourceAnswer {
    /// Its kind.
    kind: String,
    /// Its id.
    id: String,
    /// Its state.
    state: String,
    /// Starts at 1 and grows by one with each change.
    version: i64,
    /// When it was first put.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
}

impl ResourceAnswer {
    fn sample() -> Self {
        Self {
            kind: "difference".to_owned(),
            id: "eb73184b-ae3c-4411-aa82-3c3bd877cf78".to_owned(),
            state: "resolved".to_owned(),
            version: 2,
            created_at: "2025-01-15T10:30:00.000000Z".to_owned(),
            updated_at: "2025-01-15T10:31:00.000000Z".to_owned(),
        }
    }

    fn show(kind: &str, head: &ResourceHead) -> Self {
        Self {
            kind: kind.to_owned(),
            id: head.id.to_string(),
            state: head.state.clone(),
            version: head.version,
            created_at: head.created_at.to_string(),
            updated_at: head.updated_at.to_string(),
        }
    }
}

/// List the resources of a kind, by id
#[utoipa::path(
    get, path = "/v1/accounts/{account}/resources/{kind}", operation_id = "resources.list", tag = "resources",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("kind" = String, Path, description = "A kind of resource of the account's contract."),
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<String>, Query, description = "The `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of resources, without their documents.", body = List<ResourceAnswer>,
        example = json!(List::sample(ResourceAnswer::sample()))),
        (status = 409, description = "The contract of the account is not loaded."),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, kind)): Params<(String, String)>,
    query: Query,
) -> Result<Json<List<ResourceAnswer>>, Problem> {
    let access = api.app.open_account(&actor, Operation::ResourceRead, &account).await?;
    let page = query.only_page(api.app.limits())?;
    let page = api.app.list_resources(&access, &kind, page).await?;
    Ok(Json(List::of(page, |head| ResourceAnswer::show(&kind, &head))))
}
