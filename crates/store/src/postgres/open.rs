//! Opening a PostgreSQL database: connects, migrates, registers this node, and starts its threads.

use std::sync::Arc;

use bellwire_domain::Timestamp;

use super::keeper::{self, Duties, Keeper};
use super::{claim, history, migrations, nodes, writer};
use crate::audit::keys::AuditKeys;
use crate::moves;
use crate::queue::access::{Access, AccessOptions, DropHistory, Execution, Parts, RunningWriter};
use crate::queue::adoption;
use crate::queue::clear_subjects;
use crate::queue::ids::DeliveryIds;
use crate::queue::lease::{Lease, draw_token};
use crate::queue::scrub::Scrub;
use crate::rows::lane::LaneKey;
use crate::rows::master_key;
use crate::schema::KNOWN_VERSION;
use crate::seal::Keyring;
use crate::sql::{CommitFaults, Db, PostgresUrl, Session, Source, aside};
use crate::{OpenError, StoreError};

/// Where contents stand.
const VACUUM: &str = "VACUUM events, deliveries, earlier_attempts, resources";

/// A database that is ready to be worked on.
struct Opened {
    session: Session,
    audit: AuditKeys,
    lease: Lease,
    delivery_ids: DeliveryIds,
    /// The lanes that have deliveries waiting.
    waiting: Vec<LaneKey>,
}

/// Opens the database as one more node, and starts the writer and the keeper.
pub(crate) fn open(options: &AccessOptions, url: &PostgresUrl) -> Result<Arc<Access>, OpenError> {
    let keyring = Arc::new(Keyring::new(&options.master_key));
    let Opened { session, audit, lease, delivery_ids, waiting } = aside(|| register(options, url, &keyring))?;
    let parts = Parts::new(options, (keyring, audit), lease, delivery_ids);
    parts.context.handoff.mark_backlog(waiting);
    let duties = Duties {
        url: url.clone(),
        lease: Arc::clone(&parts.context.lease),
        lease_length: options.node_lease,
        handoff: Arc::clone(&parts.context.handoff),
        clock: Arc::clone(&options.clock),
    };
    let writer = writer::Writer::new(session, url.clone(), parts.context.clone());
    let (jobs, closing) = match &options.execution {
        Execution::Threads => writer::start(writer, options.jobs_max)?,
        Execution::Inline { commits } => {
            let faults = CommitFaults::new(Arc::clone(commits));
            (writer::start_inline(writer.with_commit_faults(faults), options.jobs_max), Vec::new())
        }
    };
    let dropped_at = url.clone();
    let drop_history: DropHistory = Arc::new(move |from| drop_history(&dropped_at, from));
    let vacuumed = url.clone();
    let vacuum: Scrub = Arc::new(move || vacuum(&vacuumed));
    let is_inline = matches!(options.execution, Execution::Inline { .. });
    let scrub = (!is_inline).then_some(vacuum);
    let running = RunningWriter { jobs, closing, drop_history: Some(drop_history), scrub };
    let access = Arc::new(parts.assemble(options, Source::Postgres(url.clone()), running));
    let told = Arc::downgrade(&access);
    if matches!(options.execution, Execution::Inline { .. }) {
        keeper::look_inline(duties, move || told.upgrade().is_some_and(|access| access.is_open()));
        return Ok(access);
    }
    let keeper = Keeper::start(duties, move |notice| {
        if let Some(access) = told.upgrade() {
            access.hear(&notice);
        }
    })?;
    access.close_last(Box::new(move || keeper.stop()));
    Ok(access)
}

/// Migrates and registers this node.
fn register(options: &AccessOptions, url: &PostgresUrl, keyring: &Keyring) -> Result<Opened, OpenError> {
    let session = prepared(url, options.clock.now())?;
    moves::admit_target(Db::Postgres(&session), url)?;
    session.transaction(|| master_key::adopt(Db::Postgres(&session), keyring, &*options.entropy))?;
    let audit = AuditKeys::adopt(Db::Postgres(&session), keyring, &*options.entropy)?;
    if !adoption::is_done(Db::Postgres(&session))? && !nodes::outlive(&session, options.node_lease)? {
        let reason =
            "a node of an earlier version runs on it, which could not send to what this version seals: stop every one first";
        return Err(OpenError::Unusable { database: url.to_string(), reason: reason.to_owned() });
    }
    adoption::adopt(Db::Postgres(&session), keyring, &*options.entropy)?;
    adoption::adopt_reasons(Db::Postgres(&session), audit.store_key(), &*options.entropy)?;
    clear_subjects::adopt(Db::Postgres(&session), keyring)?;
    history::make_queued(&session)?;
    let token = draw_token(&*options.entropy);
    let delivery_ids = DeliveryIds::without_slot();
    let at = std::time::Instant::now();
    nodes::register(&session, (&token, keyring), options.clock.now(), &delivery_ids)?;
    // Once more: whoever begins to fill this database makes sure that no node is registered, and keeps others out meanwhile.
    if let Err(error) = moves::admit_target(Db::Postgres(&session), url) {
        nodes::release(&session, &token)?;
        return Err(error);
    }
    let lease = Lease::of(token, options.node_lease);
    lease.renew(0, at);
    let waiting = claim::all_lanes_waiting(&session)?;
    Ok(Opened { session, audit, lease, delivery_ids, waiting })
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
    session.plan_freely()?;
    check(&session, url)?;
    Ok(session)
}

/// Whether the database has the schema known here.
fn check(session: &Session, url: &PostgresUrl) -> Result<(), OpenError> {
    match migrations::check(session, url)? {
        found if found < KNOWN_VERSION => Err(OpenError::OlderSchema { found, known: KNOWN_VERSION }),
        _ => Ok(()),
    }
}

/// A connection to such a database, for short transactions beside its nodes.
pub(crate) fn beside(url: &PostgresUrl) -> Result<Session, OpenError> {
    let session = connect(url)?;
    check(&session, url)?;
    Ok(session)
}

/// Drops the partitions whose ids are all below `from`, over a connection of its own, which may wait for whatever reads them. Not
/// for a thread that runs tasks.
fn drop_history(url: &PostgresUrl, from: i64) -> Result<usize, StoreError> {
    let session = Session::connect(url, None)?;
    session.lift_timeouts_always()?;
    history::drop_before(&session, from)
}

/// Clears away what was deleted, over a connection of its own. Not for a thread that runs tasks.
fn vacuum(url: &PostgresUrl) -> Result<bool, StoreError> {
    let session = Session::connect(url, None)?;
    session.lift_timeouts_always()?;
    session.batch(VACUUM)?;
    Ok(true)
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
