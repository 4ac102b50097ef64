//! What use-cases hand over for answers, and how templates see it.

mod sending;

use bellwire_domain::{PayloadChoice, Secret, Timestamp};
use serde_json::value::RawValue;

use crate::catalogue::EventDefinition;
use crate::key_pair::PublicKey;
use crate::published::bindings::{Bindings, object, quoted};

pub use sending::{AttemptView, RetriedView, TestedView};

/// The result of a use-case, on its way into an answer.
#[derive(Debug)]
pub enum Passed<'a> {
    /// An endpoint, and the account it belongs to.
    Endpoint(AccountView, Box<EndpointView>),
    /// The keys that sign what an account gets, or, without one, what all accounts of the contract get.
    Keys(Option<AccountView>, Vec<KeyView>),
    /// A page of endpoints.
    Endpoints(AccountView, Vec<EndpointView>, Option<String>),
    /// A resource.
    Resource(AccountView, ResourceView),
    /// A page of resources.
    Resources(AccountView, Vec<ResourceView>, Option<String>),
    /// A page of an endpoint's deliveries.
    Deliveries(AccountView, Box<EndpointView>, Vec<DeliveryView>, Option<String>),
    /// A page of the log.
    Events(AccountView, Vec<EventView>, Option<String>),
    /// An endpoint, and the test event that it is sent.
    Tested(AccountView, Box<EndpointView>, TestedView),
    /// A delivery that is sent again.
    Retried(AccountView, Box<RetriedView>),
    /// An event type.
    EventType(&'a EventDefinition),
    /// Event types.
    EventTypes(Vec<&'a EventDefinition>),
}

/// An account as an answer may show it.
#[derive(Debug, Clone)]
pub struct AccountView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
}

/// An endpoint as an answer may show it.
#[derive(Debug)]
pub struct EndpointView {
    /// Its id.
    pub id: String,
    /// Its URL.
    pub url: String,
    /// Its name.
    pub name: Option<String>,
    /// The event types it gets.
    pub events: Vec<String>,
    /// Whether new events are delivered to it.
    pub enabled: bool,
    /// Its health, as a word.
    pub health: &'static str,
    /// Why it is not sent to, or fails, in words; `None`: it is, nothing is known, or nobody asks.
    pub error: Option<String>,
    /// The number of its last delivery: how many events it was to get so far.
    pub last_number: i64,
    /// Rises with every change of it.
    pub version: i64,
    /// Its own headers.
    pub headers: Vec<(String, String)>,
    /// How much of an event's data it chose to be sent; `None`: what the contract gives.
    pub payload: Option<PayloadChoice>,
    /// Its own rate limit.
    pub rate_limit: Option<String>,
    /// All its options, as a JSON object; `None`: its contract has none.
    pub options: Option<String>,
    /// The names of the credentials that it has.
    pub credentials: Vec<String>,
    /// When its lease ends; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Its secret, if it was just made or can be read back.
    pub secret: Option<Secret<String>>,
    /// The public half of its secret, if that is a private key.
    pub key: Option<Box<PublicKey>>,
    /// Which of the endpoint's or account's it is, of the one that is shown.
    pub secret_version: Option<i64>,
}

/// A key as an answer may show it.
#[derive(Debug)]
pub struct KeyView {
    /// The public half.
    pub key: PublicKey,
    /// Which of its owner's it is.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A resource as an answer may show it.
#[derive(Debug)]
pub struct ResourceView {
    /// Its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: String,
    /// Counts its changes.
    pub version: i64,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Its document: valid JSON.
    pub document: String,
}

/// An event of the log as an answer may show it.
#[derive(Debug)]
pub struct EventView {
    /// Its id.
    pub id: String,
    /// Its number within its account.
    pub seq: i64,
    /// Its type.
    pub event_type: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Whether it is the test event.
    pub is_test: bool,
    /// Its data: valid JSON.
    pub data: String,
}

/// A delivery of an endpoint, with its event, as an answer may show it.
#[derive(Debug)]
pub struct DeliveryView {
    /// Its id.
    pub id: String,
    /// Its number within the endpoint.
    pub number: i64,
    /// How it stands, as a word.
    pub state: &'static str,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its event, whose data is what the endpoint is sent of it.
    pub event: EventView,
}

/// A word, or a list of pointers.
fn payload(choice: &PayloadChoice) -> String {
    match choice {
        PayloadChoice::Full | PayloadChoice::Ids => quoted(choice.level().as_str()),
        PayloadChoice::Fields(fields) => {
            let fields: Vec<String> = fields.iter().map(|field| quoted(field.as_str())).collect();
            format!("[{}]", fields.join(","))
        }
    }
}

/// The public half of a key, as receivers are given it.
fn key_members(key: &PublicKey) -> Members {
    vec![
        ("id", quoted(&key.id)),
        ("algorithm", quoted(key.algorithm)),
        ("jwk", key.jwk.clone()),
        ("pem", quoted(&key.pem)),
        ("public", quoted(&key.public)),
    ]
}

/// Names with their values as JSON.
type Members = Vec<(&'static str, String)>;

impl EndpointView {
    /// An answer about one endpoint always has `secret` and `key`, if only as null. In a list it is there if secrets can be read back.
    fn members(&self, is_one: bool) -> Members {
        let mut members = vec![
            ("id", quoted(&self.id)),
            ("url", quoted(&self.url)),
            ("name", optional(self.name.as_deref())),
            ("events", serde_json::to_string(&self.events).unwrap_or_default()),
            ("enabled", self.enabled.to_string()),
            ("health", quoted(self.health)),
            ("error", optional(self.error.as_deref())),
            ("headers", object(&self.headers)),
            ("payload", self.payload.as_ref().map_or_else(|| "null".to_owned(), payload)),
            ("rate_limit", optional(self.rate_limit.as_deref())),
            ("options", self.options.clone().unwrap_or_else(|| "null".to_owned())),
            ("credentials", serde_json::to_string(&self.credentials).unwrap_or_default()),
            ("expires_at", self.expires_at.map_or_else(|| "null".to_owned(), time)),
            ("last_number", self.last_number.to_string()),
            ("version", self.version.to_string()),
            ("created_at", time(self.created_at)),
            ("updated_at", time(self.updated_at)),
        ];
        if is_one || self.secret.is_some() {
            members.push(("secret", optional(self.secret.as_ref().map(|secret| secret.expose().as_str()))));
        }
        if is_one || self.secret_version.is_some() {
            members
                .push(("secret_version", self.secret_version.map_or_else(|| "null".to_owned(), |version| version.to_string())));
            members.push(("key", self.key.as_ref().map_or_else(|| "null".to_owned(), |key| written(&key_members(key)))));
        }
        members
    }
}

impl ResourceView {
    fn members(&self) -> Members {
        vec![
            ("kind", quoted(&self.kind)),
            ("id", quoted(&self.id)),
            ("state", quoted(&self.state)),
            ("version", self.version.to_string()),
            ("created_at", time(self.created_at)),
            ("updated_at", time(self.updated_at)),
            ("document", self.document.clone()),
        ]
    }
}

impl EventView {
    fn members(&self) -> Members {
        vec![
            ("id", quoted(&self.id)),
            ("seq", self.seq.to_string()),
            ("type", quoted(&self.event_type)),
            ("occurred_at", time(self.occurred_at)),
            ("is_test", self.is_test.to_string()),
            ("data", self.data.clone()),
        ]
    }
}

impl DeliveryView {
    /// The event's members, and those of the delivery beside them.
    fn members(&self) -> Members {
        let mut members = vec![
            ("delivery_id", quoted(&self.id)),
            ("number", self.number.to_string()),
            ("state", quoted(self.state)),
            ("created_at", time(self.created_at)),
        ];
        members.extend(self.event.members());
        members
    }
}

fn event_type_members(event: &EventDefinition) -> Members {
    let raw = |value: Option<String>| value.unwrap_or_else(|| "null".to_owned());
    vec![
        ("type", quoted(event.event_type.as_str())),
        ("title", quoted(&event.title)),
        ("description", optional(event.description.as_deref())),
        ("schema", raw(event.schema.as_ref().map(ToString::to_string))),
        ("example", RawValue::get(&event.example).to_owned()),
        ("fields", raw(event.fields.clone())),
    ]
}

impl Passed<'_> {
    pub(crate) fn bind(&self, names: &mut Bindings) {
        match self {
            Self::Endpoint(account, endpoint) => {
                bind_account(account, names);
                bind_one("endpoint", endpoint.members(true), names);
            }
            Self::Keys(account, keys) => {
                if let Some(account) = account {
                    bind_account(account, names);
                }
                let members = |listed: &KeyView| {
                    let of_key = [("version", listed.version.to_string()), ("created_at", time(listed.created_at))];
                    key_members(&listed.key).into_iter().chain(of_key).collect()
                };
                bind_list("keys", keys.iter().map(members), names);
            }
            Self::Endpoints(account, endpoints, next) => {
                bind_account(account, names);
                bind_list("endpoints", endpoints.iter().map(|endpoint| endpoint.members(false)), names);
                names.set("next", optional(next.as_deref()));
            }
            Self::Resource(account, resource) => {
                bind_account(account, names);
                bind_one("resource", resource.members(), names);
            }
            Self::Resources(account, resources, next) => {
                bind_account(account, names);
                bind_list("resources", resources.iter().map(ResourceView::members), names);
                names.set("next", optional(next.as_deref()));
            }
            Self::Events(account, events, next) => {
                bind_account(account, names);
                bind_list("events", events.iter().map(EventView::members), names);
                names.set("next", optional(next.as_deref()));
            }
            Self::Deliveries(account, endpoint, deliveries, next) => {
                bind_account(account, names);
                bind_one("endpoint", endpoint.members(true), names);
                bind_list("deliveries", deliveries.iter().map(DeliveryView::members), names);
                names.set("next", optional(next.as_deref()));
            }
            Self::Tested(account, endpoint, event) => {
                bind_account(account, names);
                bind_one("endpoint", endpoint.members(true), names);
                bind_one("event", event.members(), names);
            }
            Self::Retried(account, delivery) => {
                bind_account(account, names);
                bind_one("delivery", delivery.members(), names);
            }
            Self::EventType(event) => bind_one("event", event_type_members(event), names),
            Self::EventTypes(events) => bind_list("events", events.iter().map(|event| event_type_members(event)), names),
        }
    }
}

fn bind_account(account: &AccountView, names: &mut Bindings) {
    names.set("account.id", quoted(&account.id));
    names.set("account.name", optional(account.name.as_deref()));
}

fn bind_one(root: &str, members: Members, names: &mut Bindings) {
    for (name, raw) in members {
        names.set(format!("{root}.{name}"), raw);
    }
}

fn bind_list(name: &str, items: impl Iterator<Item = Members>, names: &mut Bindings) {
    names.set(name, list(items));
}

/// Items as a JSON list of objects.
fn list(items: impl Iterator<Item = Members>) -> String {
    let mut out = String::from("[");
    for (index, members) in items.enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        out.push_str(&written(&members));
    }
    out.push(']');
    out
}

/// Members as a JSON object.
fn written(members: &Members) -> String {
    let members: Vec<String> = members.iter().map(|(name, raw)| format!("{}:{raw}", quoted(name))).collect();
    format!("{{{}}}", members.join(","))
}

/// A JSON text, or null.
fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), quoted)
}

/// Times are text here; the time filters accept that too.
fn time(at: Timestamp) -> String {
    quoted(&at.to_string())
}
