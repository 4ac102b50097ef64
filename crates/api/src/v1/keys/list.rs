//! `GET /v1/keys`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;

use super::KeyAnswer;
use crate::answer::List;
use crate::query::Query;

/// List the API keys, without the keys themselves
#[utoipa::path(
    get, path = "/v1/keys", operation_id = "keys.list", tag = "keys",
    params(
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<String>, Query, description = "The `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of keys.", body = List<KeyAnswer>,
        example = json!(List::sample(KeyAnswer::sample()))))
)]
pub(super) async fn list(State(api): State<Api>, Caller(actor): Caller, query: Query) -> Result<Json<List<KeyAnswer>>, Problem> {
    let scope = api.app.permit(&actor, Operation::KeyManage)?;
    let page = query.only_page(api.app.limits())?;
    let keys = api.app.list_keys(&scope, page).await?;
    Ok(Json(List::of(keys, |key| KeyAnswer::show(&key))))
}
