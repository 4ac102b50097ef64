//! Heartbeats: an endpoint whose contract wants one is sent a request when it was sent nothing else for some time.
//!
//! On every beat those are looked at that are due. Whoever moves one on to its next time sends it, and it is not tried again: the next is
//! due a period later.

use std::sync::Arc;
use std::time::Duration;

use bellwire_contract::{Contract, Contracts};
use bellwire_domain::heartbeat::Beat;
use bellwire_domain::{AttemptOutcome, Consumer, HealthStatus, Timestamp, lease};
use bellwire_store::{DueHeartbeat, EndpointConfig, LaneKey, StoreError};

use crate::beside::{Next, OwnInput, Pass, Running};
use crate::secrets::{contract_keys, signing};
use crate::shared::Shared;
use crate::steps::Backoff;
use crate::tokens::{Fetched, Wanted};

/// The steady beat.
const BEAT: Duration = Duration::from_secs(1);
/// How often it is looked whether contracts with heartbeats were loaded, where there are none.
const IDLE_BEAT: Duration = Duration::from_secs(10);
/// Between two steps through the endpoints of contracts that were loaded: a million are looked through in some minutes, beside other work.
const SEARCH_BEAT: Duration = Duration::from_millis(50);
/// Those that one look reads, and of these an account's.
const LOOK: u32 = 256;
const LOOK_OF_ACCOUNT: u32 = 64;
/// How long one waits whose endpoint cannot be read, or whose contract is not loaded.
const PUT_OFF: Duration = Duration::from_secs(60);

/// Sends what is due until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let (mut backoff, mut running) = (Backoff::new(), Running::default());
    let (mut pass, mut search) = (Pass::default(), Search::default());
    loop {
        let wait = match round(&shared, &mut running, &mut pass, &mut search).await {
            Ok(wait) => {
                backoff.reset();
                wait
            }
            Err(StoreError::Closed) => break,
            Err(error) => {
                tracing::error!(error = %error, "heartbeats could not be looked for; trying again");
                backoff.grow()
            }
        };
        if !shared.pause(wait, running.ended()).await {
            break;
        }
    }
    running.finish().await;
}

/// One round, and how long to wait for the next. Nothing is asked of the store where no contract has heartbeats.
async fn round(
    shared: &Arc<Shared>,
    running: &mut Running,
    pass: &mut Pass,
    search: &mut Search,
) -> Result<Duration, StoreError> {
    search.note(&shared.contracts.borrow());
    if !search.has_any {
        return Ok(IDLE_BEAT);
    }
    search.step(shared).await?;
    start(shared, running, pass).await?;
    Ok(if search.goes_on() { SEARCH_BEAT } else { BEAT })
}

/// Starts what is due, as far as there is room. Of an account that has none, what was found waits for the next pass.
async fn start(shared: &Arc<Shared>, running: &mut Running, pass: &mut Pass) -> Result<(), StoreError> {
    while !running.is_full() && !shared.soft_stop.is_cancelled() {
        let lane = match pass.next() {
            Next::Lane(lane) if running.has_room_for(&lane.account_id) => lane,
            Next::Lane(_) => continue,
            Next::Look(after) => {
                pass.found(shared.queue.due_heartbeats(after, LOOK_OF_ACCOUNT, LOOK).await?);
                continue;
            }
            Next::Nothing => break,
        };
        let Some(due) = shared.queue.find_heartbeat(&lane).await? else { continue };
        let now = shared.clock.now();
        let (beat, sends) = shared.decide(&lane, &due, now);
        let next_at = match beat {
            Beat::Now { next_at } | Beat::Later { next_at } => Some(next_at),
            Beat::Never => None,
        };
        if !shared.queue.advance_heartbeat(&lane, due.due_at, next_at).await? {
            continue; // another node has it
        }
        if let Some((contract, config)) = sends {
            let shared = Arc::clone(shared);
            running.start(lane.account_id.clone(), async move { shared.beat(&contract, &lane, &config, now).await });
        }
    }
    Ok(())
}

/// What a heartbeat is sent with.
type Sends = (Arc<Contract>, EndpointConfig);

impl Shared {
    /// What is done about a heartbeat, and with what it is sent if it is.
    fn decide(&self, lane: &LaneKey, due: &DueHeartbeat, now: Timestamp) -> (Beat, Option<Sends>) {
        let put_off = (Beat::Later { next_at: now.plus(PUT_OFF) }, None);
        let config = match &due.config {
            Ok(config) => config,
            Err(error) => {
                let (account, id) = (&lane.account_id, &lane.endpoint_id);
                tracing::error!(account.id = %account, endpoint.id = %id, error = %error, "an endpoint is sent no heartbeat");
                return put_off;
            }
        };
        let Some(contract) = self.contract(&config.account) else { return put_off };
        let endpoint = &config.endpoint;
        let is_sent_to = endpoint.enabled
            && endpoint.health.status == HealthStatus::Active
            && !lease::has_ended(endpoint.expires_at, now)
            && config.account.deleting_since.is_none();
        let period = contract.heartbeat_period(endpoint.options.as_deref());
        let beat = Beat::decide(period, due.last_attempt_at, is_sent_to, now);
        let sends = matches!(beat, Beat::Now { .. }).then(|| (contract, config.clone()));
        (beat, sends)
    }

    /// Sends a heartbeat. Whatever comes of it, the next is due when it is due.
    async fn beat(&self, contract: &Arc<Contract>, lane: &LaneKey, config: &EndpointConfig, at: Timestamp) {
        let (account, id) = (&lane.account_id, &lane.endpoint_id);
        let outcome = match self.send_heartbeat(contract, lane, config, at).await {
            Ok(status) => {
                tracing::debug!(account.id = %account, endpoint.id = %id, status, "a heartbeat was answered");
                "answered"
            }
            Err(Some(reason)) => {
                tracing::debug!(account.id = %account, endpoint.id = %id, reason, "a heartbeat was not sent, or not answered");
                "failed"
            }
            Err(None) => "dropped",
        };
        let contract = contract.name().to_owned();
        metrics::counter!("bellwire_heartbeats_total", "contract" => contract, "outcome" => outcome).increment(1);
    }

    /// The status of the answer; or why there is none. `None`: there was no room to send, or the engine stops.
    async fn send_heartbeat(
        &self,
        contract: &Arc<Contract>,
        lane: &LaneKey,
        config: &EndpointConfig,
        at: Timestamp,
    ) -> Result<u16, Option<String>> {
        let Some(event_type) = contract.heartbeat_type() else { return Err(None) };
        let with_keys;
        let config = match contract_keys(contract) {
            None => config,
            Some(owner) => {
                let read = self.queue.with_contract_keys(config, &owner).await;
                with_keys = read.map_err(|error| Some(error.to_string()))?;
                &with_keys
            }
        };
        let policy = contract.delivery_of(config.endpoint.options.as_deref());
        let timeout = contract.heartbeat_timeout().unwrap_or(policy.timeout);
        let access = match contract.access_token() {
            None => None,
            Some(_) => match self.access_token(&Wanted { contract, config, lane, timeout }, None).await {
                Fetched::Token(access) => Some(access),
                Fetched::Failed(reason) => return Err(Some(reason)),
                Fetched::NoRoom => return Err(None),
            },
        };
        let id = contract.ids().event.draw(at, self.entropy.bytes());
        let secrets = signing(contract, config, at);
        let input = OwnInput {
            config,
            event: (&id, event_type),
            attempt: 1,
            number: config.endpoint.last_number,
            at,
            random: self.entropy.bytes(),
            secrets: &secrets,
            activation: None,
            access_token: access.as_ref().map(|access| access.expose().as_str()),
        };
        let request = input.with(|input| contract.render_heartbeat(input)).map_err(|error| Some(error.to_string()))?;
        let consumer = Consumer { account: &config.account.id, contract: contract.name() };
        let sent = tokio::select! {
            biased; // so that a seed of the simulation gives one run
            () = self.soft_stop.cancelled() => return Err(None),
            sent = self.transport.send(consumer, request, timeout, at) => sent,
        };
        let outcome = sent.map_err(|_no_room| None)?.outcome;
        if let (Some(access), Some(401)) = (&access, outcome.status()) {
            self.tokens.refuse(lane, access); // so that the next has another
        }
        match outcome {
            AttemptOutcome::Response { status, .. } => Ok(status),
            other => Err(Some(other.to_string())),
        }
    }
}

/// The search for endpoints that have no heartbeat though their contract has one now: they are older than that. It is made once after
/// contracts were loaded.
#[derive(Default)]
struct Search {
    loaded: Option<Arc<Contracts>>,
    has_any: bool,
    /// The contracts whose endpoints are still to be looked through, and after which endpoint of the last.
    left: Vec<String>,
    after: Option<LaneKey>,
}

impl Search {
    /// Begins anew where other contracts are loaded.
    fn note(&mut self, contracts: &Arc<Contracts>) {
        if self.loaded.as_ref().is_some_and(|loaded| Arc::ptr_eq(loaded, contracts)) {
            return;
        }
        let mut names: Vec<String> =
            contracts.iter().filter(|contract| contract.has_heartbeat()).map(|contract| contract.name().to_owned()).collect();
        names.dedup();
        *self = Self { loaded: Some(Arc::clone(contracts)), has_any: !names.is_empty(), left: names, after: None };
    }

    fn goes_on(&self) -> bool {
        !self.left.is_empty()
    }

    /// Looks at some endpoints.
    async fn step(&mut self, shared: &Shared) -> Result<(), StoreError> {
        let (Some(name), Some(contracts)) = (self.left.last(), &self.loaded) else { return Ok(()) };
        let found = shared.queue.without_heartbeat(name, self.after.clone(), LOOK).await?;
        for unset in &found {
            let contract = contracts.get_version(name, unset.contract_version.as_deref());
            if let Some(period) = contract.and_then(|contract| contract.heartbeat_period(unset.options.as_deref())) {
                shared.queue.begin_heartbeat(&unset.lane, period).await?;
            }
        }
        self.after = found.last().map(|unset| unset.lane.clone());
        if u32::try_from(found.len()).is_ok_and(|found| found < LOOK) {
            self.left.pop();
            self.after = None;
        }
        Ok(())
    }
}
