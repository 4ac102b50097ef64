//! One request to a published API, from its route to its answer.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CONTENT_TYPE, COOKIE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use bellwire_app::{AccountAccess, Actor, AppError, ClientAddress, Operation, Resource};
use bellwire_contract::{
    Authentication, Contract, ErrorKind, Passed, PublishedAnswer, PublishedApi, PublishedRequest, PublishedRoute, RouteMatch,
    Verb, pairs_object,
};
use bellwire_domain::{AccountId, AuditVia};
use bellwire_http::Api;
use bellwire_http::RouteLabel;
use bellwire_http::encoding::ACCEPTED;
use bellwire_http::extract::JsonBody;
use bellwire_http::problem::{Failure, Problem};
use bytes::Bytes;
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::act::{Caller, act};
use super::refusal::Refusal;
use crate::query::pairs;

/// Answers a request whose path below the API's root is `path`.
pub(super) async fn serve(api: &Api, contract: &Contract, published: &PublishedApi, path: &str, request: Request) -> Response {
    // A HEAD is answered as a GET, and loses its body on the way out.
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    match published.find(&method, path) {
        RouteMatch::None => refuse(published, Refusal::new(ErrorKind::NotFound, "there is no such route")),
        RouteMatch::OtherMethods(methods) => {
            let refusal = Refusal::new(ErrorKind::MethodNotAllowed, "this route does not take that method");
            let mut response = refuse(published, refusal);
            let allowed: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
            if let Ok(allowed) = HeaderValue::try_from(allowed.join(", ")) {
                response.headers_mut().insert(ALLOW, allowed);
            }
            response
        }
        RouteMatch::Routes(routes, parameters) => {
            let label = format!("/published/{}{}", contract.name(), routes.first().map_or(path, |route| route.path()));
            let serving = Serving { api, contract, published, routes };
            let answered = serving.answer(&parameters, request).await;
            let mut response = answered.map_or_else(|refusal| refuse(published, refusal), into_response);
            response.extensions_mut().insert(RouteLabel(label.into()));
            response
        }
    }
}

/// A request whose method and path are known.
struct Serving<'a> {
    api: &'a Api,
    contract: &'a Contract,
    published: &'a PublishedApi,
    /// Which of several it is for is seen when it has been read.
    routes: Vec<&'a PublishedRoute>,
}

impl Serving<'_> {
    /// First who the caller is and what it may do, then what it asks for.
    async fn answer(&self, parameters: &[(String, String)], request: Request) -> Result<PublishedAnswer, Refusal> {
        let (parts, body) = request.into_parts();
        let only = match self.routes.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        let is_public = self.routes.iter().all(|route| route.is_public());
        let actor = if is_public { None } else { Some(self.authenticate(&parts).await?) };
        let admitted = match (only, &actor) {
            (Some(route), Some(actor)) => Some(self.admit(route, actor.clone()).await?),
            _ => None,
        };
        let sender = actor.as_ref().map_or("", share_of);
        let reads_body = self.routes.iter().any(|route| route.reads_body());
        let body = if reads_body { self.read_body(&parts.headers, body, sender).await? } else { None };
        let query = pairs(parts.uri.query());
        let headers = self.without_keys(parts.headers);
        let body = body.as_deref().map(|body| std::str::from_utf8(body).unwrap_or_default());
        let at = self.api.app.clock().now();
        let request = PublishedRequest { at, path: parameters, query: &query, headers: &headers, body };
        let Some(route) = self.routes.iter().find(|route| route.takes(&request)) else {
            return Err(Refusal::new(ErrorKind::NotFound, "this route knows no such request"));
        };
        let caller = match (admitted, actor) {
            (Some(caller), _) => caller,
            (None, Some(actor)) => self.admit(route, actor).await?,
            (None, None) => Caller::Anybody,
        };
        if let Some(ruled) = route.refusal(&request) {
            return Err(Refusal::ruled(ruled));
        }
        let passed: Passed<'_> = act(&self.api.app, self.contract, route, caller, route.inputs(&request)).await?;
        self.published.answer(route, &request, &passed).map_err(|error| {
            let place = format!("{} line {}: {error}", self.contract.name(), error.line);
            Refusal::internal(Failure(format!("an answer cannot be written: {place}")))
        })
    }

    /// Who calls, by the published header.
    async fn authenticate(&self, parts: &Parts) -> Result<Actor, Refusal> {
        let authentication = self.published.authentication();
        let address = parts.extensions.get();
        let Some(key) = key_in(authentication, &parts.headers) else {
            let word = authentication.scheme.as_ref().map_or(String::new(), |scheme| format!("{scheme} "));
            return Err(self.unauthenticated(&format!("send your API key as `{}: {word}<key>`", authentication.header)));
        };
        match self.api.app.authenticate_published(self.contract, key, ClientAddress::origin(address, AuditVia::Published)).await {
            Err(AppError::Unauthenticated(detail)) => Err(self.unauthenticated(detail)),
            other => other.map_err(|error| Problem::from(error).into()),
        }
    }

    /// Whether the caller may use a route. A key of another contract counts as unknown.
    async fn admit(&self, route: &PublishedRoute, actor: Actor) -> Result<Caller, Refusal> {
        let app = &self.api.app;
        let refused = |error| Refusal::of(error, route);
        let operation = operation(route.verb());
        let Some(account) = actor.account.clone() else {
            app.permit(&actor, operation).map_err(refused)?;
            return Ok(Caller::Operator(actor, operation));
        };
        let unknown = || self.unauthenticated("this API key is unknown, revoked or expired");
        let access: AccountAccess = match app.open_account(&actor, operation, account.as_str()).await {
            Err(AppError::NotFound(Resource::Account)) => return Err(unknown()),
            other => other.map_err(refused)?,
        };
        if access.account().contract == self.contract.name() { Ok(Caller::Consumer(access)) } else { Err(unknown()) }
    }

    fn unauthenticated(&self, message: &str) -> Refusal {
        let scheme = self.published.authentication().scheme.as_deref();
        Refusal { challenge: scheme.map(ToOwned::to_owned), ..Refusal::new(ErrorKind::Unauthenticated, message) }
    }

    /// The body, if there is one: a JSON object. The pairs of a form are made into one.
    async fn read_body(&self, headers: &HeaderMap, body: Body, sender: &str) -> Result<Option<Bytes>, Refusal> {
        let body = JsonBody::new(headers.clone(), body, self.api);
        let bytes = if is_form(headers) {
            body.read_encoded(sender).await.map(|form| pairs_object(form_urlencoded::parse(&form)).into())
        } else {
            body.read(sender).await
        };
        let bytes = bytes.map_err(Refusal::from)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let raw = serde_json::from_slice::<&RawValue>(&bytes)
            .map_err(|error| Refusal::new(ErrorKind::Invalid, &format!("the body is not JSON: {error}")))?;
        if !raw.get().starts_with('{') {
            return Err(Refusal::new(ErrorKind::Invalid, "the body must be a JSON object"));
        }
        Ok(Some(bytes))
    }

    /// Hides keys from templates, so that no answer can contain one by mistake.
    fn without_keys(&self, mut headers: HeaderMap) -> HeaderMap {
        for name in [&self.published.authentication().header, &AUTHORIZATION, &COOKIE] {
            headers.remove(name);
        }
        headers
    }
}

/// The key that a request has where the published API looks for it.
pub(super) fn key_in<'h>(authentication: &Authentication, headers: &'h HeaderMap) -> Option<&'h str> {
    let text = headers.get(&authentication.header).and_then(|value| value.to_str().ok())?;
    let key = match &authentication.scheme {
        Some(scheme) => text.split_once(' ').filter(|(word, _)| word.eq_ignore_ascii_case(scheme))?.1,
        None => text,
    };
    Some(key.trim()).filter(|key| !key.is_empty())
}

/// What names a caller where each has a share of something: its account, or who it is.
fn share_of(actor: &Actor) -> &str {
    actor.account.as_ref().map_or(actor.identity.as_str(), AccountId::as_str)
}

pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    declared.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The permission that a verb needs.
const fn operation(verb: Verb) -> Operation {
    match verb {
        Verb::RegisterEndpoint
        | Verb::PutEndpoint
        | Verb::UpdateEndpoint
        | Verb::ConfirmEndpoint
        | Verb::DeleteEndpoint
        | Verb::RotateSecret
        | Verb::TestEndpoint => Operation::EndpointChange,
        Verb::ReadEndpoint | Verb::ListEndpoints | Verb::ListKeys => Operation::EndpointRead,
        Verb::ReadResource | Verb::ListResources => Operation::ResourceRead,
        Verb::ListEvents | Verb::ListDeliveries => Operation::EventRead,
        Verb::RetryDelivery => Operation::DeliveryRetry,
        Verb::ReadEventType | Verb::ListEventTypes => Operation::ContractRead,
    }
}

pub(super) fn refuse(published: &PublishedApi, refusal: Refusal) -> Response {
    let answer = published.refuse(refusal.kind, &refusal.message, refusal.field.as_deref());
    let mut response = into_response(answer);
    let mut set = |name, value: Option<String>| {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    };
    set(WWW_AUTHENTICATE, refusal.challenge);
    set(ACCEPT_ENCODING, refusal.names_encodings.then(|| ACCEPTED.to_owned()));
    set(RETRY_AFTER, refusal.retry_after.map(|seconds| seconds.to_string()));
    if let Some(failure) = refusal.failure {
        response.extensions_mut().insert(failure);
    }
    response
}

fn into_response(answer: PublishedAnswer) -> Response {
    (answer.status, answer.headers, answer.body).into_response()
}
