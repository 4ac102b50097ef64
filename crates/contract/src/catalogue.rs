//! Reads `events` and `test_event`: the catalogue of what can happen.

use bellwire_domain::EventType;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::diagnostic::{At, Report};
use crate::grammar::{Definition, KeySpec, Shape};
use crate::reader::{Fields, items, text};
use crate::request::{EVENT_REQUEST, RequestPlan};
use crate::schema::{self, DataSchema};
use crate::yaml::{Kind, Node};

/// The most events of a contract.
const EVENTS_MAX: usize = 1_000;
const KEYS: &[KeySpec] = &[
    TYPE,
    KeySpec::optional(
        "aliases",
        Shape::List { of: &Shape::TEXT, min: None, max: None },
        "Other names under which the event may be posted; `type` is what is stored and sent.",
    ),
    KeySpec::optional(
        "groups",
        Shape::List { of: &Shape::NAME, min: None, max: None },
        "Names that an endpoint may choose in place of the types in them.",
    ),
    TITLE,
    DESCRIPTION,
    KeySpec::optional("schema", Shape::Types(&["object", "boolean"]), "JSON Schema (2020-12) of the data."),
    KeySpec::optional("strict", Shape::FLAG, "Whether undeclared fields are refused."),
    KeySpec::optional("example", Shape::Any, "Data of such an event; it is checked and rendered when the contract is loaded."),
    KeySpec::optional("enabled_by_default", Shape::FLAG, "Whether an endpoint that names no events gets it."),
    KeySpec::optional("entitlement", Shape::TEXT, "What an account must be entitled to."),
    FIELDS,
    KeySpec::optional("request", EVENT_REQUEST, "What is different in this event's request."),
];
const TEST_KEYS: &[KeySpec] =
    &[TYPE, TITLE, DESCRIPTION, KeySpec::optional("data", Shape::Any, "Its data; `{}` unless given."), FIELDS];
const TYPE: KeySpec = KeySpec::required(
    "type",
    Shape::NAME,
    "The event's name; in the catalogue, `*` stands for all that are not listed.",
    "write the event's name, such as `order.created`",
);
const TITLE: KeySpec = KeySpec::optional("title", Shape::TEXT, "A short title.");
const DESCRIPTION: KeySpec = KeySpec::optional("description", Shape::TEXT, "What it means.");
const FIELDS: KeySpec = KeySpec::optional("fields", Shape::MAP, "Constants, for `event.fields`.");

/// The value of `events`.
pub(crate) const EVENTS: Shape = Shape::Named(&Definition {
    name: "events",
    about: "What can happen: a list of events, or `any` for every type.",
    shape: Shape::Either(&[Shape::Words(&["any"]), Shape::List { of: &EVENT, min: Some(1), max: None }]),
    examples: &[],
});
const EVENT: Shape =
    Shape::Named(&Definition { name: "event", about: "An event of the catalogue.", shape: Shape::Keys(KEYS), examples: &[] });
/// The value of `test_event`.
pub(crate) const TEST_EVENT: Shape = Shape::Named(&Definition {
    name: "test_event",
    about: "The event that is sent to try an endpoint.",
    shape: Shape::Keys(TEST_KEYS),
    examples: &[],
});

/// A kind of event.
#[derive(Debug)]
#[non_exhaustive]
pub struct EventDefinition {
    /// Its name; `*` in the definition for all names that are not listed.
    pub event_type: EventType,
    /// Other names under which a publisher may post it.
    pub aliases: Vec<EventType>,
    /// Names that an endpoint may choose in place of the types in them.
    pub groups: Vec<EventType>,
    /// A short title.
    pub title: String,
    /// What it means.
    pub description: Option<String>,
    /// Example data.
    pub example: Box<RawValue>,
    /// The JSON Schema of its data, as written.
    pub schema: Option<Value>,
    /// The entitlement that an account needs to receive it.
    pub entitlement: Option<String>,
    /// Whether an endpoint that names no events gets it.
    pub enabled_by_default: bool,
    /// Whether fields that the schema does not declare are refused.
    pub strict: bool,
    pub(crate) fields: Option<String>,
    pub(crate) checked_by: Option<DataSchema>,
    pub(crate) plan: Option<RequestPlan>,
}

impl EventDefinition {
    /// Whether `name` is its type or one of its aliases.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.event_type.as_str() == name || self.aliases.iter().any(|alias| alias.as_str() == name)
    }
}

/// The event that is sent to try an endpoint.
#[derive(Debug)]
#[non_exhaustive]
pub struct TestEvent {
    /// Its name.
    pub event_type: EventType,
    /// A short title.
    pub title: String,
    /// What it means.
    pub description: Option<String>,
    /// Its data.
    pub data: Box<RawValue>,
    pub(crate) fields: Option<String>,
}

/// The catalogue as it was read, with the requests that single events change.
#[derive(Default)]
pub(crate) struct Catalogue<'n> {
    pub(crate) events: Vec<EventDefinition>,
    pub(crate) any: Option<EventDefinition>,
    pub(crate) requests: Vec<(usize, &'n Node, String)>,
    pub(crate) places: Vec<At>,
    /// Whether every event could be read.
    pub(crate) is_complete: bool,
}

bellwire_domain::words! {
    /// What happens to fields that no schema declares.
    pub(crate) enum Undeclared {
        /// They are refused, and every event must have a schema.
        DeclaredOnly = "declared_only",
        /// The schema decides, by the rules of JSON Schema.
        Open = "open",
    }
}

/// Reads `events`.
pub(crate) fn read<'n>(node: &'n Node, undeclared: Undeclared, report: &mut Report) -> Catalogue<'n> {
    let mut catalogue = Catalogue { is_complete: true, ..Catalogue::default() };
    let items = match &node.kind {
        Kind::List(items) => items.as_slice(),
        Kind::Scalar(scalar) if scalar.text == "any" => {
            catalogue.any = any_event();
            &[]
        }
        Kind::Scalar(_) | Kind::Map(_) => {
            report.add(
                node.at,
                "events",
                format!("this is {}", node.describe()),
                "write a list of events, or `any` for every type",
            );
            &[]
        }
    };
    if items.len() > EVENTS_MAX {
        report.add(node.at, "events", format!("more than {EVENTS_MAX} events"), "");
    }
    if items.is_empty() && catalogue.any.is_none() {
        report.add(node.at, "events", "there is no event", "list at least one, or write `any`");
    }
    for (index, item) in items.iter().enumerate().take(EVENTS_MAX) {
        let path = format!("events[{index}]");
        let fields = Fields::open(item, &path, KEYS, report);
        let event = fields.as_ref().and_then(|fields| read_event(fields, undeclared, report));
        let (Some(fields), Some(event)) = (fields, event) else {
            catalogue.is_complete = false;
            continue;
        };
        if event.event_type.as_str() == "*" {
            if catalogue.any.replace(event).is_some() {
                report.add(item.at, &path, "`*` is given twice", "keep one");
            }
            continue;
        }
        let names = std::iter::once(&event.event_type).chain(&event.aliases);
        if names.clone().any(|name| catalogue.events.iter().any(|known| known.is_named(name.as_str()))) {
            report.add(
                fields.at("type"),
                &fields.path_of("type"),
                format!("the event `{}` is listed twice", event.event_type),
                "keep one",
            );
            continue;
        }
        if let Some(request) = fields.get("request") {
            catalogue.requests.push((catalogue.events.len(), request, fields.path_of("request")));
        }
        catalogue.events.push(event);
        catalogue.places.push(fields.at("example"));
    }
    check_groups(node, &catalogue.events, report);
    catalogue
}

/// A name stands for a group or for an event.
fn check_groups(node: &Node, events: &[EventDefinition], report: &mut Report) {
    for group in events.iter().flat_map(|event| &event.groups) {
        if events.iter().any(|event| event.is_named(group.as_str())) {
            report.add(
                node.at,
                "events",
                format!("`{group}` is the name of an event and of a group"),
                "give the group another name",
            );
        }
    }
}

fn read_event(fields: &Fields<'_>, undeclared: Undeclared, report: &mut Report) -> Option<EventDefinition> {
    let event_type = read_type(fields, report);
    let title = fields.label("title", report);
    let schema_value = match fields.get("schema") {
        Some(node) => Some(serde_json::from_str::<Value>(&node.to_json()).ok()?),
        None => None,
    };
    if undeclared == Undeclared::DeclaredOnly
        && schema_value.is_none()
        && event_type.as_ref().is_some_and(|name| name.as_str() != "*")
    {
        report.add(
            fields.at,
            &fields.path_of("schema"),
            "missing, and `data: declared_only` refuses what is not declared",
            "declare the fields of this event's data",
        );
    }
    let strict = fields.flag("strict", undeclared == Undeclared::DeclaredOnly, report);
    let checked_by = match (&schema_value, fields.get("schema")) {
        (Some(value), Some(node)) => match schema::compile(value, strict) {
            Ok(compiled) => Some(compiled),
            Err(message) => {
                report.add(node.at, &fields.path_of("schema"), format!("not a valid JSON Schema: {message}"), "");
                None
            }
        },
        _ => None,
    };
    let example_json = fields.get("example").map_or_else(|| "{}".to_owned(), Node::to_json);
    if let (Some(compiled), Ok(value)) = (&checked_by, serde_json::from_str::<Value>(&example_json)) {
        for error in schema::check(compiled, &value) {
            let place = format!("{}{}", fields.path_of("example"), error.pointer.replace('/', "."));
            report.add(fields.at("example"), &place, format!("the example does not match the schema: {}", error.message), "");
        }
    }
    let entitlement = fields.text("entitlement", report);
    let enabled_by_default = fields.flag("enabled_by_default", entitlement.is_none(), report);
    let event_type = event_type?;
    Some(EventDefinition {
        title: title.unwrap_or_else(|| event_type.as_str().to_owned()),
        event_type,
        aliases: read_names("aliases", fields, report),
        groups: read_names("groups", fields, report),
        description: fields.text("description", report),
        example: RawValue::from_string(example_json).ok()?,
        schema: schema_value,
        entitlement,
        enabled_by_default,
        strict,
        fields: read_constants(fields, report),
        checked_by,
        plan: None,
    })
}

/// Constants of an event, for `event.fields`.
fn read_constants(fields: &Fields<'_>, report: &mut Report) -> Option<String> {
    let node = fields.get("fields")?;
    if !matches!(node.kind, Kind::Map(_)) {
        report.add(
            node.at,
            &fields.path_of("fields"),
            format!("this is {}", node.describe()),
            "write a mapping from names to constants",
        );
    }
    Some(node.to_json())
}

/// Reads a list of names, which look like types.
fn read_names(key: &str, fields: &Fields<'_>, report: &mut Report) -> Vec<EventType> {
    let path = fields.path_of(key);
    let list = fields.get(key).and_then(|node| items(node, &path, "write a list of names", report)).unwrap_or_default();
    let mut names = Vec::new();
    for item in list {
        let Some(name) = text(item, &path, report) else { continue };
        match EventType::try_new(&name) {
            Ok(name) => names.push(name),
            Err(error) => report.add(item.at, &path, format!("`{name}` is not an event type"), error.to_string()),
        }
    }
    names
}

fn read_type(fields: &Fields<'_>, report: &mut Report) -> Option<EventType> {
    let node = fields.get("type")?;
    let name = text(node, &fields.path_of("type"), report)?;
    match EventType::try_new(&name) {
        Ok(event_type) => Some(event_type),
        Err(error) => {
            report.add(node.at, &fields.path_of("type"), format!("`{name}` is not an event type"), error.to_string());
            None
        }
    }
}

/// The definition that `events: any` stands for.
fn any_event() -> Option<EventDefinition> {
    Some(EventDefinition {
        event_type: EventType::try_new("*").ok()?,
        aliases: Vec::new(),
        groups: Vec::new(),
        title: "Any event".to_owned(),
        description: None,
        example: RawValue::from_string("{}".to_owned()).ok()?,
        schema: None,
        entitlement: None,
        enabled_by_default: true,
        strict: false,
        fields: None,
        checked_by: None,
        plan: None,
    })
}

/// Reads `test_event`.
pub(crate) fn read_test_event(node: &Node, report: &mut Report) -> Option<TestEvent> {
    let fields = Fields::open(node, "test_event", TEST_KEYS, report)?;
    let event_type = read_type(&fields, report)?;
    let data = fields.get("data").map_or_else(|| "{}".to_owned(), Node::to_json);
    Some(TestEvent {
        title: fields.label("title", report).unwrap_or_else(|| "Test".to_owned()),
        event_type,
        description: fields.text("description", report),
        data: RawValue::from_string(data).ok()?,
        fields: read_constants(&fields, report),
    })
}
