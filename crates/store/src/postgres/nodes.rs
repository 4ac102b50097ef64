//! The rows by which nodes know of each other.
//!
//! A node's heartbeat counts up in its row. A node whose beat stands still for the length of a lease is taken for dead; each
//! observer measures that by its own clock, from when it first saw the beat, so no two clocks are ever compared. A takeover
//! deletes the row and frees what its token holds, in one transaction. Every transaction that claims something locks its own
//! node's row, so that nothing is claimed in the name of a node that is being taken over.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwire_domain::Timestamp;

use super::locks::lock_until_end;
use crate::queue::clock;
use crate::queue::ids::{DeliveryIds, SLOTS};
use crate::queue::lease::{Claimant, Lease};
use crate::queue::takeover::{self, Fate, Holder};
use crate::rows::master_key::{self, NODE};
use crate::seal::Keyring;
use crate::sql::{Db, Select, Session, columns, params};
use crate::{OpenError, StoreError};

/// Held while a slot is looked for.
const REGISTERING: i64 = 0x6265_6c6c_0001;

const FREE_SLOT: &str = "SELECT MIN(s.slot) FROM generate_series(0::bigint, $1 - 1) s (slot) \
     WHERE NOT EXISTS (SELECT 1 FROM nodes n WHERE n.slot = s.slot)";
const REGISTER: &str = "INSERT INTO nodes (token, slot, beat, registered_at) VALUES ($1, $2, 0, $3)";
const BEAT: &str = "UPDATE nodes SET beat = beat + 1 WHERE token = $1";
static ALL: Select<Beat> = Select::new("FROM nodes ORDER BY token");
const FENCE: &str = "SELECT token FROM nodes WHERE token = $1 FOR KEY SHARE";
const ANY: &str = "SELECT EXISTS (SELECT 1 FROM nodes)";
const UNPREPARED: &str = "SELECT COUNT(*) FROM nodes n \
     WHERE NOT EXISTS (SELECT 1 FROM meta m WHERE m.key = CAST($1 AS TEXT) || n.token AND m.value = $2)";
const REMOVE: &str = "DELETE FROM nodes WHERE token = $1 AND beat <= $2";

#[cfg(test)]
pub(super) const STATEMENTS: [&str; 7] = [FREE_SLOT, REGISTER, BEAT, FENCE, ANY, UNPREPARED, REMOVE];

#[cfg(test)]
pub(super) fn queries() -> Vec<String> {
    takeover::statements(&[Holder::This, Holder::Unknown]).into_iter().chain([ALL.sql()]).collect()
}

columns! {
    /// A node's heartbeat.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(super) struct Beat of "nodes" {
        pub(super) token: String = "token",
        pub(super) beat: i64 = "beat",
    }
}

/// Registers a node; its delivery ids are of its own slot from now on.
pub(super) fn register(
    session: &Session,
    (token, keyring): (&str, &Keyring),
    now: Timestamp,
    ids: &DeliveryIds,
) -> Result<(), OpenError> {
    let db = Db::Postgres(session);
    session.transaction(|| {
        lock_until_end(session, REGISTERING)?;
        let free: Option<i64> = db.get("nodes", FREE_SLOT, params![SLOTS])?.value("slot")?;
        let slot = free.ok_or_else(|| StoreError::Unavailable(format!("there are {SLOTS} nodes already").into()))?;
        db.execute(REGISTER, params![token, slot, now])?;
        master_key::register(db, keyring, token)?;
        takeover::free(db, Holder::Unknown, token, Fate::Died)?;
        clock::set_right(db, now)?;
        Ok(ids.take_slot(db, slot, now)?)
    })
}

/// Keeps nodes from registering until the transaction ends; `false`: one is registered already.
pub(crate) fn keep_nodes_out(session: &Session) -> Result<bool, StoreError> {
    lock_until_end(session, REGISTERING)?;
    let any: bool = Db::Postgres(session).get("nodes", ANY, params![])?.value("any")?;
    Ok(!any)
}

/// Keeps nodes from registering until the transaction ends. How many are registered that do not know the master key that this canary
/// is sealed by, beside the store's.
pub(crate) fn keep_out_unprepared(session: &Session, canary: &[u8]) -> Result<i64, StoreError> {
    lock_until_end(session, REGISTERING)?;
    Db::Postgres(session).get("nodes", UNPREPARED, params![NODE, canary])?.value("count")
}

/// Says that a node lives; `false`: it has been taken over.
pub(super) fn beat(session: &Session, token: &str) -> Result<bool, StoreError> {
    Ok(session.execute(BEAT, params![token])? > 0)
}

/// Locks the node's row for the rest of the transaction. A node that has none has been taken over: it gives up its lease, and
/// nothing may be claimed.
pub(super) fn fence(session: &Session, lease: &Lease) -> Result<Arc<Claimant>, StoreError> {
    let claimant = lease.current();
    if Db::Postgres(session).find("nodes", FENCE, params![claimant.token.as_str()])?.is_none() {
        return Err(taken_over(lease, &claimant));
    }
    Ok(claimant)
}

/// Gives up the lease of a node that has no row any more.
pub(super) fn taken_over(lease: &Lease, claimant: &Claimant) -> StoreError {
    lease.give_up(claimant.epoch);
    StoreError::Unavailable("this node was taken for dead and begins anew".into())
}

/// Frees what a node holds that is gone, if its beat is still at most `beat`; how many deliveries that were, or `None`.
pub(super) fn take_over(session: &Session, token: &str, beat: i64) -> Result<Option<usize>, StoreError> {
    free(session, token, beat, Fate::Died)
}

/// Frees what this process holds under one of its own tokens, which it gives up; `None`: another node has taken it over.
pub(super) fn release(session: &Session, token: &str) -> Result<Option<usize>, StoreError> {
    free(session, token, i64::MAX, Fate::Released)
}

fn free(session: &Session, token: &str, beat: i64, fate: Fate) -> Result<Option<usize>, StoreError> {
    session.transaction(|| {
        if session.execute(REMOVE, params![token, beat])? == 0 {
            return Ok(None);
        }
        master_key::unregister(Db::Postgres(session), token)?;
        takeover::free(Db::Postgres(session), Holder::This, token, fate).map(Some)
    })
}

/// Waits, for the length of a lease at most, until no node is registered: those that stand still meanwhile are taken over. `false`: one
/// lives. For what must not be done beside nodes of an earlier version, before this one is registered.
pub(super) fn outlive(session: &Session, lease: Duration) -> Result<bool, StoreError> {
    let db = Db::Postgres(session);
    let before = ALL.list(db, params![])?;
    if before.is_empty() {
        return Ok(true);
    }
    tracing::info!(nodes = before.len(), "waiting to see whether nodes of an earlier version are alive");
    std::thread::sleep(lease);
    for dead in ALL.list(db, params![])?.into_iter().filter(|beat| before.contains(beat)) {
        take_over(session, &dead.token, dead.beat)?;
    }
    Ok(ALL.list(db, params![])?.is_empty())
}

/// The beats of others, as one node has seen them.
#[derive(Default)]
pub(super) struct Watch {
    seen: HashMap<String, (i64, Instant)>,
}

impl Watch {
    /// Looks at every node's beat; how many there are, and those that stood still for a whole lease.
    pub(super) fn look(&mut self, session: &Session, own: &str, lease: Duration) -> Result<(usize, Vec<Beat>), StoreError> {
        let beats = ALL.list(Db::Postgres(session), params![])?;
        Ok((beats.len(), self.judge(beats, own, lease, Instant::now())))
    }

    fn judge(&mut self, beats: Vec<Beat>, own: &str, lease: Duration, now: Instant) -> Vec<Beat> {
        let mut dead = Vec::new();
        let mut seen = HashMap::with_capacity(beats.len());
        for Beat { token, beat } in beats.into_iter().filter(|beat| beat.token != own) {
            let since = match self.seen.get(&token) {
                Some((known, since)) if *known == beat => *since,
                _ => now,
            };
            if now.duration_since(since) >= lease {
                dead.push(Beat { token: token.clone(), beat });
            }
            seen.insert(token, (beat, since));
        }
        self.seen = seen;
        dead
    }

    /// What was seen before a time in which nothing could be seen says nothing about that time.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_beat_that_stands_still_for_a_lease_is_a_death() {
        let lease = Duration::from_secs(10);
        let mut watch = Watch::default();
        let start = Instant::now();
        let mut look = |beats: [(&str, i64); 2], after: u64| {
            let beats = beats.map(|(token, beat)| Beat { token: token.to_owned(), beat }).into();
            watch.judge(beats, "me", lease, start + Duration::from_secs(after))
        };
        assert!(look([("a", 1), ("me", 1)], 0).is_empty());
        assert!(look([("a", 1), ("me", 1)], 9).is_empty());
        assert!(look([("a", 2), ("me", 1)], 10).is_empty(), "it moved, and this node is no judge of itself");
        assert!(look([("a", 2), ("me", 1)], 19).is_empty());
        assert_eq!(look([("a", 2), ("me", 1)], 20), [Beat { token: "a".to_owned(), beat: 2 }]);
        assert!(look([("b", 7), ("me", 1)], 21).is_empty(), "a new one begins when it is first seen");
    }
}
