//! `GET /v1/audit`

use axum::Json;
use axum::extract::State;
use bellwire_domain::AuditAction;
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;
use bellwire_store::AuditQuery;

use super::RecordAnswer;
use crate::answer::List;
use crate::query::Query;

/// Read the audit log, from its first record on
///
/// Every change and every reading of payloads, answers and secrets is a record, written with what it records. What happens very often,
/// publishing and keys that do not work, is counted and recorded once a minute.
#[utoipa::path(
    get, path = "/v1/audit", operation_id = "audit.list", tag = "audit",
    params(
        ("account" = Option<String>, Query, description = "Only records of this account, which may be gone."),
        ("actor" = Option<String>, Query, description = "Only what this actor did: the id of a key, `portal:` and an account, `node`, \
            `command`, or a person's name."),
        ("action" = Option<String>, Query, description = "Only records of this kind, such as `payloads.read`."),
        ("object" = Option<String>, Query, description = "Only what was done to the thing with this id."),
        ("since" = Option<String>, Query, description = "Not before this instant."),
        ("until" = Option<String>, Query, description = "Before this instant."),
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<i64>, Query, description = "Only records after this number: the `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of records.", body = List<RecordAnswer>,
        example = json!(List::sample(RecordAnswer::sample()))))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    mut query: Query,
) -> Result<Json<List<RecordAnswer>>, Problem> {
    let (account, by, object) = (query.text("account")?, query.text("actor")?, query.text("object")?);
    let action = query.parsed("action", "is not one of the actions that docs/security.md lists", AuditAction::parse)?;
    let (since, until) = (query.instant("since")?, query.instant("until")?);
    let page = query.only_page_after(api.app.limits(), |text| text.parse::<i64>().is_ok_and(|seq| seq >= 0))?;
    let wanted = AuditQuery { account, actor: by, action, object, since, until, newest_first: false };
    let found = api.app.list_audit(&actor, wanted, page).await?;
    Ok(Json(List::of(found, RecordAnswer::show)))
}
