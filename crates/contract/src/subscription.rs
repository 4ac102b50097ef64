//! Reads `subscription` and `ids`: who may register what, and how secrets and ids look.

mod keys;
mod secret;

use bellwire_domain::{IdFormat, LeasePolicy, PayloadRules, UrlPolicy};

use crate::diagnostic::Report;
use crate::facts::read_filter;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::key_pair::KeyKind;
use crate::lease::{self, LEASE};
use crate::minimise::{self, PAYLOAD};
use crate::options::{self, CREDENTIALS, EndpointOptions, Kind, OPTIONS};
use crate::reader::{Fields, text};
use crate::tree::{TREE, Tree};
use crate::yaml::Node;

use keys::OWN_KEYS;
use secret::SECRET;
pub(crate) use secret::Wanted;
pub use secret::{SecretRules, SecretSource};

/// How ids look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdFormats {
    /// Ids of events.
    pub event: IdFormat,
    /// Ids of endpoints.
    pub endpoint: IdFormat,
    /// Ids of deliveries, as requests show them; `None`: as Bellwire does.
    pub delivery: Option<IdFormat>,
}

/// Who may register what.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscription {
    /// Whether an endpoint chooses among the events.
    pub events: EventChoice,
    /// Which URLs are accepted.
    pub url: UrlPolicy,
    /// The rules for secrets.
    pub secret: SecretRules,
    /// What kind of private keys the contract has beside the secrets, if it has such.
    pub keys_beside: Option<KeyKind>,
    /// Whether a new endpoint is enabled at once.
    pub enabled: bool,
    /// Whether accounts marked as sandbox may have endpoints.
    pub sandbox: bool,
    /// Who registers endpoints.
    pub register: Registrar,
    /// Whether an endpoint may have headers of its own.
    pub custom_headers: bool,
    /// How much of an event's data an endpoint may be sent.
    pub payload: PayloadRules,
    /// The most endpoints of an account; `None`: as many as the server allows.
    pub endpoints_max: Option<u32>,
    /// How long an endpoint is sent to; `None`: endpoints do not expire.
    pub lease: Option<LeasePolicy>,
}

impl Subscription {
    /// Whose the private keys are that sign, where such do.
    pub(crate) fn private_keys_from(&self) -> Option<SecretSource> {
        let beside = self.keys_beside.map(|_| SecretSource::Contract);
        beside.or_else(|| self.secret.private_key.map(|_| self.secret.from))
    }

    /// What kind of private keys the contract itself has, if it has such: in place of secrets, or beside them.
    pub fn contract_keys(&self) -> Option<KeyKind> {
        self.keys_beside.or_else(|| self.secret.private_key.filter(|_| self.secret.from == SecretSource::Contract))
    }
}

bellwire_domain::words! {
    /// Whether an endpoint chooses among the events.
    pub enum EventChoice {
        /// Every endpoint gets every event.
        All = "all",
        /// An endpoint names the types it wants.
        Choose = "choose",
    }
}

bellwire_domain::words! {
    /// Who registers endpoints.
    pub enum Registrar {
        /// The consumer, or the operator for them.
        Consumer = "consumer",
        /// Only the operator.
        Operator = "operator",
    }
}

/// The keys of `subscription`.
const KEYS: &[KeySpec] = &[
    KeySpec::optional("events", Shape::Words(EventChoice::WORDS), "Whether an endpoint chooses among the events."),
    KeySpec::optional("url", Shape::Words(UrlPolicy::WORDS), "Which URLs an endpoint may have."),
    KeySpec::optional("secret", SECRET, "The rules for secrets."),
    KeySpec::optional("keys", OWN_KEYS, "Private keys of the contract that sign beside the secrets."),
    KeySpec::optional("enabled", Shape::FLAG, "Whether a new endpoint is enabled at once."),
    KeySpec::optional("sandbox", Shape::FLAG, "Whether sandbox accounts may have endpoints."),
    KeySpec::optional("register", Shape::Words(Registrar::WORDS), "Who registers endpoints."),
    KeySpec::optional("payload", PAYLOAD, "How much of an event's data an endpoint may choose to be sent."),
    KeySpec::optional("options", OPTIONS, "What an endpoint may choose for itself."),
    KeySpec::optional("credentials", CREDENTIALS, "Secret values that an endpoint gives."),
    KeySpec::optional("filter", TREE, "The condition under which an event goes to an endpoint."),
    KeySpec::optional("endpoints_max", Shape::Whole { min: 1, max: Some(ENDPOINTS_MAX) }, "The most endpoints of an account."),
    KeySpec::optional("lease", LEASE, "How long an endpoint is sent to before it has to be renewed."),
];
const ENDPOINTS_MAX: u32 = 1_000;
const ID_KEYS: &[KeySpec] = &[
    KeySpec::optional("event", ID_FORMAT, "How ids of events look."),
    KeySpec::optional("endpoint", ID_FORMAT, "How ids of endpoints look."),
    KeySpec::optional("delivery", ID_FORMAT, "How ids of deliveries look in requests."),
];
/// The value of `ids`.
pub(crate) const IDS: Shape =
    Shape::Named(&Definition { name: "ids", about: "How ids look.", shape: Shape::Keys(ID_KEYS), examples: &[] });
const ID_FORMAT: Shape = Shape::Named(&Definition {
    name: "id_format",
    about: "`uuid`, or a prefix that ends in `_`, `-` or `.`.",
    shape: Shape::TEXT,
    examples: &["uuid", "evt_"],
});
/// The value of `subscription`.
pub(crate) const SUBSCRIPTION: Shape =
    Shape::Named(&Definition { name: "subscription", about: "Who may register what.", shape: Shape::Keys(KEYS), examples: &[] });
/// Reads `ids`.
pub(crate) fn read_ids(node: Option<&Node>, report: &mut Report) -> Option<IdFormats> {
    let Some(node) = node else { return Some(IdFormats { event: IdFormat::Uuid, endpoint: IdFormat::Uuid, delivery: None }) };
    let fields = Fields::open(node, "ids", ID_KEYS, report)?;
    let mut format = |key: &str| {
        let node = fields.get(key)?;
        let text = text(node, &fields.path_of(key), report).unwrap_or_default();
        if text == "uuid" {
            return Some(IdFormat::Uuid);
        }
        let valid = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !valid || text.len() > 32 || !text.ends_with(['_', '-', '.']) {
            report.add(
                node.at,
                &fields.path_of(key),
                format!("`{text}` is not an id format"),
                "write `uuid`, or a prefix that ends in `_`, `-` or `.`, such as `evt_`",
            );
        }
        Some(IdFormat::Prefixed(text))
    };
    Some(IdFormats {
        event: format("event").unwrap_or(IdFormat::Uuid),
        endpoint: format("endpoint").unwrap_or(IdFormat::Uuid),
        delivery: format("delivery"),
    })
}

/// What endpoints may choose for themselves, and which events they then get.
#[derive(Debug)]
pub(crate) struct Choices {
    pub(crate) options: EndpointOptions,
    pub(crate) credentials: EndpointOptions,
    pub(crate) filter: Option<Tree>,
}

/// Reads `options`, `credentials` and `filter` of `subscription`.
pub(crate) fn read_choices(node: Option<&Node>, report: &mut Report) -> Option<Choices> {
    let mut ignored = Report::new("");
    let fields = node.and_then(|node| Fields::open(node, "subscription", KEYS, &mut ignored));
    let of = |key: &str| fields.as_ref().and_then(|fields| fields.get(key));
    let options = options::read(Kind::Option, of("options"), report);
    let credentials = options::read(Kind::Credential, of("credentials"), report);
    let filter = of("filter").map(|node| read_filter(node, "subscription.filter", report));
    Some(Choices { options: options?, credentials: credentials?, filter: filter.map_or(Some(None), |read| read.map(Some))? })
}

/// Reads `subscription`.
pub(crate) fn read(node: Option<&Node>, custom_headers: bool, wanted: &Wanted, report: &mut Report) -> Option<Subscription> {
    let mut subscription = Subscription {
        events: EventChoice::Choose,
        url: UrlPolicy::Https,
        secret: SecretRules::of(wanted),
        keys_beside: None,
        enabled: true,
        sandbox: true,
        register: Registrar::Consumer,
        custom_headers,
        payload: PayloadRules::default(),
        endpoints_max: None,
        lease: None,
    };
    let Some(node) = node else { return Some(subscription) };
    let fields = Fields::open(node, "subscription", KEYS, report)?;
    subscription.events = fields.word("events", report).unwrap_or(subscription.events);
    subscription.url = fields.word("url", report).unwrap_or(subscription.url);
    subscription.register = fields.word("register", report).unwrap_or(subscription.register);
    subscription.enabled = fields.flag("enabled", true, report);
    subscription.sandbox = fields.flag("sandbox", true, report);
    let keys = fields.get("keys").map(|node| keys::read(node, fields.get("secret"), wanted, report));
    if keys.is_some() {
        subscription.secret = SecretRules::of(&Wanted { secret: wanted.text, private_key: None, ..*wanted });
        subscription.keys_beside = keys.flatten();
    }
    let secret = fields.get("secret").map(|node| secret::read(node, &mut subscription.secret, report));
    if let Some(node) = fields.get("payload") {
        subscription.payload = minimise::read(node, report)?;
    }
    if let Some(node) = fields.get("lease") {
        subscription.lease = Some(lease::read(node, report)?);
    }
    subscription.endpoints_max = fields.count("endpoints_max", ENDPOINTS_MAX, report);
    if subscription.endpoints_max == Some(0) {
        report.add(
            fields.at("endpoints_max"),
            "subscription.endpoints_max",
            "nobody could register anything",
            "write at least 1",
        );
    }
    (secret != Some(None) && keys != Some(None)).then_some(subscription)
}
