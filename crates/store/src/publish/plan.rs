//! What a commit group of publications comes to: planned over what is read once, then written with one insert per table.

mod set;

use std::collections::HashSet;
use std::sync::Arc;

use bellwire_domain::{AccountId, DeliveryId, EndpointId, EventFilter, EventId, Timestamp};
use foldhash::HashMap;

use super::{
    EVENT_COLUMNS, EventReceipt, JobResult, NewEvent, Publication, PublishError, PublishStatements, QUEUE_COLUMNS, SealedEvent,
};
use crate::StoreError;
use crate::driver::{Db, Param, Row, params};
use crate::endpoints::read_filter;
use crate::handoff::{ClaimedDelivery, ClaimedEvent, LaneKey, PayloadSize};
use crate::lanes::{LaneRefs, event_place, place_seq};
use crate::origin::Origin;
use crate::writer::WriteContext;

/// A stored event that has an id offered again.
#[derive(Clone, Copy)]
struct Known {
    seq: i64,
    deliveries: i64,
    fingerprint: [u8; 32],
    occurred_at: Timestamp,
}

struct PlannedAccount {
    reference: i64,
    created_at: Timestamp,
    version: i64,
    last_seq: i64,
    /// Live deliveries, with those planned here.
    pending: i64,
    changed: bool,
    endpoints: Vec<PlannedEndpoint>,
}

struct PlannedEndpoint {
    id: EndpointId,
    lane: i64,
    version: i64,
    filter: EventFilter,
    enabled: bool,
    attempts_allowed: bool,
    last_number: i64,
    changed: bool,
}

impl PlannedEndpoint {
    fn takes(&self, event: &NewEvent) -> bool {
        match &event.only_endpoint {
            Some(only) => *only == self.id,
            None => self.enabled && self.filter.matches(&event.event_type),
        }
    }
}

struct PlannedEvent<'j> {
    account_id: &'j AccountId,
    account: i64,
    sealed: &'j SealedEvent,
    seq: i64,
    deliveries: i64,
}

struct PlannedDelivery<'j> {
    id: DeliveryId,
    account_id: &'j AccountId,
    /// Its endpoint's place in the account's list.
    endpoint: usize,
    event: &'j SealedEvent,
    event_seq: i64,
    refs: LaneRefs,
    occurred_at: Timestamp,
    number: i64,
    origin: Origin,
    claimed: bool,
}

/// The plan of a commit group.
#[derive(Default)]
pub(super) struct Plan<'j> {
    now: Timestamp,
    accounts: HashMap<AccountId, Option<PlannedAccount>>,
    known: HashMap<(AccountId, EventId), Known>,
    events: Vec<PlannedEvent<'j>>,
    deliveries: Vec<PlannedDelivery<'j>>,
}

const SELECT_ACCOUNT: &str = "SELECT ref, version, last_seq, pending, created_at FROM accounts WHERE id = $1";
const SELECT_ENDPOINTS: &str =
    "SELECT id, version, events, enabled, health, last_number, lane FROM endpoints WHERE account_id = $1 ORDER BY id";
const SELECT_EXISTING: &str = "SELECT id, place, deliveries, fingerprint, occurred_at FROM events WHERE account = $1 AND id = $2";
const UPDATE_COUNTERS: &str = "UPDATE accounts SET last_seq = $1, pending = $2 WHERE ref = $3";
pub(crate) const UPDATE_NUMBER: &str = "UPDATE endpoints SET last_number = $1 WHERE account_id = $2 AND id = $3";

impl<'j> Plan<'j> {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now, ..Self::default() }
    }

    /// Reads what the publications need, row by row.
    pub(super) fn load(&mut self, db: Db<'_>, publications: &[&Publication]) -> Result<(), StoreError> {
        for publication in publications {
            self.load_account(db, &publication.account_id)?;
            for sealed in &publication.events {
                self.load_existing(db, &publication.account_id, &sealed.event)?;
            }
        }
        Ok(())
    }

    fn load_account(&mut self, db: Db<'_>, account_id: &AccountId) -> Result<(), StoreError> {
        if self.accounts.contains_key(account_id) {
            return Ok(());
        }
        let account = match db.find("accounts", SELECT_ACCOUNT, params![account_id.as_str()])? {
            None => None,
            Some(row) => Some(read_account(&row, load_endpoints(db, account_id)?)?),
        };
        self.accounts.insert(account_id.clone(), account);
        Ok(())
    }

    fn load_existing(&mut self, db: Db<'_>, account_id: &AccountId, event: &NewEvent) -> Result<(), StoreError> {
        if !event.id_chosen {
            return Ok(());
        }
        let Some(Some(account)) = self.accounts.get(account_id) else { return Ok(()) };
        let key = (account_id.clone(), event.id.clone());
        if self.known.contains_key(&key) {
            return Ok(());
        }
        if let Some(row) = db.find("events", SELECT_EXISTING, params![account.reference, event.id.as_str()])? {
            self.known.insert(key, read_known(&row)?);
        }
        Ok(())
    }

    /// Plans one job: all its events, or an error and none.
    pub(super) fn add(&mut self, job: &'j Publication, backlog_max: i64) -> JobResult {
        let Some(Some(account)) = self.accounts.get(&job.account_id) else { return Err(PublishError::AccountNotFound) };
        if (account.version, account.created_at) != (job.account_version, job.account_created_at) {
            return Err(PublishError::AccountChanged);
        }
        self.check_conflicts(job)?;
        self.check_backlog(job, backlog_max)?;
        Ok(job.events.iter().map(|sealed| self.add_event(&job.account_id, sealed)).collect())
    }

    /// Every id is new, or names the same content; also within the job itself.
    fn check_conflicts(&self, job: &Publication) -> Result<(), PublishError> {
        let mut offered: HashMap<&EventId, &[u8; 32]> = HashMap::default();
        let chosen = job.events.iter().enumerate().filter(|(_, sealed)| sealed.event.id_chosen);
        for (index, SealedEvent { event, fingerprint, .. }) in chosen {
            let stored = self.known.get(&(job.account_id.clone(), event.id.clone())).map(|known| known.fingerprint);
            let earlier = offered.insert(&event.id, fingerprint).copied();
            if stored.or(earlier).is_some_and(|known| known != *fingerprint) {
                return Err(PublishError::Conflict { index });
            }
        }
        Ok(())
    }

    /// The account may have at most so many live deliveries. Counting what the job would add is for those few that come near.
    fn check_backlog(&self, job: &Publication, backlog_max: i64) -> Result<(), PublishError> {
        let Some(Some(account)) = self.accounts.get(&job.account_id) else { return Ok(()) };
        let most = job.events.len().saturating_mul(account.endpoints.len());
        let room = backlog_max.saturating_sub(account.pending);
        if i64::try_from(most).is_ok_and(|most| most <= room) {
            return Ok(());
        }
        let matching = |event: &NewEvent| account.endpoints.iter().filter(|endpoint| endpoint.takes(event)).count();
        let added: usize =
            job.events.iter().filter(|sealed| self.fans_out(job, sealed)).map(|sealed| matching(&sealed.event)).sum();
        let fits = added == 0 || i64::try_from(added).is_ok_and(|added| added <= room);
        if fits { Ok(()) } else { Err(PublishError::BacklogFull { pending: account.pending }) }
    }

    /// Whether an event makes deliveries: it is new, or to be sent again.
    fn fans_out(&self, job: &Publication, sealed: &SealedEvent) -> bool {
        sealed.event.redeliver || !self.known.contains_key(&(job.account_id.clone(), sealed.event.id.clone()))
    }

    fn add_event(&mut self, account_id: &'j AccountId, sealed: &'j SealedEvent) -> EventReceipt {
        let event = &sealed.event;
        let key = (account_id.clone(), event.id.clone());
        if let Some(known) = self.known.get(&key).copied() {
            if event.redeliver {
                self.fan_out(account_id, sealed, known.seq, known.occurred_at, &Origin::Redelivered);
            }
            return EventReceipt { id: event.id.clone(), seq: known.seq, deliveries: known.deliveries, created: false };
        }
        let (account, seq) = self.next_place(account_id);
        let deliveries = self.fan_out(account_id, sealed, seq, event.occurred_at, &Origin::Published);
        self.events.push(PlannedEvent { account_id, account, sealed, seq, deliveries });
        if event.id_chosen {
            let known = Known { seq, deliveries, fingerprint: sealed.fingerprint, occurred_at: event.occurred_at };
            self.known.insert(key, known);
        }
        EventReceipt { id: event.id.clone(), seq, deliveries, created: true }
    }

    /// The account's number, and the next `seq` of its log.
    fn next_place(&mut self, account_id: &AccountId) -> (i64, i64) {
        let Some(Some(account)) = self.accounts.get_mut(account_id) else { return (0, 0) };
        account.changed = true;
        account.last_seq += 1;
        (account.reference, account.last_seq)
    }

    /// Plans a delivery for each endpoint that matches.
    fn fan_out(
        &mut self,
        account_id: &'j AccountId,
        event: &'j SealedEvent,
        event_seq: i64,
        occurred_at: Timestamp,
        origin: &Origin,
    ) -> i64 {
        let Some(Some(account)) = self.accounts.get_mut(account_id) else { return 0 };
        let mut deliveries = 0;
        for (index, endpoint) in account.endpoints.iter_mut().enumerate() {
            if !endpoint.takes(&event.event) {
                continue;
            }
            endpoint.last_number += 1;
            endpoint.changed = true;
            deliveries += 1;
            let (number, origin) = (endpoint.last_number, origin.clone());
            self.deliveries.push(PlannedDelivery {
                id: DeliveryId::default(), // drawn when all is planned
                account_id,
                endpoint: index,
                event,
                event_seq,
                refs: LaneRefs { account: account.reference, lane: endpoint.lane },
                occurred_at,
                number,
                origin,
                claimed: false,
            });
        }
        account.pending += deliveries;
        account.changed |= deliveries > 0;
        deliveries
    }

    /// Draws ids and reserves room; what has room is returned as claimed.
    pub(super) fn hand_off(&mut self, context: &WriteContext, epoch: u64) -> Vec<ClaimedDelivery> {
        let mut room = context.handoff.reserve();
        let mut claimed = Vec::with_capacity(self.deliveries.len());
        let mut last: Option<(*const SealedEvent, Arc<ClaimedEvent>)> = None;
        for delivery in &mut self.deliveries {
            let id = context.delivery_ids.draw(self.now);
            delivery.id = id;
            let Some(Some(account)) = self.accounts.get(delivery.account_id) else { continue };
            let Some(endpoint) = account.endpoints.get(delivery.endpoint) else { continue };
            let lane = LaneKey { account_id: delivery.account_id.clone(), endpoint_id: endpoint.id.clone() };
            let attempted = endpoint.attempts_allowed && (endpoint.enabled || delivery.event.event.only_endpoint.is_some());
            let place = event_place(delivery.refs.account, delivery.event_seq);
            if !attempted || !room.for_new(&lane, PayloadSize { place, bytes: delivery.event.event.data.len() }) {
                continue;
            }
            delivery.claimed = true;
            let event = match &last {
                Some((source, event)) if std::ptr::eq(*source, delivery.event) => Arc::clone(event),
                _ => Arc::new(claimed_event(delivery)),
            };
            last = Some((std::ptr::from_ref(delivery.event), Arc::clone(&event)));
            claimed.push(ClaimedDelivery {
                id,
                account_id: lane.account_id,
                endpoint_id: lane.endpoint_id,
                endpoint_version: endpoint.version,
                number: delivery.number,
                attempts: 0,
                created_at: self.now,
                origin: delivery.origin.clone(),
                refs: delivery.refs,
                epoch,
                event,
            });
        }
        drop(room);
        if claimed.len() < self.deliveries.len() {
            self.share(context, &claimed);
        }
        claimed
    }

    /// Lets deliveries that found no room share the payload of their event, where another of its deliveries did.
    fn share(&self, context: &WriteContext, claimed: &[ClaimedDelivery]) {
        let left = self.deliveries.iter().filter(|delivery| !delivery.claimed);
        let left: HashSet<i64> = left.map(|delivery| event_place(delivery.refs.account, delivery.event_seq)).collect();
        for delivery in claimed.iter().filter(|delivery| left.contains(&delivery.event_place())) {
            context.handoff.events.add(delivery.event_place(), &delivery.event);
        }
    }

    /// Writes it, row by row.
    pub(super) fn write(&self, db: Db<'_>, statements: &PublishStatements, claim_token: &str) -> Result<(), StoreError> {
        let (events, subjects) = self.event_rows();
        statements.events.run(db, &events)?;
        statements.queue.run(db, &self.queue_rows(claim_token))?;
        self.write_counters(db)?;
        statements.subjects.run(db, &subjects)
    }

    /// The rows of the events, and of whom they are about.
    fn event_rows(&self) -> (Vec<Param<'_>>, Vec<Param<'_>>) {
        let mut cells = Vec::with_capacity(self.events.len() * EVENT_COLUMNS.len());
        let mut subjects = Vec::new();
        for PlannedEvent { account_id, account, sealed, seq, deliveries } in &self.events {
            let event = &sealed.event;
            cells.extend_from_slice(params![
                event_place(*account, *seq),
                *account,
                event.id.as_str(),
                event.event_type.as_str(),
                event.occurred_at,
                self.now,
                event.is_test,
                *deliveries,
                &sealed.fingerprint[..],
                i64::try_from(event.data.len()).unwrap_or(i64::MAX),
                sealed.sealed.as_slice(),
            ]);
            let distinct: HashSet<&String> = event.subjects.iter().collect();
            for subject in distinct {
                subjects.extend_from_slice(params![account_id.as_str(), subject.as_str(), *seq]);
            }
        }
        (cells, subjects)
    }

    fn queue_rows<'s>(&'s self, claim_token: &'s str) -> Vec<Param<'s>> {
        let mut cells: Vec<Param<'_>> = Vec::with_capacity(self.deliveries.len() * QUEUE_COLUMNS.len());
        for delivery in &self.deliveries {
            cells.extend_from_slice(params![
                delivery.id,
                delivery.refs.lane,
                delivery.number,
                event_place(delivery.refs.account, delivery.event_seq),
                0i64,
                self.now,
                self.now,
                delivery.claimed.then_some(claim_token),
                delivery.origin.as_param(),
            ]);
        }
        cells
    }

    fn write_counters(&self, db: Db<'_>) -> Result<(), StoreError> {
        for (account_id, account) in &self.accounts {
            let Some(account) = account else { continue };
            if account.changed {
                db.execute(UPDATE_COUNTERS, params![account.last_seq, account.pending, account.reference])?;
            }
            for endpoint in account.endpoints.iter().filter(|endpoint| endpoint.changed) {
                db.execute(UPDATE_NUMBER, params![endpoint.last_number, account_id.as_str(), endpoint.id.as_str()])?;
            }
        }
        Ok(())
    }
}

fn claimed_event(delivery: &PlannedDelivery<'_>) -> ClaimedEvent {
    let event = &delivery.event.event;
    ClaimedEvent {
        id: event.id.clone(),
        event_type: event.event_type.clone(),
        occurred_at: delivery.occurred_at,
        seq: delivery.event_seq,
        is_test: event.is_test,
        size: event.data.len(),
        // A copy, on purpose: what was posted may be a slice of a whole batch or of a connection's read buffer, and would keep it
        // in memory until the last delivery ends.
        data: str::from_utf8(&event.data).ok().map(Into::into),
    }
}

fn load_endpoints(db: Db<'_>, account_id: &AccountId) -> Result<Vec<PlannedEndpoint>, StoreError> {
    db.query("endpoints", SELECT_ENDPOINTS, params![account_id.as_str()])?.iter().map(read_endpoint).collect()
}

fn read_account(row: &Row, endpoints: Vec<PlannedEndpoint>) -> Result<PlannedAccount, StoreError> {
    Ok(PlannedAccount {
        reference: row.int(0, "ref")?,
        version: row.int(1, "version")?,
        last_seq: row.int(2, "last_seq")?,
        pending: row.int(3, "pending")?,
        created_at: row.time(4, "created_at")?,
        changed: false,
        endpoints,
    })
}

fn read_endpoint(row: &Row) -> Result<PlannedEndpoint, StoreError> {
    Ok(PlannedEndpoint {
        id: row.parsed(0, "id")?,
        version: row.int(1, "version")?,
        filter: read_filter(row, 2)?,
        enabled: row.boolean(3, "enabled")?,
        attempts_allowed: row.word(4, "health", bellwire_domain::HealthStatus::parse)?.allows_attempts(),
        last_number: row.int(5, "last_number")?,
        lane: row.int(6, "lane")?,
        changed: false,
    })
}

fn read_known(row: &Row) -> Result<Known, StoreError> {
    let fingerprint = <[u8; 32]>::try_from(row.bytes(3, "fingerprint")?).map_err(|_| StoreError::Inconsistent {
        table: "events",
        column: "fingerprint",
        id: row.text(0, "id").unwrap_or_default().to_owned(),
    })?;
    Ok(Known {
        seq: place_seq(row.int(1, "place")?),
        deliveries: row.int(2, "deliveries")?,
        fingerprint,
        occurred_at: row.time(4, "occurred_at")?,
    })
}

pub(super) use set::reads;
#[cfg(test)]
pub(crate) use set::set_statements;

/// The texts that run on this path, for the test that prepares every statement.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 5] = [SELECT_ACCOUNT, SELECT_ENDPOINTS, SELECT_EXISTING, UPDATE_COUNTERS, UPDATE_NUMBER];
