//! Retries of many deliveries on the wire.

mod cancel;
mod filter;
mod get;
mod list;
mod start;

use bellwire_domain::ReplayState;
use bellwire_http::Api;
use bellwire_store::BulkRetry;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list::list, start::start)).routes(routes!(get::get, cancel::cancel))
}

/// A retry of many deliveries.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkRetry)]
struct BulkRetryAnswer {
    /// Its id.
    id: String,
    /// `running`, `done` or `cancelled`.
    state: &'static str,
    /// Which deliveries: the filters that were asked for, with the account of a consumer's key and the state.
    filter: Map<String, Value>,
    /// Why.
    reason: String,
    /// Who asked: the id of a key, or a name.
    asked_by: String,
    /// How many deliveries the filter named when it was asked for.
    matched: i64,
    /// Whether they were all counted; if not, there are more than `matched`.
    exact: bool,
    /// Deliveries made due so far.
    retried: i64,
    /// Deliveries left as they were: in flight, without an endpoint, or of an account with too many live ones.
    skipped: i64,
    /// When it was asked for.
    created_at: String,
    /// When it was done or cancelled.
    ended_at: Option<String>,
}

impl BulkRetryAnswer {
    fn sample() -> Self {
        Self {
            id: "blk_01jhmw8z0000000000000000aa".to_owned(),
            state: ReplayState::Running.as_str(),
            filter: filter::sample(),
            reason: "their certificate is renewed".to_owned(),
            asked_by: "key_01jhmw8z0000000000000000aa".to_owned(),
            matched: 812,
            exact: true,
            retried: 300,
            skipped: 0,
            created_at: "2025-01-15T10:30:00.000000Z".to_owned(),
            ended_at: None,
        }
    }

    fn show(found: &BulkRetry) -> Self {
        Self {
            id: found.id.to_string(),
            state: found.state.as_str(),
            filter: filter::show(&found.query),
            reason: found.reason.clone(),
            asked_by: found.asked_by.clone(),
            matched: found.matched.count,
            exact: found.matched.is_exact,
            retried: found.retried,
            skipped: found.skipped,
            created_at: found.created_at.to_string(),
            ended_at: found.ended_at.map(|ended| ended.to_string()),
        }
    }
}
