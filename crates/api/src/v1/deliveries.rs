//! Deliveries on the wire.

mod get;
mod list;
mod request;
mod retry;

use std::time::Duration;

use bellwire_domain::{DeliveryState, Phases, Trigger};
use bellwire_http::Api;
use bellwire_store::{Attempt, Delivery};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(get::get))
        .routes(routes!(request::request))
        .routes(routes!(retry::retry))
}

/// A delivery.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
struct DeliveryAnswer {
    /// Its id.
    id: String,
    /// Its account.
    account: String,
    /// The id of its event.
    event: String,
    /// The type of its event.
    event_type: String,
    /// The id of its endpoint.
    endpoint: String,
    /// Its place among the endpoint's deliveries, without gaps.
    number: i64,
    /// `pending`, `delivered`, `failed` or `cancelled`.
    state: &'static str,
    /// When the next attempt is due, while pending; null while it waits for an earlier delivery.
    due_at: Option<String>,
    /// Whether it waits for an earlier delivery to the same endpoint, as its contract has an order.
    waits_for_earlier: bool,
    /// When it was created.
    created_at: String,
    /// When it ended.
    ended_at: Option<String>,
    /// How many attempts were made.
    attempt_count: u32,
    /// The attempts; in a list of deliveries this is empty.
    attempts: Vec<AttemptAnswer>,
}

/// An attempt.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
struct AttemptAnswer {
    /// 1 for the first.
    number: u32,
    /// When it was due. It starts later while its endpoint is busy or disabled, or when its node was down.
    due_at: Option<String>,
    /// `manual`: somebody had the delivery sent again. `automatic`: the schedule did. Attempts made before Bellwire kept this are
    /// shown as automatic.
    trigger: &'static str,
    /// When it started.
    started_at: String,
    /// How long it took, in milliseconds.
    duration_ms: u64,
    /// Where the time went; null for attempts made before Bellwire kept this.
    phases: Option<PhasesAnswer>,
    /// What happened, in one word: `response`, `connect`, `tls`, `dns`, `timeout_headers`, …
    outcome: String,
    /// The HTTP status, if there was an answer.
    status: Option<u16>,
    /// What went wrong, if there was no answer.
    detail: Option<String>,
    /// The first bytes of the answer's body, as text.
    response: Option<String>,
}

/// Where the time of an attempt went: milliseconds, with three decimals at most. What did not take place is null: a connection that was
/// kept is neither looked up nor opened, plain HTTP has no TLS, and nothing comes after what failed. Each is rounded down to the
/// microsecond and measured by itself, so they need not add up to `duration_ms`, which is without `wait_ms`.
#[derive(Serialize, ToSchema)]
#[schema(as = Phases)]
#[allow(clippy::struct_field_names, reason = "units come last, and these are one unit")]
struct PhasesAnswer {
    /// From when it was due until it started: it waited here, for room in its lane, for its endpoint to be enabled, or for a process.
    #[schema(minimum = 0)]
    wait_ms: Option<f64>,
    /// Looking the host's name up. Null as well while the answer to an earlier look-up holds, and where the URL has an address.
    #[schema(minimum = 0)]
    dns_ms: Option<f64>,
    /// Connecting by TCP, to as many of the name's addresses as it took.
    #[schema(minimum = 0)]
    connect_ms: Option<f64>,
    /// The TLS handshake.
    #[schema(minimum = 0)]
    tls_ms: Option<f64>,
    /// From the first byte of the request to the end of the answer, or until it was given up.
    #[schema(minimum = 0)]
    answer_ms: Option<f64>,
}

impl DeliveryAnswer {
    fn sample() -> Self {
        Self {
            id: "dlv_04jx8mzxw8e2s".to_owned(),
            account: "clinic-7".to_owned(),
            event: "01946a2e-7c40-7000-8000-00000000000b".to_owned(),
            event_type: "difference.created".to_owned(),
            endpoint: "01946a2e-7c40-7000-8000-000000000001".to_owned(),
            number: 7,
            state: DeliveryState::Pending.as_str(),
            due_at: Some("2025-01-15T10:31:00.000000Z".to_owned()),
            waits_for_earlier: false,
            created_at: "2025-01-15T10:30:00.000000Z".to_owned(),
            ended_at: None,
            attempt_count: 1,
            attempts: Vec::new(),
        }
    }

    fn show(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            account: delivery.account_id.to_string(),
            event: delivery.event_id.to_string(),
            event_type: delivery.event_type.to_string(),
            endpoint: delivery.endpoint_id.to_string(),
            number: delivery.number,
            state: delivery.state.as_str(),
            due_at: delivery.due_at.map(|at| at.to_string()),
            waits_for_earlier: delivery.waits,
            created_at: delivery.created_at.to_string(),
            ended_at: delivery.ended_at.map(|at| at.to_string()),
            attempt_count: delivery.attempts,
            attempts: Vec::new(),
        }
    }

    fn with_attempts(self, attempts: &[Attempt]) -> Self {
        Self { attempts: attempts.iter().map(AttemptAnswer::show).collect(), ..self }
    }
}

impl AttemptAnswer {
    fn sample() -> Self {
        Self {
            number: 1,
            due_at: Some("2025-01-15T10:30:00.000000Z".to_owned()),
            trigger: Trigger::Automatic.as_str(),
            started_at: "2025-01-15T10:30:00.012000Z".to_owned(),
            duration_ms: 85,
            phases: Some(PhasesAnswer {
                wait_ms: Some(12.0),
                dns_ms: Some(1.731),
                connect_ms: Some(9.204),
                tls_ms: Some(21.5),
                answer_ms: Some(52.118),
            }),
            outcome: "response".to_owned(),
            status: Some(503),
            detail: None,
            response: Some("try later".to_owned()),
        }
    }

    fn show(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number,
            due_at: attempt.due_at.map(|at| at.to_string()),
            trigger: attempt.trigger.as_str(),
            started_at: attempt.started_at.to_string(),
            duration_ms: u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
            phases: attempt.phases.map(|phases| PhasesAnswer::show(&phases, attempt.waited())),
            outcome: attempt.outcome.clone(),
            status: attempt.status,
            detail: attempt.detail.clone(),
            response: attempt.response.as_ref().map(|body| String::from_utf8_lossy(body).into_owned()),
        }
    }
}

impl PhasesAnswer {
    fn show(phases: &Phases, waited: Option<Duration>) -> Self {
        Self {
            wait_ms: waited.map(millis),
            dns_ms: phases.dns.map(millis),
            connect_ms: phases.connect.map(millis),
            tls_ms: phases.tls.map(millis),
            answer_ms: phases.answer.map(millis),
        }
    }
}

/// Whole microseconds, as milliseconds: the number nearest to the decimals, so that it is printed with three of them at most.
fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}
