//! Reads `resources`.

use bellwire_domain::EventType;
use bellwire_domain::resource::{Lifecycle, Rule, STATES_MAX, StateId, StateSet, Trigger};

use super::document::{Condition, DocumentPath};
use super::{EventRule, ResourceDefinition};
use crate::catalogue::Catalogue;
use crate::diagnostic::{At, Report, suggestion};
use crate::expression::Expression;
use crate::reader::{Fields, join, text};
use crate::template::Template;
use crate::tree::Tree;
use crate::variables::Variable;
use crate::yaml::{Kind, Node};

/// The most kinds of a contract, and rules of a kind.
const KINDS_MAX: usize = 100;
const RULES_MAX: usize = 200;
const KEYS: &[&str] = &["title", "description", "id", "state", "states", "starts_in", "transitions", "final", "events"];
const EVENT_KEYS: &[&str] = &["type", "when", "in", "before", "after", "where", "each_item", "id", "data"];
const TRIGGER_KEYS: &[&str] = &["reached", "changed", "grew"];
const TRIGGER_HELP: &str =
    "write `created`, `state_changed`, `{ reached: [state] }`, `{ changed: field }`, `{ grew: field }`, or a list of these";

/// Reads `resources`; the catalogue says which events there are.
pub(crate) fn read(node: Option<&Node>, catalogue: &Catalogue<'_>, report: &mut Report) -> Vec<ResourceDefinition> {
    let Some(node) = node else { return Vec::new() };
    let Kind::Map(entries) = &node.kind else {
        let help = "write a mapping from kinds to resources: `order: { state: status, states: [open, closed], events: [ … ] }`";
        report.add(node.at, "resources", format!("this is {}", node.describe()), help);
        return Vec::new();
    };
    if entries.len() > KINDS_MAX {
        report.add(node.at, "resources", format!("more than {KINDS_MAX} kinds"), "");
    }
    let read = |(key, node): &(crate::yaml::Key, Node)| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
        let path = join("resources", &key.text);
        if key.text.is_empty() || key.text.len() > 64 || !key.text.bytes().all(plain) {
            let help = "write letters in lower case, digits, `-`, `.` and `_`";
            report.add(key.at, &path, format!("`{}` is no kind of resource", key.text), help);
        }
        read_kind(&key.text, &path, node, catalogue, report)
    };
    entries.iter().filter_map(read).collect()
}

fn read_kind(kind: &str, path: &str, node: &Node, catalogue: &Catalogue<'_>, report: &mut Report) -> Option<ResourceDefinition> {
    let fields = Fields::open(node, path, KEYS, report)?;
    let id = fields.get("id").and_then(|node| document_path(node, &fields.path_of("id"), report));
    let state = fields
        .require("state", "write the field of the document that has the state, such as `state: status`", report)
        .and_then(|node| document_path(node, &fields.path_of("state"), report));
    let states = States(read_states(&fields, report)?);
    let mut compiler = Rules { states: &states, catalogue, fields: Vec::new(), conditions: Vec::new() };
    let mut rules = Vec::new();
    let mut events = Vec::new();
    let list = fields.require("events", "list what changes cause: `- { type: order.created, when: created }`", report);
    for (index, item) in list.map(|node| items(node, &fields.path_of("events"), report)).unwrap_or_default().iter().enumerate() {
        if let Some((rule, event)) = compiler.read_rule(item, &format!("{path}.events[{index}]"), report) {
            rules.push(rule);
            events.push(event);
        }
    }
    if events.len() > RULES_MAX {
        report.add(node.at, &fields.path_of("events"), format!("more than {RULES_MAX} rules"), "");
    }
    let (fields_named, conditions) = (compiler.fields, compiler.conditions);
    let starts_in = fields.get("starts_in").and_then(|node| states.one(node, &fields.path_of("starts_in"), report));
    let lifecycle = Lifecycle {
        starts_in,
        next: states.read_transitions(&fields, report),
        last: states.set(fields.get("final"), &fields.path_of("final"), report).unwrap_or_default(),
        rules,
    };
    Some(ResourceDefinition {
        kind: kind.to_owned(),
        title: fields.text("title", report).unwrap_or_else(|| kind.to_owned()),
        description: fields.text("description", report),
        id,
        state: state?,
        states: states.0,
        lifecycle,
        fields: fields_named,
        conditions,
        events,
    })
}

fn read_states(fields: &Fields<'_>, report: &mut Report) -> Option<Vec<String>> {
    let path = fields.path_of("states");
    let node = fields.require("states", "list the states: `states: [open, closed]`", report)?;
    let mut states: Vec<String> = Vec::new();
    for item in items(node, &path, report) {
        let Some(name) = text(item, &path, report) else { continue };
        if name.is_empty() || states.contains(&name) {
            report.add(item.at, &path, format!("the state `{name}` is empty or listed twice"), "keep one");
        } else {
            states.push(name);
        }
    }
    if states.is_empty() || states.len() > STATES_MAX {
        report.add(node.at, &path, format!("there are {} states", states.len()), format!("list 1 to {STATES_MAX}"));
        return None;
    }
    Some(states)
}

/// The names of a kind's states.
struct States(Vec<String>);

impl States {
    fn one(&self, node: &Node, path: &str, report: &mut Report) -> Option<StateId> {
        let name = text(node, path, report)?;
        self.find(&name, node.at, path, report)
    }

    fn find(&self, name: &str, at: At, path: &str, report: &mut Report) -> Option<StateId> {
        let found = self.0.iter().position(|state| state == name).and_then(StateId::try_new);
        if found.is_none() {
            let known: Vec<&str> = self.0.iter().map(String::as_str).collect();
            report.add(at, path, format!("unknown state `{name}`"), suggestion(name, &known));
        }
        found
    }

    /// One state or a list of them.
    fn set(&self, node: Option<&Node>, path: &str, report: &mut Report) -> Option<StateSet> {
        let node = node?;
        let items = if let Kind::List(items) = &node.kind { items.as_slice() } else { std::slice::from_ref(node) };
        Some(items.iter().filter_map(|item| self.one(item, path, report)).collect())
    }

    fn read_transitions(&self, fields: &Fields<'_>, report: &mut Report) -> Vec<Option<StateSet>> {
        let mut next = vec![None; self.0.len()];
        let Some(node) = fields.get("transitions") else { return next };
        let path = fields.path_of("transitions");
        let Kind::Map(entries) = &node.kind else {
            let help = "write a mapping from each state to those that may follow it: `open: [closed]`";
            report.add(node.at, &path, format!("this is {}", node.describe()), help);
            return next;
        };
        for (key, node) in entries {
            let Some(from) = self.find(&key.text, key.at, &path, report) else { continue };
            if let Some(slot) = next.get_mut(from.index()) {
                *slot = self.set(Some(node), &join(&path, &key.text), report);
            }
        }
        next
    }
}

/// Reads rules, and collects the fields and conditions they name.
struct Rules<'a, 'n> {
    states: &'a States,
    catalogue: &'a Catalogue<'n>,
    fields: Vec<DocumentPath>,
    conditions: Vec<Condition>,
}

impl Rules<'_, '_> {
    fn read_rule(&mut self, node: &Node, path: &str, report: &mut Report) -> Option<(Rule, EventRule)> {
        let fields = Fields::open(node, path, EVENT_KEYS, report)?;
        let event_type = self.read_type(&fields, report);
        let triggers = match fields.require("when", TRIGGER_HELP, report) {
            Some(node) => self.read_triggers(node, &fields.path_of("when"), report),
            None => Vec::new(),
        };
        let mut states = |key: &str| self.states.set(fields.get(key), &fields.path_of(key), report);
        let (only_in, before, after) = (states("in"), states("before"), states("after"));
        let conditions = self.read_conditions(&fields, report);
        let each_item = fields.flag("each_item", false, report);
        if each_item && !triggers.iter().any(|trigger| matches!(trigger, Trigger::ListGrew(_))) {
            let help = "write `when: { grew: field }`, or leave `each_item` out";
            report.add(fields.at, &fields.path_of("each_item"), "no list grows here", help);
        }
        if let (true, Some(node)) = (each_item, fields.get("id")) {
            let help = "leave `id` out, and each event gets an id of its own";
            report.add(node.at, &fields.path_of("id"), "the events of several items cannot share one id", help);
        }
        let (id, data) = read_templates(&fields, report);
        let rule = Rule { triggers, only_in, before: before.unwrap_or_default(), after, conditions, each_item };
        Some((rule, EventRule { event_type: event_type?, id, data }))
    }

    /// The event's type as the catalogue has it.
    fn read_type(&self, fields: &Fields<'_>, report: &mut Report) -> Option<EventType> {
        let node = fields.require("type", "write the type of an event of the catalogue", report)?;
        let path = fields.path_of("type");
        let name = text(node, &path, report)?;
        if let Some(event) = self.catalogue.events.iter().find(|event| event.is_named(&name)) {
            return Some(event.event_type.clone());
        }
        if self.catalogue.any.is_some()
            && let Ok(event_type) = EventType::try_new(&name)
        {
            return Some(event_type);
        }
        let known: Vec<&str> = self.catalogue.events.iter().map(|event| event.event_type.as_str()).collect();
        report.add(node.at, &path, format!("the catalogue has no event `{name}`"), suggestion(&name, &known));
        None
    }

    fn read_triggers(&mut self, node: &Node, path: &str, report: &mut Report) -> Vec<Trigger> {
        let items = if let Kind::List(items) = &node.kind { items.as_slice() } else { std::slice::from_ref(node) };
        if items.is_empty() {
            report.add(node.at, path, "nothing is listed", TRIGGER_HELP);
        }
        items.iter().filter_map(|item| self.read_trigger(item, path, report)).collect()
    }

    fn read_trigger(&mut self, node: &Node, path: &str, report: &mut Report) -> Option<Trigger> {
        if let Some(word) = node.scalar() {
            return match word.text.as_str() {
                "created" => Some(Trigger::Created),
                "state_changed" => Some(Trigger::StateChanged),
                unknown => {
                    let mut known = vec!["created", "state_changed"];
                    known.extend_from_slice(TRIGGER_KEYS);
                    report.add(node.at, path, format!("`{unknown}` alone is nothing that happens"), suggestion(unknown, &known));
                    None
                }
            };
        }
        let fields = Fields::open(node, path, TRIGGER_KEYS, report)?;
        let given: Vec<&str> = TRIGGER_KEYS.iter().copied().filter(|key| fields.get(key).is_some()).collect();
        let [key] = given.as_slice() else {
            report.add(node.at, path, "not exactly one thing that happens", TRIGGER_HELP);
            return None;
        };
        let (node, place) = (fields.get(key)?, fields.path_of(key));
        match *key {
            "reached" => self.states.set(Some(node), &place, report).map(Trigger::Reached),
            "grew" => self.field(node, &place, report).map(Trigger::ListGrew),
            _ => self.field(node, &place, report).map(Trigger::FieldChanged),
        }
    }

    /// The place of a field among those that rules look at.
    fn field(&mut self, node: &Node, path: &str, report: &mut Report) -> Option<usize> {
        Some(place_of(&mut self.fields, document_path(node, path, report)?))
    }

    fn read_conditions(&mut self, fields: &Fields<'_>, report: &mut Report) -> Vec<usize> {
        let Some(node) = fields.get("where") else { return Vec::new() };
        let path = fields.path_of("where");
        let items = if let Kind::List(items) = &node.kind { items.as_slice() } else { std::slice::from_ref(node) };
        let mut places = Vec::new();
        for item in items {
            let Some(fields) = Fields::open(item, &path, &["field", "equals"], report) else { continue };
            let Some(field) = fields.require("field", "write a field of the document", report) else { continue };
            let Some(field) = document_path(field, &fields.path_of("field"), report) else { continue };
            let equals = fields.get("equals").map(|node| match &node.kind {
                Kind::List(values) => values.iter().map(Node::to_json).collect(),
                Kind::Scalar(_) | Kind::Map(_) => vec![node.to_json()],
            });
            places.push(place_of(&mut self.conditions, Condition { field, equals }));
        }
        places
    }
}

/// What templates of resources may name.
const LOCALS: [&str; 2] = ["document", "resource"];

fn read_templates(fields: &Fields<'_>, report: &mut Report) -> (Option<Template>, Option<Tree>) {
    let locals = LOCALS.map(str::to_owned);
    let (id_path, data_path) = (fields.path_of("id"), fields.path_of("data"));
    let id = fields.get("id").and_then(|node| Template::read(node, &id_path, &locals, report));
    if let Some(id) = &id {
        id.expressions().for_each(|expression| refuse_request_values(expression, &id_path, report));
    }
    let data = fields.get("data").and_then(|node| Tree::read(node, &data_path, &locals, report));
    if let Some(data) = &data {
        data.visit(&mut |expression| refuse_request_values(expression, &data_path, report));
    }
    (id, data)
}

/// An event is made when a document is stored: there is no request yet.
fn refuse_request_values(expression: &Expression, path: &str, report: &mut Report) {
    if expression.uses(|variable| !matches!(variable, Variable::Local(_))) {
        let message = format!("`{}` uses what only a request has", expression.text);
        report.add(expression.at, path, message, "there is `document`, `resource.kind`, `resource.id` and `resource.state`");
    }
}

fn document_path(node: &Node, path: &str, report: &mut Report) -> Option<DocumentPath> {
    let text = text(node, path, report)?;
    let parsed = DocumentPath::parse(&text);
    if parsed.is_none() {
        report.add(
            node.at,
            path,
            format!("`{text}` is no field"),
            "write names joined by dots, such as `status` or `outcome.code`",
        );
    }
    parsed
}

/// The place of `wanted` in `all`, where it is put if it is new.
fn place_of<T: PartialEq>(all: &mut Vec<T>, wanted: T) -> usize {
    all.iter().position(|known| *known == wanted).unwrap_or_else(|| {
        all.push(wanted);
        all.len() - 1
    })
}

fn items<'n>(node: &'n Node, path: &str, report: &mut Report) -> &'n [Node] {
    if let Kind::List(items) = &node.kind {
        return items;
    }
    report.add(node.at, path, format!("this is {}", node.describe()), "write a list");
    &[]
}
