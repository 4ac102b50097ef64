//! The facade for the engine.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{Decision, DeliveryId, ErasureId, ReplayId, Secret, Suspicion, Timestamp};
use tokio::sync::oneshot;

use super::access::{Access, answered};
use super::activation::{self, ActivationEnd, TakenActivation};
use super::backend::{Backend, Mark};
use super::claim::{self, ClaimReport};
use super::clock;
use super::config::{self, EndpointConfig};
use super::deletion::DeletionStep;
use super::delivery::ClaimedDelivery;
use super::erasure::{self, ErasureStep, StepState};
use super::heartbeat::{self, DueHeartbeat};
use super::jobs::Job;
use super::lapse::{self, Lapse};
use super::outcome::{Outcome, RecordJob, Recording, SealedParts};
use super::replay::{self, ReplayStep};
use crate::StoreError;
use crate::rows::attempt::Past;
use crate::rows::contract_key::ContractKeys;
use crate::rows::due::{DueEndpoints, Look};
use crate::rows::endpoint::Endpoint;
use crate::rows::heartbeat::WithoutHeartbeat;
use crate::rows::lane::LaneKey;
use crate::rows::{self, rollup};
use crate::sql::params;

const IS_LIVE: &str = "SELECT id FROM queue WHERE id = $1";

/// The queue of live deliveries, as an engine works on it. Cheap to clone.
#[derive(Clone)]
pub struct Queue(pub(super) Arc<Access>);

/// Claiming and recording.
impl Queue {
    pub(crate) const fn new(access: Arc<Access>) -> Self {
        Self(access)
    }

    /// The next deliveries that are handed over in memory, committed and held by this process. For one caller at a time; may be
    /// cancelled.
    pub async fn next_claimed(&self) -> Option<Vec<ClaimedDelivery>> {
        self.0.claimed.lock().await.recv().await
    }

    /// What sending to an endpoint needs, at least as new as `version`, if this process has it in memory.
    pub fn known_endpoint_config(&self, lane: &LaneKey, version: i64) -> Option<Arc<EndpointConfig>> {
        self.0.configs.get(lane).filter(|config| config.endpoint.version >= version)
    }

    /// What sending to an endpoint needs, at least as new as `version`.
    pub async fn find_endpoint_config(&self, lane: &LaneKey, version: i64) -> Result<Option<Arc<EndpointConfig>>, StoreError> {
        if let Some(config) = self.known_endpoint_config(lane, version) {
            return Ok(Some(config));
        }
        let generation = self.0.configs.generation();
        let (keyring, wanted, now) = (Arc::clone(&self.0.keyring), lane.clone(), self.0.now());
        let config = self.0.read(move |db| config::find(db, &keyring, &wanted, now)).await?.map(Arc::new);
        if let Some(config) = &config {
            self.0.configs.insert(generation, lane.clone(), Arc::clone(config));
        }
        Ok(config)
    }

    /// The same with the keys with which its contract signs for all of its accounts.
    pub async fn with_contract_keys(
        &self,
        config: &EndpointConfig,
        owner: &ContractKeys,
    ) -> Result<Arc<EndpointConfig>, StoreError> {
        let contract_keys = self.0.contract_keys(owner).await?;
        Ok(Arc::new(EndpointConfig { contract_keys, ..config.clone() }))
    }

    /// Records attempts and what follows from them, in one transaction.
    pub async fn record_outcomes(&self, outcomes: Arc<[Outcome]>) -> Result<Vec<Recording>, StoreError> {
        let mut sealed = Vec::with_capacity(outcomes.len());
        for outcome in outcomes.iter() {
            let key = self.0.data_key(&outcome.delivery.account_id).await?;
            sealed.push(key.map(|key| SealedParts::of(outcome, &key, &*self.0.context.entropy)).unwrap_or_default());
        }
        let (reply, receiver) = oneshot::channel();
        self.0.send(Job::Record(RecordJob { outcomes: Arc::clone(&outcomes), sealed, reply })).await?;
        let recordings = answered(receiver).await??;
        for (outcome, recording) in outcomes.iter().zip(&recordings) {
            let gone = outcome.decision == Decision::Failed { endpoint_gone: true };
            if gone || matches!(recording, Recording::Stored(Some(_))) {
                self.0.configs.remove(&outcome.delivery.lane());
            }
        }
        Ok(recordings)
    }

    /// What came before, of a live delivery of which so many attempts were made.
    pub async fn find_past(&self, delivery: DeliveryId, attempts: u32) -> Result<Past, StoreError> {
        self.0.read(move |db| rows::attempt::find_past(db, delivery, attempts)).await
    }

    /// Claims what waits for lanes with room and what is due at `now`, at most `limit` of each, and hands it over.
    pub async fn claim_due(&self, now: Timestamp, limit: usize) -> Result<ClaimReport, StoreError> {
        let context = self.0.context.clone();
        let claiming = self.0.write_with(move |backend| claim::claim(backend, &context, now, limit)).await;
        let handoff = &self.0.context.handoff;
        let (claimed, report) = claiming.inspect_err(|_: &StoreError| handoff.room().queue_all())?;
        claimed.map(|sealed| sealed.open(&self.0.keyring, handoff)).send();
        Ok(report)
    }

    /// Puts held deliveries back unattempted, because their endpoint takes nothing now. They stay in the store until something
    /// marks their lane: a resume, an enable, or [`Queue::look_again`].
    pub async fn unclaim(&self, held: &[ClaimedDelivery]) -> Result<(), StoreError> {
        let claimant = self.0.context.lease.current();
        // What was held under an earlier token is free already, and may be held again.
        let ids: Vec<_> = held.iter().filter(|held| held.epoch == claimant.epoch).map(|held| held.id).collect();
        self.0.write_with(move |backend| backend.mark(Mark::Unclaimed(&claimant.token), &ids)).await?;
        for delivery in held {
            self.0.context.handoff.release_delivery(delivery);
        }
        Ok(())
    }

    /// Writes down what is held against suspects of this process, in one commit. What another has taken over meanwhile stays.
    pub async fn note_suspicion(&self, notes: Vec<(Suspicion, ClaimedDelivery)>) -> Result<(), StoreError> {
        let current = self.0.context.lease.current();
        let of = |wanted: Suspicion| -> Vec<DeliveryId> {
            let own = notes.iter().filter(|(suspicion, held)| *suspicion == wanted && held.epoch == current.epoch);
            own.map(|(_, held)| held.id).collect()
        };
        let [building, alone, blamed] = Suspicion::NOTED;
        let groups = [building, alone, blamed, Suspicion::Nothing].map(|suspicion| (suspicion, of(suspicion)));
        let note = move |backend: &dyn Backend| {
            let claimant = backend.claimant()?; // nobody takes it over meanwhile
            if claimant.epoch != current.epoch {
                return Ok(());
            }
            groups.iter().try_for_each(|(suspicion, ids)| backend.mark(Mark::Suspect(*suspicion, &claimant.token), ids))
        };
        self.0.write_with(note).await
    }

    /// Lets the next claim round look for deliveries that wait in these lanes.
    pub fn look_again(&self, lanes: impl IntoIterator<Item = LaneKey>) {
        self.0.context.handoff.mark_backlog(lanes);
    }

    /// An endpoint has stopped answering: until it answers, next to none of its deliveries are held in memory.
    pub fn throttle(&self, lane: &LaneKey) {
        self.0.context.handoff.room().throttle(lane);
    }

    /// Deliveries held in memory now.
    pub fn held(&self) -> usize {
        self.0.context.handoff.room().deliveries()
    }

    /// The clock was set back: retries that it had scheduled while it was ahead wait from `now` on.
    pub async fn clock_set_back(&self, now: Timestamp) -> Result<(), StoreError> {
        self.0.write(move |db| clock::set_right(db, now).map(drop)).await
    }

    /// Waits until [`Queue::claim_due`] may find something before its next instant.
    pub async fn claimable(&self) {
        self.0.context.handoff.claimable.notified().await;
    }
}

/// Being one of several nodes.
impl Queue {
    /// Whether a delivery that was handed over may still be attempted. On PostgreSQL it may not while other nodes might have
    /// taken it over: [`Queue::lease_changed`] tells when to ask again.
    pub fn covers(&self, delivery: &ClaimedDelivery) -> bool {
        self.0.context.lease.covers(delivery.epoch)
    }

    /// Forgets a delivery that this process does not hold any more, and says whether it was one.
    pub fn forget_lost(&self, delivery: &ClaimedDelivery) -> bool {
        let is_lost = !self.0.context.lease.is_current(delivery.epoch);
        if is_lost {
            self.0.context.handoff.release_delivery(delivery);
        }
        is_lost
    }

    /// How many nodes share the work over this database, this one included. What an endpoint takes is divided by it.
    pub fn nodes(&self) -> u32 {
        u32::try_from(self.0.context.lease.nodes()).unwrap_or(u32::MAX)
    }

    /// Waits until this process may attempt what it holds again, or has lost it.
    pub async fn lease_changed(&self) {
        self.0.context.lease.changed().await;
    }
}

/// Replays, deletions, erasures, keys and figures.
impl Queue {
    /// Takes one bounded step of the running replay that comes after `after` in the order of ids; `None` when there is none.
    pub async fn advance_replay(&self, after: Option<&ReplayId>) -> Result<Option<ReplayStep>, StoreError> {
        let (context, after) = (self.0.context.clone(), after.cloned());
        let step = self.0.write(move |db| replay::advance(db, &context, after.as_ref())).await?;
        if let Some(step) = step.as_ref().filter(|step| step.created > 0) {
            self.0.context.handoff.mark_backlog([step.lane.clone()]);
        }
        Ok(step)
    }

    /// Waits until a replay has been started.
    pub async fn replay_started(&self) {
        self.0.replay_started.notified().await;
    }

    /// Takes one bounded step of the deletion of the account that has waited longest for it; `None` when there is none.
    pub async fn advance_deletion(&self) -> Result<Option<DeletionStep>, StoreError> {
        let step = self.0.advance_deletion(None).await?;
        if step.is_none() {
            self.0.scrub().await?; // what a reader has kept in the log
        }
        Ok(step)
    }

    /// Waits until an account is to be deleted.
    pub async fn deletion_begun(&self) {
        self.0.deletion_begun.notified().await;
    }

    /// Takes one bounded step of the running erasure that comes after `after` in the order of ids; `None` when there is none.
    pub async fn advance_erasure(&self, after: Option<&ErasureId>) -> Result<Option<ErasureStep>, StoreError> {
        let (context, after) = (self.0.context.clone(), after.cloned());
        let overwrites = self.0.scrub.is_some();
        let step = self.0.write(move |db| erasure::advance(db, &context, after.as_ref(), overwrites)).await?;
        if let Some(step) = &step {
            self.0.note_erasing(&step.account_id);
            if matches!(step.state, StepState::Waiting | StepState::Done) {
                self.0.scrub().await?;
            }
        }
        Ok(step)
    }

    /// Waits until an erasure has been started.
    pub async fn erasure_started(&self) {
        self.0.erasure_started.notified().await;
    }

    /// Whether a held delivery may have been erased meanwhile.
    pub fn may_be_erased(&self, delivery: &ClaimedDelivery) -> bool {
        delivery.event.has_subjects && self.0.is_erasing(&delivery.account_id)
    }

    /// Forgets a held delivery that was erased meanwhile, and says whether it was. Only what is about somebody is looked up, and only
    /// in accounts where something was erased.
    pub async fn forget_erased(&self, delivery: &ClaimedDelivery) -> Result<bool, StoreError> {
        if !self.may_be_erased(delivery) {
            return Ok(false);
        }
        let id = delivery.id;
        let is_live = self.0.read(move |db| Ok::<_, StoreError>(db.find("queue", IS_LIVE, params![id])?.is_some())).await?;
        if !is_live {
            self.0.context.handoff.release_delivery(delivery);
        }
        Ok(!is_live)
    }

    /// Takes one bounded step of moving old figures into longer spans; `false` when there was nothing to move.
    pub async fn fold_figures(&self) -> Result<bool, StoreError> {
        let now = self.0.now();
        self.0.write(move |db| rollup::fold(db, now)).await
    }

    /// Renews data keys that have sealed so much that they are worn: how many.
    pub async fn renew_worn_keys(&self) -> Result<usize, StoreError> {
        self.0.renew_worn_keys().await
    }
}

/// Heartbeats.
impl Queue {
    /// Those that are due now and were due later than `after`, in a look that reads `limit` of them: of each account at most `of_account`,
    /// and the first of each before the second of any.
    pub async fn due_heartbeats(
        &self,
        after: Option<Timestamp>,
        of_account: u32,
        limit: u32,
    ) -> Result<DueEndpoints, StoreError> {
        let look = Look { now: self.0.now(), after, of_account, limit };
        self.0.read(move |db| rows::heartbeat::due(db, look)).await
    }

    /// What decides whether one is sent; `None`: the endpoint has none.
    pub async fn find_heartbeat(&self, lane: &LaneKey) -> Result<Option<DueHeartbeat>, StoreError> {
        let (context, lane) = (self.0.context.clone(), lane.clone());
        self.0.read(move |db| heartbeat::find(db, &context, &lane)).await
    }

    /// Says when one that was due at `seen` is due next, or that there is none any more; `false`: another node has.
    pub async fn advance_heartbeat(&self, lane: &LaneKey, seen: Timestamp, next: Option<Timestamp>) -> Result<bool, StoreError> {
        let lane = lane.clone();
        self.0.write(move |db| heartbeat::advance(db, &lane, seen, next)).await
    }

    /// Endpoints of a contract that have no heartbeat, after that one.
    pub async fn without_heartbeat(
        &self,
        contract: &str,
        after: Option<LaneKey>,
        limit: u32,
    ) -> Result<Vec<WithoutHeartbeat>, StoreError> {
        let contract = contract.to_owned();
        self.0.read(move |db| rows::heartbeat::unset(db, &contract, after.as_ref(), limit)).await
    }

    /// Gives an endpoint a heartbeat of this period.
    pub async fn begin_heartbeat(&self, lane: &LaneKey, period: Duration) -> Result<(), StoreError> {
        let (context, lane) = (self.0.context.clone(), lane.clone());
        self.0.write(move |db| heartbeat::begin(db, &context, &lane, period)).await
    }
}

/// Handshakes.
impl Queue {
    /// Those that are due now and were due later than `after`, in a look that reads `limit` of them: of each account at most `of_account`,
    /// and the first of each before the second of any.
    pub async fn due_activations(
        &self,
        after: Option<Timestamp>,
        of_account: u32,
        limit: u32,
    ) -> Result<DueEndpoints, StoreError> {
        let look = Look { now: self.0.now(), after, of_account, limit };
        self.0.read(move |db| rows::activation::due(db, look)).await
    }

    /// Takes one that is due, until `until`; `None`: somebody else has it.
    pub async fn take_activation(&self, lane: &LaneKey, until: Timestamp) -> Result<Option<TakenActivation>, StoreError> {
        let (context, lane) = (self.0.context.clone(), lane.clone());
        self.0.write(move |db| activation::take(db, &context, &lane, until)).await
    }

    /// Keeps one that was taken until `until`; `false`: another has taken its place.
    pub async fn keep_activation(&self, lane: &LaneKey, token: &Secret<String>, until: Timestamp) -> Result<bool, StoreError> {
        let (lane, token) = (lane.clone(), token.clone());
        self.0.write(move |db| rows::activation::keep(db, &lane, token.expose(), until)).await
    }

    /// Writes down what came of one: the endpoint as it is now. `None`: another has taken its place, or the endpoint is gone.
    pub async fn finish_activation(
        &self,
        lane: &LaneKey,
        token: Secret<String>,
        end: ActivationEnd,
    ) -> Result<Option<Endpoint>, StoreError> {
        let (context, wanted) = (self.0.context.clone(), lane.clone());
        let endpoint = self.0.write(move |db| activation::finish(db, &context, &wanted, &token, end)).await;
        self.0.configs.remove(lane);
        self.0.context.handoff.mark_backlog([lane.clone()]); // what waited while it was pending
        endpoint
    }

    /// Waits until a handshake has begun.
    pub async fn activation_begun(&self) {
        self.0.activation_begun.notified().await;
    }
}

/// Leases of endpoints.
impl Queue {
    /// Endpoints about whose lease something has to be done now, the first of each account before the second of any.
    pub async fn due_leases(&self, limit: u32) -> Result<Vec<LaneKey>, StoreError> {
        let now = self.0.now();
        self.0.read(move |db| rows::lease::due(db, now, limit)).await
    }

    /// Does what is due about the lease of an endpoint; `None`: nothing is.
    pub async fn advance_lease(&self, lane: &LaneKey) -> Result<Option<Lapse>, StoreError> {
        let (context, wanted) = (self.0.context.clone(), lane.clone());
        let lapse = self.0.write(move |db| lapse::advance(db, &context, &wanted)).await?;
        if matches!(lapse, Some(Lapse::Ended { .. })) {
            self.0.configs.remove(lane);
        }
        Ok(lapse)
    }

    /// Endpoints that were muted until now.
    pub async fn muted(&self, limit: u32) -> Result<Vec<LaneKey>, StoreError> {
        let now = self.0.now();
        self.0.read(move |db| rows::lease::muted(db, now, limit)).await
    }

    /// Lets an endpoint go on that was muted until now; `None`: somebody else has.
    pub async fn unmute(&self, lane: &LaneKey) -> Result<Option<Lapse>, StoreError> {
        let (context, wanted) = (self.0.context.clone(), lane.clone());
        let lapse = self.0.write(move |db| lapse::resume(db, &context, &wanted)).await?;
        self.0.configs.remove(lane);
        self.0.context.handoff.mark_backlog([lane.clone()]); // what waited while it was muted
        Ok(lapse)
    }
}
