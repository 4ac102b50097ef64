//! Replays on the wire.

mod cancel;
mod get;
mod list;
mod running;
mod start;

use bellwire_domain::{ReplayCase, ReplayState};
use bellwire_http::Api;
use bellwire_store::Replay;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(start::start))
        .routes(routes!(list::list))
        .routes(routes!(running::running))
        .routes(routes!(get::get, cancel::cancel))
}

/// A replay.
#[derive(Serialize, ToSchema)]
#[schema(as = Replay)]
struct ReplayAnswer {
    /// Its id.
    id: String,
    /// The account.
    account: String,
    /// The endpoint that it sends to.
    endpoint: String,
    /// `running`, `done` or `cancelled`.
    state: &'static str,
    /// Only events accepted at this instant or later.
    since: String,
    /// Only events accepted before this instant; null: all events from before it was started.
    until: Option<String>,
    /// Which events are sent again: `failed`, `cancelled`, `missed` or `delivered` ones.
    states: Vec<&'static str>,
    /// Events examined so far.
    examined: i64,
    /// Deliveries created so far.
    created: i64,
    /// When it was started.
    created_at: String,
    /// When it was done or cancelled.
    ended_at: Option<String>,
}

impl ReplayAnswer {
    fn sample() -> Self {
        Self {
            id: "rpl_01jhmw8z0000000000000000aa".to_owned(),
            account: "clinic-7".to_owned(),
            endpoint: "01946a2e-7c40-7000-8000-000000000001".to_owned(),
            state: ReplayState::Running.as_str(),
            since: "2025-01-15T00:00:00.000000Z".to_owned(),
            until: None,
            states: vec![ReplayCase::Failed.as_str(), ReplayCase::Missed.as_str()],
            examined: 812,
            created: 3,
            created_at: "2025-01-15T10:30:00.000000Z".to_owned(),
            ended_at: None,
        }
    }

    fn show(replay: &Replay) -> Self {
        Self {
            id: replay.id.to_string(),
            account: replay.lane.account_id.to_string(),
            endpoint: replay.lane.endpoint_id.to_string(),
            state: replay.state.as_str(),
            since: replay.since.to_string(),
            until: replay.until.map(|until| until.to_string()),
            states: replay.cases.iter().copied().map(ReplayCase::as_str).collect(),
            examined: replay.examined,
            created: replay.created,
            created_at: replay.created_at.to_string(),
            ended_at: replay.ended_at.map(|ended| ended.to_string()),
        }
    }
}
