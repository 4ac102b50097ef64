//! A compiled contract.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{DeliveryPolicy, EventType, Judgement, Secret};
use bellwire_schema::DataError;
use http::HeaderName;

use crate::access_token::AccessToken;
use crate::activation::Activation;
use crate::answer_rules::{AnswerInput, AnswerRules, AnsweredEvent};
use crate::catalogue::{EventDefinition, TestEvent};
use crate::client_tls::ClientTlsPlan;
use crate::console::ConsoleWords;
use crate::diagnostic::did_you_mean;
use crate::failure::Failure;
use crate::heartbeat::Heartbeat;
use crate::key_pair::{KeptKeys, PrivateKey, PublicKey, VerifyingKey, is_key};
use crate::options::{EndpointOption, EndpointOptions};
use crate::piece::Piece;
use crate::policy::chosen::ChosenDelivery;
use crate::policy::order::OrderKey;
use crate::published::PublishedApi;
use crate::request::{RequestPlan, is_connection_header};
use crate::resource::ResourceDefinition;
use crate::schema;
use crate::signature::{KeyPairs, Secrets, Signature, SigningSecret};
use crate::subscription::{IdFormats, Subscription};
use crate::tree::Tree;
use crate::variables::{Builtin, Variable};
use crate::variants::Variant;
use crate::version::ContractLabel;

/// A contract: everything in which one platform's webhooks differ from another's, checked and ready to render requests.
///
/// [`Contract::compile`] makes one.
#[derive(Debug)]
pub struct Contract {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    /// The file's name, as given to the compiler.
    pub(crate) file: String,
    pub(crate) source: String,
    pub(crate) ids: IdFormats,
    pub(crate) events: Vec<EventDefinition>,
    pub(crate) any: Option<EventDefinition>,
    pub(crate) test_event: Option<TestEvent>,
    pub(crate) resources: Vec<ResourceDefinition>,
    pub(crate) published: Option<PublishedApi>,
    pub(crate) subscription: Subscription,
    pub(crate) console: ConsoleWords,
    pub(crate) delivery: Arc<DeliveryPolicy>,
    pub(crate) chosen_delivery: Option<ChosenDelivery>,
    pub(crate) answer_rules: AnswerRules,
    pub(crate) activation: Option<Activation>,
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) heeded: Arc<[HeaderName]>,
    pub(crate) plan: RequestPlan,
    pub(crate) variants: Vec<Variant>,
    pub(crate) access_token: Option<AccessToken>,
    pub(crate) client_tls: ClientTlsPlan,
    pub(crate) looks_back: bool,
    pub(crate) options: EndpointOptions,
    pub(crate) credentials: EndpointOptions,
    /// All of them, for examples.
    pub(crate) example_credentials: Option<String>,
    /// Whether an event goes to an endpoint.
    pub(crate) filter: Option<Tree>,
    /// What events have in common that wait for each other.
    pub(crate) order_key: Option<OrderKey>,
    pub(crate) signatures: Vec<Signature>,
    /// How its private keys sign, if its secrets are such.
    pub(crate) key_pairs: Option<KeyPairs>,
    /// Those that requests said something of lately.
    pub(crate) kept_keys: KeptKeys,
    /// Whose version requests show, of the secrets that sign.
    pub(crate) speaks_of: Secrets,
    /// Secrets for examples, as many as sign at once.
    pub(crate) example_secrets: Vec<SigningSecret>,
    pub(crate) tolerance: Duration,
}

impl Contract {
    /// Its short name, which it shares with its other versions.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which version of it this is.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Its name and version.
    pub fn label(&self) -> ContractLabel {
        ContractLabel { name: self.name.clone(), version: self.version.clone() }
    }

    /// The name for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What the platform is.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The file's name, as given to [`Contract::compile`].
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The file's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The events of its catalogue, in the order of the file.
    pub fn events(&self) -> &[EventDefinition] {
        &self.events
    }

    /// The definition for types that the catalogue does not list. Without one such types are refused.
    pub fn any_event(&self) -> Option<&EventDefinition> {
        self.any.as_ref()
    }

    /// The definition that applies to an event type: the listed one, or the one for any type.
    pub fn event(&self, event_type: &str) -> Option<&EventDefinition> {
        self.events.iter().find(|event| event.is_named(event_type)).or(self.any.as_ref())
    }

    /// The events in a group; none: there is no such group.
    pub fn group(&self, name: &str) -> Vec<&EventDefinition> {
        self.events.iter().filter(|event| event.groups.iter().any(|group| group.as_str() == name)).collect()
    }

    /// That there is no such event type, and which one was probably meant.
    pub fn no_such_event(&self, event_type: &str) -> String {
        let own = |event: &'_ EventDefinition| [&[event.event_type.clone()][..], &event.aliases, &event.groups].concat();
        let names: Vec<EventType> = self.events.iter().flat_map(own).collect();
        let meant = did_you_mean(event_type, names.iter().map(EventType::as_str));
        format!("the contract `{}` has no event type `{event_type}`{meant}", self.name)
    }

    /// That there is no such kind of resource, and which one was probably meant.
    pub fn no_such_resource(&self, kind: &str) -> String {
        let meant = did_you_mean(kind, self.resources.iter().map(ResourceDefinition::kind));
        format!("no such kind of resource in the contract of this account{meant}")
    }

    /// Checks an event's data against its definition. Free when the contract declares no schema.
    pub fn check_data(&self, event: &EventDefinition, data: &[u8]) -> Result<(), Vec<DataError>> {
        let errors = event.checked_by.as_ref().map_or_else(Vec::new, |schema| schema::check_posted(schema, data));
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// How ids look.
    pub fn ids(&self) -> &IdFormats {
        &self.ids
    }

    /// Who may register what.
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// Whether a text can be a new secret of this contract. The error says what a secret must look like.
    pub fn check_secret(&self, secret: &str) -> Result<(), String> {
        if self.subscription.secret.private_key.is_none() {
            self.subscription.secret.check_length(secret)?;
        }
        self.check_form(secret)
    }

    /// The same for a secret that was agreed on before: it may be shorter than a new one.
    ///
    /// Where secrets are private keys, whoever verifies has the public half, which is right here as well.
    pub fn check_known_secret(&self, secret: &str) -> Result<(), String> {
        match self.subscription.secret.private_key.or(self.subscription.keys_beside.filter(|_| is_key(secret))) {
            Some(kind) => VerifyingKey::parse(kind, secret).map(drop),
            None => self.check_form(secret),
        }
    }

    /// Whether a text can be a new key of the contract, which signs for all of its accounts. The error says what one looks like.
    pub fn check_contract_key(&self, key: &str) -> Result<(), String> {
        let kind = self.subscription.contract_keys().ok_or("this contract has no keys of its own")?;
        PrivateKey::parse(kind, key).map(drop)
    }

    /// A new key of the contract, from fresh random bytes, where it has such.
    pub fn draw_contract_key(&self, entropy: [u8; 32]) -> Option<Secret<String>> {
        PrivateKey::draw(self.subscription.contract_keys()?, entropy).ok()
    }

    /// Of what a receiver verifies with, what fits a signature: a public half where a private key makes it beside those of secrets.
    pub(crate) fn known<'s>(&self, by_key: bool, known: &'s [Secret<String>]) -> Vec<&'s Secret<String>> {
        let has_both = self.subscription.keys_beside.is_some();
        known.iter().filter(|known| !has_both || is_key(known.expose()) == by_key).collect()
    }

    /// What a request says of a key.
    pub(crate) fn key_value(&self, builtin: Builtin, key: &str) -> Piece<'_> {
        let value = self.key_pairs.map(|pairs| pairs.value(builtin, (key, &self.kept_keys), &self.title));
        value.unwrap_or(Piece::Absent)
    }

    /// What receivers are told of a private key: its public half. `None` where secrets are no private keys, or this is not one.
    pub fn public_key(&self, secret: &Secret<String>) -> Option<PublicKey> {
        let algorithm = self.key_pairs?.algorithm;
        VerifyingKey::parse(algorithm.kind(), secret.expose()).ok()?.publish(algorithm).ok()
    }

    fn check_form(&self, secret: &str) -> Result<(), String> {
        if self.subscription.keys_beside.is_some() && is_key(secret) {
            return Err("this is written as a key, and a secret of this contract is a text".to_owned());
        }
        let in_header = self.plan.header_variables().any(|used| *used == Variable::SECRET)
            || self.signatures.iter().any(|signature| signature.scheme.shows_secret());
        self.subscription.secret.check_form(secret, in_header)?;
        let mut own = self.signatures.iter().filter(|own| self.subscription.keys_beside.is_none() || own.key_pair().is_none());
        own.try_for_each(|signature| signature.scheme.check_secret(secret))
    }

    /// A secret for examples and trials: the same each time, so that it may protect nothing.
    pub fn example_secret(&self) -> Secret<String> {
        let first = self.example_secrets.first().map(|example| example.secret.clone());
        first.unwrap_or_else(|| Secret::new(String::new()))
    }

    /// The same as what requests are signed with.
    pub const fn example_secrets(&self) -> &[SigningSecret] {
        self.example_secrets.as_slice()
    }

    /// What receivers are told of the private key of examples, where one signs.
    pub fn example_key(&self) -> Option<PublicKey> {
        self.signers(true, &self.example_secrets).first().and_then(|example| self.public_key(&example.secret))
    }

    /// Of active secrets, those that make a signature.
    pub(crate) fn signers_of<'s>(&self, signature: &Signature, active: &'s [SigningSecret]) -> &'s [SigningSecret] {
        let has_both = self.subscription.keys_beside.is_some();
        self.signers(has_both && signature.key_pair().is_some(), active)
    }

    /// Of active secrets, those that make a signature: where the contract has keys beside the secrets, by a key or by a secret.
    pub(crate) fn signers<'s>(&self, by_key: bool, active: &'s [SigningSecret]) -> &'s [SigningSecret] {
        if self.subscription.keys_beside.is_none() {
            return active;
        }
        let (secrets, keys) = active.split_at(active.partition_point(|signing| !signing.is_beside));
        if by_key { keys } else { secrets }
    }

    /// Whether requests say which of its owner's secrets has signed.
    pub fn shows_key_version(&self) -> bool {
        let in_signatures = self.signatures.iter().flat_map(Signature::expressions);
        let parts = self.plans().flat_map(|plan| plan.order.iter().flat_map(|step| plan.expressions(*step, &self.signatures)));
        in_signatures.chain(parts).any(|expression| expression.uses(|used| *used == Variable::KEY_VERSION))
    }

    /// A new secret in the contract's format. `entropy` must be fresh random bytes. An RSA key takes some fifty milliseconds.
    pub fn draw_secret(&self, entropy: [u8; 32]) -> Secret<String> {
        self.subscription.secret.draw(&entropy)
    }

    /// Whether an endpoint may have this header. The error says why not.
    pub fn check_custom_header(&self, name: &str, value: &str) -> Result<(), String> {
        if !self.subscription.custom_headers {
            return Err("this contract does not allow an endpoint to have headers of its own".to_owned());
        }
        let Ok(name) = http::HeaderName::from_bytes(name.as_bytes()) else {
            return Err(format!("`{name}` is not a header name"));
        };
        if is_connection_header(name.as_str()) || self.plan.headers.iter().any(|header| header.name == name) {
            return Err(format!("`{name}` is set by Bellwire"));
        }
        http::HeaderValue::from_str(value)
            .map(drop)
            .map_err(|_| format!("the value of `{name}` has characters that no header can carry"))
    }

    /// How the platform speaks of the pages that its customers see.
    pub fn console(&self) -> &ConsoleWords {
        &self.console
    }

    /// How deliveries are judged and retried.
    pub fn delivery(&self) -> &DeliveryPolicy {
        &self.delivery
    }

    /// The same for an endpoint that has chosen these options, a JSON object. Where they do not fit the contract any more, that of an
    /// endpoint that chose nothing.
    pub fn delivery_of(&self, options: Option<&str>) -> Arc<DeliveryPolicy> {
        let chosen = self.chosen_delivery.as_ref().and_then(|chosen| chosen.policy(&self.options.merged(options)));
        chosen.unwrap_or_else(|| Arc::clone(&self.delivery))
    }

    /// What it makes of an answer, where it looks at more than the status.
    pub fn judge(&self, answer: &AnswerInput<'_>) -> Judgement {
        self.answer_rules.of(answer)
    }

    /// Whether an answer that says that a request was received says so of one of its events.
    pub fn received(&self, answer: &AnswerInput<'_>, event: &AnsweredEvent<'_>) -> bool {
        self.answer_rules.of_each(answer, event)
    }

    /// Headers of an answer that [`Contract::judge`] looks at.
    pub const fn heeded(&self) -> &Arc<[HeaderName]> {
        &self.heeded
    }

    /// What counts as received, for people: statuses, or the condition on the answer.
    pub fn success_text(&self) -> String {
        let condition = self.answer_rules.success.as_ref();
        condition.map_or_else(|| self.delivery.success.to_string(), |condition| condition.text.clone())
    }

    /// What ends a delivery at once, for people, if anything does.
    pub fn stop_text(&self) -> Option<String> {
        let condition = self.answer_rules.stop.as_ref().map(|condition| condition.text.clone());
        condition.or_else(|| self.delivery.stop.as_ref().map(ToString::to_string))
    }

    /// The event that is sent to try an endpoint.
    pub fn test_event(&self) -> Option<&TestEvent> {
        self.test_event.as_ref()
    }

    /// The kinds of resources, in the order of the file.
    pub fn resources(&self) -> &[ResourceDefinition] {
        &self.resources
    }

    /// The kind of resource with this name.
    pub fn resource(&self, kind: &str) -> Option<&ResourceDefinition> {
        self.resources.iter().find(|resource| resource.kind() == kind)
    }

    /// The API that the platform has published.
    pub fn published(&self) -> Option<&PublishedApi> {
        self.published.as_ref()
    }

    /// Every plan that a request may have.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &RequestPlan> {
        let own = self.events.iter().chain(&self.any).filter_map(|event| event.plan.as_ref());
        let beats = self.heartbeat.iter().map(|heartbeat| &heartbeat.request.plan);
        std::iter::once(&self.plan).chain(self.variants.iter().map(|variant| &variant.plan)).chain(own).chain(beats)
    }

    /// Whether requests tell how the attempt before ended or when the first was made, which has to be looked up for that.
    pub const fn looks_back(&self) -> bool {
        self.looks_back
    }

    /// What an endpoint may choose for itself.
    pub fn options(&self) -> &[EndpointOption] {
        &self.options.all
    }

    /// What is wrong with what an endpoint chooses, by JSON pointers into the object.
    pub fn check_options(&self, chosen: &serde_json::Map<String, serde_json::Value>) -> Vec<DataError> {
        let found = self.options.check(chosen);
        let (Some(heartbeat), true) = (&self.heartbeat, found.is_empty()) else { return found };
        let text = serde_json::to_string(chosen).unwrap_or_default();
        let period = heartbeat.period(self.options.merged(Some(&text)));
        let wrong = |failure: Failure| DataError { pointer: String::new(), message: format!("heartbeat: {}", failure.message) };
        period.err().map(wrong).into_iter().collect()
    }

    /// The secret values that an endpoint may give.
    pub fn credentials(&self) -> &[EndpointOption] {
        &self.credentials.all
    }

    /// Credentials for examples and trials, as a JSON object of texts.
    pub fn example_credentials(&self) -> Option<&str> {
        self.example_credentials.as_deref()
    }

    /// What is wrong with the credentials of an endpoint, by JSON pointers into the object. It never repeats a value.
    pub fn check_credentials(&self, given: &serde_json::Map<String, serde_json::Value>) -> Vec<DataError> {
        self.credentials.check(given)
    }

    /// All options of an endpoint as a JSON object: what it chose, and the defaults of the others.
    pub fn options_of(&self, chosen: Option<&str>) -> String {
        self.options.merged(chosen)
    }
}
