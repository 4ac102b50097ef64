//! Who was told what about somebody, and what can be done about that: a hold, or an erasure.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use bellwire_app::{AccountAccess, AppError, DisclosureInput, Operation};
use bellwire_domain::{ErasureState, Timestamp};
use bellwire_store::{Disclosure, Erased, Erasure, Hold, Page, PageRequest};
use url::form_urlencoded;

use super::audit::typed;
use super::filter::Field;
use crate::form::Form;
use crate::layout::{Area, Layout, html};
use crate::query::{Query, ROWS};
use crate::show::{When, count};
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "disclosures.html")]
struct DisclosuresPage {
    layout: Layout,
    fields: Vec<Field>,
    /// What is known of the subject that was asked for.
    about: Option<About>,
}

struct About {
    account: String,
    subject: String,
    rows: Vec<DisclosureRow>,
    next: Option<String>,
    hold: Option<HoldRow>,
    may_change: bool,
    erasures: Vec<ErasureRow>,
}

struct DisclosureRow {
    when: When,
    endpoint: String,
    url: String,
    event: String,
    event_type: String,
    fields: String,
    delivery: String,
    attempt: u32,
    outcome: String,
}

struct HoldRow {
    reason: String,
    by: String,
    since: When,
}

struct ErasureRow {
    id: String,
    word: &'static str,
    reason: String,
    by: String,
    erased: String,
    created: When,
}

const FIELDS: [(&str, &str, &str); 4] = [
    ("account", "Account", ""),
    ("subject", "Subject", "patient:123"),
    ("since", "Since", "24h or 2026-01-31"),
    ("until", "Until", "1h or 2026-01-31"),
];

pub(super) async fn list(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let app = console.app();
    app.permit(&visitor.actor, Operation::DisclosureRead)?;
    let now = app.clock().now();
    let (since, wrong_since) = typed(query.get("since"), now);
    let (until, wrong_until) = typed(query.get("until"), now);
    let is_wrong = wrong_since.is_some() || wrong_until.is_some();
    let asked = query.get("account").zip(query.get("subject")).filter(|_| !is_wrong);
    let (account, about) = match asked {
        None => (None, None),
        Some((account, subject)) => match app.open_account(&visitor.actor, Operation::DisclosureRead, account).await {
            Err(AppError::NotFound(_)) => (Some("There is no such account.".to_owned()), None),
            Err(error) => return Err(error.into()),
            Ok(access) => {
                let input = DisclosureInput { subject: subject.to_owned(), since, until };
                let found = app.list_disclosures(&access, input, query.page()).await?;
                (None, Some(about(&console, &visitor, &access, (subject, found), &query).await?))
            }
        },
    };
    let wrong = |name: &str| match name {
        "account" => account.clone(),
        "since" => wrong_since.clone(),
        "until" => wrong_until.clone(),
        _ => None,
    };
    let fields = FIELDS.map(|(name, label, hint)| {
        let value = query.get(name).unwrap_or_default().to_owned();
        Field { name, label, value, words: &[], hint, wrong: wrong(name) }
    });
    let layout = Layout::of_operator(&console, &visitor, Area::Disclosures, "Disclosures", &query);
    html(&DisclosuresPage { layout: called(layout, asked), fields: fields.into(), about })
}

/// Offers the call of the API, if there is something to ask it for.
fn called(layout: Layout, asked: Option<(&str, &str)>) -> Layout {
    let Some((account, subject)) = asked else { return layout };
    let subject = form_urlencoded::Serializer::new(String::new()).append_pair("subject", subject).finish();
    layout.with_call(&format!("/v1/accounts/{account}/disclosures?{subject}"))
}

async fn about(
    console: &Console,
    visitor: &Visitor,
    access: &AccountAccess,
    (subject, found): (&str, Page<Disclosure>),
    query: &Query,
) -> Result<About, Refusal> {
    let app = console.app();
    let now = app.clock().now();
    let hold = match app.get_hold(access, subject).await {
        Ok(hold) => Some(hold_row(hold, now)),
        Err(AppError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    // Of an account's erasures, the latest: few are asked for.
    let latest = app.list_erasures(access, PageRequest { limit: ROWS, after: None }).await?;
    let hash = app.hash_subject(access, subject).await?;
    let own = latest.items.iter().filter(|erasure| erasure.subject.to_string() == hash);
    Ok(About {
        account: access.account().id.to_string(),
        subject: subject.to_owned(),
        next: query.next(found.next.as_ref()),
        rows: found.items.into_iter().map(|disclosure| row(disclosure, now)).collect(),
        hold,
        may_change: app.permit(&visitor.actor, Operation::SubjectManage).is_ok(),
        erasures: own.map(|erasure| erasure_row(erasure, now)).collect(),
    })
}

fn row(found: Disclosure, now: Timestamp) -> DisclosureRow {
    DisclosureRow {
        when: When::new(found.at, now),
        endpoint: found.endpoint,
        url: found.url,
        event: found.event,
        event_type: found.event_type,
        fields: found.fields.map_or_else(|| "all".to_owned(), |fields| fields.join(", ")),
        delivery: found.delivery.to_string(),
        attempt: found.attempt,
        outcome: found.status.map_or(found.outcome, |status| status.to_string()),
    }
}

fn hold_row(hold: Hold, now: Timestamp) -> HoldRow {
    HoldRow { reason: hold.reason, by: hold.placed_by, since: When::new(hold.created_at, now) }
}

fn erasure_row(erasure: &Erasure, now: Timestamp) -> ErasureRow {
    let Erased { payloads, answers, documents, deliveries } = erasure.erased;
    let kinds = [("payloads", payloads), ("answers", answers), ("documents", documents), ("deliveries cancelled", deliveries)];
    let counted: Vec<String> = kinds.iter().map(|(kind, number)| format!("{} {kind}", count(*number))).collect();
    ErasureRow {
        id: erasure.id.to_string(),
        word: match erasure.state {
            ErasureState::Running => "running",
            ErasureState::Done => "done",
        },
        reason: erasure.reason.clone(),
        by: erasure.asked_by.clone(),
        erased: counted.join(", "),
        created: When::new(erasure.created_at, now),
    }
}

/// Whom a form is about, and where the page of that is.
async fn asked<'f>(console: &Console, visitor: &Visitor, form: &'f Form) -> Result<(AccountAccess, &'f str, &'f str), Refusal> {
    console.app().permit(&visitor.actor, Operation::SubjectManage)?;
    let missing = |name: &str| AppError::invalid(format!("/{name}"), format!("say which {name}"));
    let account = form.text("account").ok_or_else(|| missing("account"))?;
    let subject = form.text("subject").ok_or_else(|| missing("subject"))?;
    let access = console.app().open_account(&visitor.actor, Operation::SubjectManage, account).await?;
    Ok((access, subject, form.text("reason").unwrap_or_default()))
}

fn back(access: &AccountAccess, subject: &str, said: &str) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("account", access.account().id.as_str()).append_pair("subject", subject).append_pair("said", said);
    Redirect::to(&format!("/console/disclosures?{}", query.finish())).into_response()
}

pub(super) async fn hold(State(console): State<Console>, visitor: Visitor, form: Form) -> Result<Response, Refusal> {
    let (access, subject, reason) = asked(&console, &visitor, &form).await?;
    console.app().put_hold(&visitor.actor, &access, subject, reason).await?;
    Ok(back(&access, subject, "held"))
}

pub(super) async fn release(State(console): State<Console>, visitor: Visitor, form: Form) -> Result<Response, Refusal> {
    let (access, subject, _) = asked(&console, &visitor, &form).await?;
    console.app().delete_hold(&access, subject).await?;
    Ok(back(&access, subject, "released"))
}

pub(super) async fn erase(State(console): State<Console>, visitor: Visitor, form: Form) -> Result<Response, Refusal> {
    let (access, subject, reason) = asked(&console, &visitor, &form).await?;
    console.app().start_erasure(&visitor.actor, &access, subject, reason).await?;
    Ok(back(&access, subject, "erasing"))
}
