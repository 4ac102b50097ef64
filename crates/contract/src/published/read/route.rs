//! Reads the routes of a published API.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::diagnostic::{Report, suggestion};
use crate::grammar::{Definition, KeySpec, Shape};
use crate::published::api::{Answer, PublishedRoute};
use crate::published::inputs::{self, Input};
use crate::published::read::known::Known;
use crate::published::read::meant::meant;
use crate::published::read::refuse::{REFUSE, read_refusals};
use crate::published::read::status::{ANSWER_STATUSES, read_status, status_schema};
use crate::published::verb::Verb;
use crate::reader::{Fields, join, text};
use crate::request::{HEADERS, RequestMethod};
use crate::resource::ResourceDefinition;
use crate::subscription::SecretSource;
use crate::tree::TREE;
use crate::yaml::{Kind, Node};

/// A route of a published API.
pub(crate) const ROUTE: Shape = Shape::Named(&Definition {
    name: "published_route",
    about: "A route: what it does, what it is given, and what it answers.",
    shape: Shape::Keys(KEYS),
    examples: &[],
});
const KEYS: &[KeySpec] = &[
    KeySpec::required(
        "method",
        Shape::Words(RequestMethod::WORDS),
        "The method.",
        "write `GET`, `POST`, `PUT`, `PATCH` or `DELETE`",
    ),
    KeySpec::required(
        "path",
        Shape::Pattern("^/"),
        "The path. What varies is a whole segment: `{id}`.",
        "write a path such as `/orders/{id}`",
    ),
    KeySpec::optional("when", Shape::TEXT, "Which requests it takes, where other routes have the same method and path."),
    KeySpec::optional("title", Shape::TEXT, "A name for people."),
    KeySpec::optional("description", Shape::TEXT, "What it is."),
    KeySpec::required(
        "does",
        Shape::Words(Verb::WORDS),
        "What it does.",
        "write what it does, such as `register_endpoint` or `read_resource`",
    ),
    KeySpec::optional("public", Shape::FLAG, "Whether it takes no key."),
    KeySpec::optional("refuse", REFUSE, "Its own checks of a request."),
    KeySpec::optional("account", TREE, "The account that the request names: the caller's own."),
    KeySpec::optional("endpoint", Shape::Computed(|| section_schema("endpoint")), "What it is given about an endpoint."),
    KeySpec::optional("resource", Shape::Computed(|| section_schema("resource")), "What it is given about a resource."),
    KeySpec::optional("event", Shape::Computed(|| section_schema("event")), "What it is given about events."),
    KeySpec::optional("delivery", Shape::Computed(|| section_schema("delivery")), "Which deliveries it is about."),
    KeySpec::optional("page", Shape::Computed(|| section_schema("page")), "Which page of a list is asked for."),
    KeySpec::required("answer", ANSWER, "What it answers.", "write what it answers: `answer: { status: 200, body: { … } }`"),
];
const ANSWER: Shape = Shape::Named(&Definition {
    name: "published_answer",
    about: "What a route answers.",
    shape: Shape::Keys(ANSWER_KEYS),
    examples: &[],
});
const ANSWER_KEYS: &[KeySpec] = &[
    KeySpec::optional("status", Shape::Computed(|| status_schema(ANSWER_STATUSES)), "The status when nothing is wrong."),
    HEADERS,
    KeySpec::optional("body", TREE, "The body."),
];
/// Where a route writes what its verb is given.
const SECTIONS: [&str; 5] = ["endpoint", "resource", "event", "delivery", "page"];

/// Every key that any verb takes in a section.
fn section_schema(section: &str) -> Value {
    let mut members = Map::new();
    for wanted in Verb::ALL.iter().flat_map(|verb| wanted(*verb, section)) {
        members.insert(wanted.marked(), json!({ "$ref": "#/$defs/tree" }));
        members.insert(wanted.key.to_owned(), json!({ "$ref": "#/$defs/tree" }));
    }
    if section == "resource" {
        members.insert("kind".to_owned(), json!({ "type": "string", "description": "A kind of `resources`." }));
    }
    json!({ "type": "object", "additionalProperties": false, "properties": members })
}

/// What the rest of a contract offers to its routes.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact by itself")]
pub(crate) struct Offered<'a> {
    /// The kinds that can be read.
    pub(crate) resources: &'a [ResourceDefinition],
    /// Whether reading an endpoint shows its secret.
    pub(crate) endpoint_secrets: bool,
    /// Where secrets come from, if they are private keys, of which an answer shows the public half.
    pub(crate) private_keys_from: Option<SecretSource>,
    /// Whether the secrets themselves are such.
    pub(crate) secrets_are_keys: bool,
    /// Whether there is a handshake.
    pub(crate) has_activation: bool,
    /// Whether endpoints are confirmed by their receivers.
    pub(crate) is_confirmed: bool,
}

/// Reads one route.
pub(crate) fn read_route(node: &Node, place: &str, offered: &Offered<'_>, report: &mut Report) -> Option<PublishedRoute> {
    let fields = Fields::open(node, place, KEYS, report)?;
    let method = fields.word::<RequestMethod>("method", report).map(Method::from);
    let path = fields.get("path").and_then(|node| read_path(node, &fields.path_of("path"), report));
    let verb = read_verb(&fields, report);
    let (method, path, verb) = (method?, path?, verb?);
    if verb.changes_something() && method == Method::GET {
        let message = format!("GET changes nothing, and `{verb}` does");
        report.add(fields.at("does"), &fields.path_of("does"), message, "use `POST`, `PUT`, `PATCH` or `DELETE`");
    }
    if verb == Verb::ConfirmEndpoint && !offered.is_confirmed {
        let help = "describe the handshake that it ends: `activation: { confirmed_by: receiver, steps: [ … ] }`";
        report.add(fields.at("does"), &fields.path_of("does"), "nothing in this contract is to be confirmed", help);
    }
    if verb == Verb::ListKeys && offered.private_keys_from.is_none() {
        let help = "sign with a private key, or leave the route out";
        report.add(fields.at("does"), &fields.path_of("does"), "nothing in this contract signs with a private key", help);
    }
    if let Some(node) = fields.get("endpoint")
        && verb == Verb::UpdateEndpoint
        && !offered.has_activation
        && has_key(node, "activate")
    {
        let help = "describe the handshake: `activation: { steps: [ … ] }`";
        report.add(node.at, &join(&fields.path_of("endpoint"), "activate"), "this contract has no handshake to begin", help);
    }
    let is_public = fields.flag("public", false, report);
    let may_be_public =
        verb.names_no_account() || verb == Verb::ListKeys && offered.private_keys_from == Some(SecretSource::Contract);
    if is_public && !may_be_public {
        let message = format!("`{verb}` is about an account, so it needs a key");
        report.add(
            node.at,
            &fields.path_of("public"),
            message,
            "only `read_event_type`, `list_event_types` and `confirm_endpoint` can be public, and `list_keys` where the contract has the keys",
        );
    }
    let parameters = parameters(&path);
    let asked = Known { names: inputs::NAMES.to_vec(), route: Some((&method, &parameters)) };
    let when = fields.get("when").map(|node| asked.condition(node, &fields.path_of("when"), report));
    let refusals = match fields.get("refuse") {
        Some(node) => read_refusals(node, &fields.path_of("refuse"), &asked, report),
        None => Some(Vec::new()),
    };
    let inputs = read_inputs(&fields, verb, &asked, report);
    let kind = if verb.needs_kind() { read_kind(&fields, offered.resources, report) } else { None };
    let secret = (offered.endpoint_secrets && verb == Verb::ReadEndpoint).then_some("endpoint.secret");
    let shows_key = matches!(verb, Verb::RegisterEndpoint | Verb::PutEndpoint | Verb::RotateSecret | Verb::ReadEndpoint);
    let key = (offered.private_keys_from.is_some() && shows_key).then_some("endpoint.key");
    let own = verb.names(is_public).into_iter().filter(|name| !(offered.secrets_are_keys && *name == "endpoint.secret"));
    let is_drawn = matches!(verb, Verb::RegisterEndpoint | Verb::PutEndpoint | Verb::RotateSecret);
    let version = (is_drawn || secret.is_some() || key.is_some()).then_some("endpoint.secret_version");
    let names = inputs::NAMES.iter().copied().chain(own).chain(secret).chain(key).chain(version).collect();
    let told = Known { names, route: Some((&method, &parameters)) };
    let answer = read_answer(&fields, verb, &told, report);
    Some(PublishedRoute {
        title: fields.text("title", report),
        description: fields.text("description", report),
        verb,
        is_public,
        kind,
        when: when.map_or(Some(None), |when| when.map(Some))?,
        refusals: refusals?,
        inputs: inputs?,
        answer: answer?,
        place: place.to_owned(),
        method,
        path,
    })
}

/// What it does. A verb by another name is not a slip of the pen, and the one that is meant may look quite different.
fn read_verb(fields: &Fields<'_>, report: &mut Report) -> Option<Verb> {
    let node = fields.get("does")?;
    let text = node.scalar().map_or("", |scalar| scalar.text.as_str());
    if Verb::parse(text).is_none()
        && let Some(meant) = meant(text)
    {
        report.add(node.at, &fields.path_of("does"), format!("unknown value `{text}`"), format!("did you mean `{meant}`?"));
        return None;
    }
    fields.word("does", report)
}

/// Whether a mapping has a key, marked as optional or not.
fn has_key(node: &Node, name: &str) -> bool {
    matches!(&node.kind, Kind::Map(entries) if entries.iter().any(|(key, _)| key.text.trim_end_matches('?') == name))
}

/// Reads a path in which whole segments may be `{names}`.
pub(super) fn read_path(node: &Node, place: &str, report: &mut Report) -> Option<String> {
    let path = text(node, place, report)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~$@:".contains(&byte);
    let word = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let segment = |segment: &str| match segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
        Some(name) => name.starts_with(|first: char| first.is_ascii_lowercase()) && word(name),
        None => !segment.is_empty() && segment.bytes().all(plain),
    };
    // A slash at the end is part of the path, as some documents have it.
    let segments = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(&path);
    let fits = segments.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment)) && path.len() <= 256;
    let mut names = parameters(&path);
    names.sort_unstable();
    if !fits || names.windows(2).any(|pair| pair.first() == pair.last()) {
        let help = "start with `/`; what varies is a whole segment with a name of its own in lower case, as in `/orders/{id}`";
        report.add(node.at, place, format!("`{path}` is not the path of a route"), help);
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
        if verb.names_no_account() {
            report.add(node.at, &place, format!("`{verb}` names no account"), "leave it out");
        }
        let tree = known.tree(node, &place, report)?;
        inputs.push(Input { name: "account.id", field: inputs::first_field(&tree), tree, is_required: true });
    }
    for section in SECTIONS {
        let wanted: Vec<Wanted> = wanted(verb, section).collect();
        let takes_kind = section == "resource" && verb.needs_kind();
        let Some(node) = fields.get(section) else {
            for wanted in wanted.iter().filter(|wanted| wanted.is_required) {
                let key = wanted.key;
                let help = format!("write `{section}: {{ {key}: … }}`, which `{verb}` needs");
                report.add(fields.at, &join(&fields.path_of(section), key), "missing", help);
            }
            continue;
        };
        if wanted.is_empty() && !takes_kind {
            report.add(node.at, &fields.path_of(section), format!("`{verb}` takes no `{section}`"), "leave it out");
            continue;
        }
        let marked: Vec<String> = wanted.iter().filter(|wanted| !wanted.is_required).map(Wanted::marked).collect();
        let mut keys: Vec<&str> = wanted.iter().map(|wanted| wanted.key).chain(marked.iter().map(String::as_str)).collect();
        keys.extend(takes_kind.then_some("kind"));
        let section = Fields::open_with(node, &fields.path_of(section), &keys, report)?;
        read_section(&section, &wanted, known, &mut inputs, report)?;
        for wanted in wanted.iter().filter(|wanted| wanted.is_required && section.get(wanted.key).is_none()) {
            report.add(section.at, &section.path_of(wanted.key), "missing", format!("`{verb}` needs it"));
        }
    }
    Some(inputs)
}

/// Something that a verb can be given in one of the sections.
struct Wanted {
    /// Such as `endpoint.url`.
    name: &'static str,
    /// Its key in the section.
    key: &'static str,
    is_required: bool,
}

impl Wanted {
    /// The key as it is written when a request may leave the value out.
    fn marked(&self) -> String {
        format!("{}?", self.key)
    }
}

fn wanted(verb: Verb, section: &str) -> impl Iterator<Item = Wanted> {
    verb.inputs().into_iter().filter_map(move |(name, is_required)| {
        let key = name.strip_prefix(section)?.strip_prefix('.')?;
        Some(Wanted { name, key, is_required })
    })
}

/// Reads the keys of a section. One without `?` must have a value in every request.
fn read_section(
    section: &Fields<'_>,
    wanted: &[Wanted],
    known: &Known<'_>,
    inputs: &mut Vec<Input>,
    report: &mut Report,
) -> Option<()> {
    for wanted in wanted {
        let marked = section.get(&wanted.marked());
        let Some(node) = section.get(wanted.key).or(marked) else { continue };
        let tree = known.tree(node, &section.path_of(wanted.key), report)?;
        inputs.push(Input { name: wanted.name, field: inputs::first_field(&tree), tree, is_required: marked.is_none() });
    }
    Some(())
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
    let fields = Fields::open(fields.get("answer")?, &fields.path_of("answer"), ANSWER_KEYS, report)?;
    let status = match fields.get("status") {
        Some(node) => read_status(node, &fields.path_of("status"), ANSWER_STATUSES, report)?,
        None => usual,
    };
    let body = match fields.get("body") {
        Some(node) if status == StatusCode::NO_CONTENT => {
            report.add(node.at, &fields.path_of("body"), "an answer with status 204 has no body", "leave one of them out");
            None
        }
        Some(node) => Some(known.body(node, &fields.path_of("body"), report)?),
        None => None,
    };
    let headers = known.headers(&fields, body.as_ref(), report)?;
    Some(Answer { status, headers, body })
}
