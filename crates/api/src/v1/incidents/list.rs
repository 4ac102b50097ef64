//! `GET /v1/incidents`

use axum::Json;
use axum::extract::State;
use bellwire_app::{IncidentFilter, Operation};
use bellwire_domain::{IncidentId, IncidentState};
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;

use super::IncidentAnswer;
use crate::answer::List;
use crate::query::Query;

/// List incidents, the latest first
///
/// The first failed attempt for a cause opens an incident, and the endpoint's next success resolves it. A cause that comes back
/// within an hour opens the same incident again. A consumer's key sees its own account's.
#[utoipa::path(
    get, path = "/v1/incidents", operation_id = "incidents.list", tag = "incidents",
    params(
        ("account" = Option<String>, Query, description = "Only incidents of this account."),
        ("endpoint" = Option<String>, Query, description = "Only incidents of this endpoint."),
        ("state" = Option<String>, Query, description = "Only `open`, `acknowledged` or `resolved` ones."),
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<String>, Query, description = "The `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of incidents.", body = List<IncidentAnswer>,
        example = json!(List::sample(IncidentAnswer::sample()))),
        (status = 404, description = "There is no such account."),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    mut query: Query,
) -> Result<Json<List<IncidentAnswer>>, Problem> {
    let scope = api.app.permit(&actor, Operation::DeliveryRead)?;
    let (account, endpoint) = (query.text("account")?, query.text("endpoint")?);
    let state = query.parsed("state", "is not one of open, acknowledged and resolved", IncidentState::parse)?;
    let page = query.only_page_after(api.app.limits(), |text| IncidentId::try_new(text).is_ok())?;
    let filter = IncidentFilter { account: account.as_deref(), endpoint: endpoint.as_deref(), state };
    let incidents = api.app.list_incidents(&scope, filter, page).await?;
    Ok(Json(List::of(incidents, |incident| IncidentAnswer::show(&incident))))
}
