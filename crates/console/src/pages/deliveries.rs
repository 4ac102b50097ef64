//! Deliveries, with filters that all stand in the address.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bellwire_app::{DeliveryFilter, Operation, WrongFilter};
use bellwire_domain::{DeliveryState, OutcomeKind, Timestamp};
use bellwire_store::Page;
use url::form_urlencoded;

use super::rows::DeliveryRow;
use crate::layout::{Area, Layout, html};
use crate::query::{Query, instant};
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "deliveries.html")]
struct DeliveriesPage {
    layout: Layout,
    is_operator: bool,
    fields: Vec<Field>,
    active: Vec<Active>,
    rows: Vec<DeliveryRow>,
    next: Option<String>,
    is_first: bool,
    /// Why nothing is shown.
    is_wrong: bool,
}

/// A field of the form.
struct Field {
    name: &'static str,
    label: &'static str,
    value: String,
    /// What may be chosen; empty: it is typed.
    words: &'static [&'static str],
    hint: &'static str,
    wrong: Option<String>,
}

/// A filter that is in force.
struct Active {
    label: &'static str,
    value: String,
    /// The address without it.
    without: String,
}

/// Name, label, what may be chosen, and an example.
const FIELDS: [(&str, &str, &[&str], &str); 11] = [
    ("account", "Account", &[], ""),
    ("endpoint", "Endpoint", &[], ""),
    ("type", "Type", &[], ""),
    ("state", "State", DeliveryState::WORDS, ""),
    ("outcome", "Outcome", OutcomeKind::WORDS, ""),
    ("status", "Status", &[], "503"),
    ("attempts_min", "Attempts", &[], "at least"),
    ("since", "Since", &[], "24h, or a time in UTC"),
    ("until", "Until", &[], "1h, or a time in UTC"),
    ("event", "Event", &[], ""),
    ("subject", "Subject", &[], ""),
];

/// The filters as the API takes them: what was typed as a time is the instant that it means.
struct Texts(Vec<(&'static str, String)>);

impl Texts {
    fn read(query: &Query, now: Timestamp) -> Self {
        let read = |name: &'static str| {
            let text = query.get(name)?;
            let at = if name == "since" || name == "until" { instant(text, now) } else { None };
            Some((name, at.map_or_else(|| text.to_owned(), |at| at.to_string())))
        };
        Self(DeliveryFilter::NAMES.iter().copied().filter_map(read).collect())
    }

    fn filter(&self) -> Result<DeliveryFilter<'_>, WrongFilter> {
        DeliveryFilter::read(|wanted| self.0.iter().find(|(name, _)| *name == wanted).map(|(_, text)| text.as_str()))
    }

    /// The call that answers the same.
    fn call(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.0.iter().map(|(name, text)| (*name, text.as_str())));
        let query = query.finish();
        if query.is_empty() { "/v1/deliveries".to_owned() } else { format!("/v1/deliveries?{query}") }
    }
}

pub(super) async fn list(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let app = console.app();
    let scope = app.permit(&visitor.actor, Operation::DeliveryRead)?;
    let now = app.clock().now();
    let texts = Texts::read(&query, now);
    let (found, wrong) = match texts.filter().and_then(|filter| filter.asked_by(visitor.actor.account.as_ref())) {
        Ok(filter) => (app.list_deliveries(&scope, filter, query.page()).await?, None),
        Err(wrong) => (Page::default(), Some(wrong)),
    };
    let layout = Layout::of_visitor(&console, &visitor, Area::Deliveries, "Deliveries", &query).await?;
    let is_shown = |name: &str| name != "account" || visitor.is_operator();
    let given = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let shown = FIELDS.into_iter().filter(|(name, ..)| is_shown(name));
    let active = shown.clone().filter(|(name, ..)| query.get(name).is_some());
    let page = DeliveriesPage {
        layout: layout.with_call(&texts.call()),
        is_operator: visitor.is_operator(),
        active: active.map(|(name, label, ..)| Active { label, value: given(name), without: query.with(name, None) }).collect(),
        fields: shown
            .map(|(name, label, words, hint)| {
                let wrong = wrong.as_ref().filter(|wrong| wrong.name == name).map(sentence);
                Field { name, label, value: given(name), words, hint, wrong }
            })
            .collect(),
        rows: DeliveryRow::all(&found.items, now),
        next: query.next(found.next.as_ref()),
        is_first: query.get("after").is_none(),
        is_wrong: wrong.is_some(),
    };
    let answer = html(&page)?;
    Ok(if wrong.is_some() { (StatusCode::UNPROCESSABLE_ENTITY, answer).into_response() } else { answer })
}

fn sentence(wrong: &WrongFilter) -> String {
    let expected = match wrong.name {
        "since" | "until" if wrong.expected.contains("RFC") => {
            "is neither a span such as `24h` nor a time such as `2026-11-28T06:00:00Z`"
        }
        _ => &wrong.expected,
    };
    format!("This {expected}.")
}
