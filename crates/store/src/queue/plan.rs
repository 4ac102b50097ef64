//! What a commit group of publications comes to.
//!
//! Publishing reads as load, plan, write, commit. The backend loads the accounts, their endpoints and the events that already
//! have the ids offered. Planning works on these values alone: it gives every event its `seq`, every matching endpoint a
//! delivery with its `number`, and reserves room for those that may be attempted at once. The backend writes the plan, and the
//! writer commits it.

pub(crate) mod endpoints;
mod hand_off;
mod written;

use std::collections::HashSet;
use std::sync::Arc;

use bellwire_domain::{AccountId, DeliveryId, EventId, Log, Timestamp};
use foldhash::HashMap;

use self::endpoints::PlannedEndpoints;
use super::context::WriteContext;
use super::delivery::ClaimedDelivery;
use super::handoff::Reserved;
use super::lease::Claimant;
use super::publication::{EventReceipt, Publication, PublishError, PublishResult, SealedEvent};
use crate::rows::endpoint::RecipientColumns;
use crate::rows::event::{KnownEvent, event_place, place_seq, removal};
use crate::rows::lane::{LaneKey, LaneRefs};
use crate::rows::operator_notice::OperatorNotice;
use crate::rows::queued::{InOrder, Origin};
use crate::sql::columns;

columns! {
    /// What publishing has to know of an account.
    pub(crate) struct AccountCounters of "accounts" {
        pub(crate) id: AccountId = "a.id",
        pub(crate) reference: i64 = "a.ref",
        pub(crate) version: i64 = "a.version",
        pub(crate) last_seq: i64 = "a.last_seq",
        pub(crate) pending: i64 = "a.pending",
        pub(crate) created_at: Timestamp = "a.created_at",
    }
}

/// What planning works on.
#[derive(Default)]
pub(crate) struct Loaded {
    accounts: HashMap<AccountId, PlannedAccount>,
    known: HashMap<AccountId, HashMap<EventId, Known>>,
    /// The orders of which a delivery is alive, among those that new ones would be in.
    pub(crate) live: HashSet<InOrder>,
}

impl Loaded {
    /// Keeps an account, and its endpoints.
    pub(crate) fn add_account(&mut self, account: AccountCounters, endpoints: PlannedEndpoints) {
        self.account(account).endpoints = endpoints;
    }

    /// Keeps an account, and one more of its endpoints.
    pub(crate) fn add_endpoint(&mut self, account: AccountCounters, endpoint: Option<RecipientColumns>) {
        self.account(account).endpoints.extend(endpoint);
    }

    fn account(&mut self, account: AccountCounters) -> &mut PlannedAccount {
        let AccountCounters { id, reference, version, last_seq, pending, created_at } = account;
        self.accounts.entry(id).or_insert_with(|| PlannedAccount {
            reference,
            created_at,
            version,
            log: Log { last_seq, pending },
            changed: false,
            endpoints: PlannedEndpoints::default(),
        })
    }

    /// Keeps an event that has an id offered again.
    pub(crate) fn add_known(&mut self, account_id: AccountId, event: KnownEvent) {
        let KnownEvent { id, place, deliveries, fingerprint, occurred_at, payload_length } = event;
        let is_removed = removal(payload_length).is_some();
        let known = Known { seq: place_seq(place), deliveries, fingerprint, occurred_at, is_removed };
        self.known.entry(account_id).or_default().insert(id, known);
    }

    /// The number of an account that was loaded.
    pub(crate) fn reference(&self, id: &AccountId) -> Option<i64> {
        self.accounts.get(id).map(|account| account.reference)
    }

    /// The orders that new deliveries would be in.
    pub(crate) fn in_order(&self, publications: &[&Publication]) -> HashSet<InOrder> {
        let mut all = HashSet::new();
        for publication in publications {
            for event in &publication.events {
                let Some(key) = event.order_key else { continue };
                let Some(account) = self.accounts.get(&publication.account_id) else { continue };
                all.extend(account.endpoints.takers(event).map(|endpoint| (endpoint.lane, key)));
            }
        }
        all
    }

    /// Whether an event was loaded.
    pub(crate) fn knows(&self, account_id: &AccountId, id: &EventId) -> bool {
        self.known.get(account_id).is_some_and(|known| known.contains_key(id))
    }
}

/// A stored event that has an id offered again.
#[derive(Clone, Copy)]
struct Known {
    seq: i64,
    deliveries: i64,
    fingerprint: [u8; 32],
    occurred_at: Timestamp,
    /// Whether its data is gone.
    is_removed: bool,
}

struct PlannedAccount {
    reference: i64,
    created_at: Timestamp,
    version: i64,
    log: Log,
    changed: bool,
    endpoints: PlannedEndpoints,
}

struct PlannedEvent<'p> {
    place: i64,
    account: i64,
    deliveries: i64,
    sealed: &'p SealedEvent,
}

struct PlannedDelivery<'p> {
    id: DeliveryId,
    lane: LaneKey,
    refs: LaneRefs,
    endpoint_version: i64,
    number: i64,
    event: &'p SealedEvent,
    event_seq: i64,
    occurred_at: Timestamp,
    origin: Origin,
    /// Whether it waits for another.
    waits: bool,
    /// Whether it may be attempted at once.
    is_admitted: bool,
    is_claimed: bool,
}

impl PlannedDelivery<'_> {
    fn event_place(&self) -> i64 {
        event_place(self.refs.account, self.event_seq)
    }
}

/// The plan of a commit group.
pub(crate) struct Plan<'p> {
    now: Timestamp,
    claimant: Arc<Claimant>,
    accounts: HashMap<AccountId, PlannedAccount>,
    known: HashMap<AccountId, HashMap<EventId, Known>>,
    live: HashSet<InOrder>,
    events: Vec<PlannedEvent<'p>>,
    deliveries: Vec<PlannedDelivery<'p>>,
    notices: Vec<OperatorNotice>,
}

/// What a group of publications came to, to be told once it is committed. Dropped before that, it gives its room back.
pub(crate) struct Planned {
    pub(crate) results: Vec<PublishResult>,
    pub(crate) claimed: Reserved<ClaimedDelivery>,
}

impl<'p> Plan<'p> {
    /// Plans all publications over what was loaded.
    pub(crate) fn make(
        loaded: Loaded,
        publications: &[&'p Publication],
        context: &WriteContext,
        claimant: Arc<Claimant>,
    ) -> (Self, Planned) {
        let now = context.clock.now();
        let Loaded { accounts, known, live } = loaded;
        let mut plan =
            Self { now, claimant, accounts, known, live, events: Vec::new(), deliveries: Vec::new(), notices: Vec::new() };
        let backlog_max = context.account_backlog_max;
        let before = plan.pending(context);
        let results = publications.iter().map(|publication| plan.add(publication, backlog_max)).collect();
        plan.tell_of_backlogs(&before, context);
        let claimed = plan.hand_off(context);
        (plan, Planned { results, claimed })
    }

    /// The live deliveries of each account that the operator may be told of.
    fn pending(&self, context: &WriteContext) -> Vec<(AccountId, i64)> {
        let told = self.accounts.iter().filter(|(id, _)| context.tells_of(id));
        told.map(|(id, account)| (id.clone(), account.log.pending)).collect()
    }

    /// Notes the accounts that have just come near the most live deliveries that they may have.
    fn tell_of_backlogs(&mut self, before: &[(AccountId, i64)], context: &WriteContext) {
        let (max, now) = (context.account_backlog_max, self.now);
        let near = max / 5 * 4;
        for (id, _) in before.iter().filter(|(_, pending)| *pending < near) {
            let Some(account) = self.accounts.get(id).filter(|account| account.log.pending >= near) else { continue };
            self.notices.push(OperatorNotice::backlog(now, (id, account.reference), account.log.pending, max));
        }
    }

    /// The endpoints of its accounts, as they are once it is written.
    pub(crate) fn into_endpoints(self) -> impl Iterator<Item = (AccountId, PlannedEndpoints)> {
        self.accounts.into_iter().map(|(id, account)| (id, account.endpoints))
    }

    /// What the operator is told.
    pub(crate) fn notices(&self) -> &[OperatorNotice] {
        &self.notices
    }

    /// Plans one publication: all its events, or an error and none.
    fn add(&mut self, publication: &'p Publication, backlog_max: i64) -> PublishResult {
        let account_id = &publication.account_id;
        let Some(account) = self.accounts.get_mut(account_id) else { return Err(PublishError::AccountNotFound) };
        if (account.version, account.created_at) != (publication.account_version, publication.account_created_at) {
            return Err(PublishError::AccountChanged);
        }
        let known = self.known.entry(account_id.clone()).or_default();
        check_conflicts(known, publication)?;
        check_redelivered(known, publication)?;
        account.check_backlog(known, publication, backlog_max)?;
        let mut receipts = Vec::with_capacity(publication.events.len());
        for sealed in &publication.events {
            let id = &sealed.event.id;
            if let Some(Known { seq, deliveries, occurred_at, .. }) = known.get(id).copied() {
                if sealed.event.redeliver {
                    let made = (&mut self.live, &mut self.deliveries);
                    account.fan_out(account_id, sealed, (seq, occurred_at), &Origin::Redelivered, made);
                }
                receipts.push(EventReceipt { id: id.clone(), seq, deliveries, created: false });
                continue;
            }
            account.changed = true;
            let (seq, occurred_at) = (account.log.next_seq(), sealed.event.occurred_at);
            let origin = if sealed.event.is_test { Origin::Tested } else { Origin::Published };
            let made = (&mut self.live, &mut self.deliveries);
            let deliveries = account.fan_out(account_id, sealed, (seq, occurred_at), &origin, made);
            let place = event_place(account.reference, seq);
            self.events.push(PlannedEvent { place, account: account.reference, deliveries, sealed });
            if sealed.event.id_chosen {
                known.insert(
                    id.clone(),
                    Known { seq, deliveries, fingerprint: sealed.fingerprint, occurred_at, is_removed: false },
                );
            }
            receipts.push(EventReceipt { id: id.clone(), seq, deliveries, created: true });
        }
        Ok(receipts)
    }
}

/// Every id is new, or names the same content; also within the publication itself.
fn check_conflicts(known: &HashMap<EventId, Known>, publication: &Publication) -> Result<(), PublishError> {
    let mut offered: HashMap<&EventId, &[u8; 32]> = HashMap::default();
    let chosen = publication.events.iter().enumerate().filter(|(_, sealed)| sealed.event.id_chosen);
    for (index, SealedEvent { event, fingerprint, .. }) in chosen {
        let stored = known.get(&event.id).map(|known| known.fingerprint);
        let earlier = offered.insert(&event.id, fingerprint).copied();
        if stored.or(earlier).is_some_and(|known| known != *fingerprint) {
            return Err(PublishError::Conflict { index });
        }
    }
    Ok(())
}

/// What is sent again is still there.
fn check_redelivered(known: &HashMap<EventId, Known>, publication: &Publication) -> Result<(), PublishError> {
    let is_gone =
        |sealed: &SealedEvent| sealed.event.redeliver && known.get(&sealed.event.id).is_some_and(|known| known.is_removed);
    match publication.events.iter().position(is_gone) {
        Some(index) => Err(PublishError::DataRemoved { index }),
        None => Ok(()),
    }
}

impl PlannedAccount {
    /// An account's live deliveries are bounded. What a publication would add is counted only where the bound is near.
    fn check_backlog(
        &self,
        known: &HashMap<EventId, Known>,
        publication: &Publication,
        backlog_max: i64,
    ) -> Result<(), PublishError> {
        if self.log.fits(publication.events.len().saturating_mul(self.endpoints.len()), backlog_max) {
            return Ok(());
        }
        let matching = |sealed: &SealedEvent| self.endpoints.takers(sealed).count();
        let fans_out = |sealed: &&SealedEvent| sealed.event.redeliver || !known.contains_key(&sealed.event.id);
        let added = publication.events.iter().filter(fans_out).map(matching).sum();
        if self.log.fits(added, backlog_max) { Ok(()) } else { Err(PublishError::BacklogFull { pending: self.log.pending }) }
    }

    /// Plans a delivery for each endpoint that takes the event; how many those are.
    fn fan_out<'p>(
        &mut self,
        account_id: &AccountId,
        event: &'p SealedEvent,
        (event_seq, occurred_at): (i64, Timestamp),
        origin: &Origin,
        (live, deliveries): (&mut HashSet<InOrder>, &mut Vec<PlannedDelivery<'p>>),
    ) -> i64 {
        let offer = event.offer();
        let reference = self.reference;
        let count = self.endpoints.number(event, |endpoint, number| {
            deliveries.push(PlannedDelivery {
                id: DeliveryId::default(), // drawn when all is planned
                lane: LaneKey { account_id: account_id.clone(), endpoint_id: endpoint.recipient.id.clone() },
                refs: LaneRefs { account: reference, lane: endpoint.lane },
                endpoint_version: endpoint.version,
                number,
                event,
                event_seq,
                occurred_at,
                origin: origin.clone(),
                waits: event.order_key.is_some_and(|key| !live.insert((endpoint.lane, key))),
                is_admitted: endpoint.recipient.admits(offer),
                is_claimed: false,
            });
        });
        self.log.pending += count;
        self.changed |= count > 0;
        count
    }
}
