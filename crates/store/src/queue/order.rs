//! The order of deliveries: of those to one endpoint that have the same key, each waits for the one before.
//!
//! Who waits is decided where deliveries are made, under the account's lock: one that finds another of its key alive
//! [waits](WAITS). Where one ends, the next is let go. So of the deliveries of a key at least one may be attempted at any time, and
//! claims need to know nothing of it. Deliveries without a key, which is all of most contracts, cost nothing.

use std::collections::HashSet;

use bellwire_domain::{AccountId, DeliveryState, OrderStep, Timestamp};

use super::cancel::end_without_attempt;
use super::outcome::Outcome;
use super::plan::{Loaded, Plan};
use super::publication::Publication;
use crate::StoreError;
use crate::rows::account;
use crate::rows::queued::{InOrder, WAITS};
use crate::sql::{Db, Kind, Param, columns, params, select};

const LIVE: &str = "SELECT id FROM queue WHERE lane = $1 AND order_key = $2 LIMIT 1";
/// Lets the first one go that waits, if none goes already.
const RELEASE: &str = "UPDATE queue SET wake_at = NULL WHERE id = (SELECT id FROM queue WHERE lane = $1 AND order_key = $2 \
     AND wake_at = $3 ORDER BY number LIMIT 1) \
     AND NOT EXISTS (SELECT 1 FROM queue o WHERE o.lane = $1 AND o.order_key = $2 AND o.wake_at IS NULL) \
     AND NOT EXISTS (SELECT 1 FROM queue o WHERE o.lane = $1 AND o.order_key = $2 AND o.wake_at < $3)";
/// The same two for many orders at once, as each statement is a round trip to PostgreSQL.
const LIVE_SET: &str = "FROM UNNEST($1::bigint[], $2::bigint[]) t (lane, order_key) \
     WHERE (SELECT q.id FROM queue q WHERE q.lane = t.lane AND q.order_key = t.order_key LIMIT 1) IS NOT NULL";
const RELEASE_SET: &str = "UPDATE queue SET wake_at = NULL WHERE id = ANY(ARRAY(SELECT \
     (SELECT q.id FROM queue q WHERE q.lane = t.lane AND q.order_key = t.order_key AND q.wake_at = $3 ORDER BY q.number LIMIT 1) \
     FROM UNNEST($1::bigint[], $2::bigint[]) t (lane, order_key) \
     WHERE (SELECT o.id FROM queue o WHERE o.lane = t.lane AND o.order_key = t.order_key AND o.wake_at IS NULL LIMIT 1) IS NULL \
     AND (SELECT o.id FROM queue o WHERE o.lane = t.lane AND o.order_key = t.order_key AND o.wake_at < $3 LIMIT 1) IS NULL))";
const PASS: &str = "UPDATE queue SET order_key = NULL WHERE id = $1";
const DROP: &str = "DELETE FROM queue WHERE id = $1";
/// A delivery that was tried in vain, waits for its next attempt, and has a newer one behind it.
const STALE: &str = "SELECT id FROM queue WHERE lane = $1 AND order_key = $2 AND wake_at < $3 AND claim IS NULL AND attempts > 0 \
     AND EXISTS (SELECT 1 FROM queue n WHERE n.lane = $1 AND n.order_key = $2 AND n.wake_at = $3 AND n.number > queue.number)";

columns! {
    /// An order of which a delivery is alive.
    struct LiveOrder of "queue" {
        lane: i64 = "t.lane",
        key: i64 = "t.order_key",
    }
}

fn end_stale() -> String {
    end_without_attempt("FROM queue WHERE id = $4")
}

/// Those of which a delivery is alive.
pub(crate) fn live_of(db: Db<'_>, orders: HashSet<InOrder>) -> Result<HashSet<InOrder>, StoreError> {
    let mut live = HashSet::new();
    match db {
        Db::Postgres(session) if !orders.is_empty() => {
            let sql = select::<LiveOrder>(LIVE_SET);
            for row in session.query_set("queue", &sql, &[(&PAIR, &cells(orders))], &[])? {
                let LiveOrder { lane, key } = row.read()?;
                live.insert((lane, key));
            }
        }
        Db::Postgres(_) => {}
        Db::Sqlite(_) => {
            for (lane, key) in orders {
                if db.find("queue", LIVE, params![lane, key])?.is_some() {
                    live.insert((lane, key));
                }
            }
        }
    }
    Ok(live)
}

/// Looks for what new deliveries have to wait for.
pub(crate) fn load(db: Db<'_>, loaded: &mut Loaded, publications: &[&Publication]) -> Result<(), StoreError> {
    loaded.live = live_of(db, loaded.in_order(publications))?;
    Ok(())
}

const PAIR: [Kind; 2] = [Kind::Int; 2];

fn cells(orders: HashSet<InOrder>) -> Vec<Param<'static>> {
    orders.into_iter().flat_map(|(lane, key)| [lane.into(), key.into()]).collect()
}

/// Lets the next one go, if the one before has ended.
pub(crate) fn release(db: Db<'_>, (lane, key): InOrder) -> Result<(), StoreError> {
    db.execute(RELEASE, params![lane, key, WAITS]).map(drop)
}

/// The same for many.
fn release_all(db: Db<'_>, orders: HashSet<InOrder>) -> Result<(), StoreError> {
    match db {
        Db::Postgres(session) if !orders.is_empty() => {
            session.execute_set(RELEASE_SET, &[(&PAIR, &cells(orders))], params![WAITS]).map(drop)
        }
        Db::Postgres(_) => Ok(()),
        Db::Sqlite(_) => orders.into_iter().try_for_each(|in_order| release(db, in_order)),
    }
}

/// What outcomes mean for those that wait.
#[derive(Default)]
pub(crate) struct OrderBook<'o> {
    moved: Vec<&'o Outcome>,
}

impl<'o> OrderBook<'o> {
    /// Notes an outcome that was stored.
    pub(crate) fn observe(&mut self, outcome: &'o Outcome) {
        if outcome.delivery.order_key.is_some() {
            self.moved.push(outcome);
        }
    }

    /// Lets those go that waited for them.
    pub(crate) fn write(self, db: Db<'_>, now: Timestamp) -> Result<(), StoreError> {
        let mut seen = HashSet::new();
        for Outcome { delivery, order: OrderStep { passes, drops_stale, .. }, .. } in &self.moved {
            let Some(key) = delivery.order_key else { continue };
            let in_order = (delivery.refs.lane, key);
            if *passes {
                db.execute(PASS, params![delivery.id])?;
            } else if *drops_stale {
                drop_stale(db, (&delivery.account_id, delivery.refs.account), in_order, now)?;
            }
            seen.insert(in_order);
        }
        release_all(db, seen)
    }
}

/// Drops what has become stale by new deliveries.
pub(crate) fn drop_stale_of(db: Db<'_>, plan: &Plan<'_>, now: Timestamp) -> Result<(), StoreError> {
    for (account, in_order) in plan.makes_stale() {
        drop_stale(db, account, in_order, now)?;
        release(db, in_order)?;
    }
    Ok(())
}

fn drop_stale(
    db: Db<'_>,
    (account_id, account): (&AccountId, i64),
    (lane, key): InOrder,
    now: Timestamp,
) -> Result<(), StoreError> {
    let stale = db.query("queue", STALE, params![lane, key, WAITS])?;
    for row in &stale {
        let id: i64 = row.value("id")?;
        db.execute(&end_stale(), params![account, DeliveryState::Cancelled.as_str(), now, id])?;
        db.execute(DROP, params![id])?;
    }
    if stale.is_empty() { Ok(()) } else { account::add_pending(db, account_id, -i64::try_from(stale.len()).unwrap_or(i64::MAX)) }
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    [LIVE, RELEASE, PASS, DROP, STALE].map(str::to_owned).into_iter().chain([end_stale()]).collect()
}

/// Those that only PostgreSQL runs.
#[cfg(test)]
pub(crate) fn set_statements() -> Vec<String> {
    vec![select::<LiveOrder>(LIVE_SET), RELEASE_SET.to_owned()]
}
