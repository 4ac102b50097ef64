//! `GET /v1/system`

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use bellwire_app::{SeenSystem, SystemAnswer};
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;
use bellwire_store::{Node, StoreDescription};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::v1::accounts::RetentionAnswer;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(system))
}

/// What runs, and how it is.
#[derive(Serialize, ToSchema)]
#[schema(as = System)]
struct SystemShown {
    /// The version of this process.
    version: &'static str,
    /// The store.
    store: StoreShown,
    /// The processes that share the store, by when they came; none with SQLite, where there is only this one.
    nodes: Vec<NodeShown>,
    /// What was last seen, some seconds ago; null: nothing yet.
    seen: Option<SeenShown>,
    /// How many days everything is kept, unless an account says otherwise; null: for ever.
    retention: RetentionAnswer,
}

/// A store.
#[derive(Serialize, ToSchema)]
#[schema(as = SystemStore)]
struct StoreShown {
    /// `sqlite` or `postgres`.
    kind: &'static str,
    /// The version of its schema.
    schema: i64,
    /// Its size on disk.
    bytes: i64,
}

/// A process.
#[derive(Serialize, ToSchema)]
#[schema(as = SystemNode)]
struct NodeShown {
    /// Its number among those that run.
    slot: i64,
    /// Since when it has run, or since when it has been back after it was taken for dead.
    since: String,
    /// Whether it is the one that answers.
    this: bool,
}

/// What was seen of the store, and of the lanes of this process.
#[derive(Serialize, ToSchema)]
#[schema(as = SystemSeen)]
struct SeenShown {
    /// When.
    at: String,
    /// Live deliveries.
    deliveries: LiveShown,
    /// Endpoints by their health, and those that are disabled as `disabled`; null: they have not all been counted yet.
    endpoints: Option<BTreeMap<String, u64>>,
    /// Incidents that nobody has acknowledged.
    incidents_open: u32,
    /// Incidents that somebody has acknowledged.
    incidents_acknowledged: u32,
    /// Records of the audit log.
    audit_records: i64,
}

/// Live deliveries. Nothing is counted beyond 50,000.
#[derive(Serialize, ToSchema)]
#[schema(as = SystemDeliveries)]
struct LiveShown {
    /// In the memory of this process: in flight, or next in their lane.
    held: u32,
    /// Waiting for room in memory, or for their endpoint to be sent to again.
    waiting: u32,
    /// Waiting for the instant of their next attempt.
    scheduled: u32,
    /// Waiting for an earlier delivery to the same endpoint.
    in_order: u32,
    /// Since when the oldest is due; null: none is.
    oldest_due_at: Option<String>,
}

impl SystemShown {
    fn sample() -> Self {
        let endpoints = [("active", 118), ("failed", 1), ("disabled", 3)];
        Self {
            version: "0.1.0",
            store: StoreShown { kind: "postgres", schema: 22, bytes: 734_003_200 },
            nodes: vec![NodeShown { slot: 0, since: "2025-01-15T10:30:00.000000Z".to_owned(), this: true }],
            seen: Some(SeenShown {
                at: "2025-01-16T08:00:00.000000Z".to_owned(),
                deliveries: LiveShown { held: 12, waiting: 0, scheduled: 4, in_order: 0, oldest_due_at: None },
                endpoints: Some(endpoints.map(|(health, count)| (health.to_owned(), count)).into()),
                incidents_open: 1,
                incidents_acknowledged: 0,
                audit_records: 1_204,
            }),
            retention: RetentionAnswer::show(bellwire_domain::RetentionPeriods::default()),
        }
    }

    fn show(answer: SystemAnswer) -> Self {
        let SystemAnswer { store: StoreDescription { kind, schema, bytes, nodes }, seen, retention } = answer;
        Self {
            version: env!("CARGO_PKG_VERSION"),
            store: StoreShown { kind, schema, bytes },
            nodes: nodes.iter().map(NodeShown::show).collect(),
            seen: seen.as_ref().map(SeenShown::show),
            retention: RetentionAnswer::show(retention),
        }
    }
}

impl NodeShown {
    fn show(node: &Node) -> Self {
        Self { slot: node.slot, since: node.registered_at.to_string(), this: node.is_this }
    }
}

impl SeenShown {
    fn show(seen: &SeenSystem) -> Self {
        let store = &seen.store;
        Self {
            at: seen.at.to_string(),
            deliveries: LiveShown {
                held: seen.held,
                waiting: store.waiting,
                scheduled: store.scheduled,
                in_order: store.in_order,
                oldest_due_at: seen.oldest_due().map(|at| at.to_string()),
            },
            endpoints: store.endpoints.as_ref().map(|found| {
                let by_health = found.by_health.iter().map(|(health, count)| ((*health).to_owned(), *count));
                by_health.chain([("disabled".to_owned(), found.disabled)]).collect()
            }),
            incidents_open: store.incidents_open,
            incidents_acknowledged: store.incidents_acknowledged,
            audit_records: store.audit_head,
        }
    }
}

/// Read what runs and how it is
///
/// Its version, its store, the processes that share it, what waits to be delivered, and how long what is kept. What waits is looked at every
/// few seconds, whoever asks. `/metrics` has more.
#[utoipa::path(
    get, path = "/v1/system", operation_id = "system.get", tag = "system",
    responses((status = 200, description = "The system.", body = SystemShown, example = json!(SystemShown::sample())))
)]
async fn system(State(api): State<Api>, Caller(actor): Caller) -> Result<Json<SystemShown>, Problem> {
    Ok(Json(SystemShown::show(api.app.system(&actor).await?)))
}
