//! Renders a request: the hot path.

use std::fmt;

use bellwire_domain::{EventType, Secret, Timestamp};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::catalogue::TestEvent;
use crate::contract::Contract;
use crate::diagnostic::At;
use crate::filters::UrlPart;
use crate::piece::Piece;
use crate::published::PublishedApi;
use crate::request::{Body, RequestPlan, Step, is_connection_header};
use crate::template::{Failure, Template};
use crate::variables::{EventField, Scope, Values, Variable};

/// Everything that a request is made of.
#[derive(Debug, Clone, Copy)]
pub struct RenderInput<'a> {
    /// What happened.
    pub event: EventInput<'a>,
    /// This attempt.
    pub attempt: AttemptInput,
    /// The delivery that the attempt belongs to.
    pub delivery: DeliveryInput<'a>,
    /// Where it goes.
    pub endpoint: EndpointInput<'a>,
    /// Whose event it is.
    pub account: AccountInput<'a>,
    /// The active secrets, newest first; of the endpoint or of the account, as the contract says.
    pub secrets: &'a [Secret<String>],
}

/// An event.
#[derive(Debug, Clone, Copy)]
pub struct EventInput<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its type.
    pub event_type: &'a EventType,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Its number within its account.
    pub seq: i64,
    /// Its data: JSON, as posted. Whoever took it from outside has checked that it is; here it only goes where the contract
    /// wants it, and a large payload with many endpoints is not read again for each of them.
    pub data: &'a str,
    /// Whether it is the contract's test event.
    pub is_test: bool,
}

/// An attempt.
#[derive(Debug, Clone, Copy)]
pub struct AttemptInput {
    /// Its number within its delivery, from 1.
    pub number: u32,
    /// When it is made.
    pub at: Timestamp,
    /// Fresh random bytes, for trace ids and nonces.
    pub random: [u8; 24],
}

/// A delivery.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryInput<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its number within its endpoint.
    pub number: i64,
}

/// An endpoint.
#[derive(Debug, Clone, Copy)]
pub struct EndpointInput<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its URL as it was registered.
    pub url: &'a str,
    /// Its name.
    pub name: Option<&'a str>,
    /// Its own headers, sent where the contract allows it.
    pub headers: &'a [(String, String)],
}

/// An account.
#[derive(Debug, Clone, Copy)]
pub struct AccountInput<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name.
    pub name: Option<&'a str>,
}

/// A request, ready to be sent as it is.
#[derive(Debug, Clone)]
pub struct OutboundRequest {
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why a request could not be rendered. It never repeats data or secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderError {
    /// The place in the contract, such as `request.body.event.id`.
    pub path: String,
    /// The line in the contract, from 1; 0 when it has none.
    pub line: usize,
    /// The column in the contract, from 1; 0 when it has none.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl std::error::Error for RenderError {}

impl fmt::Display for RenderError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => formatter.write_str(&self.message),
            path => write!(formatter, "{path}: {}", self.message),
        }
    }
}

impl RenderError {
    pub(crate) fn plain(path: &str, message: &str) -> Self {
        Self { path: path.to_owned(), line: 0, column: 0, message: message.to_owned() }
    }

    pub(crate) fn of(root: String, failure: Failure) -> Self {
        let mut path = root;
        for name in failure.path.iter().rev() {
            if !name.starts_with('[') {
                path.push('.');
            }
            path.push_str(name);
        }
        let At { line, column } = failure.at;
        Self { path, line, column, message: failure.message }
    }
}

impl Contract {
    /// Renders and signs the request of one attempt.
    pub fn render(&self, input: &RenderInput<'_>) -> Result<OutboundRequest, RenderError> {
        if input.secrets.is_empty() && self.subscription().secret.required {
            return Err(RenderError::plain("", "there is no secret to sign with"));
        }
        let plan = self.plan_of(input.event.event_type);
        let mut rendering = Rendering {
            contract: self,
            plan,
            input,
            url: String::new(),
            headers: vec![Vec::new(); plan.headers.len()],
            signatures: vec![None; self.signatures.len()],
            body: Vec::new(),
        };
        for step in &plan.order {
            rendering.step(*step).map_err(|failure| RenderError::of(plan.name(*step, &self.signatures), failure))?;
        }
        rendering.finish()
    }
}

/// A request while it is rendered.
struct Rendering<'a> {
    contract: &'a Contract,
    plan: &'a RequestPlan,
    input: &'a RenderInput<'a>,
    url: String,
    headers: Vec<Vec<String>>,
    signatures: Vec<Option<String>>,
    body: Vec<u8>,
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
                let Some(signature) = self.contract.signatures.get(index) else { return Ok(()) };
                let value = signature.value(self, self.input.secrets.iter().map(|secret| secret.expose().as_str()))?;
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
        if self.plan.url.is_none() && self.plan.query.is_empty() {
            return Ok(registered.to_owned());
        }
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
        let failure = |message: &str| Failure { at, path: Vec::new(), message: message.to_owned(), absent: false };
        let url = url::Url::parse(&text).map_err(|_| failure("the result is no URL"))?;
        let home = url::Url::parse(registered).map_err(|_| failure("the endpoint's URL is no URL"))?;
        if url.origin() != home.origin() || !url.username().is_empty() || url.password().is_some() {
            return Err(failure("the result leaves the endpoint's host"));
        }
        Ok(text)
    }

    fn render_body(&self) -> Result<Vec<u8>, Failure> {
        let scope = Scope::of(self);
        match &self.plan.body {
            Body::Empty => Ok(Vec::new()),
            Body::Text(template) => template.render(scope),
            Body::Form(pairs) => render_pairs(pairs, scope).map(String::into_bytes),
            Body::Json(tree) => {
                let mut out = String::with_capacity(self.input.event.data.len() + 512);
                tree.render(scope, self.plan.spacing, &mut out)?;
                Ok(out.into_bytes())
            }
        }
    }

    fn render_header(&self, index: usize) -> Result<Vec<String>, Failure> {
        self.plan.headers.get(index).map_or(Ok(Vec::new()), |header| header.render(Scope::of(self)))
    }

    fn finish(self) -> Result<OutboundRequest, RenderError> {
        let own = if self.contract.subscription().custom_headers { self.input.endpoint.headers } else { &[] };
        let mut headers = HeaderMap::with_capacity(self.headers.len() + own.len());
        for (header, values) in self.plan.headers.iter().zip(self.headers) {
            for value in values {
                let value = HeaderValue::from_maybe_shared(Bytes::from(value));
                let value = value
                    .map_err(|_| RenderError::plain("request.headers", "a value has characters that no header can carry"))?;
                headers.append(header.name.clone(), value);
            }
        }
        for (name, value) in own {
            let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
            if is_connection_header(name.as_str()) || self.plan.headers.iter().any(|header| header.name == name) {
                continue;
            }
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(name, value);
            }
        }
        Ok(OutboundRequest { method: self.plan.method.clone(), url: self.url, headers, body: Bytes::from(self.body) })
    }

    fn event_field(&self, field: EventField) -> Piece<'_> {
        let event = &self.input.event;
        let definition = self.contract.event(event.event_type.as_str());
        // A test event may be of a type that the catalogue has; what really happened keeps the catalogue's words.
        let unlisted = definition.is_none_or(|definition| definition.event_type.as_str() == "*");
        let tests = |test: &&TestEvent| event.is_test || unlisted && test.event_type == *event.event_type;
        let test = self.contract.test_event().filter(tests);
        match field {
            EventField::Id => Piece::text(event.id),
            EventField::Type => Piece::text(event.event_type.as_str()),
            EventField::OccurredAt => Piece::Time(event.occurred_at),
            EventField::Seq => Piece::number(&event.seq),
            EventField::IsTest => Piece::Bool(event.is_test),
            EventField::Data => Piece::Json(event.data.into()),
            EventField::Title => match (test, definition) {
                (Some(test), _) => Piece::text(&test.title),
                (None, Some(definition)) if definition.event_type.as_str() != "*" => Piece::text(&definition.title),
                (None, _) => Piece::text(event.event_type.as_str()),
            },
            EventField::Description => {
                let found = test.map_or_else(
                    || definition.and_then(|event| event.description.as_deref()),
                    |test| test.description.as_deref(),
                );
                found.map_or(Piece::Absent, Piece::text)
            }
            EventField::Fields => {
                let found =
                    test.map_or_else(|| definition.and_then(|event| event.fields.as_deref()), |test| test.fields.as_deref());
                found.map_or(Piece::Absent, |raw| Piece::Json(raw.into()))
            }
        }
    }
}

impl Values for Rendering<'_> {
    fn get(&self, variable: &Variable) -> Piece<'_> {
        let RenderInput { attempt, delivery, endpoint, account, secrets, .. } = self.input;
        let optional = |text: Option<&'_ str>| text.map_or(Piece::Absent, |text| Piece::Text(text.to_owned().into()));
        match variable {
            Variable::Event(field) => self.event_field(*field),
            Variable::AttemptAt => Piece::Time(attempt.at),
            Variable::AttemptNumber => Piece::number(&attempt.number),
            Variable::AttemptTraceId => Piece::Text(hex::encode(attempt.random.get(..16).unwrap_or_default()).into()),
            Variable::AttemptSpanId => {
                let tail = attempt.random.get(16..).unwrap_or_default();
                Piece::Text(tail.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte)).to_string().into())
            }
            Variable::AttemptNonce => Piece::Text(crate::signature::Form::Base64Url.encode(&attempt.random).into()),
            Variable::DeliveryId => Piece::text(delivery.id),
            Variable::DeliveryNumber => Piece::number(&delivery.number),
            Variable::EndpointId => Piece::text(endpoint.id),
            Variable::EndpointUrl => Piece::text(endpoint.url),
            Variable::EndpointName => optional(endpoint.name),
            Variable::AccountId => Piece::text(account.id),
            Variable::AccountName => optional(account.name),
            Variable::RequestMethod => Piece::text(self.plan.method.as_str()),
            Variable::RequestUrl => Piece::text(&self.url),
            Variable::RequestHost => url_part(UrlPart::Host, &self.url),
            Variable::RequestPath => url_part(UrlPart::Path, &self.url),
            Variable::RequestQuery => url_part(UrlPart::Query, &self.url),
            Variable::PublishedUrl => optional(self.contract.published().and_then(PublishedApi::url)),
            Variable::Body => Piece::Bytes(self.body.as_slice().into()),
            Variable::Secret => secrets.first().map_or(Piece::Absent, |secret| Piece::text(secret.expose())),
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
}

pub(crate) fn url_part(part: UrlPart, url: &str) -> Piece<'static> {
    part.of(url).map_or(Piece::Absent, |text| Piece::Text(text.into()))
}

/// Pairs as `application/x-www-form-urlencoded`.
fn render_pairs(pairs: &[(String, bool, Template)], scope: Scope<'_>) -> Result<String, Failure> {
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    for (name, optional, template) in pairs {
        match template.render_text(scope) {
            Ok(text) => {
                out.append_pair(name, &text);
            }
            Err(failure) if failure.absent && *optional => {}
            Err(failure) => return Err(failure.inside(name.clone())),
        }
    }
    Ok(out.finish())
}
