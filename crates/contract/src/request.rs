//! The plan of a request: its method, URL, headers and body, and the order to render them in.
//!
//! A signature may use headers and the body, and headers and the body may use signatures. The order is worked out when the contract
//! is loaded, and a circle is refused.

mod body;
mod header;

use http::Method;

use crate::access_token::{self, ACCESS_TOKEN, AccessToken};
use crate::client_tls::{self, CA, CLIENT_CERTIFICATE, ClientTlsPlan};
use crate::diagnostic::{At, Mistake, Report, suggestion};
use crate::expression::Expression;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::reader::{Fields, word};
use crate::signature::{Signature, Signatures};
use crate::template::{Part, TEMPLATE, Template};
use crate::tree::{PAIRS, TREE, read_pairs};
use crate::variables::{Builtin, Variable};
use crate::yaml::Node;

pub(crate) use body::Body;
pub(crate) use header::{HEADERS, Header, is_connection_header, read_headers};

const METHOD: KeySpec = KeySpec::optional("method", Shape::Words(RequestMethod::WORDS), "The method; `POST` unless given.");
const URL: KeySpec =
    KeySpec::optional("url", TEMPLATE, "Where it goes; the endpoint's own URL unless given. It must stay on that host.");
const QUERY: KeySpec = KeySpec::optional("query", PAIRS, "Parameters that are added to the URL's query.");
const BODY: KeySpec = KeySpec::optional("body", TREE, "The body.");
const SPACING: KeySpec =
    KeySpec::optional("spacing", Shape::Words(Spacing::WORDS), "How a JSON body is written; `compact` unless given.");
const CUSTOM_HEADERS: KeySpec =
    KeySpec::optional("custom_headers", Shape::FLAG, "Whether an endpoint may have headers of its own.");
const BODY_HELP: &str = "write the body, for example `body: \"{{ event.data }}\"` or `body: { $empty: true }`";

/// The keys of `request`.
pub(crate) const KEYS: &[KeySpec] = &[
    METHOD,
    URL,
    QUERY,
    HEADERS,
    BODY.or_else(BODY_HELP),
    SPACING,
    CUSTOM_HEADERS,
    VARIANTS,
    ACCESS_TOKEN,
    CLIENT_CERTIFICATE,
    CA,
];
/// The value of `request`.
pub(crate) const REQUEST: Shape =
    Shape::Named(&Definition { name: "request", about: "The request.", shape: Shape::Keys(KEYS), examples: &[] });
/// The keys with which one event changes the request.
const EVENT_KEYS: &[KeySpec] = &[METHOD, URL, QUERY, HEADERS, BODY, SPACING];
/// The value of an event's `request`.
pub(crate) const EVENT_REQUEST: Shape = Shape::Named(&Definition {
    name: "event_request",
    about: "What is different in the request of one event.",
    shape: Shape::Keys(EVENT_KEYS),
    examples: &[],
});

const VARIANTS: KeySpec = KeySpec::optional(
    "variants",
    Shape::List { of: &Shape::Keys(VARIANT_KEYS), min: Some(1), max: Some(VARIANTS_MAX) },
    "How the request differs where a condition holds; the first that does counts.",
);
/// The keys of a variant.
pub(crate) const VARIANT_KEYS: &[KeySpec] = &[
    KeySpec::required(
        "when",
        TEMPLATE,
        "The condition.",
        "write when this counts: `when: \"{{ endpoint.options.format == 'form' }}\"`",
    ),
    KeySpec::required("request", EVENT_REQUEST, "What is different.", "write what differs, such as `request: { method: PUT }`"),
];
/// The most variants of a contract.
pub(crate) const VARIANTS_MAX: usize = 16;

bellwire_domain::words! {
    /// How a JSON body is written.
    pub(crate) enum Spacing {
        Compact = "compact",
        /// Compact, and so are the parts that were posted.
        Minified = "minified",
        /// As Python's `json.dumps` does by default.
        Spaced = "spaced",
    }
}

bellwire_domain::words! {
    /// The methods that a contract may use.
    pub(crate) enum RequestMethod {
        Post = "POST",
        Put = "PUT",
        Patch = "PATCH",
        Delete = "DELETE",
        Get = "GET",
        Head = "HEAD",
        Options = "OPTIONS",
    }
}

impl From<RequestMethod> for Method {
    fn from(method: RequestMethod) -> Self {
        match method {
            RequestMethod::Post => Self::POST,
            RequestMethod::Put => Self::PUT,
            RequestMethod::Patch => Self::PATCH,
            RequestMethod::Delete => Self::DELETE,
            RequestMethod::Get => Self::GET,
            RequestMethod::Head => Self::HEAD,
            RequestMethod::Options => Self::OPTIONS,
        }
    }
}

/// A compiled request.
#[derive(Debug)]
pub(crate) struct RequestPlan {
    pub(crate) method: Method,
    pub(crate) url: Option<Template>,
    pub(crate) query: Vec<(String, bool, Template)>,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Body,
    pub(crate) spacing: Spacing,
    pub(crate) order: Vec<Step>,
    /// Whether its body has all events of the request, and not the first alone.
    pub(crate) carries_events: bool,
}

/// A part of the request, by its index where there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Url,
    Header(usize),
    Signature(usize),
    Body,
}

fn read_method(node: &Node, path: &str, report: &mut Report) -> Option<Method> {
    if node.scalar().is_some_and(|scalar| scalar.text.contains("{{")) {
        let help = "write the usual one, and each other one in `request.variants` or in the `request` of an event";
        report.add(node.at, path, "a method is one of the words of the language and no template", help);
        return None;
    }
    word::<RequestMethod>(node, path, report).map(Method::from)
}

/// Whether an endpoint may have headers of its own.
pub(crate) fn reads_custom_headers(node: &Node, report: &mut Report) -> bool {
    let mut ignored = Report::new("");
    Fields::open(node, "request", KEYS, &mut ignored).is_some_and(|fields| fields.flag("custom_headers", false, report))
}

/// How requests get an access token; `Some(None)`: they have none.
#[expect(clippy::option_option, reason = "wrong, left out, or read")]
pub(crate) fn read_access_token(node: &Node, report: &mut Report) -> Option<Option<AccessToken>> {
    let mut ignored = Report::new("");
    let Some(fields) = Fields::open(node, "request", KEYS, &mut ignored) else { return Some(None) };
    let Some(node) = fields.get(ACCESS_TOKEN.name) else { return Some(None) };
    access_token::read(node, report).map(Some)
}

/// What connections show, and whom they trust.
pub(crate) fn read_client_tls(node: &Node, report: &mut Report) -> Option<ClientTlsPlan> {
    let mut ignored = Report::new("");
    let Some(fields) = Fields::open(node, "request", KEYS, &mut ignored) else { return Some(ClientTlsPlan::default()) };
    client_tls::read(&fields, report)
}

impl RequestPlan {
    /// Reads `request`, and applies what one event changes.
    pub(crate) fn read(base: &Node, change: Option<(&Node, &str)>, signatures: &Signatures, report: &mut Report) -> Option<Self> {
        let base = Fields::open(base, "request", KEYS, report)?;
        let change = match change {
            Some((node, path)) => Some(Fields::open(node, path, EVENT_KEYS, report)?),
            None => None,
        };
        let pick = |key: &str| {
            let changed = change.as_ref().and_then(|change| change.get(key).map(|node| (node, change.path_of(key))));
            changed.or_else(|| base.get(key).map(|node| (node, base.path_of(key))))
        };
        let method = match pick("method") {
            Some((node, path)) => read_method(node, &path, report),
            None => Some(Method::POST),
        };
        let url = match pick("url") {
            Some((node, path)) => Template::read(node, &path, &[], report).map(Some),
            None => Some(None),
        };
        let query = match pick("query") {
            Some((node, path)) => read_pairs(node, &path, report),
            None => Some(Vec::new()),
        };
        let spacing = match pick("spacing") {
            Some((node, path)) => word(node, &path, report),
            None => Some(Spacing::Compact),
        };
        let mut headers = Vec::new();
        let mut clean = true;
        for fields in std::iter::once(&base).chain(change.as_ref()) {
            if let Some(node) = fields.get("headers") {
                clean &= read_headers(node, &fields.path_of("headers"), &[], &mut headers, report);
            }
        }
        let body = pick("body").and_then(|(node, path)| Body::read(node, &path, report));
        clean &= body.is_some();
        // What could be read is looked through even if not all could: the names in it may be wrong as well.
        let body = body.unwrap_or(Body::Empty);
        add_defaults(&mut headers, &body, base.at);
        let mut plan = Self {
            method: method.clone().unwrap_or_default(),
            url: url.unwrap_or_default(),
            query: query.unwrap_or_default(),
            headers,
            body,
            spacing: spacing.unwrap_or(Spacing::Compact),
            order: Vec::new(),
            carries_events: false,
        };
        let is_events = |variable: &Variable| *variable == Variable::Builtin(Builtin::Events);
        plan.carries_events = plan.body.expressions().into_iter().any(|expression| expression.uses(is_events));
        plan.order = plan.resolve_order(signatures, report)?;
        clean.then_some(plan)
    }

    /// The expressions of a part.
    pub(crate) fn expressions<'p>(&'p self, step: Step, signatures: &'p [Signature]) -> Vec<&'p Expression> {
        let mut out = Vec::new();
        match step {
            Step::Url => {
                out.extend(self.url.iter().flat_map(Template::expressions));
                out.extend(self.query.iter().flat_map(|(_, _, template)| template.expressions()));
            }
            Step::Header(index) => {
                let values = self.headers.get(index).map(|header| header.values.as_slice()).unwrap_or_default();
                out.extend(values.iter().flat_map(Template::expressions));
            }
            Step::Body => out.extend(self.body.expressions()),
            Step::Signature(index) => out.extend(signatures.get(index).into_iter().flat_map(Signature::expressions)),
        }
        out
    }

    /// The variables in its headers.
    pub(crate) fn header_variables(&self) -> impl Iterator<Item = &Variable> {
        self.headers.iter().flat_map(|header| &header.values).flat_map(Template::variables)
    }

    /// The path of a part in the contract.
    pub(crate) fn name(&self, step: Step, signatures: &[Signature]) -> String {
        match step {
            Step::Url => "request.url".to_owned(),
            Step::Body => "request.body".to_owned(),
            Step::Header(index) => {
                format!("request.headers.{}", self.headers.get(index).map_or("", |header| header.name.as_str()))
            }
            Step::Signature(index) => {
                format!("signatures.{}", signatures.get(index).map_or("", |signature| signature.name.as_str()))
            }
        }
    }

    /// Sorts the parts so that each comes after what it uses.
    fn resolve_order(&self, signatures: &Signatures, report: &mut Report) -> Option<Vec<Step>> {
        let mut search = Search { plan: self, signatures, done: Vec::new(), open: Vec::new() };
        let headers = (0..self.headers.len()).map(Step::Header);
        let steps = std::iter::once(Step::Url).chain(headers).chain(std::iter::once(Step::Body));
        let steps: Vec<Step> = steps.chain((0..signatures.read.len()).map(Step::Signature)).collect();
        let mut clean = true;
        for step in steps {
            clean &= search.visit(step, report);
        }
        clean.then_some(search.done)
    }

    /// The part that a variable gets its value from.
    fn maker(&self, variable: &Variable, signatures: &Signatures) -> Result<Option<Step>, Mistake> {
        Ok(match variable {
            Variable::Builtin(Builtin::RequestUrl | Builtin::RequestHost | Builtin::RequestPath | Builtin::RequestQuery) => {
                Some(Step::Url)
            }
            Variable::Builtin(Builtin::Body) => Some(Step::Body),
            Variable::Header(name) => {
                let names: Vec<&str> = self.headers.iter().map(|header| header.name.as_str()).collect();
                let found = names.iter().position(|candidate| candidate == name);
                let Some(index) = found else {
                    let message = format!("there is no header `{name}` in `request.headers`");
                    return Err(Mistake::new(message, suggestion(name, &names)));
                };
                Some(Step::Header(index))
            }
            Variable::Signature(name) => signatures.find(name)?.map(Step::Signature),
            Variable::Builtin(_) | Variable::Local(_) => None,
        })
    }
}

/// A depth-first search over the parts.
struct Search<'a> {
    plan: &'a RequestPlan,
    signatures: &'a Signatures,
    done: Vec<Step>,
    open: Vec<Step>,
}

impl Search<'_> {
    fn visit(&mut self, step: Step, report: &mut Report) -> bool {
        if self.done.contains(&step) {
            return true;
        }
        self.open.push(step);
        let mut clean = true;
        for expression in self.plan.expressions(step, &self.signatures.read) {
            for path in &expression.paths {
                clean &= match self.plan.maker(&path.variable, self.signatures) {
                    Ok(None) => true,
                    Ok(Some(needed)) if self.open.contains(&needed) => {
                        self.report_circle(needed, expression.at, report);
                        false
                    }
                    Ok(Some(needed)) => self.visit(needed, report),
                    Err(mistake) => {
                        report.add(expression.at, &self.plan.name(step, &self.signatures.read), mistake.message, mistake.help);
                        false
                    }
                };
            }
        }
        self.open.pop();
        if !self.done.contains(&step) {
            self.done.push(step);
        }
        clean
    }

    fn report_circle(&self, needed: Step, at: At, report: &mut Report) {
        let start = self.open.iter().position(|step| *step == needed).unwrap_or(0);
        let mut names: Vec<String> =
            self.open.iter().skip(start).map(|step| self.plan.name(*step, &self.signatures.read)).collect();
        names.push(self.plan.name(needed, &self.signatures.read));
        let place = names.iter().rev().nth(1).cloned().unwrap_or_default();
        report.add(at, &place, format!("this depends on itself: {}", names.join(" uses ")), "remove one of these uses");
    }
}

fn add_defaults(headers: &mut Vec<Header>, body: &Body, at: At) {
    let agent = concat!("Bellwire/", env!("CARGO_PKG_VERSION"));
    let defaults = [
        (http::header::CONTENT_TYPE, "Content-Type", body.content_type()),
        (http::header::USER_AGENT, "User-Agent", Some(agent)),
    ];
    for (name, spelled, value) in defaults {
        let Some(value) = value else { continue };
        if headers.iter().any(|header| header.name == name) {
            continue;
        }
        let template = Template { at, parts: vec![Part::Text(value.to_owned())] };
        headers.push(Header { name, spelled: spelled.into(), optional: false, values: vec![template] });
    }
}
