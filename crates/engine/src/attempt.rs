//! One attempt: configuration, request, answer, judgement.

use std::sync::Arc;
use std::time::Duration;

use bellwire_contract::{
    AccountInput, AnswerInput, AttemptInput, Contract, DeliveryInput, EndpointInput, EventInput, PreviousAttempt, RenderInput,
    SecretSource,
};
use bellwire_domain::{AttemptOutcome, Consumer, Gate, Judgement, OutboundRequest, Secret, Suspicion, Timestamp, lease};
use bellwire_egress::Sent;
use bellwire_store::{ActiveSecret, ClaimedDelivery, EndpointConfig, LaneKey, Outcome, Told};
use sha2::{Digest, Sha256};

use crate::scheduler::LaneLimits;
use crate::shared::{Ended, Shared};
use crate::watch;

/// How long an attempt waits before it asks a failing store again.
const STORE_PAUSE: Duration = Duration::from_millis(200);

/// How an attempt ended: in a word, and the status if there was an answer.
type Previous = (String, Option<u16>);

/// What the store says of an endpoint that is to be sent to.
enum Config {
    Found(Arc<EndpointConfig>),
    /// It is gone, or the engine is stopping.
    Gone,
    /// What is stored of it is not what was stored.
    Refused,
}

impl Shared {
    /// Attempts one delivery, or puts it back when its endpoint takes nothing now.
    pub(crate) async fn attempt(self: &Arc<Self>, lane: &LaneKey, mut delivery: ClaimedDelivery) -> Ended {
        // What is rare is awaited on the heap: a task is moved with all that it might have to wait for.
        let known = self.queue.known_endpoint_config(lane, delivery.endpoint_version);
        let config = match known {
            Some(known) => Config::Found(known),
            None => Box::pin(self.config(lane, delivery.endpoint_version)).await,
        };
        let config = match config {
            Config::Found(config) => config,
            Config::Refused => return Ended::Refused(delivery),
            Config::Gone => {
                Box::pin(self.put_back(vec![delivery])).await;
                return Ended::Over(None);
            }
        };
        let Some(contract) = self.contract(&config.account) else {
            let account = &config.account;
            let version = account.contract_version.as_deref().unwrap_or("default");
            tracing::error!(contract = %account.contract, version, account.id = %lane.account_id, "the contract is not loaded");
            Box::pin(self.unclaim(vec![delivery])).await;
            return Ended::Over(None);
        };
        let endpoint = &config.endpoint;
        let policy = contract.delivery_of(endpoint.options.as_deref());
        // The endpoint's own limits, and those of its contract where it has none.
        let in_flight_max = endpoint.in_flight_max.unwrap_or(policy.in_flight_max);
        let rate_limit = endpoint.rate_limit.or(policy.rate_limit);
        // All nodes together keep to them.
        let nodes = self.queue.nodes();
        let rate_limit = rate_limit.map(|limit| limit.shared_by(nodes));
        self.limit(lane, LaneLimits { in_flight_max: in_flight_max.div_ceil(nodes), rate_limit });
        if lease::has_ended(endpoint.expires_at, self.clock.now()) {
            Box::pin(self.lapse(lane)).await;
            Box::pin(self.put_back(vec![delivery])).await;
            return Ended::Over(None);
        }
        let gate = Gate { enabled: endpoint.enabled, health: endpoint.health.status };
        if !gate.admits(delivery.event.is_test) {
            Box::pin(self.put_back(vec![delivery])).await;
            return Ended::Over(None);
        }
        if self.queue.may_be_erased(&delivery) {
            match Box::pin(self.queue.forget_erased(&delivery)).await {
                Ok(false) => {}
                Ok(true) => return Ended::Over(None),
                Err(error) => {
                    tracing::warn!(error = %error, "whether a delivery was erased could not be read; it is put back");
                    Box::pin(self.put_back(vec![delivery])).await;
                    return Ended::Over(None);
                }
            }
        }
        let previous = if contract.looks_back() { Box::pin(self.previous(&delivery)).await } else { None };
        let build = |delivery: &ClaimedDelivery| {
            let at = self.clock.now();
            (at, self.request(&contract, &config, (delivery, previous.as_ref()), at))
        };
        let Some((started_at, request)) = self.watched(&mut delivery, build).await else { return Ended::Over(None) };
        let told = match &request {
            Ok(request) if delivery.event.has_subjects => Some(told(&contract, &config, request)),
            _ => None,
        };
        let sent = match request {
            Ok(request) => {
                let consumer = Consumer { account: &config.account.id, contract: contract.name() };
                self.transport.send(consumer, request, policy.timeout, started_at).await
            }
            Err(reason) => Ok(AttemptOutcome::Unbuildable { reason }.into()),
        };
        let Ok(Sent { outcome, phases }) = sent else { return Ended::NoRoom(delivery) };
        let ended_at = self.clock.now();
        let judged = judge(&contract, &outcome, delivery.attempts + 1);
        let decision = policy.decide(delivery.attempts + 1, (&outcome, judged), ended_at, self.random());
        let (signal, health) = (policy.signal(&outcome), policy.health_after(&outcome));
        let told = told.filter(|_| outcome.may_have_arrived()).map(Box::new);
        let outcome = if policy.keeps_answers && endpoint.keep_answers { outcome } else { outcome.without_body() };
        let duration = ended_at.since(started_at);
        self.attempt_metrics.record(contract.name(), outcome.kind(), duration);
        // Where the clock was set back meanwhile, by the clock as it is now: an attempt in the future tells that a retry was
        // scheduled by a clock that was ahead.
        let started_at = started_at.min(ended_at);
        let outcome = Outcome { delivery, started_at, duration, phases, outcome, decision, health, told };
        let _ = self.outcomes.send(outcome).await; // the recorder outlives every attempt
        Ended::Over(signal)
    }

    /// The endpoint's configuration.
    async fn config(&self, lane: &LaneKey, version: i64) -> Config {
        loop {
            match self.queue.find_endpoint_config(lane, version).await {
                Ok(config) => return config.map_or(Config::Gone, Config::Found),
                Err(error) if error.is_of_row() => {
                    let LaneKey { account_id, endpoint_id } = lane;
                    tracing::error!(account.id = %account_id, endpoint.id = %endpoint_id, error = %error, "an endpoint is not sent to");
                    return Config::Refused;
                }
                Err(error) => tracing::warn!(error = %error, "an endpoint could not be read; trying again"),
            }
            tokio::select! {
                biased;
                () = self.soft_stop.cancelled() => return Config::Gone,
                () = tokio::time::sleep(STORE_PAUSE) => {}
            }
        }
    }

    /// Sets what a lane may do, and starts what that frees.
    fn limit(self: &Arc<Self>, lane: &LaneKey, limits: LaneLimits) {
        if self.scheduler.lock().limit_lane(lane, limits, self.clock.now()) {
            self.pump();
        }
    }

    /// Puts deliveries back, and looks again soon: their endpoint may have been resumed meanwhile.
    pub(crate) async fn put_back(&self, held: Vec<ClaimedDelivery>) {
        let lanes: Vec<LaneKey> = held.iter().map(ClaimedDelivery::lane).collect();
        self.unclaim(held).await;
        self.queue.look_again(lanes);
    }

    async fn unclaim(&self, held: Vec<ClaimedDelivery>) {
        if let Err(error) = self.queue.unclaim(&held).await {
            tracing::warn!(deliveries = held.len(), error = %error, "deliveries could not be put back yet");
            for delivery in held {
                self.wake.abandon(delivery);
            }
        }
    }

    /// How the attempt before ended; `None`: this is the first, or it cannot be read, which stops nobody from sending.
    async fn previous(&self, delivery: &ClaimedDelivery) -> Option<Previous> {
        if delivery.attempts == 0 {
            return None;
        }
        let found = self.queue.find_outcome(delivery.id, delivery.attempts).await;
        found.inspect_err(|error| tracing::warn!(error = %error, "how an earlier attempt ended cannot be read")).ok().flatten()
    }

    /// Renders and signs.
    fn request(
        &self,
        contract: &Contract,
        config: &EndpointConfig,
        (delivery, previous): (&ClaimedDelivery, Option<&Previous>),
        at: Timestamp,
    ) -> Result<OutboundRequest, String> {
        if delivery.suspicion == Suspicion::Refused {
            return Err(watch::refusal(delivery));
        }
        let Some(data) = delivery.event.data.as_deref() else {
            return Err("the stored payload does not open: it was changed, or sealed under another key".to_owned());
        };
        // What the endpoint is not sent is gone before a template or a signature sees any of it.
        let data = &*contract.minimise(data, config.endpoint.payload.as_ref());
        let (id, secrets) = (delivery.id.to_string(), signing(active(contract, config), at));
        let input = RenderInput {
            event: EventInput {
                id: delivery.event.id.as_str(),
                event_type: &delivery.event.event_type,
                occurred_at: delivery.event.occurred_at,
                seq: delivery.event.seq,
                data,
                is_test: delivery.event.is_test,
            },
            attempt: AttemptInput { number: delivery.attempts + 1, at, random: self.entropy.bytes() },
            delivery: DeliveryInput {
                id: &id,
                number: delivery.number,
                created_at: delivery.created_at,
                previous: previous.map(|(outcome, status)| PreviousAttempt { outcome, status: *status }),
            },
            endpoint: EndpointInput {
                id: config.endpoint.id.as_str(),
                url: &config.endpoint.url,
                name: config.endpoint.name.as_deref(),
                expires_at: config.endpoint.expires_at,
                headers: &config.endpoint.headers,
                options: config.endpoint.options.as_deref(),
            },
            account: AccountInput { id: config.account.id.as_str(), name: config.account.name.as_deref() },
            secrets: &secrets,
            activation: None,
        };
        contract.render(&input).map_err(|error| error.to_string())
    }

    /// A number from 0 to below 1.
    pub(crate) fn random(&self) -> f64 {
        let bytes: [u8; 4] = self.entropy.bytes();
        f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}

/// What the contract makes of an answer, if there is one.
fn judge(contract: &Contract, outcome: &AttemptOutcome, attempt: u32) -> Judgement {
    match outcome {
        AttemptOutcome::Response { status, headers, body, .. } => {
            contract.judge(&AnswerInput { attempt, status: *status, headers, body })
        }
        _ => Judgement::default(),
    }
}

/// What a receiver is told by a request.
fn told(contract: &Contract, config: &EndpointConfig, request: &OutboundRequest) -> Told {
    let fields = contract.subscription().payload.fields(config.endpoint.payload.as_ref());
    Told {
        url: request.url.clone(),
        contract: contract.name().to_owned(),
        fields: fields.map(|fields| fields.iter().map(ToString::to_string).collect()),
        digest: Sha256::digest(&request.body).into(),
    }
}

/// The secrets that a contract's requests are signed with: the account's, or the endpoint's.
pub(crate) fn active<'c>(contract: &Contract, config: &'c EndpointConfig) -> &'c [ActiveSecret] {
    match contract.subscription().secret.from {
        SecretSource::Account => &config.account_secrets,
        SecretSource::Consumer | SecretSource::Generated => &config.secrets,
    }
}

/// The secrets whose overlap has not ended at `at`, newest first.
pub(crate) fn signing(secrets: &[ActiveSecret], at: Timestamp) -> Vec<Secret<String>> {
    let active = secrets.iter().filter(|secret| secret.expires_at.is_none_or(|end| end > at));
    active.map(|secret| secret.secret.clone()).collect()
}
