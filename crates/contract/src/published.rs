//! Published APIs: the routes that a platform has published, what each of them does, and what it answers.
//!
//! `read` compiles what a contract says of them, `inputs` reads a request by it, `subject` says what the answers of each verb are
//! made of, and `trial` answers everything once with samples when the contract is loaded.

mod inputs;
mod read;
mod subject;
mod trial;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::json;
use crate::piece::Piece;
use crate::render::RenderError;
use crate::request::Header;
use crate::tree::{Spacing, Tree};
use crate::variables::{Scope, Values, Variable};

use inputs::Input;
pub use inputs::{FieldFault, Inputs, PublishedRequest};
pub(crate) use read::{Offered, read};
pub use subject::{AccountView, EndpointView, EventView, Passed, ResourceView};
pub(crate) use trial::try_answers;

/// An API that a platform has published.
#[derive(Debug)]
pub struct PublishedApi {
    title: Option<String>,
    /// Where consumers reach it.
    url: Option<String>,
    authentication: Authentication,
    routes: Vec<PublishedRoute>,
    /// The routes of each path, by their places.
    paths: matchit::Router<Vec<usize>>,
    errors: Errors,
}

/// Where a request has the caller's API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    /// The header.
    pub header: HeaderName,
    /// The word before the key, as in `Bearer`.
    pub scheme: Option<String>,
}

/// A route of a published API.
#[derive(Debug)]
pub struct PublishedRoute {
    method: Method,
    path: String,
    title: Option<String>,
    description: Option<String>,
    verb: Verb,
    is_public: bool,
    /// The kind of resource that it is about.
    kind: Option<String>,
    inputs: Vec<Input>,
    answer: Answer,
    /// Its place in the contract, for messages.
    place: String,
}

/// What an answer is made of.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: Vec<Header>,
    body: Option<Tree>,
}

/// How refusals look.
#[derive(Debug)]
struct Errors {
    statuses: Vec<(ErrorKind, StatusCode)>,
    headers: Vec<Header>,
    body: Tree,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word in a contract.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// What a route does.
    Verb {
        /// Registers an endpoint.
        RegisterEndpoint = "register_endpoint",
        /// Reads an endpoint.
        ReadEndpoint = "read_endpoint",
        /// Lists the account's endpoints.
        ListEndpoints = "list_endpoints",
        /// Changes an endpoint.
        UpdateEndpoint = "update_endpoint",
        /// Deletes an endpoint.
        DeleteEndpoint = "delete_endpoint",
        /// Gives an endpoint a new secret.
        RotateSecret = "rotate_secret",
        /// Reads a resource.
        ReadResource = "read_resource",
        /// Lists the resources of a kind.
        ListResources = "list_resources",
        /// Lists the account's events.
        ListEvents = "list_events",
        /// Reads an event type of the catalogue.
        ReadEventType = "read_event_type",
        /// Lists the catalogue.
        ListEventTypes = "list_event_types",
    }
}

words! {
    /// Why a request was refused, as far as a contract tells refusals apart.
    ErrorKind {
        /// The request is wrong.
        Invalid = "invalid",
        /// No key, or none that works.
        Unauthenticated = "unauthenticated",
        /// The key may not do this.
        Forbidden = "forbidden",
        /// It does not exist, or not for this caller.
        NotFound = "not_found",
        /// The path has other methods.
        MethodNotAllowed = "method_not_allowed",
        /// It does not fit what is stored.
        Conflict = "conflict",
        /// The body is too large.
        TooLarge = "too_large",
        /// The body is not JSON by its name.
        UnsupportedMediaType = "unsupported_media_type",
        /// The key asks too often.
        RateLimited = "rate_limited",
        /// A failure inside.
        Internal = "internal",
        /// Starting, stopping, busy.
        Unavailable = "unavailable",
    }
}

impl ErrorKind {
    /// The status, unless the contract says another one.
    const fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// What a method and a path lead to.
#[derive(Debug)]
pub enum RouteMatch<'a> {
    /// A route, and what stands in the place of its `{names}`.
    Route(&'a PublishedRoute, Vec<(String, String)>),
    /// The path has these methods only.
    OtherMethods(Vec<&'a Method>),
    /// There is no such path.
    None,
}

/// An answer, ready to be sent as it is.
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
    /// The name for people.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Where consumers reach it, when the contract says so.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Where a request has the caller's key.
    pub fn authentication(&self) -> &Authentication {
        &self.authentication
    }

    /// The routes, in the contract's order.
    pub fn routes(&self) -> &[PublishedRoute] {
        &self.routes
    }

    /// What a method and a path, as it stands in the URL, lead to.
    pub fn find(&self, method: &Method, path: &str) -> RouteMatch<'_> {
        let Ok(found) = self.paths.at(path) else { return RouteMatch::None };
        let here = || found.value.iter().filter_map(|index| self.routes.get(*index));
        let Some(route) = here().find(|route| route.method == *method) else {
            return RouteMatch::OtherMethods(here().map(|route| &route.method).collect());
        };
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned);
        let parameters = found.params.iter().map(|(name, value)| Ok((name.to_owned(), decoded(value)?)));
        match parameters.collect::<Result<_, std::str::Utf8Error>>() {
            Ok(parameters) => RouteMatch::Route(route, parameters),
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
        // The trial has rendered this for every kind; what could still fail must not hide the refusal itself.
        let (headers, body) = written.unwrap_or_default();
        PublishedAnswer { status, headers, body }
    }
}

impl PublishedRoute {
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

    /// Whether everybody may use it, without a key.
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

    /// Whether its body is read.
    pub fn reads_body(&self) -> bool {
        self.method != Method::GET
    }
}

/// The values of what templates of published APIs name.
#[derive(Debug, Default)]
struct Bindings {
    url: Option<String>,
    values: Vec<(String, String)>,
}

impl Bindings {
    /// No names yet but that of the place where the API is reached.
    fn at(url: Option<&str>) -> Self {
        Self { url: url.map(ToOwned::to_owned), values: Vec::new() }
    }

    /// Gives a name its value: JSON.
    fn set(&mut self, name: impl Into<String>, raw: String) {
        self.values.push((name.into(), raw));
    }
}

impl Values for Bindings {
    fn get(&self, variable: &Variable) -> Piece<'_> {
        match variable {
            Variable::PublishedUrl => self.url.as_deref().map_or(Piece::Absent, Piece::text),
            Variable::Local(wanted) => {
                let found = self.values.iter().find(|(name, _)| name == wanted);
                found.map_or(Piece::Absent, |(_, raw)| Piece::Json(raw.as_str().into()))
            }
            _ => Piece::Absent,
        }
    }
}

fn write(headers: &[Header], body: Option<&Tree>, names: &Bindings, place: &str) -> Result<(HeaderMap, Bytes), RenderError> {
    let scope = Scope::of(names);
    let mut map = HeaderMap::with_capacity(headers.len());
    for header in headers {
        let place = || format!("{place}.headers.{}", header.name);
        for value in header.render(scope).map_err(|failure| RenderError::of(place(), failure))? {
            let value = HeaderValue::try_from(value)
                .map_err(|_| RenderError::plain(&place(), "the value has characters that no header can carry"))?;
            map.append(header.name.clone(), value);
        }
    }
    let mut out = String::new();
    if let Some(tree) = body {
        tree.render(scope, Spacing::Compact, &mut out).map_err(|failure| RenderError::of(format!("{place}.body"), failure))?;
    }
    Ok((map, Bytes::from(out)))
}

/// A text as JSON.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    json::write_string(&mut out, text);
    out
}
