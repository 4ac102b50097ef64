//! Requests that go out beside deliveries and not among them, and carry no event: handshakes and heartbeats. A few at once, and of each
//! account only some of these, so that nobody's endpoints wait for those of somebody else that hang.

use std::collections::{HashMap, VecDeque};

use bellwire_contract::{AccountInput, AttemptInput, DeliveryInput, EndpointInput, EventInput, RenderInput, SigningSecret};
use bellwire_domain::{AccountId, DeliveryId, EventType, Timestamp, Trigger};
use bellwire_store::{DueEndpoints, EndpointConfig, LaneKey};
use tokio::task::JoinSet;

use crate::secrets::credentials;

/// Of one kind at once.
const RUNNING_MAX: usize = 16;
/// Of these, an account's.
pub(crate) const OF_ACCOUNT_MAX: usize = 4;

/// Those of one kind that are under way.
#[derive(Default)]
pub(crate) struct Running {
    tasks: JoinSet<AccountId>,
    of_account: HashMap<AccountId, usize>,
}

impl Running {
    /// Starts one.
    pub(crate) fn start(&mut self, account: AccountId, task: impl Future<Output = ()> + Send + 'static) {
        *self.of_account.entry(account.clone()).or_default() += 1;
        self.tasks.spawn(async move {
            task.await;
            account
        });
    }

    /// Waits until one ends; for ever if there is none.
    pub(crate) async fn ended(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(account)) => self.release(&account),
            Some(Err(error)) => tracing::error!(error = %error, "a request beside the deliveries failed"),
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended: each is bounded by its timeouts, and the stop by its grace.
    pub(crate) async fn finish(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    fn release(&mut self, account: &AccountId) {
        if let Some(count) = self.of_account.get_mut(account) {
            *count -= 1;
            if *count == 0 {
                self.of_account.remove(account);
            }
        }
    }

    /// Whether no other can be started.
    pub(crate) fn is_full(&self) -> bool {
        self.tasks.len() >= RUNNING_MAX
    }

    /// Whether one of an account can be started.
    pub(crate) fn has_room_for(&self, account: &AccountId) -> bool {
        !self.is_full() && self.of_account.get(account).is_none_or(|count| *count < OF_ACCOUNT_MAX)
    }
}

/// A pass over everything of one kind that is due, some at a time.
#[derive(Default)]
pub(crate) struct Pass {
    found: VecDeque<LaneKey>,
    after: Option<Timestamp>,
    is_over: bool,
}

/// What a pass does next.
pub(crate) enum Next {
    /// This one is due, or was when it was found.
    Lane(LaneKey),
    /// Look for those that were due after this, and [tell](Pass::found) the pass.
    Look(Option<Timestamp>),
    /// Nothing more is due. The pass begins anew.
    Nothing,
}

impl Pass {
    /// Goes on.
    pub(crate) fn next(&mut self) -> Next {
        match self.found.pop_front() {
            Some(lane) => Next::Lane(lane),
            None if self.is_over => {
                *self = Self::default();
                Next::Nothing
            }
            None => Next::Look(self.after),
        }
    }

    /// What a look has found.
    pub(crate) fn found(&mut self, due: DueEndpoints) {
        self.is_over = due.next.is_none();
        self.after = due.next;
        self.found.extend(due.lanes);
    }
}

/// What such a request is rendered from.
pub(crate) struct OwnInput<'a> {
    pub(crate) config: &'a EndpointConfig,
    /// The id and the type that stand for an event's.
    pub(crate) event: (&'a str, &'a EventType),
    pub(crate) attempt: u32,
    /// What stands for a delivery's number.
    pub(crate) number: i64,
    pub(crate) at: Timestamp,
    pub(crate) random: [u8; 24],
    pub(crate) secrets: &'a [SigningSecret],
    /// The token of a handshake.
    pub(crate) activation: Option<&'a str>,
    pub(crate) access_token: Option<&'a str>,
}

impl OwnInput<'_> {
    /// Calls `with` with it.
    pub(crate) fn with<T>(&self, with: impl FnOnce(&RenderInput<'_>) -> T) -> T {
        let (endpoint, account) = (&self.config.endpoint, &self.config.account);
        let (id, event_type) = self.event;
        let delivery = DeliveryId::after(DeliveryId::default(), self.at).to_string();
        with(&RenderInput {
            event: EventInput { id, event_type, occurred_at: self.at, seq: 0, data: "{}", is_test: false },
            attempt: AttemptInput { number: self.attempt, at: self.at, trigger: Trigger::Automatic, random: self.random },
            delivery: DeliveryInput {
                id: &delivery,
                number: self.number,
                created_at: self.at,
                first_attempt_at: Some(self.at),
                previous: None,
            },
            endpoint: EndpointInput {
                id: endpoint.id.as_str(),
                url: &endpoint.url,
                name: endpoint.name.as_deref(),
                expires_at: endpoint.expires_at,
                headers: &endpoint.headers,
                options: endpoint.options.as_deref(),
                credentials: credentials(endpoint),
            },
            account: AccountInput { id: account.id.as_str(), name: account.name.as_deref() },
            secrets: self.secrets,
            activation: self.activation,
            others: &[],
            access_token: self.access_token,
        })
    }
}

#[cfg(test)]
mod tests {
    use bellwire_domain::EndpointId;

    use super::*;

    fn lane(id: &str) -> LaneKey {
        LaneKey { account_id: AccountId::try_new("a").unwrap(), endpoint_id: EndpointId::try_new(id).unwrap() }
    }

    #[test]
    fn a_pass_goes_through_all_that_is_due_and_begins_anew() {
        let mut pass = Pass::default();
        let later = Some(Timestamp::from_micros(7));
        for _ in 0..2 {
            assert!(matches!(pass.next(), Next::Look(None)));
            pass.found(DueEndpoints { lanes: vec![lane("e1"), lane("e2")], next: later });
            assert!(matches!(pass.next(), Next::Lane(found) if found == lane("e1")));
            assert!(matches!(pass.next(), Next::Lane(found) if found == lane("e2")));
            assert!(matches!(pass.next(), Next::Look(after) if after == later));
            pass.found(DueEndpoints { lanes: vec![lane("e3")], next: None });
            assert!(matches!(pass.next(), Next::Lane(found) if found == lane("e3")));
            assert!(matches!(pass.next(), Next::Nothing));
        }
    }
}
