//! Opening a database: connects, migrates, registers this node.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{Clock, Entropy, Timestamp};

use super::session::Session;
use super::{PostgresUrl, history, migrations, nodes};
use crate::delivery_ids::DeliveryIds;
use crate::driver::Db;
use crate::lease::Lease;
use crate::migrations::KNOWN_VERSION;
use crate::store::hex_token;
use crate::{LaneKey, OpenError, StoreError, claims, relocation};

/// A database that is ready to be worked on.
pub(crate) struct Opened {
    pub(crate) session: Session,
    pub(crate) lease: Lease,
    pub(crate) delivery_ids: DeliveryIds,
    /// The lanes that have deliveries waiting.
    pub(crate) waiting: Vec<LaneKey>,
}

/// Runs `work` on a thread of its own, and waits for it: a connection must not be waited for on one that runs tasks.
pub(crate) fn aside<T: Send, E: Send + From<StoreError>>(work: impl FnOnce() -> Result<T, E> + Send) -> Result<T, E> {
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|_| Err(E::from(StoreError::Closed)))
}

/// Connects and migrates; `prepare` is run before this node is registered.
pub(crate) fn open(
    url: &PostgresUrl,
    lease: Duration,
    (clock, entropy): (&Arc<dyn Clock>, &Arc<dyn Entropy>),
    prepare: impl FnOnce(&Session) -> Result<(), OpenError> + Send,
) -> Result<Opened, OpenError> {
    aside(|| open_here(url, lease, (&**clock, &**entropy), prepare))
}

fn open_here(
    url: &PostgresUrl,
    lease: Duration,
    (clock, entropy): (&dyn Clock, &dyn Entropy),
    prepare: impl FnOnce(&Session) -> Result<(), OpenError>,
) -> Result<Opened, OpenError> {
    let session = prepared(url, clock.now())?;
    relocation::admit_target(&session, url)?;
    prepare(&session)?;
    history::make_queued(&session)?;
    let token = hex_token(entropy);
    let delivery_ids = DeliveryIds::without_slot();
    let at = std::time::Instant::now();
    nodes::register(&session, &token, clock.now(), &delivery_ids)?;
    // Once more: whoever begins to fill this database makes sure that no node is registered, and keeps others out meanwhile.
    if let Err(error) = relocation::admit_target(&session, url) {
        nodes::take_over(&session, &token, i64::MAX)?;
        return Err(error);
    }
    let registered = Lease::of(token, lease);
    registered.renew(0, at);
    let waiting = claims::lanes_waiting(Db::Postgres(&session))?;
    Ok(Opened { session, lease: registered, delivery_ids, waiting })
}

/// A connection to a database that is migrated.
pub(crate) fn prepared(url: &PostgresUrl, now: Timestamp) -> Result<Session, OpenError> {
    let session = connect(url)?;
    migrations::migrate(&session, url, now)?;
    Ok(session)
}

/// A connection to a database that has the schema known here, for an examination.
pub(crate) fn examined(url: &PostgresUrl) -> Result<Session, OpenError> {
    let session = connect(url)?;
    session.batch("SET idle_in_transaction_session_timeout = 0")?;
    session.read_whole_tables()?;
    let found = migrations::check(&session, url)?;
    if found < KNOWN_VERSION {
        return Err(OpenError::OlderSchema { found, known: KNOWN_VERSION });
    }
    Ok(session)
}

/// Drops the partitions of which every id is below `from`, over a connection of its own, which may wait for whatever reads them.
/// Not on a thread that runs tasks.
pub(crate) fn drop_history(url: &PostgresUrl, from: i64) -> Result<usize, StoreError> {
    let session = Session::connect(url, None)?;
    session.be_patient_always()?;
    history::drop_before(&session, from)
}

fn connect(url: &PostgresUrl) -> Result<Session, OpenError> {
    Session::connect(url, None).map_err(|error| {
        let reason = match error {
            StoreError::Unavailable(reason) => reason.to_string(),
            other => other.to_string(),
        };
        OpenError::Unusable { database: url.to_string(), reason }
    })
}
