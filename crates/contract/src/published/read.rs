//! Reads `published`.

use std::str::FromStr;

use http::{HeaderName, Method, StatusCode};

use super::inputs::{self, Input};
use super::subject::Passed;
use super::{Answer, Authentication, ErrorKind, Errors, PublishedApi, PublishedRoute, Verb};
use crate::diagnostic::{Report, list, suggestion};
use crate::expression::{Expression, Path};
use crate::reader::{Fields, join, text};
use crate::request::{Header, read_headers, read_method};
use crate::resource::ResourceDefinition;
use crate::template::{Part, Template};
use crate::tree::Tree;
use crate::variables::Variable;
use crate::yaml::{Kind, Node};

/// The most routes of a contract.
const ROUTES_MAX: usize = 100;
const KEYS: &[&str] = &["title", "url", "authentication", "routes", "errors"];
const ROUTE_KEYS: &[&str] =
    &["method", "path", "title", "description", "does", "public", "account", "endpoint", "resource", "event", "page", "answer"];
const ERROR_NAMES: [&str; 4] = ["error.kind", "error.status", "error.message", "error.field"];

impl Verb {
    /// Whether it is about the contract itself, and about no account.
    pub(super) fn is_about_the_catalogue(self) -> bool {
        matches!(self, Self::ReadEventType | Self::ListEventTypes)
    }

    fn changes_something(self) -> bool {
        matches!(self, Self::RegisterEndpoint | Self::UpdateEndpoint | Self::DeleteEndpoint | Self::RotateSecret)
    }

    /// What it is given, and whether it must be.
    fn inputs(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::RegisterEndpoint => &[
                ("endpoint.url", true),
                ("endpoint.name", false),
                ("endpoint.events", false),
                ("endpoint.secret", false),
                ("endpoint.enabled", false),
            ],
            Self::ReadEndpoint | Self::DeleteEndpoint => &[("endpoint.id", true)],
            Self::UpdateEndpoint => &[
                ("endpoint.id", true),
                ("endpoint.url", false),
                ("endpoint.name", false),
                ("endpoint.events", false),
                ("endpoint.enabled", false),
            ],
            Self::RotateSecret => &[("endpoint.id", true), ("endpoint.secret", false), ("endpoint.overlap", false)],
            Self::ReadResource => &[("resource.id", true)],
            Self::ListEndpoints | Self::ListResources => &[("page.limit", false), ("page.after", false)],
            Self::ListEvents => &[
                ("event.type", false),
                ("event.since", false),
                ("event.until", false),
                ("page.limit", false),
                ("page.after", false),
            ],
            Self::ReadEventType => &[("event.type", true)],
            Self::ListEventTypes => &[],
        }
    }

    fn needs_kind(self) -> bool {
        matches!(self, Self::ReadResource | Self::ListResources)
    }
}

/// What the rest of a contract has for its routes.
pub(crate) struct Offered<'a> {
    /// The kinds that can be read.
    pub(crate) resources: &'a [ResourceDefinition],
    /// Whether an endpoint is read with its secret.
    pub(crate) endpoint_secrets: bool,
}

/// Reads `published`.
pub(crate) fn read(node: &Node, offered: &Offered<'_>, report: &mut Report) -> Option<PublishedApi> {
    let fields = Fields::open(node, "published", KEYS, report)?;
    let mut paths = matchit::Router::new();
    let mut routes: Vec<PublishedRoute> = Vec::new();
    let help = "list its routes: `- { method: GET, path: /orders/{id}, does: read_resource, … }`";
    let node = fields.require("routes", help, report)?;
    let Kind::List(items) = &node.kind else {
        report.add(node.at, "published.routes", format!("this is {}", node.describe()), help);
        return None;
    };
    if items.is_empty() || items.len() > ROUTES_MAX {
        report.add(node.at, "published.routes", format!("there are {} routes", items.len()), format!("list 1 to {ROUTES_MAX}"));
    }
    for (index, item) in items.iter().enumerate().take(ROUTES_MAX) {
        let Some(route) = read_route(item, &format!("published.routes[{index}]"), offered, report) else { continue };
        add_path(&mut paths, &routes, &route, item, report);
        routes.push(route);
    }
    Some(PublishedApi {
        title: fields.text("title", report),
        url: read_url(&fields, report),
        authentication: read_authentication(&fields, report)?,
        errors: read_errors(&fields, report)?,
        routes,
        paths,
    })
}

/// Puts a route beside those that are there, or says which one is in its way.
fn add_path(
    paths: &mut matchit::Router<Vec<usize>>,
    routes: &[PublishedRoute],
    route: &PublishedRoute,
    node: &Node,
    report: &mut Report,
) {
    let twin = routes.iter().find(|known| known.path == route.path);
    if routes.iter().any(|known| known.path == route.path && known.method == route.method) {
        let message = format!("there is another route for {} {}", route.method, route.path);
        report.add(node.at, &join(&route.place, "path"), message, "keep one");
    } else if let Some(twin) = twin {
        // The same path was accepted as it is, so it is found under its own text.
        if let Ok(found) = paths.at_mut(&twin.path) {
            found.value.push(routes.len());
        }
    } else if let Err(error) = paths.insert(route.path.clone(), vec![routes.len()]) {
        let message = match error {
            matchit::InsertError::Conflict { with } => format!("it cannot be told from the path {with}"),
            other => other.to_string(),
        };
        report.add(node.at, &join(&route.place, "path"), message, "name what varies alike in both, or change one of them");
    }
}

fn read_url(fields: &Fields<'_>, report: &mut Report) -> Option<String> {
    let node = fields.get("url")?;
    let place = fields.path_of("url");
    let text = text(node, &place, report)?;
    let is_base = url::Url::parse(&text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none());
    if !is_base || text.ends_with('/') {
        let help = "write where consumers reach it, without a `/` at the end: `https://api.example.com`";
        report.add(node.at, &place, format!("`{text}` is no such URL"), help);
    }
    Some(text)
}

fn read_authentication(fields: &Fields<'_>, report: &mut Report) -> Option<Authentication> {
    let Some(node) = fields.get("authentication") else {
        return Some(Authentication { header: http::header::AUTHORIZATION, scheme: Some("Bearer".to_owned()) });
    };
    let fields = Fields::open(node, "published.authentication", &["header", "scheme"], report)?;
    let header = fields.require("header", "name the header that has the API key: `header: x-api-key`", report)?;
    let place = fields.path_of("header");
    let Ok(name) = HeaderName::from_str(&text(header, &place, report)?) else {
        report.add(header.at, &place, "this is no header name", "write letters, digits and `-`");
        return None;
    };
    Some(Authentication { header: name, scheme: fields.text("scheme", report) })
}

fn read_errors(fields: &Fields<'_>, report: &mut Report) -> Option<Errors> {
    let help = "write how refusals look: `errors: { body: { message: \"{{ error.message }}\" } }`";
    let node = fields.require("errors", help, report)?;
    let fields = Fields::open(node, "published.errors", &["status", "headers", "body"], report)?;
    let mut statuses = Vec::new();
    if let Some(node) = fields.get("status") {
        let known: Vec<&str> = ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
        Fields::open(node, &fields.path_of("status"), &known, report)?;
        let Kind::Map(entries) = &node.kind else { return None };
        for (key, value) in entries {
            let kind = ErrorKind::ALL.iter().find(|kind| kind.as_str() == key.text);
            let status = read_status(value, &join(&fields.path_of("status"), &key.text), 400..600, report);
            statuses.extend(kind.copied().zip(status));
        }
    }
    let known = Known { names: ERROR_NAMES.to_vec(), route: None };
    let body = fields.require("body", help, report).and_then(|node| known.tree(node, &fields.path_of("body"), report));
    let headers = known.headers(&fields, body.is_some(), report);
    Some(Errors { statuses, headers: headers?, body: body? })
}

fn read_status(node: &Node, place: &str, range: std::ops::Range<u16>, report: &mut Report) -> Option<StatusCode> {
    let number = node.scalar().and_then(|scalar| scalar.text.parse::<u16>().ok()).filter(|status| range.contains(status));
    if number.is_none() {
        let help = format!("write a number from {} to {}", range.start, range.end - 1);
        report.add(node.at, place, "this is no such status", help);
    }
    StatusCode::from_u16(number?).ok()
}

fn read_route(node: &Node, place: &str, offered: &Offered<'_>, report: &mut Report) -> Option<PublishedRoute> {
    let fields = Fields::open(node, place, ROUTE_KEYS, report)?;
    let method = fields.require("method", "write `GET`, `POST`, `PUT`, `PATCH` or `DELETE`", report);
    let method = method.and_then(|node| read_method(node, &fields.path_of("method"), report));
    let path = fields.require("path", "write a path such as `/orders/{id}`", report);
    let path = path.and_then(|node| read_path(node, &fields.path_of("path"), report));
    let verbs: Vec<(&str, Verb)> = Verb::ALL.iter().map(|verb| (verb.as_str(), *verb)).collect();
    let does = fields.require(
        "does",
        &format!("write one of {}", list(&verbs.iter().map(|verb| verb.0).collect::<Vec<_>>())),
        report,
    )?;
    let verb = crate::reader::choice(does, &fields.path_of("does"), &verbs, report);
    let (method, path, verb) = (method?, path?, verb?);
    if verb.changes_something() && method == Method::GET {
        let message = format!("GET changes nothing, and `{}` does", verb.as_str());
        report.add(does.at, &fields.path_of("does"), message, "use `POST`, `PUT`, `PATCH` or `DELETE`");
    }
    let is_public = fields.flag("public", false, report);
    if is_public && !verb.is_about_the_catalogue() {
        let message = format!("`{}` is about an account, so it needs a key", verb.as_str());
        report.add(node.at, &fields.path_of("public"), message, "only `read_event_type` and `list_event_types` can be public");
    }
    let parameters = parameters(&path);
    let asked = Known { names: inputs::NAMES.to_vec(), route: Some((&method, &parameters)) };
    let inputs = read_inputs(&fields, verb, &asked, report);
    let kind = if verb.needs_kind() { read_kind(&fields, offered.resources, report) } else { None };
    let secret = (offered.endpoint_secrets && verb == Verb::ReadEndpoint).then_some("endpoint.secret");
    let names = inputs::NAMES.iter().copied().chain(Passed::names(verb)).chain(secret).collect();
    let told = Known { names, route: Some((&method, &parameters)) };
    let answer = read_answer(&fields, verb, &told, report);
    Some(PublishedRoute {
        title: fields.text("title", report),
        description: fields.text("description", report),
        verb,
        is_public,
        kind,
        inputs: inputs?,
        answer: answer?,
        place: place.to_owned(),
        method,
        path,
    })
}

/// A path with `{names}` in the place of whole segments.
fn read_path(node: &Node, place: &str, report: &mut Report) -> Option<String> {
    let path = text(node, place, report)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~$@:".contains(&byte);
    let word = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let segment = |segment: &str| match segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
        Some(name) => name.starts_with(|first: char| first.is_ascii_lowercase()) && word(name),
        None => !segment.is_empty() && segment.bytes().all(plain),
    };
    let fits = path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment)) && path.len() <= 256;
    let mut names = parameters(&path);
    names.sort_unstable();
    if !fits || names.windows(2).any(|pair| pair.first() == pair.last()) {
        let help = "start with `/`; what varies is a whole segment with a name of its own in lower case, as in `/orders/{id}`";
        report.add(node.at, place, format!("`{path}` is no path of a route"), help);
        return None;
    }
    Some(path)
}

fn parameters(path: &str) -> Vec<&str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).collect()
}

fn read_inputs(fields: &Fields<'_>, verb: Verb, known: &Known<'_>, report: &mut Report) -> Option<Vec<Input>> {
    let mut inputs = Vec::new();
    if let Some(node) = fields.get("account") {
        let place = fields.path_of("account");
        if verb.is_about_the_catalogue() {
            report.add(node.at, &place, format!("`{}` is about no account", verb.as_str()), "leave it out");
        }
        let tree = known.tree(node, &place, report)?;
        inputs.push(Input { name: "account.id", field: inputs::field_of(&tree), tree, is_required: true });
    }
    for section in ["endpoint", "resource", "event", "page"] {
        let wanted: Vec<(&'static str, &'static str, bool)> = verb
            .inputs()
            .iter()
            .filter_map(|(name, required)| Some((*name, name.strip_prefix(section)?.strip_prefix('.')?, *required)))
            .collect();
        let takes_kind = section == "resource" && verb.needs_kind();
        let Some(node) = fields.get(section) else {
            for (_, key, _) in wanted.iter().filter(|(_, _, required)| *required) {
                let help = format!("write `{section}: {{ {key}: … }}`, which `{}` needs", verb.as_str());
                report.add(fields.at, &join(&fields.path_of(section), key), "missing", help);
            }
            continue;
        };
        if wanted.is_empty() && !takes_kind {
            report.add(node.at, &fields.path_of(section), format!("`{}` takes no `{section}`", verb.as_str()), "leave it out");
            continue;
        }
        let marked: Vec<String> = wanted.iter().filter(|entry| !entry.2).map(|entry| format!("{}?", entry.1)).collect();
        let mut keys: Vec<&str> = wanted.iter().map(|entry| entry.1).chain(marked.iter().map(String::as_str)).collect();
        keys.extend(takes_kind.then_some("kind"));
        let inner = Fields::open(node, &fields.path_of(section), &keys, report)?;
        for (name, key, required) in wanted {
            // A key without `?` must have a value in every request; with it, it may be left out.
            let optional = inner.get(&format!("{key}?"));
            let Some(node) = inner.get(key).or(optional) else {
                if required {
                    report.add(inner.at, &inner.path_of(key), "missing", format!("`{}` needs it", verb.as_str()));
                }
                continue;
            };
            let tree = known.tree(node, &inner.path_of(key), report)?;
            inputs.push(Input { name, field: inputs::field_of(&tree), tree, is_required: optional.is_none() });
        }
    }
    Some(inputs)
}

fn read_kind(fields: &Fields<'_>, resources: &[ResourceDefinition], report: &mut Report) -> Option<String> {
    let place = join(&fields.path_of("resource"), "kind");
    let Some(Kind::Map(entries)) = fields.get("resource").map(|node| &node.kind) else {
        report.add(fields.at, &place, "missing", "name a kind of `resources`: `resource: { kind: order, … }`");
        return None;
    };
    let Some((_, node)) = entries.iter().find(|(key, _)| key.text == "kind") else {
        report.add(fields.at, &place, "missing", "name a kind of `resources`");
        return None;
    };
    let kind = text(node, &place, report)?;
    if !resources.iter().any(|known| known.kind() == kind) {
        let known: Vec<&str> = resources.iter().map(ResourceDefinition::kind).collect();
        report.add(node.at, &place, format!("`resources` has no kind `{kind}`"), suggestion(&kind, &known));
    }
    Some(kind)
}

fn read_answer(fields: &Fields<'_>, verb: Verb, known: &Known<'_>, report: &mut Report) -> Option<Answer> {
    let usual = if verb == Verb::RegisterEndpoint { StatusCode::CREATED } else { StatusCode::OK };
    let node = fields.require("answer", "write what it answers: `answer: { status: 200, body: { … } }`", report)?;
    let fields = Fields::open(node, &fields.path_of("answer"), &["status", "headers", "body"], report)?;
    let status = match fields.get("status") {
        Some(node) => read_status(node, &fields.path_of("status"), 200..300, report)?,
        None => usual,
    };
    let body = match fields.get("body") {
        Some(node) if status == StatusCode::NO_CONTENT => {
            report.add(node.at, &fields.path_of("body"), "an answer with status 204 has no body", "leave one of them out");
            None
        }
        Some(node) => Some(known.tree(node, &fields.path_of("body"), report)?),
        None => None,
    };
    let headers = known.headers(&fields, body.is_some(), report)?;
    Some(Answer { status, headers, body })
}

/// What templates may name in one place.
struct Known<'a> {
    names: Vec<&'static str>,
    /// The route's method and the names in its path.
    route: Option<(&'a Method, &'a [&'a str])>,
}

impl Known<'_> {
    fn locals(&self) -> Vec<String> {
        self.names.iter().map(ToString::to_string).collect()
    }

    fn tree(&self, node: &Node, place: &str, report: &mut Report) -> Option<Tree> {
        let tree = Tree::read(node, place, &self.locals(), report)?;
        tree.visit(&mut |expression| self.check(expression, place, report));
        Some(tree)
    }

    /// The headers, with the type of a body that is JSON unless they say another one.
    fn headers(&self, fields: &Fields<'_>, has_body: bool, report: &mut Report) -> Option<Vec<Header>> {
        let mut headers = Vec::new();
        let place = fields.path_of("headers");
        if let Some(node) = fields.get("headers")
            && !read_headers(node, &place, &self.locals(), &mut headers, report)
        {
            return None;
        }
        for expression in headers.iter().flat_map(|header| &header.values).flat_map(Template::expressions) {
            self.check(expression, &place, report);
        }
        if has_body && !headers.iter().any(|header| header.name == http::header::CONTENT_TYPE) {
            let value = Template { at: fields.at, parts: vec![Part::Text("application/json".to_owned())] };
            headers.push(Header { name: http::header::CONTENT_TYPE, optional: false, values: vec![value] });
        }
        Some(headers)
    }

    fn check(&self, expression: &Expression, place: &str, report: &mut Report) {
        for path in &expression.paths {
            if let Variable::Local(name) = &path.variable {
                self.check_inside(name, path, expression, place, report);
            }
        }
    }

    fn check_inside(&self, name: &str, path: &Path, expression: &Expression, place: &str, report: &mut Report) {
        let Some((method, parameters)) = self.route else { return };
        let inside = path.inside().first().copied();
        let wrong = match (name, inside) {
            ("request.path", Some(field)) if !parameters.contains(&field) => {
                Some((format!("the path has no `{{{field}}}`"), suggestion(field, parameters)))
            }
            ("request.header", Some(field)) if field.chars().any(|character| character.is_ascii_uppercase()) => {
                Some((format!("`{field}` is never found"), "write header names in lower case".to_owned()))
            }
            ("request.body", _) if *method == Method::GET => {
                Some(("a GET has no body".to_owned(), "use `request.query` or `request.path`".to_owned()))
            }
            ("request.path" | "request.query" | "request.header", None) => {
                Some((format!("`{name}` alone is no value"), format!("write `{name}.` and a name")))
            }
            _ => None,
        };
        if let Some((message, help)) = wrong {
            report.add(expression.at, place, message, help);
        }
    }
}
