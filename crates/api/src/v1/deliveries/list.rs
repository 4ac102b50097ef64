//! `GET /v1/deliveries`

use axum::Json;
use axum::extract::State;
use bellwire_app::{DeliveryFilter, Operation};
use bellwire_domain::{DeliveryId, DeliveryState};

use super::DeliveryAnswer;
use crate::Api;
use crate::answer::List;
use crate::extract::Caller;
use crate::problem::Problem;
use crate::query::Query;

/// List deliveries, newest first
///
/// A consumer's key sees its own account's.
#[utoipa::path(
    get, path = "/v1/deliveries", operation_id = "deliveries.list", tag = "deliveries",
    params(
        ("account" = Option<String>, Query, description = "Only deliveries of this account."),
        ("endpoint" = Option<String>, Query, description = "Only deliveries for this endpoint."),
        ("state" = Option<String>, Query, description = "Only `pending`, `delivered`, `failed` or `cancelled` ones."),
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<String>, Query, description = "The `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of deliveries.", body = List<DeliveryAnswer>,
        example = json!(List::sample(DeliveryAnswer::sample()))),
        (status = 404, description = "There is no such account."),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    mut query: Query,
) -> Result<Json<List<DeliveryAnswer>>, Problem> {
    let scope = api.app.permit(&actor, Operation::DeliveryRead)?;
    let (account, endpoint) = (query.text("account")?, query.text("endpoint")?);
    let state = query.parsed("state", "is not one of pending, delivered, failed and cancelled", DeliveryState::parse)?;
    let page = query.only_page_after(api.app.limits(), |text| DeliveryId::try_new(text).is_ok())?;
    let filter = DeliveryFilter { account: account.as_deref(), endpoint: endpoint.as_deref(), state };
    let deliveries = api.app.list_deliveries(&scope, filter, page).await?;
    Ok(Json(List::of(deliveries, |delivery| DeliveryAnswer::show(&delivery))))
}
