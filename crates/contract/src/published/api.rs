//! A published API: which route a request leads to, and what it answers.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::expression::Expression;
use crate::failure::RenderError;
use crate::published::bindings::{Bindings, quoted, write};
use crate::published::body::AnswerBody;
use crate::published::error_kind::ErrorKind;
use crate::published::inputs::{self, Input, Inputs, PublishedRequest};
use crate::published::refusals::{RefusalRule, RuledOut};
use crate::published::tokens::TokenRules;
use crate::published::verb::{ADD_EVENTS, Verb};
use crate::published::views::Passed;
use crate::request::Header;
use crate::variables::Scope;

/// The last part of the name under which answers know why an endpoint fails.
const ERROR: &str = "error";

/// An API that a platform has published.
#[derive(Debug)]
pub struct PublishedApi {
    pub(crate) title: Option<String>,
    /// Where consumers reach it.
    pub(crate) url: Option<String>,
    pub(crate) authentication: Authentication,
    /// Where clients get access tokens, if they do.
    pub(crate) tokens: Option<TokenRules>,
    pub(crate) routes: Vec<PublishedRoute>,
    /// The routes of each path, by index.
    pub(crate) paths: matchit::Router<Vec<usize>>,
    pub(crate) errors: Errors,
}

/// Where requests carry the caller's API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    /// The header.
    pub header: HeaderName,
    /// The word before the key, such as `Bearer`.
    pub scheme: Option<String>,
}

/// A route of a published API.
#[derive(Debug)]
pub struct PublishedRoute {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Which of the requests to its path it takes; none: all.
    pub(crate) when: Option<Expression>,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) verb: Verb,
    pub(crate) is_public: bool,
    /// The kind of resource that it is about.
    pub(crate) kind: Option<String>,
    /// Its own checks of a request.
    pub(crate) refusals: Vec<RefusalRule>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) answer: Answer,
    /// Its place in the contract, for messages.
    pub(crate) place: String,
}

/// What an answer is made from.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Option<AnswerBody>,
}

/// How refusals look.
#[derive(Debug)]
pub(crate) struct Errors {
    pub(crate) statuses: Vec<(ErrorKind, StatusCode)>,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: AnswerBody,
}

/// What a method and a path lead to.
#[derive(Debug)]
pub enum RouteMatch<'a> {
    /// A route, or several of which [each takes other requests](PublishedRoute::takes), and the values of the `{names}` in their path.
    Routes(Vec<&'a PublishedRoute>, Vec<(String, String)>),
    /// The path exists, but only with these methods.
    OtherMethods(Vec<&'a Method>),
    /// There is no such path.
    None,
}

/// An answer, ready to send as it is.
#[derive(Debug, Clone)]
pub struct PublishedAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl PublishedApi {
    /// Whether a route adds to what endpoints have chosen.
    pub(crate) fn adds_events(&self) -> bool {
        self.routes.iter().any(PublishedRoute::adds_events)
    }

    /// The name for people.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Where consumers reach it, when the contract says so.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Where requests carry the caller's key.
    pub fn authentication(&self) -> &Authentication {
        &self.authentication
    }

    /// Where clients get access tokens, if they do.
    pub fn tokens(&self) -> Option<&TokenRules> {
        self.tokens.as_ref()
    }

    /// The routes, in the contract's order.
    pub fn routes(&self) -> &[PublishedRoute] {
        &self.routes
    }

    /// What a method and a path lead to. The path is as it is in the URL.
    pub fn find(&self, method: &Method, path: &str) -> RouteMatch<'_> {
        let Ok(found) = self.paths.at(path) else { return RouteMatch::None };
        let here = || found.value.iter().filter_map(|index| self.routes.get(*index));
        let routes: Vec<&PublishedRoute> = here().filter(|route| route.method == *method).collect();
        if routes.is_empty() {
            return RouteMatch::OtherMethods(here().map(|route| &route.method).collect());
        }
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned);
        let parameters = found.params.iter().map(|(name, value)| Ok((name.to_owned(), decoded(value)?)));
        match parameters.collect::<Result<_, std::str::Utf8Error>>() {
            Ok(parameters) => RouteMatch::Routes(routes, parameters),
            Err(_) => RouteMatch::None,
        }
    }

    /// What one of its routes answers.
    pub fn answer(
        &self,
        route: &PublishedRoute,
        request: &PublishedRequest<'_>,
        passed: &Passed<'_>,
    ) -> Result<PublishedAnswer, RenderError> {
        let mut names = Bindings::at(self.url());
        request.bind(&mut names);
        passed.bind(&mut names);
        let place = format!("{}.answer", route.place);
        let (headers, body) = write(&route.answer.headers, route.answer.body.as_ref(), &names, &place)?;
        Ok(PublishedAnswer { status: route.answer.status, headers, body })
    }

    /// A refusal as the contract writes it. `field` is the part of the request that is wrong.
    pub fn refuse(&self, kind: ErrorKind, message: &str, field: Option<&str>) -> PublishedAnswer {
        let status = self.errors.statuses.iter().find(|(known, _)| *known == kind).map_or(kind.status(), |(_, status)| *status);
        let mut names = Bindings::at(self.url());
        names.set("error.kind", quoted(kind.as_str()));
        names.set("error.status", status.as_u16().to_string());
        names.set("error.message", quoted(message));
        names.set("error.field", field.map_or_else(|| "null".to_owned(), quoted));
        let written = write(&self.errors.headers, Some(&self.errors.body), &names, "published.errors");
        // The trial has rendered this for every kind. If it still fails, that must not hide the refusal itself.
        let (headers, body) = written.unwrap_or_default();
        PublishedAnswer { status, headers, body }
    }
}

impl PublishedRoute {
    /// Whether it adds to what endpoints have chosen.
    pub(crate) fn adds_events(&self) -> bool {
        self.inputs.iter().any(|input| input.name == ADD_EVENTS)
    }

    /// Whether it takes a request to its path. A condition that looks at what the request does not have does not hold.
    pub fn takes(&self, request: &PublishedRequest<'_>) -> bool {
        let Some(when) = &self.when else { return true };
        let mut names = Bindings::default();
        request.bind(&mut names);
        when.evaluate(Scope::of(&names)).is_ok_and(|value| value.is_true())
    }

    /// Whether one of its own checks refuses a request.
    pub fn refusal(&self, request: &PublishedRequest<'_>) -> Option<RuledOut> {
        RefusalRule::first(&self.refusals, request)
    }

    /// What a request gives the use-case.
    pub fn inputs(&self, request: &PublishedRequest<'_>) -> Inputs<'_> {
        Inputs::read(&self.inputs, request)
    }

    /// What the published document calls an input. `None` if it is not a single field of the request.
    pub fn field_of(&self, input: &str) -> Option<&str> {
        inputs::field_of(&self.inputs, input)
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path, with `{names}` for what varies.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name for people.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// What it is.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// What it does.
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// Whether anyone may use it without a key.
    pub fn is_public(&self) -> bool {
        self.is_public
    }

    /// The kind of resource that it is about.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// The status of its answer when nothing is wrong.
    pub fn status(&self) -> StatusCode {
        self.answer.status
    }

    /// Whether its answer says why an endpoint is not sent to, or fails. In a list, any expression counts that has the word in it.
    pub fn shows_errors(&self) -> bool {
        let mut shows = false;
        let mut look = |expression: &Expression| shows |= expression.text.contains(ERROR);
        for template in self.answer.headers.iter().flat_map(|header| &header.values) {
            template.expressions().for_each(&mut look);
        }
        if let Some(body) = &self.answer.body {
            body.visit(&mut look);
        }
        shows
    }

    /// Whether its body is read.
    pub fn reads_body(&self) -> bool {
        self.method != Method::GET
    }
}
