//! `GET /v1/accounts/{account}/disclosures`

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};
use bellwire_app::{AppError, DisclosureInput, Operation};
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::{Code, Problem};

use super::{DisclosureAnswer, fhir};
use crate::answer::List;
use crate::query::{Query, wrong};

/// Who was told about somebody, the latest first
///
/// Each attempt that may have reached a receiver with data of an event about the subject. These rows stay when the payload, the event and
/// the endpoint are gone. With `Accept: application/fhir+json` the answer is a Bundle of AuditEvents after IHE BALP's Privacy Disclosure
/// at Source.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/disclosures", operation_id = "disclosures.list", tag = "disclosures",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("subject" = String, Query, description = "About whom, as events named them.", example = "patient:123"),
        ("since" = Option<String>, Query, description = "Not before this instant."),
        ("until" = Option<String>, Query, description = "Before this instant. It is after `since`."),
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<String>, Query, description = "The `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of disclosures.", body = List<DisclosureAnswer>,
        example = json!(List::sample(DisclosureAnswer::sample()))))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, Problem> {
    let access = api.app.open_account(&actor, Operation::DisclosureRead, &account).await?;
    let missing = || Problem::new(Code::InvalidQuery, "the query parameter `subject` says about whom: it is required");
    let subject = query.text("subject")?.filter(|subject| !subject.is_empty()).ok_or_else(missing)?;
    let input = DisclosureInput { subject: subject.clone(), since: query.instant("since")?, until: query.instant("until")? };
    let page = query.only_page(api.app.limits())?;
    let found = api.app.list_disclosures(&access, input, page).await.map_err(of_query)?;
    let vary = (VARY, "accept");
    if fhir::is_asked_for(&headers.get_all(ACCEPT)) {
        let bundle = fhir::bundle(access.account(), &subject, &found);
        return Ok(([(CONTENT_TYPE, fhir::MEDIA_TYPE), vary], bundle.to_string()).into_response());
    }
    Ok(([vary], Json(List::of(found, DisclosureAnswer::show))).into_response())
}

/// What is wrong with the input stands in the query.
fn of_query(error: AppError) -> Problem {
    match &error {
        AppError::Invalid(faults) => faults.first().map_or_else(
            || Problem::new(Code::InvalidQuery, error.to_string()),
            |fault| wrong(fault.pointer.trim_start_matches('/'), &format!("is wrong: {}", fault.detail)),
        ),
        _ => error.into(),
    }
}
