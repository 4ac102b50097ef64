//! `GET /v1/deliveries`

use axum::Json;
use axum::extract::State;
use bellwire_app::{DeliveryFilter, Operation};
use bellwire_domain::DeliveryId;
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;

use super::DeliveryAnswer;
use crate::answer::List;
use crate::query::{Query, wrong};

/// List deliveries, newest first
///
/// A consumer's key sees its own account's. All filters can be combined.
///
/// A page is little work however many deliveries there are: under `type`, `state`, `outcome`, `status`, `attempts_min` and `subject`,
/// and for an account with more than 20,000 pending deliveries, it looks at 2,000 pending and 2,000 ended ones at most. So it may have
/// fewer items than `limit`, or none, and still have a `next`. If `next` is null, the list has ended.
#[utoipa::path(
    get, path = "/v1/deliveries", operation_id = "deliveries.list", tag = "deliveries",
    params(
        ("account" = Option<String>, Query, description = "Only deliveries of this account."),
        ("endpoint" = Option<String>, Query, description = "Only deliveries for this endpoint."),
        ("event" = Option<String>, Query, description = "Only deliveries of this event of the account."),
        ("type" = Option<String>, Query, description = "Only deliveries of events of this type."),
        ("state" = Option<String>, Query, description = "Only `pending`, `delivered`, `failed` or `cancelled` ones."),
        ("outcome" = Option<String>, Query, description = "Only deliveries whose last attempt came to this."),
        ("status" = Option<u16>, Query, description = "Only deliveries whose last attempt was answered with this HTTP status."),
        ("attempts_min" = Option<u32>, Query, description = "Only deliveries with so many attempts or more."),
        ("since" = Option<String>, Query,
            description = "Only deliveries made at this instant or later, to the millisecond, by the time in their id."),
        ("until" = Option<String>, Query, description = "Only deliveries made before this instant. It is after `since`."),
        ("subject" = Option<String>, Query, description = "Only deliveries of events of the account about this subject."),
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
    let texts = DeliveryFilter::NAMES.iter().map(|name| Ok((*name, query.text(name)?))).collect::<Result<Vec<_>, Problem>>()?;
    let text = |wanted: &str| texts.iter().find(|(name, _)| *name == wanted).and_then(|(_, text)| text.as_deref());
    let filter = DeliveryFilter::read(text).and_then(|filter| filter.asked_by(actor.account.as_ref()));
    let filter = filter.map_err(|filter| wrong(filter.name, &filter.expected))?;
    let page = query.only_page_after(api.app.limits(), |text| DeliveryId::try_new(text).is_ok())?;
    let deliveries = api.app.list_deliveries(&scope, filter, page).await?;
    Ok(Json(List::of(deliveries, |delivery| DeliveryAnswer::show(&delivery))))
}
