//! Renders a request: the hot path.

mod events;
mod input;
mod signed;

use std::sync::{Arc, OnceLock};

use bellwire_domain::trace::SpanIds;
use bellwire_domain::{DeliveryId, OutboundRequest};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::contract::Contract;
use crate::diagnostic::At;
use crate::failure::{Failure, RenderError};
use crate::filters::{UrlPart, url_part};
use crate::json;
use crate::meter::Meter;
use crate::piece::Piece;
use crate::published::PublishedApi;
use crate::python;
use crate::request::{Body, RequestPlan, Spacing, Step, is_connection_header};
use crate::signature::{SecretEncoding, SigningSecret};
use crate::template::Template;
use crate::tree::Tree;
use crate::variables::{Builtin, Scope, Values, Variable};

pub use input::{
    AccountInput, AttemptInput, BatchedEvent, DeliveryInput, EndpointInput, EventInput, PreviousAttempt, RenderInput,
};
pub use signed::SignedText;

impl Contract {
    /// Renders and signs the request of one attempt.
    pub fn render(&self, input: &RenderInput<'_>) -> Result<OutboundRequest, RenderError> {
        self.rendered(input)?.finish()
    }

    fn rendered<'a>(&'a self, input: &'a RenderInput<'a>) -> Result<Rendering<'a>, RenderError> {
        if self.signers(false, input.secrets).is_empty() && self.subscription().secret.required {
            return Err(RenderError::plain("", "there is no secret to sign with"));
        }
        Rendering::of(self, self.plan_for(&input.event, input.endpoint.options)?, input)
    }
}

/// A request that is being rendered.
pub(crate) struct Rendering<'a> {
    contract: &'a Contract,
    plan: &'a RequestPlan,
    input: &'a RenderInput<'a>,
    url: String,
    headers: Vec<Vec<String>>,
    signatures: Vec<Option<String>>,
    body: Vec<u8>,
    /// All options of the endpoint, once something asks for them.
    options: OnceLock<String>,
    /// All events of the request, likewise.
    events: OnceLock<String>,
    meter: Arc<Meter>,
}

impl<'a> Rendering<'a> {
    /// Renders every part of a request, by its plan.
    pub(crate) fn of(contract: &'a Contract, plan: &'a RequestPlan, input: &'a RenderInput<'a>) -> Result<Self, RenderError> {
        if contract.subscription.keys_beside.is_some() && contract.signers(true, input.secrets).is_empty() {
            return Err(RenderError::plain("", "the contract has no key to sign with"));
        }
        let mut rendering = Self {
            contract,
            plan,
            input,
            url: String::new(),
            headers: vec![Vec::new(); plan.headers.len()],
            signatures: vec![None; contract.signatures.len()],
            body: Vec::new(),
            options: OnceLock::new(),
            events: OnceLock::new(),
            meter: Arc::default(),
        };
        for step in &plan.order {
            rendering.step(*step).map_err(|failure| RenderError::of(plan.name(*step, &contract.signatures), failure))?;
        }
        Ok(rendering)
    }
}

impl Rendering<'_> {
    fn step(&mut self, step: Step) -> Result<(), Failure> {
        match step {
            Step::Url => self.url = self.render_url()?,
            Step::Body => self.body = self.render_body()?,
            Step::Header(index) => {
                let rendered = self.render_header(index)?;
                if let Some(slot) = self.headers.get_mut(index) {
                    *slot = rendered;
                }
            }
            Step::Signature(index) => {
                let signature = self.contract.signatures.get(index);
                let Some(signature) =
                    signature.filter(|signature| self.input.activation.is_some() || !signature.is_of_activation)
                else {
                    return Ok(());
                };
                let secrets = self.contract.signers_of(signature, self.input.secrets);
                let value = signature.value(self, secrets.iter().map(SigningSecret::signer))?;
                if let Some(slot) = self.signatures.get_mut(index) {
                    *slot = value;
                }
            }
        }
        Ok(())
    }

    fn render_url(&self) -> Result<String, Failure> {
        let scope = Scope::of(self);
        let registered = self.input.endpoint.url;
        let mut text = match &self.plan.url {
            Some(template) => template.render_text(scope)?,
            None => registered.to_owned(),
        };
        let pairs = render_pairs(&self.plan.query, scope)?;
        if !pairs.is_empty() {
            text.push(if text.contains('?') { '&' } else { '?' });
            text.push_str(&pairs);
        }
        let at = self.plan.url.as_ref().map_or(At::default(), |template| template.at);
        let mut url = url::Url::parse(&text).map_err(|_| Failure::new(at, "the result is not a URL"))?;
        let home = url::Url::parse(registered).map_err(|_| Failure::new(at, "the endpoint's URL is not a URL"))?;
        if url.origin() != home.origin() || !url.username().is_empty() || url.password().is_some() {
            return Err(Failure::new(at, "the result leaves the endpoint's host"));
        }
        url.set_fragment(None);
        Ok(url.into()) // as it will be on the wire, so that what is said of it and signed is what the receiver sees
    }

    fn render_body(&self) -> Result<Vec<u8>, Failure> {
        let scope = Scope::of(self);
        match &self.plan.body {
            Body::Empty => Ok(Vec::new()),
            Body::Text(template) => template.render(scope),
            Body::Form(pairs) => render_pairs(pairs, scope).map(String::into_bytes),
            Body::Json(tree) => self.render_tree(tree).map(String::into_bytes),
            Body::Lines(tree) => {
                let list = self.render_tree(tree)?;
                if !list.starts_with('[') {
                    return Err(Failure::new(At::default(), "`$lines` needs a list, such as `$each` makes"));
                }
                let lines = json::elements(&list).map(|line| line.replace(['\n', '\r'], " ") + "\n"); // outside of text they are space
                Ok(lines.collect::<String>().into_bytes())
            }
        }
    }

    fn render_tree(&self, tree: &Tree) -> Result<String, Failure> {
        let scope = Scope::of(self);
        let mut out = String::with_capacity(self.input.event.data.len() + 512);
        tree.render(scope, &mut out)?;
        match self.plan.spacing {
            Spacing::Compact => Ok(out),
            Spacing::Minified => Ok(json::minified(&out)),
            Spacing::Spaced => {
                let dumped = python::dumps(&out, scope.meter());
                dumped.map_err(|error| Failure::new(At::default(), format!("it {}", error.message)))
            }
        }
    }

    fn render_header(&self, index: usize) -> Result<Vec<String>, Failure> {
        self.plan.headers.get(index).map_or(Ok(Vec::new()), |header| header.render(Scope::of(self)))
    }

    pub(crate) fn finish(self) -> Result<OutboundRequest, RenderError> {
        let tls = match &self.contract.client_tls {
            plan if plan.is_empty() => None,
            plan => {
                let rendered = plan.render(Scope::of(&self));
                rendered.map_err(|failure| RenderError::of("request.client_certificate".to_owned(), failure))?
            }
        };
        let own = if self.contract.subscription().custom_headers { self.input.endpoint.headers } else { &[] };
        let mut headers = HeaderMap::with_capacity(self.headers.len() + own.len());
        let mut spellings = Vec::with_capacity(self.headers.len() + own.len());
        for (header, values) in self.plan.headers.iter().zip(self.headers) {
            if *header.spelled != *header.name.as_str() {
                spellings.push(Arc::clone(&header.spelled));
            }
            for value in values {
                let value = HeaderValue::from_maybe_shared(Bytes::from(value));
                let value = value
                    .map_err(|_| RenderError::plain("request.headers", "a value has characters that no header can carry"))?;
                headers.append(header.name.clone(), value);
            }
        }
        for (spelled, value) in own {
            let Ok(name) = HeaderName::from_bytes(spelled.as_bytes()) else { continue };
            if is_connection_header(name.as_str()) || self.plan.headers.iter().any(|header| header.name == name) {
                continue;
            }
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(name, value);
                spellings.push(Arc::from(spelled.as_str()));
            }
        }
        let (method, body) = (self.plan.method.clone(), Bytes::from(self.body));
        let heeded = Arc::clone(&self.contract.heeded);
        Ok(OutboundRequest { method, url: self.url, headers, spellings, body, heeded, tls })
    }

    /// The trace context of the attempt's own span, as the W3C has it. What is no attempt of a delivery has a trace of its own, too.
    fn traceparent(&self) -> String {
        let RenderInput { delivery, attempt, .. } = self.input;
        let random = || SpanIds {
            trace: std::array::from_fn(|at| attempt.random.get(at).copied().unwrap_or_default()),
            span: std::array::from_fn(|at| attempt.random.get(16 + at).copied().unwrap_or_default()),
        };
        let ids = DeliveryId::try_new(delivery.id).map(|id| SpanIds::of_attempt(id, attempt.number));
        let SpanIds { trace, span } = ids.unwrap_or_else(|_| random());
        format!("00-{}-{}-01", hex::encode(trace), hex::encode(span))
    }

    fn builtin(&self, builtin: Builtin) -> Piece<'_> {
        let RenderInput { event, attempt, delivery, endpoint, account, secrets, activation, others: _, access_token } =
            self.input;
        let optional = |text: Option<&'_ str>| text.map_or(Piece::Absent, |text| Piece::Text(text.to_owned().into()));
        let part = |part: UrlPart| url_part(&self.url, part).map_or(Piece::Absent, |text| Piece::Text(text.into()));
        match builtin {
            Builtin::EventId => Piece::text(event.id),
            Builtin::EventType => Piece::text(event.event_type.as_str()),
            Builtin::EventTitle => Piece::text(self.contract.title_of(event)),
            Builtin::EventDescription => self.contract.description_of(event).map_or(Piece::Absent, Piece::text),
            Builtin::EventOccurredAt => Piece::Time(event.occurred_at),
            Builtin::EventSeq => Piece::number(&event.seq),
            Builtin::EventData => Piece::Json(event.data.into()),
            Builtin::EventFields => self.contract.fields_of(event).map_or(Piece::Absent, |raw| Piece::Json(raw.into())),
            Builtin::EventIsTest => Piece::Bool(event.is_test),
            Builtin::Events => Piece::Json(self.events.get_or_init(|| events::list(self.contract, self.input)).as_str().into()),
            Builtin::AttemptAt => Piece::Time(attempt.at),
            Builtin::AttemptNumber => Piece::number(&attempt.number),
            Builtin::AttemptTraceId => Piece::Text(hex::encode(attempt.random.get(..16).unwrap_or_default()).into()),
            Builtin::AttemptSpanId => {
                let tail = attempt.random.get(16..).unwrap_or_default();
                Piece::Text(tail.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte)).to_string().into())
            }
            Builtin::AttemptTraceparent => Piece::Text(self.traceparent().into()),
            Builtin::ActivationToken => activation.map_or(Piece::Absent, Piece::text),
            Builtin::AccessToken => access_token.map_or(Piece::Absent, Piece::text),
            Builtin::AttemptNonce => Piece::Text(SecretEncoding::Base64Url.encode(&attempt.random).into()),
            Builtin::DeliveryId => Piece::Text(self.contract.delivery_id(delivery.id)),
            Builtin::DeliveryNumber => Piece::number(&delivery.number),
            Builtin::DeliveryCreatedAt => Piece::Time(delivery.created_at),
            Builtin::DeliveryFirstAttemptAt => delivery.first_attempt_at.map_or(Piece::Absent, Piece::Time),
            Builtin::AttemptTrigger => Piece::text(attempt.trigger.as_str()),
            Builtin::AttemptPrevious => {
                delivery.previous.map_or(Piece::Absent, |previous| Piece::Json(previous.to_json().into()))
            }
            Builtin::EndpointId => Piece::text(endpoint.id),
            Builtin::EndpointUrl => Piece::text(endpoint.url),
            Builtin::EndpointName => optional(endpoint.name),
            Builtin::EndpointExpiresAt => endpoint.expires_at.map_or(Piece::Absent, Piece::Time),
            Builtin::EndpointOptions => {
                let options = self.options.get_or_init(|| self.contract.options.merged(endpoint.options));
                Piece::Json(options.as_str().into())
            }
            Builtin::EndpointCredentials => endpoint.credentials.map_or(Piece::Absent, |all| Piece::Json(all.into())),
            Builtin::AccountId => Piece::text(account.id),
            Builtin::AccountName => optional(account.name),
            Builtin::RequestMethod => Piece::text(self.plan.method.as_str()),
            Builtin::RequestUrl => Piece::text(&self.url),
            Builtin::RequestHost => part(UrlPart::Host),
            Builtin::RequestPath => part(UrlPart::Path),
            Builtin::RequestQuery => part(UrlPart::Query),
            Builtin::PublishedUrl => optional(self.contract.published().and_then(PublishedApi::url)),
            Builtin::Body => Piece::Bytes(self.body.as_slice().into()),
            Builtin::Secret => self
                .contract
                .signers(false, secrets)
                .first()
                .map_or(Piece::Absent, |signing| Piece::text(signing.secret.expose())),
            Builtin::KeyVersion => {
                let secrets = self.contract.signers(true, secrets);
                let signing = self.contract.speaks_of.pick(secrets);
                signing.map_or(Piece::Absent, |signing| Piece::number(&signing.version))
            }
            Builtin::KeyId | Builtin::KeyPublic | Builtin::KeySpki | Builtin::KeyPem | Builtin::KeyJwk | Builtin::KeyX509 => {
                let signing = self.contract.key_pairs.and_then(|pairs| pairs.secrets.pick(self.contract.signers(true, secrets)));
                signing.map_or(Piece::Absent, |signing| self.key(builtin, signing.secret.expose()))
            }
        }
    }
}

impl Values for Rendering<'_> {
    fn get(&self, variable: &Variable) -> Piece<'_> {
        match variable {
            Variable::Builtin(builtin) => self.builtin(*builtin),
            Variable::Header(name) => {
                let index = self.plan.headers.iter().position(|header| header.name == name.as_str());
                let value = index.and_then(|index| self.headers.get(index)).and_then(|values| values.first());
                value.map_or(Piece::Absent, |value| Piece::text(value))
            }
            Variable::Signature(name) => {
                let index = self.contract.signatures.iter().position(|signature| signature.name == *name);
                let value = index.and_then(|index| self.signatures.get(index)).and_then(Option::as_deref);
                value.map_or(Piece::Absent, Piece::text)
            }
            Variable::Local(_) => Piece::Absent,
        }
    }

    fn key(&self, builtin: Builtin, key: &str) -> Piece<'_> {
        self.contract.key_value(builtin, key)
    }

    fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }
}

/// Pairs as `application/x-www-form-urlencoded`.
fn render_pairs(pairs: &[(String, bool, Template)], scope: Scope<'_>) -> Result<String, Failure> {
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    for (name, optional, template) in pairs {
        match template.render_text(scope) {
            Ok(text) => {
                let room = scope.meter().make(text.len().saturating_mul(3));
                room.map_err(|error| Failure::new(template.at, error.message).inside(name.clone()))?;
                out.append_pair(name, &text);
            }
            Err(failure) if failure.absent && *optional => {}
            Err(failure) => return Err(failure.inside(name.clone())),
        }
    }
    Ok(out.finish())
}
