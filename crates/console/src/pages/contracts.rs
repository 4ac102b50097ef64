//! Contracts: what can happen, what is sent, and when it is tried again.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use bellwire_app::{ContractAndVersions, Operation};
use bellwire_contract::{CodeLanguage, Contract, EventDefinition};
use bellwire_domain::Timestamp;
use bellwire_store::PageRequest;

use crate::layout::{Area, Layout, html};
use crate::query::Query;
use crate::show::{pretty, span};
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "contracts.html")]
struct ContractsPage {
    layout: Layout,
    rows: Vec<ContractRow>,
}

struct ContractRow {
    name: String,
    title: String,
    description: String,
    events: usize,
}

#[derive(Template)]
#[template(path = "contract.html")]
struct ContractPage {
    layout: Layout,
    row: ContractRow,
    /// Where there are several.
    versions: Vec<VersionWay>,
    events: Vec<EventRow>,
    takes_any: bool,
    attempts: Vec<AttemptTime>,
    timeout: String,
    languages: Vec<LanguageWay>,
    code: Code,
    source: String,
}

/// A way to another version.
struct VersionWay {
    title: String,
    href: String,
    is_current: bool,
}

/// A way to the verification code in another language.
struct LanguageWay {
    title: &'static str,
    href: String,
    is_current: bool,
}

/// The verification code, or why there is none.
enum Code {
    Written(String),
    Refused(String),
}

struct EventRow {
    event_type: String,
    title: String,
    description: String,
    example: String,
    schema: Option<String>,
    /// What would be sent for the example, if that can be built.
    request: Option<ExampleRequest>,
}

/// The request for an example.
struct ExampleRequest {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// One attempt on the time axis.
struct AttemptTime {
    number: usize,
    /// From the first one on.
    after: String,
    /// Where it stands on an axis of a thousand units, which shrinks long spans.
    x: u32,
}

fn row(contract: &Contract) -> ContractRow {
    ContractRow {
        name: contract.name().to_owned(),
        title: contract.title().to_owned(),
        description: contract.description().unwrap_or_default().to_owned(),
        events: contract.events().len(),
    }
}

pub(super) async fn list(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let app = console.app();
    let scope = app.permit(&visitor.actor, Operation::ContractRead)?;
    let found = app.list_contracts(&scope, PageRequest { limit: 1_000, after: None }).await?;
    let rows = found.items.iter().map(|found| row(&found.contract)).collect();
    let layout = Layout::of_visitor(&console, &visitor, Area::Contracts, "Contracts", &query).await?;
    html(&ContractsPage { layout: layout.with_call("/v1/contracts"), rows })
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response, Refusal> {
    let app = console.app();
    let scope = app.permit(&visitor.actor, Operation::ContractRead)?;
    let version = query.get("version").filter(|version| !version.is_empty());
    let ContractAndVersions { contract, versions } = app.get_contract(&scope, &name, version).await?;
    let title = if visitor.sees_all() { contract.title() } else { "Reference" };
    let layout = Layout::of_visitor(&console, &visitor, Area::Contracts, title, &query).await?;
    let (policy, now) = (contract.delivery(), app.clock().now());
    let language = query.get("language").and_then(CodeLanguage::parse).unwrap_or(CodeLanguage::Python);
    html(&ContractPage {
        layout: layout.with_call(&format!("/v1/contracts/{name}")),
        row: row(&contract),
        versions: version_ways(&contract, &versions),
        events: contract.events().iter().map(|event| event_row(&contract, event, now)).collect(),
        takes_any: contract.any_event().is_some(),
        attempts: axis(policy.schedule.delays()),
        timeout: span(policy.timeout),
        languages: language_ways(language, &query),
        code: match contract.verification_code(language) {
            Ok(code) => Code::Written(code.text),
            Err(error) => Code::Refused(format!("{}: {}", error.place, error.message)),
        },
        source: contract.source().to_owned(),
    })
}

fn version_ways(current: &Contract, versions: &[Arc<Contract>]) -> Vec<VersionWay> {
    if versions.len() < 2 {
        return Vec::new();
    }
    let path = format!("/console/contracts/{}", current.name());
    let way = |(index, version): (usize, &Arc<Contract>)| VersionWay {
        title: match (index, version.version()) {
            (0, None) => "Default".to_owned(),
            (0, Some(version)) => format!("{version} (default)"),
            (_, version) => version.unwrap_or_default().to_owned(),
        },
        href: if index == 0 { path.clone() } else { format!("{path}?version={}", version.version().unwrap_or_default()) },
        is_current: version.version() == current.version(),
    };
    versions.iter().enumerate().map(way).collect()
}

fn language_ways(current: CodeLanguage, query: &Query) -> Vec<LanguageWay> {
    let way = |language: &CodeLanguage| LanguageWay {
        title: language.title(),
        href: query.with("language", Some(language.as_str())) + "#verification",
        is_current: *language == current,
    };
    CodeLanguage::ALL.iter().map(way).collect()
}

fn event_row(contract: &Contract, event: &EventDefinition, now: Timestamp) -> EventRow {
    let request = contract.render_example(event, now).ok().map(|request| {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = request.headers.iter();
        ExampleRequest {
            line: format!("{} {}", request.method, request.url),
            headers: headers.map(|(name, value)| (request.spelled(name).to_owned(), text(value.as_bytes()))).collect(),
            body: text(&request.body),
        }
    });
    EventRow {
        request,
        event_type: event.event_type.to_string(),
        title: event.title.clone(),
        description: event.description.clone().unwrap_or_default(),
        example: pretty(event.example.get().as_bytes()),
        schema: event.schema.as_ref().map(|schema| format!("{schema:#}")),
    }
}

/// The attempts on an axis: the square root of the time since the first, so that the early ones can be told apart.
fn axis(delays: &[Duration]) -> Vec<AttemptTime> {
    let mut at = Duration::ZERO;
    let times: Vec<Duration> = std::iter::once(Duration::ZERO)
        .chain(delays.iter().map(|delay| {
            at += *delay;
            at
        }))
        .collect();
    let longest = times.last().map_or(1, |last| last.as_millis().max(1).isqrt());
    let place = |time: &Duration| u32::try_from(time.as_millis().isqrt() * 1_000 / longest).unwrap_or(1_000);
    let numbered = times.iter().enumerate();
    numbered
        .map(|(index, time)| AttemptTime {
            number: index + 1,
            after: if time.is_zero() { "at once".to_owned() } else { span(*time) },
            x: place(time),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_stand_in_their_order_from_one_end_of_the_axis_to_the_other() {
        let delays = [5, 60, 3_600, 86_400].map(Duration::from_secs);
        let attempts = axis(&delays);
        let places: Vec<u32> = attempts.iter().map(|attempt| attempt.x).collect();
        assert_eq!((places.first(), places.last(), places.len()), (Some(&0), Some(&1_000), 5));
        assert!(places.is_sorted());
        assert_eq!(axis(&[]).len(), 1);
        assert_eq!(attempts[2].after, "1 min");
    }
}
