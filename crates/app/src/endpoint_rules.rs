//! What an endpoint may look like under its account's contract. Each check adds its faults to a list, so that a caller sees
//! all of them at once.

use std::collections::BTreeSet;

use bellwire_contract::{AccountInput, Contract, EndpointInput, EventChoice, EventDefinition, SecretSource};
use bellwire_domain::{
    AddressPolicy, Consumer, EndpointUrl, EventFilter, EventType, Lease, PAYLOAD_FIELDS_MAX, PayloadChoice, PayloadLevel,
    Pointer, RateLimit, Secret, Timestamp, UrlPolicy, escape_pointer, unseen_reason,
};
use bellwire_store::Account;
use serde_json::{Map, Value};

use crate::{Fault, Limits};

/// How much of an event's data is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadInput {
    /// In a word: `full` or `ids`.
    Word(String),
    /// These fields, as JSON pointers.
    Fields(Vec<String>),
}

/// The rules of one account.
pub(crate) struct EndpointRules<'a> {
    pub(crate) contract: &'a Contract,
    pub(crate) account: &'a Account,
    pub(crate) addresses: &'a AddressPolicy,
    pub(crate) allow_http: bool,
    pub(crate) limits: &'a Limits,
}

/// When somebody wants a lease to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AskedEnd {
    /// The field that says so.
    pub(crate) field: &'static str,
    /// `None`: never.
    pub(crate) end: Option<Timestamp>,
    /// Whether another field says so as well.
    pub(crate) is_twice: bool,
}

/// The name of the definition for all types that a contract does not list. It is not a type itself.
pub(crate) const ANY: &str = "*";

/// What is wrong with a URL that requests go to: its form, its scheme, or an address that is never connected to. `never` says so.
pub(crate) fn url_fault(
    text: &str,
    policy: UrlPolicy,
    (addresses, consumer): (&AddressPolicy, Consumer<'_>),
    never: &str,
) -> Option<String> {
    let url = match EndpointUrl::try_new(text, policy) {
        Ok(url) => url,
        Err(error) => return Some(error.to_string()),
    };
    let address = url.literal_address()?;
    let class = addresses.check(address, url.port(), consumer).err()?;
    Some(format!("{address} is {}, {never}; only the operator can allow it", class.as_str()))
}

impl EndpointRules<'_> {
    /// The most endpoints of an account.
    pub(crate) fn endpoints_max(&self) -> u32 {
        let server = self.limits.endpoints_per_account_max;
        self.contract.subscription().endpoints_max.map_or(server, |max| max.min(server))
    }

    /// The URL: a scheme that the contract accepts, and no address that could never be connected to.
    pub(crate) fn check_url(&self, text: &str, faults: &mut Vec<Fault>) {
        let policy = if self.allow_http { UrlPolicy::Any } else { self.contract.subscription().url };
        let consumer = Consumer { account: &self.account.id, contract: self.contract.name() };
        let fault = url_fault(text, policy, (self.addresses, consumer), "to which nothing is delivered");
        faults.extend(fault.map(|detail| Fault::new("/url", detail)));
    }

    /// The chosen events; by default, those that the contract enables.
    pub(crate) fn check_events(&self, events: Option<&[String]>, faults: &mut Vec<Fault>) -> EventFilter {
        let Some(events) = events else { return self.default_events() };
        if self.contract.subscription().events == EventChoice::All {
            faults.push(Fault::new("/events", "under this contract every endpoint gets every event: leave `events` out"));
        } else if events.is_empty() && !self.contract.may_choose_nothing() {
            faults.push(Fault::new("/events", "choose at least one event type, or leave `events` out for all of them"));
        }
        EventFilter::Only(self.check_types("/events", events, faults))
    }

    /// The types that names, aliases and groups stand for, of which the account may have all.
    pub(crate) fn check_types(&self, field: &str, names: &[String], faults: &mut Vec<Fault>) -> BTreeSet<EventType> {
        let mut types = BTreeSet::new();
        for (index, text) in names.iter().enumerate() {
            let place = format!("{field}/{index}");
            let group = self.contract.group(text);
            if !group.is_empty() {
                let given: Vec<EventType> =
                    group.iter().filter(|event| entitled(self.account, event)).map(|event| event.event_type.clone()).collect();
                if given.is_empty() {
                    faults.push(Fault::new(place, format!("the account is not entitled to any event of `{text}`")));
                }
                types.extend(given);
                continue;
            }
            let definition = self.contract.event(text).filter(|_| text != ANY);
            match (definition, EventType::try_new(text)) {
                (Some(event), Ok(_)) if !entitled(self.account, event) => {
                    faults.push(Fault::new(place, format!("the account is not entitled to `{text}`")));
                }
                (Some(event), Ok(chosen)) => {
                    types.insert(if event.event_type.as_str() == ANY { chosen } else { event.event_type.clone() });
                }
                (None, _) => {
                    faults.push(Fault::new(place, self.contract.no_such_event(text)));
                }
                (Some(_), Err(error)) => faults.push(Fault::new(place, error.to_string())),
            }
        }
        types
    }

    /// All events, unless the contract enables some types only on request.
    fn default_events(&self) -> EventFilter {
        let events = self.contract.events();
        let all = self.contract.subscription().events == EventChoice::All || events.iter().all(|event| event.enabled_by_default);
        if all {
            return EventFilter::All;
        }
        EventFilter::Only(events.iter().filter(|event| event.enabled_by_default).map(|event| event.event_type.clone()).collect())
    }

    /// The endpoint's own headers.
    pub(crate) fn check_headers(&self, headers: &[(String, String)], faults: &mut Vec<Fault>) {
        if headers.is_empty() {
            return;
        }
        if !self.contract.subscription().custom_headers {
            return faults.push(Fault::new("/headers", "under this contract, endpoints have no headers of their own"));
        }
        let (count_max, bytes_max) = (self.limits.headers_max, self.limits.headers_bytes_max);
        let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if headers.len() > count_max || bytes > bytes_max {
            faults.push(Fault::new("/headers", format!("at most {count_max} headers and {bytes_max} bytes in all")));
        }
        let mut seen = BTreeSet::new();
        for (name, value) in headers {
            let twice = || Err("the same header is given twice".to_owned());
            let checked =
                if seen.insert(name.to_ascii_lowercase()) { self.contract.check_custom_header(name, value) } else { twice() };
            if let Err(detail) = checked {
                faults.push(Fault::new(format!("/headers/{}", escape_pointer(name)), detail));
            }
        }
    }

    /// The endpoint's limit on requests in flight.
    pub(crate) fn check_in_flight_max(&self, wanted: Option<i64>, faults: &mut Vec<Fault>) -> Option<u32> {
        let wanted = wanted?;
        let max = self.limits.endpoint_in_flight_max;
        let fits = u32::try_from(wanted).ok().filter(|wanted| (1..=max).contains(wanted));
        if fits.is_none() {
            faults.push(Fault::new("/in_flight_max", format!("must be a number from 1 to {max}")));
        }
        fits
    }

    /// How much of an event's data the endpoint is sent.
    pub(crate) fn check_payload(&self, wanted: Option<PayloadInput>, faults: &mut Vec<Fault>) -> Option<PayloadChoice> {
        let wanted = wanted?;
        let rules = &self.contract.subscription().payload;
        if !rules.is_declared {
            faults.push(Fault::new("/payload", "under this contract every endpoint gets everything: leave `payload` out"));
            return None;
        }
        let before = faults.len();
        let choice = match wanted {
            PayloadInput::Word(word) => PayloadChoice::in_word(&word),
            PayloadInput::Fields(fields) => Some(PayloadChoice::Fields(check_fields(&fields, faults))),
        };
        if faults.len() > before {
            return None;
        }
        let allowed = choice.filter(|choice| rules.allow.contains(&choice.level()));
        if allowed.is_none() {
            let words: Vec<&str> = rules.allow.iter().map(|level| in_words(*level)).collect();
            faults.push(Fault::new("/payload", format!("this contract allows {}", words.join(" or "))));
        }
        allowed
    }

    /// What the endpoint chooses, as it is stored: what it had, with what changes. `wanted` is `None` where nothing is chosen any more.
    pub(crate) fn check_options(
        &self,
        before: Option<&str>,
        wanted: Option<Map<String, Value>>,
        faults: &mut Vec<Fault>,
    ) -> Option<String> {
        let is_kept = wanted.is_some();
        let before = before.filter(|_| is_kept).and_then(|before| serde_json::from_str(before).ok()).unwrap_or_default();
        let chosen = changed(before, wanted.unwrap_or_default());
        let found = self.contract.check_options(&chosen);
        faults.extend(found.into_iter().map(|error| Fault::new(format!("/options{}", error.pointer), error.message)));
        (!chosen.is_empty()).then(|| Value::Object(chosen).to_string())
    }

    /// The endpoint's credentials, as they are stored: what it had, with what changes. `wanted` is `None` where it has none any more.
    pub(crate) fn check_credentials(
        &self,
        before: Option<&Secret<String>>,
        wanted: Option<&Secret<Map<String, Value>>>,
        faults: &mut Vec<Fault>,
    ) -> Option<Secret<String>> {
        let before = before.filter(|_| wanted.is_some()).and_then(|before| serde_json::from_str(before.expose()).ok());
        let wanted = wanted.map(|wanted| wanted.expose().clone()).unwrap_or_default();
        let given = changed(before.unwrap_or_default(), wanted);
        let found = self.contract.check_credentials(&given);
        faults.extend(found.into_iter().map(|error| Fault::new(format!("/credentials{}", error.pointer), error.message)));
        (!given.is_empty()).then(|| Secret::new(Value::Object(given).to_string()))
    }

    /// The lease of a new endpoint.
    pub(crate) fn check_lease(&self, asked: Option<AskedEnd>, now: Timestamp, faults: &mut Vec<Fault>) -> Option<Lease> {
        match (asked, self.contract.subscription().lease) {
            (Some(asked), _) => self.check_renewal(asked, now, faults),
            (None, None) => None,
            (None, Some(policy)) => policy.begin(None, now).unwrap_or_else(|error| {
                faults.push(Fault::new("/expires_at", error.to_string()));
                None
            }),
        }
    }

    /// The lease that an endpoint has from now on.
    pub(crate) fn check_renewal(&self, asked: AskedEnd, now: Timestamp, faults: &mut Vec<Fault>) -> Option<Lease> {
        if asked.is_twice {
            faults.push(Fault::new(asked.field, "say when it ends or how long it lasts, not both"));
            return None;
        }
        let policy = self.contract.subscription().lease;
        if policy.is_none() && asked.end.is_some() {
            faults.push(Fault::new(asked.field, "under this contract endpoints do not expire: leave it out"));
            return None;
        }
        policy.unwrap_or_default().renew(asked.end, now).unwrap_or_else(|error| {
            faults.push(Fault::new(asked.field, error.to_string()));
            None
        })
    }

    /// Whether an endpoint whose lease has ended may be renewed. Without leases nothing keeps it from that.
    pub(crate) fn is_renewable(&self) -> bool {
        self.contract.subscription().lease.is_none_or(|lease| lease.renewable_after_end)
    }

    /// The certificates and keys among the credentials that an endpoint will have.
    pub(crate) fn check_client_tls(
        &self,
        (id, url, name): (&str, &str, Option<&str>),
        options: Option<&str>,
        credentials: Option<&Secret<String>>,
        faults: &mut Vec<Fault>,
    ) {
        let credentials = credentials.map(|given| given.expose().as_str());
        let endpoint = EndpointInput { id, url, name, expires_at: None, headers: &[], options, credentials };
        let account = AccountInput { id: self.account.id.as_str(), name: self.account.name.as_deref() };
        let found = self.contract.check_client_tls(endpoint, account);
        faults.extend(found.into_iter().map(|error| Fault::new(error.pointer, error.message)));
    }

    /// The secret that was given, if the contract takes it. Without one there may be none, or one is [drawn](Self::draws_secret).
    pub(crate) fn check_secret(&self, given: Option<Secret<String>>, faults: &mut Vec<Fault>) -> Option<Secret<String>> {
        let rules = &self.contract.subscription().secret;
        match (&given, rules.from) {
            (Some(_), SecretSource::Account) => {
                faults.push(Fault::new("/secret", "under this contract the secret belongs to the account: leave it out"));
            }
            (Some(_), SecretSource::Contract) => {
                faults.push(Fault::new("/secret", "under this contract one key signs for all accounts: leave it out"));
            }
            (Some(secret), SecretSource::Consumer | SecretSource::Generated) => {
                if let Err(detail) = self.contract.check_secret(secret.expose()) {
                    faults.push(Fault::new("/secret", detail));
                }
            }
            (None, SecretSource::Consumer) if rules.required => {
                faults.push(Fault::new("/secret", "under this contract you choose the secret: give one"));
            }
            (None, SecretSource::Consumer | SecretSource::Generated | SecretSource::Account | SecretSource::Contract) => {}
        }
        given
    }

    /// Whether a secret is drawn where none is given.
    pub(crate) fn draws_secret(&self) -> bool {
        self.contract.subscription().secret.from == SecretSource::Generated
    }
}

/// Members with what changes of them: null removes one.
fn changed(mut members: Map<String, Value>, changes: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in changes {
        match value {
            Value::Null => drop(members.remove(&name)),
            value => drop(members.insert(name, value)),
        }
    }
    members
}

/// A level as it is asked for.
const fn in_words(level: PayloadLevel) -> &'static str {
    match level {
        PayloadLevel::Full => "`full`",
        PayloadLevel::Ids => "`ids`",
        PayloadLevel::Fields => "a list of JSON pointers",
    }
}

/// Fields that an endpoint names.
fn check_fields(texts: &[String], faults: &mut Vec<Fault>) -> Vec<Pointer> {
    if texts.is_empty() || texts.len() > PAYLOAD_FIELDS_MAX {
        faults.push(Fault::new("/payload", format!("name 1 to {PAYLOAD_FIELDS_MAX} fields, each as a JSON pointer")));
        return Vec::new();
    }
    let mut fields = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match Pointer::try_new(text) {
            Ok(field) => fields.push(field),
            Err(error) => faults.push(Fault::new(format!("/payload/{index}"), error.to_string())),
        }
    }
    fields
}

/// A name for people.
pub(crate) fn check_name(name: Option<&str>, limits: &Limits, faults: &mut Vec<Fault>) {
    let max = limits.name_length_max;
    let Some(name) = name else { return };
    if name.trim().is_empty() || name.chars().count() > max {
        faults.push(Fault::new("/name", format!("a name has 1 to {max} characters")));
    } else if let Some(reason) = unseen_reason("name", name) {
        faults.push(Fault::new("/name", reason));
    }
}

/// The endpoint's rate limit.
pub(crate) fn check_rate_limit(wanted: Option<&str>, faults: &mut Vec<Fault>) -> Option<RateLimit> {
    let parsed = wanted?.parse::<RateLimit>();
    parsed.map_err(|error| faults.push(Fault::new("/rate_limit", error.to_string()))).ok()
}

/// Whether the account may have events of this kind.
pub(crate) fn entitled(account: &Account, event: &EventDefinition) -> bool {
    let granted = |word: &str| account.entitlements.contains(word);
    event.entitlement.as_deref().is_none_or(|word| granted(word) || granted(event.event_type.as_str()))
}
