//! One attempt: configuration, request, answer, judgement.

use std::sync::Arc;
use std::time::Duration;

use bellwire_contract::{AccountInput, AttemptInput, Contract, DeliveryInput, EndpointInput, PreviousAttempt, RenderInput};
use bellwire_domain::{AttemptOutcome, Consumer, DeliveryPolicy, Gate, OutboundRequest, Suspicion, Timestamp, lease};
use bellwire_egress::Sent;
use bellwire_store::{ClaimedDelivery, ContractKeys, Endpoint, EndpointConfig, LaneKey, Past, Told};
use sha2::{Digest, Sha256};

use crate::batch::{self, Others};
use crate::scheduler::LaneLimits;
use crate::secrets::{contract_keys, credentials, signing};
use crate::shared::{Ended, Shared};
use crate::tokens::{Fetched, Token, Wanted};
use crate::watch;

/// How long an attempt waits before it asks a failing store again.
const STORE_PAUSE: Duration = Duration::from_millis(200);

/// What a request is made of.
#[derive(Clone, Copy)]
struct MadeOf<'a> {
    delivery: &'a ClaimedDelivery,
    /// Those that share it.
    others: &'a [ClaimedDelivery],
    /// What came before, where the contract asks.
    past: &'a Past,
    /// The access token, where the contract has one.
    token: Option<&'a str>,
}

/// A request that was made.
pub(crate) struct Made {
    pub(crate) sent: Sent,
    pub(crate) started_at: Timestamp,
    /// When its first attempt was made, as far as anybody asks.
    pub(crate) first_at: Option<Timestamp>,
    pub(crate) told: Option<Told>,
}

/// Whether a delivery may be sent.
enum Passes {
    Now,
    /// It waits for others until an instant. So many were there.
    Gathers(usize, Timestamp),
    /// Its endpoint takes nothing now.
    NotNow,
    /// It was erased.
    Gone,
}

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
        let config = match contract_keys(&contract) {
            None => Some(config),
            Some(owner) => Box::pin(self.with_keys(config, &owner)).await,
        };
        let Some(config) = config else {
            Box::pin(self.put_back(vec![delivery])).await;
            return Ended::Over(None);
        };
        let (endpoint, policy) = (&config.endpoint, contract.delivery_of(config.endpoint.options.as_deref()));
        match self.passes(lane, &delivery, (&contract, &policy, endpoint)).await {
            Passes::Now => {}
            Passes::Gathers(seen, until) => return Ended::Gathers(delivery, seen, until),
            Passes::Gone => return Ended::Over(None),
            Passes::NotNow => {
                Box::pin(self.put_back(vec![delivery])).await;
                return Ended::Over(None);
            }
        }
        let past = if looks_back(&contract, &policy) { Box::pin(self.past(&delivery)).await } else { Past::default() };
        let wanted = Wanted { contract: &contract, config: &config, lane, timeout: policy.timeout };
        let token = match contract.access_token() {
            None => Ok(None),
            Some(_) => match Box::pin(self.access_token(&wanted, None)).await {
                Fetched::Token(token) => Ok(Some(token)),
                Fetched::Failed(reason) => Err(reason),
                Fetched::NoRoom => return Ended::NoRoom(delivery),
            },
        };
        let mut others = match policy.batch {
            Some(rule) => self.others(lane, &delivery, rule, (&contract, &config)),
            None => Others::none(self),
        };
        let build = |delivery: &ClaimedDelivery| {
            let at = self.clock.now();
            let token = match &token {
                Ok(token) => token.as_ref().map(|token| token.expose().as_str()),
                Err(reason) => return (at, Err(AttemptOutcome::AccessToken { reason: reason.clone() })),
            };
            let alone = MadeOf { delivery, others: &[], past: &past, token };
            let mut request = self.request(&contract, &config, MadeOf { others: &others.held, ..alone }, at);
            if request.is_err() && !others.held.is_empty() {
                others.give_back(lane); // whichever of them it is, the others do not fail with it
                request = self.request(&contract, &config, alone, at);
            }
            (at, request.map_err(|reason| AttemptOutcome::Unbuildable { reason }))
        };
        let Some((started_at, request)) = self.watched(&mut delivery, build).await else { return Ended::Over(None) };
        let told = match &request {
            Ok(request) if has_subjects(&delivery, &others) => Some(told(&contract, &config, request)),
            _ => None,
        };
        let target = self.target(&request);
        let sent = match request {
            Ok(request) => {
                let consumer = Consumer { account: &config.account.id, contract: contract.name() };
                self.transport.send(consumer, request, policy.timeout, started_at).await
            }
            Err(outcome) => Ok(outcome.into()),
        };
        let Ok(sent) = sent else {
            others.give_back(lane);
            return Ended::NoRoom(delivery);
        };
        let mut made = Made { sent, started_at, first_at: past.first_at, told };
        if let (Ok(Some(refused)), Some(401)) = (&token, made.sent.outcome.status()) {
            let made_of = MadeOf { delivery: &delivery, others: &others.held, past: &past, token: None };
            made = Box::pin(self.send_again(&wanted, made_of, refused, made)).await;
        }
        let (outcome, decisions) = self.concluded((&contract, &policy, endpoint), (delivery, &others.held), made);
        let signal = policy.signal(&outcome.outcome);
        self.observe_attempt(contract.name(), target, &outcome);
        if decisions.is_empty() {
            let _ = self.outcomes.send(outcome).await; // the recorder outlives every attempt
        } else {
            let all = batch::outcomes(outcome, std::mem::take(&mut others.held), decisions);
            Box::pin(self.send_outcomes(contract.name(), all)).await;
        }
        Ended::Over(signal)
    }

    /// Sets what the endpoint's lane may do, and says whether a delivery may be sent now.
    async fn passes(
        self: &Arc<Self>,
        lane: &LaneKey,
        delivery: &ClaimedDelivery,
        (contract, policy, endpoint): (&Contract, &DeliveryPolicy, &Endpoint),
    ) -> Passes {
        // The endpoint's own limits, and those of its contract where it has none.
        let in_flight_max = endpoint.in_flight_max.unwrap_or(policy.in_flight_max);
        let rate_limit = endpoint.rate_limit.or(policy.rate_limit);
        // All nodes together keep to them.
        let nodes = self.queue.nodes();
        let rate_limit = rate_limit.map(|limit| limit.shared_by(nodes));
        self.limit(lane, LaneLimits { in_flight_max: in_flight_max.div_ceil(nodes), rate_limit });
        if lease::has_ended(endpoint.expires_at, self.clock.now()) {
            Box::pin(self.lapse(lane)).await;
            return Passes::NotNow;
        }
        let gate = Gate { enabled: endpoint.enabled, health: endpoint.health.status };
        if !gate.admits(delivery.event.is_test) {
            return Passes::NotNow;
        }
        if self.queue.may_be_erased(delivery) {
            match Box::pin(self.queue.forget_erased(delivery)).await {
                Ok(false) => {}
                Ok(true) => return Passes::Gone,
                Err(error) => {
                    tracing::warn!(error = %error, "whether a delivery was erased could not be read; it is put back");
                    return Passes::NotNow;
                }
            }
        }
        let gathers = policy.batch.and_then(|rule| self.gathers(lane, delivery, rule, contract));
        gathers.map_or(Passes::Now, |(seen, until)| Passes::Gathers(seen, until))
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

    /// The same with the keys of its contract; `None`: this process stops.
    async fn with_keys(&self, config: Arc<EndpointConfig>, owner: &ContractKeys) -> Option<Arc<EndpointConfig>> {
        loop {
            match self.queue.with_contract_keys(&config, owner).await {
                Ok(config) => return Some(config),
                Err(error) => {
                    tracing::warn!(contract = %owner.contract, error = %error, "a contract's keys could not be read; trying again");
                }
            }
            tokio::select! {
                biased;
                () = self.soft_stop.cancelled() => return None,
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

    /// What came before; nothing, if this is the first attempt, or if it cannot be read, which stops nobody from sending.
    async fn past(&self, delivery: &ClaimedDelivery) -> Past {
        if delivery.attempts == 0 {
            return Past::default();
        }
        let found = self.queue.find_past(delivery.id, delivery.attempts).await;
        found.inspect_err(|error| tracing::warn!(error = %error, "how earlier attempts ended cannot be read")).unwrap_or_default()
    }

    /// Renders and signs.
    fn request(
        &self,
        contract: &Contract,
        config: &EndpointConfig,
        MadeOf { delivery, others, past, token }: MadeOf<'_>,
        at: Timestamp,
    ) -> Result<OutboundRequest, String> {
        if delivery.suspicion == Suspicion::Refused {
            return Err(watch::refusal(delivery));
        }
        // What the endpoint is not sent is gone before a template or a signature sees any of it.
        let Some(data) = batch::minimised(contract, config, &delivery.event) else {
            return Err("the stored payload does not open: it was changed, or sealed under another key".to_owned());
        };
        let rendered = others.iter().map(|other| Some((other.id.to_string(), batch::minimised(contract, config, &other.event)?)));
        let Some(rendered) = rendered.collect::<Option<Vec<_>>>() else {
            return Err("a payload does not open".to_owned()); // nobody is told: it is built without the others then
        };
        let others = batch::inputs(others, &rendered);
        let (id, secrets) = (delivery.id.to_string(), signing(contract, config, at));
        let input = RenderInput {
            event: batch::event(&delivery.event, &data),
            attempt: AttemptInput {
                number: delivery.attempts + 1,
                at,
                trigger: delivery.trigger(),
                random: self.entropy.bytes(),
            },
            delivery: DeliveryInput {
                id: &id,
                number: delivery.number,
                created_at: delivery.created_at,
                first_attempt_at: if delivery.attempts == 0 { Some(at) } else { past.first_at },
                previous: past.previous.as_ref().map(|(outcome, status)| PreviousAttempt { outcome, status: *status }),
            },
            endpoint: EndpointInput {
                id: config.endpoint.id.as_str(),
                url: &config.endpoint.url,
                name: config.endpoint.name.as_deref(),
                expires_at: config.endpoint.expires_at,
                headers: &config.endpoint.headers,
                options: config.endpoint.options.as_deref(),
                credentials: credentials(&config.endpoint),
            },
            account: AccountInput { id: config.account.id.as_str(), name: config.account.name.as_deref() },
            secrets: &secrets,
            activation: None,
            others: &others,
            access_token: token,
        };
        contract.render(&input).map_err(|error| error.to_string())
    }

    /// Sends a request once more with a new access token, as its receiver did not take the one that it had. Where there is none, the
    /// answer stands that there was.
    async fn send_again(&self, wanted: &Wanted<'_>, made_of: MadeOf<'_>, refused: &Token, made: Made) -> Made {
        let Wanted { contract, config, timeout, .. } = wanted;
        let Fetched::Token(token) = self.access_token(wanted, Some(refused)).await else { return made };
        let started_at = self.clock.now();
        let request = self.request(contract, config, MadeOf { token: Some(token.expose()), ..made_of }, started_at);
        let Ok(request) = request else { return made };
        let told = made.told.is_some().then(|| told(contract, config, &request));
        let consumer = Consumer { account: &config.account.id, contract: contract.name() };
        match self.transport.send(consumer, request, *timeout, started_at).await {
            Ok(sent) => Made { sent, started_at, told, ..made },
            Err(_no_room) => made,
        }
    }

    /// A number from 0 to below 1.
    pub(crate) fn random(&self) -> f64 {
        let bytes: [u8; 4] = self.entropy.bytes();
        f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}

/// Whether anybody asks what came before an attempt.
fn looks_back(contract: &Contract, policy: &DeliveryPolicy) -> bool {
    contract.looks_back() || policy.order.is_some_and(|order| order.wait.is_some())
}

/// Whether a request tells about somebody.
fn has_subjects(delivery: &ClaimedDelivery, others: &Others<'_>) -> bool {
    delivery.event.has_subjects || others.held.iter().any(|other| other.event.has_subjects)
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
