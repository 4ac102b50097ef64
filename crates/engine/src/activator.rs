//! Handshakes: an endpoint whose contract wants one is sent its requests, and is active when every answer was as it has to be.
//!
//! They go out beside deliveries and not among them: a few at once, and of each account only some of these, so that nobody's endpoints
//! wait for those of somebody else that hang.

use std::sync::Arc;
use std::time::Duration;

use bellwire_contract::{Activation, AnswerInput, Confirmer, Contract, Granted};
use bellwire_domain::{AttemptOutcome, Consumer, Secret};
use bellwire_store::{ActivationEnd, LaneKey, StoreError, TakenActivation};

use crate::beside::{Next, OF_ACCOUNT_MAX, OwnInput, Pass, Running};
use crate::secrets::{contract_keys, signing};
use crate::shared::Shared;
use crate::steps::Backoff;
use crate::tokens::{Fetched, Token, Wanted};

/// Those that one look reads.
const LOOK: u32 = 256;
/// The steady beat: another node may have begun a handshake and died.
const BEAT: Duration = Duration::from_secs(2);
/// How much longer a handshake is taken than its request may last. If this process dies, it is tried again when that is over.
const MARGIN: Duration = Duration::from_secs(5);
/// How long a handshake waits that found no room to be sent, or whose contract is not loaded.
const PUT_OFF: Duration = Duration::from_secs(10);

/// Tries what is due until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let (mut backoff, mut running, mut pass) = (Backoff::new(), Running::default(), Pass::default());
    loop {
        let wait = match start(&shared, &mut running, &mut pass).await {
            Ok(()) => {
                backoff.reset();
                BEAT
            }
            Err(StoreError::Closed) => break,
            Err(error) => {
                tracing::error!(error = %error, "handshakes could not be looked for; trying again");
                backoff.grow()
            }
        };
        let woken = async {
            tokio::select! {
                biased; // so that a seed of the simulation gives one run
                () = shared.queue.activation_begun() => {}
                () = running.ended() => {}
            }
        };
        if !shared.pause(wait, woken).await {
            break;
        }
    }
    running.finish().await;
}

/// Starts what is due, as far as there is room. Of an account that has none, what was found waits for the next pass.
async fn start(shared: &Arc<Shared>, running: &mut Running, pass: &mut Pass) -> Result<(), StoreError> {
    let of_account = u32::try_from(OF_ACCOUNT_MAX).unwrap_or(u32::MAX);
    while !running.is_full() {
        let lane = match pass.next() {
            Next::Lane(lane) if running.has_room_for(&lane.account_id) => lane,
            Next::Lane(_) => continue,
            Next::Look(after) => {
                pass.found(shared.queue.due_activations(after, of_account, LOOK).await?);
                continue;
            }
            Next::Nothing => break,
        };
        let Some(taken) = shared.queue.take_activation(&lane, shared.clock.now().plus(MARGIN)).await? else { continue };
        let shared = Arc::clone(shared);
        running.start(lane.account_id.clone(), async move { shared.shake_hands(&lane, taken).await });
    }
    Ok(())
}

/// How a handshake went.
enum Tried {
    Accepted(Granted),
    Refused(String),
    NoRoom,
    /// Another has taken its place, or the engine stops.
    Over,
}

impl Shared {
    /// Sends a handshake's requests, and writes down what came of them.
    async fn shake_hands(&self, lane: &LaneKey, mut taken: TakenActivation) {
        let Some(contract) = self.contract(&taken.config.account) else {
            return self.put_off(lane, taken.token).await;
        };
        if let Some(owner) = contract_keys(&contract) {
            match self.queue.with_contract_keys(&taken.config, &owner).await {
                Ok(config) => taken.config.contract_keys = Arc::clone(&config.contract_keys),
                Err(_) => return self.put_off(lane, taken.token).await, // it is tried again
            }
        }
        let Some(activation) = contract.activation() else {
            // The contract wants none any more.
            let end = ActivationEnd::Accepted { secret: None, rate_limit: None, is_enough: true, next_at: None };
            return self.end(lane, taken.token, end).await;
        };
        let tried = self.try_steps(&contract, activation, lane, &taken).await;
        let now = self.clock.now();
        let end = match tried {
            Tried::Over => return,
            Tried::NoRoom => return self.put_off(lane, taken.token).await,
            Tried::Refused(reason) => {
                count(&contract, "refused");
                let next_at = activation.schedule.next(taken.failures + 1, now, self.random());
                ActivationEnd::Refused { reason, next_at }
            }
            Tried::Accepted(Granted { secret, rate_limit }) => {
                count(&contract, "accepted");
                let is_enough = activation.confirmed_by == Confirmer::Answer;
                ActivationEnd::Accepted { secret, rate_limit, is_enough, next_at: activation.every.map(|every| now.plus(every)) }
            }
        };
        self.end(lane, taken.token, end).await;
    }

    async fn put_off(&self, lane: &LaneKey, token: Secret<String>) {
        self.end(lane, token, ActivationEnd::PutOff { until: self.clock.now().plus(PUT_OFF) }).await;
    }

    async fn end(&self, lane: &LaneKey, token: Secret<String>, end: ActivationEnd) {
        match self.queue.finish_activation(lane, token, end).await {
            Ok(Some(endpoint)) => {
                let (account, id) = (&lane.account_id, &lane.endpoint_id);
                tracing::debug!(account.id = %account, endpoint.id = %id, health = %endpoint.health.status, "a handshake has ended");
            }
            Ok(None) | Err(StoreError::Closed) => {}
            Err(error) => {
                let (account, id) = (&lane.account_id, &lane.endpoint_id);
                tracing::warn!(account.id = %account, endpoint.id = %id, error = %error, "how a handshake ended is not recorded; it is tried again");
            }
        }
    }

    async fn try_steps(
        &self,
        contract: &Arc<Contract>,
        activation: &Activation,
        lane: &LaneKey,
        taken: &TakenActivation,
    ) -> Tried {
        let timeout = activation.timeout.unwrap_or(contract.delivery().timeout);
        let last = activation.steps().saturating_sub(1);
        let access = match self.token_for_steps(contract, lane, taken, timeout).await {
            Ok(access) => access,
            Err(tried) => return tried,
        };
        let access_token = access.as_ref().map(|access| access.expose().as_str());
        for step in 0..=last {
            let until = self.clock.now().plus(timeout + MARGIN);
            match self.queue.keep_activation(lane, &taken.token, until).await {
                Ok(true) => {}
                Ok(false) => return Tried::Over,
                Err(error) => {
                    tracing::warn!(error = %error, "a handshake could not be kept; it is tried again");
                    return Tried::Over;
                }
            }
            let at = self.clock.now();
            let drawn = contract.ids().event.draw(at, self.entropy.bytes());
            let secrets = signing(contract, &taken.config, at);
            let Some(event_type) = activation.event_type() else { return Tried::Over };
            let told = OwnInput {
                config: &taken.config,
                event: (&drawn, event_type),
                attempt: taken.failures + 1,
                number: taken.config.endpoint.last_number,
                at,
                random: self.entropy.bytes(),
                secrets: &secrets,
                activation: Some(taken.token.expose()),
                access_token,
            };
            let answer = match self.send_step(contract, step, &told, timeout).await {
                Ok(answer) => answer,
                Err(tried) => return tried,
            };
            if let (Some(access), 401) = (&access, answer.0) {
                self.tokens.refuse(lane, access); // so that the next try has another
            }
            let answer = AnswerInput { attempt: taken.failures + 1, status: answer.0, headers: &answer.1, body: &answer.2 };
            match told.with(|input| contract.accepts(step, input, &answer)) {
                Ok(true) if step == last => {
                    return match told.with(|input| contract.granted(input, &answer)) {
                        Ok(granted) => checked(contract, granted),
                        Err(error) => Tried::Refused(error.to_string()),
                    };
                }
                Ok(true) => {}
                Ok(false) => {
                    return Tried::Refused(refusal(
                        step,
                        last,
                        &format!("the answer, with status {}, is not accepted", answer.status),
                    ));
                }
                Err(error) => return Tried::Refused(refusal(step, last, &error.to_string())),
            }
        }
        Tried::Over
    }

    /// The access token that the steps show, where they do.
    async fn token_for_steps(
        &self,
        contract: &Arc<Contract>,
        lane: &LaneKey,
        taken: &TakenActivation,
        timeout: Duration,
    ) -> Result<Option<Token>, Tried> {
        if contract.access_token().is_none() {
            return Ok(None);
        }
        let until = self.clock.now().plus(timeout + MARGIN);
        if !matches!(self.queue.keep_activation(lane, &taken.token, until).await, Ok(true)) {
            return Err(Tried::Over);
        }
        match self.access_token(&Wanted { contract, config: &taken.config, lane, timeout }, None).await {
            Fetched::Token(access) => Ok(Some(access)),
            Fetched::Failed(reason) => Err(Tried::Refused(AttemptOutcome::AccessToken { reason }.to_string())),
            Fetched::NoRoom => Err(Tried::NoRoom),
        }
    }

    /// The answer to a step: its status, the headers that are looked at, and its body.
    async fn send_step(
        &self,
        contract: &Contract,
        step: usize,
        told: &OwnInput<'_>,
        timeout: Duration,
    ) -> Result<(u16, Vec<(String, String)>, Vec<u8>), Tried> {
        let last = contract.activation().map_or(0, Activation::steps).saturating_sub(1);
        let request = told.with(|input| contract.render_activation(step, input));
        let request = request.map_err(|error| Tried::Refused(refusal(step, last, &error.to_string())))?;
        let consumer = Consumer { account: &told.config.account.id, contract: contract.name() };
        let sent = tokio::select! {
            biased;
            () = self.soft_stop.cancelled() => return Err(Tried::Over), // it is tried again
            sent = self.transport.send(consumer, request, timeout, told.at) => sent,
        };
        match sent.map_err(|_| Tried::NoRoom)?.outcome {
            AttemptOutcome::Response { status, headers, body, .. } => Ok((status, headers, body)),
            other => Err(Tried::Refused(refusal(step, last, &other.to_string()))),
        }
    }
}

/// A secret that the receiver has chosen is one that the contract takes.
fn checked(contract: &Contract, granted: Granted) -> Tried {
    let wrong = granted.secret.as_ref().and_then(|secret| contract.check_secret(secret.expose()).err());
    match wrong {
        Some(reason) => Tried::Refused(format!("the secret that the receiver has chosen is not taken: {reason}")),
        None => Tried::Accepted(granted),
    }
}

fn count(contract: &Contract, outcome: &'static str) {
    let contract = contract.name().to_owned();
    metrics::counter!("bellwire_activations_total", "contract" => contract, "outcome" => outcome).increment(1);
}

/// Why a step failed, with its number where there are several.
fn refusal(step: usize, last: usize, reason: &str) -> String {
    if last == 0 { reason.to_owned() } else { format!("request {} of {}: {reason}", step + 1, last + 1) }
}
