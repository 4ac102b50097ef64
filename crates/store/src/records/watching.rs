//! What is watched of the whole store, over all accounts.
//!
//! It is read again and again, so a look costs the same however much is stored: what has an index of its own is counted, up to
//! [`COUNTED_MAX`]; of what has none, or has very many rows, each look reads the next [`STEP`] and goes on where the last one
//! ended.

use std::collections::BTreeMap;

use bellwire_domain::{Gate, HealthStatus, Timestamp};

use crate::StoreError;
use crate::audit;
use crate::rows::queued::WAITS;
use crate::sql::{Db, Select, columns, params};

/// Nothing is counted any further.
pub const COUNTED_MAX: u32 = 50_000;
/// Endpoints, and endpoints for which something waits, that one look reads.
const STEP: i64 = 1_000;

/// What was found, and how far a look has come with what has many rows. Each look begins with what the one before has left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreWatch {
    /// Since when the oldest delivery is due that waits in the store, for an endpoint that is sent to; `None`: there is none.
    pub oldest_due: Option<Timestamp>,
    /// Deliveries that wait for room in memory, or for their endpoint to be sent to again; no more than [`COUNTED_MAX`].
    pub waiting: u32,
    /// Deliveries that wait for an instant: retries; no more than [`COUNTED_MAX`].
    pub scheduled: u32,
    /// Deliveries that wait for another of their order; no more than [`COUNTED_MAX`].
    pub in_order: u32,
    /// Incidents that nobody has acknowledged; no more than [`COUNTED_MAX`] with the others.
    pub incidents_open: u32,
    /// Incidents that somebody has acknowledged, and that are not over.
    pub incidents_acknowledged: u32,
    /// How many records the audit log has.
    pub audit_head: i64,
    /// Endpoints by their health, or that they are disabled; `None`: they have not all been counted yet.
    pub endpoints: Option<EndpointCounts>,
    lanes_pass: Pass<Option<Timestamp>>,
    endpoints_pass: Pass<EndpointCounts>,
}

/// Endpoints that are enabled, by their health; and those that are not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointCounts {
    /// That are enabled.
    pub by_health: BTreeMap<&'static str, u64>,
    /// That are disabled, whatever their health.
    pub disabled: u64,
}

/// A pass over all rows of a kind, some at each look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Pass<T> {
    /// Rows up to this one were read.
    after: i64,
    /// What they came to.
    so_far: T,
    /// What all rows came to in the pass before.
    before: Option<T>,
}

impl<T: Default + Clone> Pass<T> {
    /// Ends the pass if nothing is left.
    fn go_on(&mut self, last: Option<i64>, read: i64) {
        self.after = last.unwrap_or(self.after);
        if read < STEP {
            self.before = Some(std::mem::take(&mut self.so_far));
            self.after = 0;
        }
    }
}

columns! {
    /// The first delivery that waits in a lane, and what decides whether it is sent to.
    struct WaitingLane of "queue" {
        lane: i64 = "w.lane",
        due_at: Timestamp = "w.due_at",
        enabled: Option<bool> = "p.enabled",
        health: Option<HealthStatus> = "p.health",
    }
}

columns! {
    struct Counted of "queue" {
        count: i64 = "COUNT(*)",
    }
}

columns! {
    struct Due of "queue" {
        at: Timestamp = "q.wake_at",
    }
}

columns! {
    struct Unresolved of "incidents" {
        all: i64 = "COUNT(*)",
        acknowledged: i64 = "COUNT(i.acknowledged_at)",
    }
}

columns! {
    struct CountedEndpoints of "endpoints" {
        health: HealthStatus = "p.health",
        enabled: bool = "p.enabled",
        count: i64 = "COUNT(*)",
        last: i64 = "MAX(p.lane)",
    }
}

/// Goes from the first row of a lane to the first row of the next: what else waits in a lane is not read.
static LANES: Select<WaitingLane> = Select::new(
    "FROM (WITH RECURSIVE waiting (lane, due_at, place) AS (\
     SELECT f.lane, f.due_at, CAST(1 AS BIGINT) FROM queue f WHERE f.id = (SELECT q.id FROM queue q \
     WHERE q.wake_at IS NULL AND q.claim IS NULL AND q.lane > $1 ORDER BY q.lane, q.number LIMIT 1) \
     UNION ALL SELECT n.lane, n.due_at, b.place + 1 FROM waiting b CROSS JOIN queue n WHERE b.place < $2 AND n.id = (SELECT q.id FROM queue q \
     WHERE q.wake_at IS NULL AND q.claim IS NULL AND q.lane > b.lane ORDER BY q.lane, q.number LIMIT 1)) \
     SELECT lane, due_at FROM waiting) w LEFT JOIN endpoints p ON p.lane = w.lane ORDER BY w.lane",
);
static DUE: Select<Due> = Select::new("FROM queue q WHERE q.wake_at <= $1 ORDER BY q.wake_at LIMIT 1");
static WAITING: Select<Counted> = Select::new(
    "FROM (SELECT q.number FROM queue q WHERE q.wake_at IS NULL AND q.claim IS NULL ORDER BY q.lane, q.number LIMIT $1) c",
);
static SCHEDULED: Select<Counted> =
    Select::new("FROM (SELECT q.wake_at FROM queue q WHERE q.wake_at < $1 ORDER BY q.wake_at LIMIT $2) c");
static IN_ORDER: Select<Counted> =
    Select::new("FROM (SELECT q.wake_at FROM queue q WHERE q.wake_at >= $1 ORDER BY q.wake_at LIMIT $2) c");
static INCIDENTS: Select<Unresolved> =
    Select::new("FROM (SELECT n.acknowledged_at FROM incidents n WHERE n.resolved_at IS NULL ORDER BY n.id LIMIT $1) i");
static ENDPOINTS: Select<CountedEndpoints> = Select::new(
    "FROM (SELECT e.lane, e.health, e.enabled FROM endpoints e WHERE e.lane > $1 ORDER BY e.lane LIMIT $2) p \
     GROUP BY p.health, p.enabled",
);

/// Looks once more.
pub(super) fn look(db: Db<'_>, before: StoreWatch, now: Timestamp) -> Result<StoreWatch, StoreError> {
    let StoreWatch { mut lanes_pass, mut endpoints_pass, .. } = before;
    let waiting_since = waiting_since(db, &mut lanes_pass)?;
    let due = DUE.find(db, params![now])?.map(|due| due.at);
    let most = i64::from(COUNTED_MAX);
    let unresolved = INCIDENTS.find(db, params![most])?;
    let (all, acknowledged) = unresolved.map_or((0, 0), |found| (found.all, found.acknowledged));
    count_endpoints(db, &mut endpoints_pass)?;
    Ok(StoreWatch {
        oldest_due: [waiting_since, due].into_iter().flatten().min().filter(|due| *due <= now),
        waiting: count(WAITING.find(db, params![most])?),
        scheduled: count(SCHEDULED.find(db, params![WAITS, most])?),
        in_order: count(IN_ORDER.find(db, params![WAITS, most])?),
        incidents_open: small(all - acknowledged),
        incidents_acknowledged: small(acknowledged),
        audit_head: audit::append::size(db)?,
        endpoints: endpoints_pass.before.clone(),
        lanes_pass,
        endpoints_pass,
    })
}

/// Since when the oldest is due that waits for room in a lane. Where there are more such lanes than one look reads, the pass before
/// tells of those that this one has not come to.
fn waiting_since(db: Db<'_>, pass: &mut Pass<Option<Timestamp>>) -> Result<Option<Timestamp>, StoreError> {
    let lanes = LANES.list(db, params![pass.after, STEP])?;
    let is_sent_to = |lane: &&WaitingLane| match (lane.enabled, lane.health) {
        (Some(enabled), Some(health)) => Gate { enabled, health }.admits(false),
        _ => false,
    };
    let oldest = lanes.iter().filter(is_sent_to).map(|lane| lane.due_at).min();
    pass.so_far = [pass.so_far, oldest].into_iter().flatten().min();
    pass.go_on(lanes.last().map(|lane| lane.lane), i64::try_from(lanes.len()).unwrap_or(STEP));
    Ok(if pass.after == 0 { pass.before.flatten() } else { [pass.so_far, pass.before.flatten()].into_iter().flatten().min() })
}

fn count_endpoints(db: Db<'_>, pass: &mut Pass<EndpointCounts>) -> Result<(), StoreError> {
    let found = ENDPOINTS.list(db, params![pass.after, STEP])?;
    for CountedEndpoints { health, enabled, count, .. } in &found {
        let count = u64::try_from(*count).unwrap_or(0);
        if *enabled {
            *pass.so_far.by_health.entry(health.as_str()).or_default() += count;
        } else {
            pass.so_far.disabled += count;
        }
    }
    pass.go_on(found.iter().map(|found| found.last).max(), found.iter().map(|found| found.count).sum());
    Ok(())
}

fn count(found: Option<Counted>) -> u32 {
    small(found.map_or(0, |found| found.count))
}

fn small(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(0)
}

/// Each with the index by which it finds its rows.
#[cfg(test)]
pub(crate) fn statements() -> Vec<(String, &'static str)> {
    vec![
        (LANES.sql(), "queue_backlog"),
        (DUE.sql(), "queue_by_wake"),
        (WAITING.sql(), "queue_backlog"),
        (SCHEDULED.sql(), "queue_by_wake"),
        (IN_ORDER.sql(), "queue_by_wake"),
        (INCIDENTS.sql(), "incidents_unresolved"),
        (ENDPOINTS.sql(), "endpoints"),
    ]
}
