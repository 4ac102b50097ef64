//! The plan of a request: its method, URL, headers and body, and the order in which they can be rendered.
//!
//! A signature may use headers and the body, and headers and the body may use signatures; the order is found when the contract is
//! loaded, and a circle is refused.

use http::{HeaderName, Method};

use crate::diagnostic::{At, Report, suggestion};
use crate::expression::Expression;
use crate::reader::{Fields, join};
use crate::signature::{Scheme, Signature};
use crate::template::{Failure, Template};
use crate::tree::{Spacing, Tree, read_pairs};
use crate::variables::{Scope, Variable};
use crate::yaml::{Kind, Meaning, Node};

/// The most headers of a contract.
const HEADERS_MAX: usize = 64;
const KEYS: &[&str] = &["method", "url", "query", "headers", "body", "spacing", "custom_headers"];
const EVENT_KEYS: &[&str] = &["method", "url", "query", "headers", "body", "spacing"];
/// Headers that belong to the connection and cannot be set.
const CONNECTION_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "proxy-connection",
    "expect",
];

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
}

/// A header, sent once per value.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) name: HeaderName,
    pub(crate) optional: bool,
    pub(crate) values: Vec<Template>,
}

impl Header {
    /// Its values; none when it is optional and what it is made of is not there.
    pub(crate) fn render(&self, scope: Scope<'_>) -> Result<Vec<String>, Failure> {
        let mut values = Vec::with_capacity(self.values.len());
        for template in &self.values {
            match template.render_text(scope) {
                Ok(text) if text.bytes().any(|byte| byte < 0x20 && byte != b'\t' || byte == 0x7f) => {
                    let message = "the value has a line break or another control character".to_owned();
                    return Err(Failure { at: template.at, path: Vec::new(), message, absent: false });
                }
                Ok(text) => values.push(text),
                Err(failure) if failure.absent && self.optional => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(values)
    }
}

/// The form of a body.
#[derive(Debug)]
pub(crate) enum Body {
    Json(Tree),
    Form(Vec<(String, bool, Template)>),
    Text(Template),
    Empty,
}

/// A part of the request, by its index where there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Url,
    Header(usize),
    Signature(usize),
    Body,
}

/// Whether consumers may add headers of their own.
pub(crate) fn reads_custom_headers(node: &Node, report: &mut Report) -> bool {
    let mut ignored = Report::new("");
    Fields::open(node, "request", KEYS, &mut ignored).is_some_and(|fields| fields.flag("custom_headers", false, report))
}

/// Whether a header belongs to the connection and cannot be set.
pub(crate) fn is_connection_header(name: &str) -> bool {
    CONNECTION_HEADERS.contains(&name)
}

impl RequestPlan {
    /// Reads `request`, and over it what one event changes.
    pub(crate) fn read(
        base: &Node,
        change: Option<(&Node, &str)>,
        signatures: &[Signature],
        report: &mut Report,
    ) -> Option<Self> {
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
            Some((node, path)) => read_method(node, &path, report)?,
            None => Method::POST,
        };
        let url = match pick("url") {
            Some((node, path)) => Some(Template::read(node, &path, &[], report)?),
            None => None,
        };
        let query = match pick("query") {
            Some((node, path)) => read_pairs(node, &path, report)?,
            None => Vec::new(),
        };
        let spacing_words = [("compact", Spacing::Compact), ("spaced", Spacing::Spaced)];
        let spacing = match pick("spacing") {
            Some((node, path)) => crate::reader::choice(node, &path, &spacing_words, report)?,
            None => Spacing::Compact,
        };
        let mut headers = Vec::new();
        let mut clean = true;
        for fields in std::iter::once(&base).chain(change.as_ref()) {
            if let Some(node) = fields.get("headers") {
                clean &= read_headers(node, &fields.path_of("headers"), &[], &mut headers, report);
            }
        }
        let body = if let Some((node, path)) = pick("body") {
            Body::read(node, &path, report)
        } else {
            let help = "write the body, for example `body: \"{{ event.data }}\"` or `body: { $empty: true }`";
            report.add(base.at, "request.body", "missing", help);
            None
        };
        let (true, Some(body)) = (clean, body) else { return None };
        add_defaults(&mut headers, &body, base.at);
        let mut plan = Self { method, url, query, headers, body, spacing, order: Vec::new() };
        plan.order = plan.resolve_order(signatures, report)?;
        Some(plan)
    }

    /// The expressions of a part.
    pub(crate) fn expressions<'p>(&'p self, step: Step, signatures: &'p [Signature]) -> Vec<&'p Expression> {
        let mut out = Vec::new();
        let tree = |tree: &'p Tree| {
            let mut found = Vec::new();
            tree.visit(&mut |expression| found.push(expression));
            found
        };
        match step {
            Step::Url => {
                out.extend(self.url.iter().flat_map(Template::expressions));
                out.extend(self.query.iter().flat_map(|(_, _, template)| template.expressions()));
            }
            Step::Header(index) => {
                let values = self.headers.get(index).map(|header| header.values.as_slice()).unwrap_or_default();
                out.extend(values.iter().flat_map(Template::expressions));
            }
            Step::Body => match &self.body {
                Body::Json(json) => out = tree(json),
                Body::Text(template) => out.extend(template.expressions()),
                Body::Form(pairs) => out.extend(pairs.iter().flat_map(|(_, _, template)| template.expressions())),
                Body::Empty => {}
            },
            Step::Signature(index) => match signatures.get(index).map(|signature| &signature.scheme) {
                Some(Scheme::Hmac { over, .. } | Scheme::Digest { over, .. }) => out.extend(over.expressions()),
                Some(Scheme::Jwt { header, claims, .. }) => {
                    out = tree(header);
                    out.extend(tree(claims));
                }
                Some(Scheme::Plain(text)) => out.extend(text.expressions()),
                None => {}
            },
        }
        out
    }

    /// The name of a part, as a path.
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
    fn resolve_order(&self, signatures: &[Signature], report: &mut Report) -> Option<Vec<Step>> {
        let mut search = Search { plan: self, signatures, done: Vec::new(), open: Vec::new() };
        let headers = (0..self.headers.len()).map(Step::Header);
        let steps = std::iter::once(Step::Url).chain(headers).chain(std::iter::once(Step::Body));
        let steps: Vec<Step> = steps.chain((0..signatures.len()).map(Step::Signature)).collect();
        let mut clean = true;
        for step in steps {
            clean &= search.visit(step, report);
        }
        clean.then_some(search.done)
    }

    /// The part that makes the value of a variable.
    fn maker(&self, variable: &Variable, signatures: &[Signature]) -> Result<Option<Step>, (String, String)> {
        Ok(match variable {
            Variable::RequestUrl | Variable::RequestHost | Variable::RequestPath | Variable::RequestQuery => Some(Step::Url),
            Variable::Body => Some(Step::Body),
            Variable::Header(name) => {
                let names: Vec<&str> = self.headers.iter().map(|header| header.name.as_str()).collect();
                let found = names.iter().position(|candidate| candidate == name);
                let Some(index) = found else {
                    return Err((format!("there is no header `{name}` in `request.headers`"), suggestion(name, &names)));
                };
                Some(Step::Header(index))
            }
            Variable::Signature(name) => {
                let found = signatures.iter().position(|signature| signature.name == *name);
                let Some(index) = found else {
                    let names: Vec<&str> = signatures.iter().map(|signature| signature.name.as_str()).collect();
                    return Err((format!("there is no signature `{name}` in `signatures`"), suggestion(name, &names)));
                };
                Some(Step::Signature(index))
            }
            _ => None,
        })
    }
}

/// A search in depth over the parts.
struct Search<'a> {
    plan: &'a RequestPlan,
    signatures: &'a [Signature],
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
        for expression in self.plan.expressions(step, self.signatures) {
            for path in &expression.paths {
                clean &= match self.plan.maker(&path.variable, self.signatures) {
                    Ok(None) => true,
                    Ok(Some(needed)) if self.open.contains(&needed) => {
                        self.report_circle(needed, expression.at, report);
                        false
                    }
                    Ok(Some(needed)) => self.visit(needed, report),
                    Err((message, help)) => {
                        report.add(expression.at, &self.plan.name(step, self.signatures), message, help);
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
        let mut names: Vec<String> = self.open.iter().skip(start).map(|step| self.plan.name(*step, self.signatures)).collect();
        names.push(self.plan.name(needed, self.signatures));
        let place = names.iter().rev().nth(1).cloned().unwrap_or_default();
        report.add(at, &place, format!("this depends on itself: {}", names.join(" uses ")), "take one of these uses out");
    }
}

impl Body {
    fn read(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        if let Kind::Map(entries) = &node.kind
            && let Some((key, value)) =
                entries.iter().find(|(key, _)| matches!(key.text.as_str(), "$form" | "$text" | "$empty" | "$json"))
        {
            if entries.len() > 1 {
                report.add(key.at, &join(path, &key.text), "there are other keys beside it", "keep one form of body");
                return None;
            }
            let path = join(path, &key.text);
            return match key.text.as_str() {
                "$form" => read_pairs(value, &path, report).map(Self::Form),
                "$text" => Template::read(value, &path, &[], report).map(Self::Text),
                "$json" => Tree::read(value, &path, &[], report).map(Self::Json),
                _ => Some(Self::Empty),
            };
        }
        let tree = Tree::read(node, path, &[], report)?;
        let is_text = node.scalar().is_some_and(|scalar| matches!(scalar.meaning(), Meaning::Text(_)));
        if is_text && !matches!(tree, Tree::Value(_)) {
            report.add(node.at, path, "a text is no JSON body", "write `{ $text: \"…\" }` for plain text, or a mapping");
            return None;
        }
        Some(Self::Json(tree))
    }

    const fn content_type(&self) -> Option<&'static str> {
        match self {
            Self::Json(_) => Some("application/json"),
            Self::Form(_) => Some("application/x-www-form-urlencoded"),
            Self::Text(_) => Some("text/plain; charset=utf-8"),
            Self::Empty => None,
        }
    }
}

pub(crate) fn read_method(node: &Node, path: &str, report: &mut Report) -> Option<Method> {
    let words = [
        ("POST", Method::POST),
        ("PUT", Method::PUT),
        ("PATCH", Method::PATCH),
        ("DELETE", Method::DELETE),
        ("GET", Method::GET),
    ];
    let known: Vec<(&str, &Method)> = words.iter().map(|(word, method)| (*word, method)).collect();
    crate::reader::choice(node, path, &known, report).cloned()
}

/// Reads headers into `headers`; one that is there already is replaced.
pub(crate) fn read_headers(node: &Node, path: &str, locals: &[String], headers: &mut Vec<Header>, report: &mut Report) -> bool {
    let Kind::Map(entries) = &node.kind else {
        report.add(node.at, path, format!("this is {}", node.describe()), "write a mapping from header names to templates");
        return false;
    };
    let mut clean = true;
    for (key, value) in entries {
        let place = join(path, &key.text);
        let (name, optional) = match key.text.strip_suffix('?') {
            Some(name) => (name, true),
            None => (key.text.as_str(), false),
        };
        let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
        let Some(name) = parsed.filter(|name| !is_connection_header(name.as_str())) else {
            report.add(
                key.at,
                &place,
                "a contract cannot set a header of this name",
                "header names have letters, digits and `-`; those of the connection are Bellwire's",
            );
            clean = false;
            continue;
        };
        let nodes: Vec<&Node> = match &value.kind {
            Kind::List(items) => items.iter().collect(),
            Kind::Scalar(_) | Kind::Map(_) => vec![value],
        };
        let templates: Vec<_> = nodes.into_iter().map(|node| Template::read(node, &place, locals, report)).collect();
        headers.retain(|header| header.name != name);
        match templates.into_iter().collect::<Option<Vec<_>>>() {
            Some(values) => headers.push(Header { name, optional, values }),
            None => clean = false,
        }
    }
    if headers.len() > HEADERS_MAX {
        report.add(node.at, path, format!("more than {HEADERS_MAX} headers"), "");
        clean = false;
    }
    clean
}

fn add_defaults(headers: &mut Vec<Header>, body: &Body, at: At) {
    let agent = concat!("Bellwire/", env!("CARGO_PKG_VERSION"));
    let defaults = [(http::header::CONTENT_TYPE, body.content_type()), (http::header::USER_AGENT, Some(agent))];
    for (name, value) in defaults {
        let Some(value) = value else { continue };
        if headers.iter().any(|header| header.name == name) {
            continue;
        }
        let template = Template { at, parts: vec![crate::template::Part::Text(value.to_owned())] };
        headers.push(Header { name, optional: false, values: vec![template] });
    }
}
