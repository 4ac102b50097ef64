//! Following an account's log as the requests that an endpoint would get, without an endpoint: nothing is delivered, and nothing is
//! stored but that payloads were read.
//!
//! The requests are the contract's own, for an endpoint that there is not. They are signed with secrets that whoever listens has brought,
//! or that are drawn for them and protect nothing else: nothing that an account or a contract really has can be learnt from them.

use std::sync::Arc;

use bellwire_contract::{
    AccountInput, AttemptInput, Contract, DeliveryInput, EndpointInput, FilteredEvent, PublicKey, RenderInput, SigningSecret,
};
use bellwire_domain::{
    AuditAction, DataRemoval, DeliveryId, EndpointUrl, EventFilter, EventId, EventType, OutboundRequest, Secret, Timestamp,
    Trigger, UrlPolicy,
};
use bellwire_store::{Event, EventQuery, PageRequest};
use serde_json::{Map, Value};

use crate::audit::reading;
use crate::error::no_faults;
use crate::requests::rendered_event;
use crate::{AccountAccess, App, AppError, Fault};

/// The URL of an endpoint that nobody has named.
const URL_DEFAULT: &str = "http://localhost/";
/// The most events that are read at once.
const EVENTS_MAX: u32 = 20;
/// The bytes of data after which no further event is taken at once.
const DATA_BYTES_MAX: usize = 1 << 20;

/// What somebody listens to.
#[derive(Debug, Clone, Default)]
pub struct ListenInput {
    /// The endpoint's URL; `None`: one on the listener's own machine.
    pub url: Option<String>,
    /// Event types, by their names, aliases and groups; `None`: all.
    pub types: Option<Vec<String>>,
    /// What the endpoint has chosen of its contract's options; `None`: nothing.
    pub options: Option<Map<String, Value>>,
    /// The secret that requests are signed with; `None`: one is drawn.
    pub secret: Option<Secret<String>>,
}

/// An endpoint that there is not.
pub struct Listening {
    contract: Arc<Contract>,
    url: String,
    types: EventFilter,
    options: Option<String>,
    endpoint_id: String,
    expires_at: Option<Timestamp>,
    secrets: Vec<SigningSecret>,
    last_delivery: DeliveryId,
}

/// An event, and the request for it.
#[derive(Debug, Clone)]
pub struct HeardEvent {
    /// Its id.
    pub id: EventId,
    /// Its place in the account's log.
    pub seq: i64,
    /// Its type.
    pub event_type: EventType,
    /// Whether it is a test event.
    pub is_test: bool,
    /// The request that an endpoint would get, or why there is none.
    pub request: Result<OutboundRequest, Withheld>,
}

/// Why there is no request for an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withheld {
    /// Its data is not there any more.
    Removed(DataRemoval),
    /// The contract cannot build one.
    Unbuildable(String),
}

/// What was heard at once.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The events, in the order of `seq`.
    pub items: Vec<HeardEvent>,
    /// The `seq` up to which the log was looked at.
    pub after: i64,
    /// Whether the log goes on after it.
    pub has_more: bool,
}

impl Listening {
    /// The contract that its requests follow.
    pub const fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// The URL that they are for.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The secret that they are signed with; `None`: a private key, of which nobody is told more than its public half.
    pub fn secret(&self) -> Option<&Secret<String>> {
        let drawn = self.secrets.iter().find(|drawn| !drawn.is_beside);
        drawn.map(|drawn| &drawn.secret).filter(|_| self.contract.subscription().secret.private_key.is_none())
    }

    /// The public halves of the private keys that they are signed with.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        let has_key_pair = self.contract.subscription().secret.private_key.is_some();
        let keys = self.secrets.iter().filter(|drawn| drawn.is_beside || has_key_pair);
        keys.filter_map(|drawn| self.contract.public_key(&drawn.secret)).collect()
    }

    /// Whether such an endpoint would get an event. Those to try an endpoint with go to any.
    fn wants(&self, event: &Event) -> bool {
        if event.is_test {
            return true;
        }
        let data = std::str::from_utf8(&event.data).unwrap_or("null"); // JSON, which is UTF-8
        let (id, event_type) = (event.id.as_str(), &event.event_type);
        let facts = FilteredEvent { id, event_type, occurred_at: event.occurred_at, data, is_test: false };
        let is_chosen = || self.contract.wants(facts, self.options.as_deref(), &bellwire_contract::EventValues::default());
        self.types.matches(event_type) && (event.removed.is_some() || is_chosen())
    }

    /// The request for an event, as an endpoint's first attempt would be.
    fn request(
        &self,
        access: &AccountAccess,
        event: &Event,
        (id, at, random): (DeliveryId, Timestamp, [u8; 24]),
    ) -> Result<OutboundRequest, Withheld> {
        if let Some(removal) = event.removed {
            return Err(Withheld::Removed(removal));
        }
        let not_text = |_| Withheld::Unbuildable("the payload is not text".to_owned());
        let data = std::str::from_utf8(&event.data).map_err(not_text)?;
        let (data, id) = (&*self.contract.minimise(data, None), id.to_string());
        let input = RenderInput {
            event: rendered_event(event, data),
            attempt: AttemptInput { number: 1, at, trigger: Trigger::Automatic, random },
            delivery: DeliveryInput { id: &id, number: event.seq, created_at: at, first_attempt_at: Some(at), previous: None },
            endpoint: EndpointInput {
                id: &self.endpoint_id,
                url: &self.url,
                name: None,
                expires_at: self.expires_at,
                headers: &[],
                options: self.options.as_deref(),
                credentials: self.contract.example_credentials(),
            },
            account: AccountInput { id: access.account.id.as_str(), name: access.account.name.as_deref() },
            secrets: &self.secrets,
            activation: None,
            others: &[],
            access_token: self.contract.example_access_token(),
        };
        self.contract.render(&input).map_err(|error| Withheld::Unbuildable(error.to_string()))
    }
}

impl App {
    /// Draws what somebody listens with, under the account's contract as it is now.
    pub async fn start_listening(&self, access: &AccountAccess, input: &ListenInput) -> Result<Listening, AppError> {
        let contract = Arc::clone(access.contract()?);
        let (rules, mut faults) = (self.endpoint_rules(access)?, Vec::new());
        let url = input.url.as_deref().unwrap_or(URL_DEFAULT);
        // Nothing is sent there, so that it may be any.
        if let Err(error) = EndpointUrl::try_new(url, UrlPolicy::Any) {
            faults.push(Fault::new("/url", error.to_string()));
        }
        let types = match &input.types {
            Some(names) => EventFilter::Only(rules.check_types("/types", names, &mut faults)),
            None => EventFilter::All,
        };
        let options = rules.check_options(None, input.options.clone(), &mut faults);
        if let Some(Err(detail)) = input.secret.as_ref().map(|secret| contract.check_secret(secret.expose())) {
            faults.push(Fault::new("/secret", detail));
        }
        no_faults(faults)?;
        let secret = match &input.secret {
            Some(given) => given.clone(),
            None => self.draw_secret(&contract).await?,
        };
        let mut secrets = vec![SigningSecret { secret, version: 1, is_beside: false }];
        if contract.subscription().keys_beside.is_some() {
            secrets.push(SigningSecret { secret: self.draw_contract_key(&contract).await?, version: 1, is_beside: true });
        }
        let now = self.clock().now();
        Ok(Listening {
            url: url.to_owned(),
            types,
            options,
            endpoint_id: contract.ids().endpoint.draw(now, self.entropy().bytes()),
            expires_at: contract.subscription().lease.and_then(|lease| lease.example(now)),
            secrets,
            last_delivery: DeliveryId::default(),
            contract,
        })
    }

    /// What such an endpoint would get of the log after a `seq`, as far as it is read at once. That payloads were read is recorded
    /// before they are shown.
    pub async fn listen(&self, access: &AccountAccess, listening: &mut Listening, after: i64) -> Result<Heard, AppError> {
        let end = self.last_seq(access).await?;
        if end <= after {
            return Ok(Heard { items: Vec::new(), after, has_more: false });
        }
        let query = EventQuery { after_seq: after, ..EventQuery::default() };
        let page = PageRequest { limit: EVENTS_MAX, after: None };
        let page = self.records().list_events(&access.account.id, query, page).await?;
        let (mut looked_at, mut bytes, mut is_full, mut wanted) = (after, 0usize, false, Vec::new());
        for event in page.items {
            if bytes >= DATA_BYTES_MAX {
                is_full = true;
                break;
            }
            looked_at = event.seq;
            if listening.wants(&event) {
                bytes += event.data.len();
                wanted.push(event);
            }
            tokio::task::yield_now().await; // a filter may take its time
        }
        let has_more = is_full || page.next.is_some();
        let shown: Vec<&EventId> = wanted.iter().filter(|event| event.removed.is_none()).map(|event| &event.id).collect();
        if !shown.is_empty() {
            self.records().note(reading(access.entry(AuditAction::PayloadsRead), &shown)).await?;
        }
        let mut items = Vec::with_capacity(wanted.len());
        for event in &wanted {
            items.push(self.heard(access, listening, event));
            tokio::task::yield_now().await;
        }
        Ok(Heard { items, after: if has_more { looked_at } else { looked_at.max(end) }, has_more })
    }

    fn heard(&self, access: &AccountAccess, listening: &mut Listening, event: &Event) -> HeardEvent {
        let now = self.clock().now();
        listening.last_delivery = DeliveryId::after(listening.last_delivery, now);
        HeardEvent {
            id: event.id.clone(),
            seq: event.seq,
            event_type: event.event_type.clone(),
            is_test: event.is_test,
            request: listening.request(access, event, (listening.last_delivery, now, self.entropy().bytes())),
        }
    }
}
