//! `GET /v1/stats`

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use bellwire_app::{FiguresInput, Operation};
use bellwire_domain::rollup::{LatencyBin, Tally};
use bellwire_domain::{Figures, Span};
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;
use bellwire_store::FiguresOfSpan;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::query::{self, Query};

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(stats))
}

/// What attempts came to over a time.
#[derive(Serialize, ToSchema)]
#[schema(as = Stats)]
struct StatsAnswer {
    /// `minute`, `hour` or `day`.
    by: &'static str,
    /// The start of the first span that was looked at.
    since: String,
    /// The end of the last one.
    until: String,
    /// All of them together.
    total: FiguresAnswer,
    /// Each span that had an attempt, in the order of time.
    data: Vec<SpanAnswer>,
}

/// What attempts came to in one span.
#[derive(Serialize, ToSchema)]
#[schema(as = StatsSpan)]
struct SpanAnswer {
    /// When it begins.
    start: String,
    #[serde(flatten)]
    figures: FiguresAnswer,
}

/// What attempts came to.
#[derive(Serialize, ToSchema)]
#[schema(as = Figures)]
struct FiguresAnswer {
    /// Attempts.
    attempts: i64,
    /// Deliveries that were delivered.
    delivered: i64,
    /// Deliveries that failed for good.
    failed: i64,
    /// Attempts by what happened: `response`, `connect`, `tls`, `dns`, `timeout_headers`, …
    outcomes: BTreeMap<String, i64>,
    /// Answered attempts by the class of the status: `2xx`.
    statuses: BTreeMap<String, i64>,
    /// How long those that answered took, in milliseconds; null: nothing answered.
    latency_ms: Option<LatencyAnswer>,
}

/// Quantiles of a latency, in milliseconds, each within an eighth.
#[derive(Serialize, ToSchema)]
#[schema(as = Latency)]
struct LatencyAnswer {
    /// Half of the attempts took no longer.
    p50: f64,
    /// Nine of ten took no longer.
    p90: f64,
    /// 99 of 100 took no longer.
    p99: f64,
}

impl StatsAnswer {
    fn sample() -> Self {
        let mut figures = Figures::default();
        let bin = LatencyBin::of(Duration::from_millis(84));
        let tally = Tally { attempts: 120, delivered: 120, failed: 0 };
        figures.count("2xx", bin, tally);
        Self {
            by: Span::Hour.as_str(),
            since: "2025-01-15T10:00:00.000000Z".to_owned(),
            until: "2025-01-15T11:00:00.000000Z".to_owned(),
            total: FiguresAnswer::show(&figures),
            data: vec![SpanAnswer { start: "2025-01-15T10:00:00.000000Z".to_owned(), figures: FiguresAnswer::show(&figures) }],
        }
    }
}

impl FiguresAnswer {
    fn show(figures: &Figures) -> Self {
        let owned = |counts: BTreeMap<&str, i64>| counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        let millis = |share| figures.latency(share).map(|latency| (latency.as_secs_f64() * 1e5).round() / 100.0);
        let latency_ms = match (millis(0.5), millis(0.9), millis(0.99)) {
            (Some(p50), Some(p90), Some(p99)) => Some(LatencyAnswer { p50, p90, p99 }),
            _ => None,
        };
        Self {
            attempts: figures.tally.attempts,
            delivered: figures.tally.delivered,
            failed: figures.tally.failed,
            outcomes: owned(figures.outcomes()),
            statuses: owned(figures.statuses()),
            latency_ms,
        }
    }
}

/// Count attempts by minutes, hours or days
///
/// Figures are written with the attempts that they count, and reading them costs the same however many there were. Minutes are kept
/// for a day, hours for eight days, days for 400: an earlier `since` is moved up to that, and the answer says so. Spans without
/// an attempt are left out. A consumer's key sees its own account's.
#[utoipa::path(
    get, path = "/v1/stats", operation_id = "stats", tag = "stats",
    params(
        ("account" = Option<String>, Query, description = "Only attempts of this account."),
        ("endpoint" = Option<String>, Query, description = "Only attempts at this endpoint of the account."),
        ("since" = Option<String>, Query, description = "From the span that this instant is in. Without it: the last hour by \
            minutes, day by hours, or thirty days by days."),
        ("until" = Option<String>, Query, description = "Up to this instant, and to the end of its span; now without it."),
        ("by" = Option<String>, Query, description = "`minute`, `hour` or `day`; hours without it."),
    ),
    responses((status = 200, description = "What they came to.", body = StatsAnswer, example = json!(StatsAnswer::sample())),
        (status = 404, description = "There is no such account."),
    )
)]
async fn stats(State(api): State<Api>, Caller(actor): Caller, mut query: Query) -> Result<Json<StatsAnswer>, Problem> {
    let scope = api.app.permit(&actor, Operation::DeliveryRead)?;
    let (account, endpoint) = (query.text("account")?, query.text("endpoint")?);
    let (since, until) = (query.instant("since")?, query.instant("until")?);
    let by = query.parsed("by", "is not one of minute, hour and day", Span::parse)?;
    query.finish()?;
    let input = FiguresInput { account: account.as_deref(), endpoint: endpoint.as_deref(), since, until, by };
    let found = api.app.figures(&scope, input).await.map_err(query::refused)?;
    let span = |(start, figures): &FiguresOfSpan| SpanAnswer { start: start.to_string(), figures: FiguresAnswer::show(figures) };
    Ok(Json(StatsAnswer {
        by: found.by.as_str(),
        since: found.since.to_string(),
        until: found.until.to_string(),
        total: FiguresAnswer::show(&found.total),
        data: found.spans.iter().map(span).collect(),
    }))
}
