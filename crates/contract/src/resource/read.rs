//! Reads `resources`.

use bellwire_domain::resource::{Lifecycle, Rule, STATES_MAX, StateId, StateSet, Trigger};
use bellwire_domain::{EventType, SUBJECTS_MAX};

use super::document::{Condition, DocumentPath};
use super::{EventRule, ResourceDefinition};
use crate::catalogue::Catalogue;
use crate::diagnostic::{At, Report, suggestion};
use crate::expression::Expression;
use crate::grammar::{Definition, KeySpec, Shape, names};
use crate::reader::{Fields, entries, items, join, one_or_many, text};
use crate::template::{TEMPLATE, Template};
use crate::tree::{TREE, Tree};
use crate::variables::Variable;
use crate::yaml::{Kind, Node};

/// The most kinds in a contract, and rules in a kind.
const KINDS_MAX: usize = 100;
const RULES_MAX: usize = 200;
const KEYS: &[KeySpec] = &[
    KeySpec::optional("title", Shape::TEXT, "A name for people."),
    KeySpec::optional("description", Shape::TEXT, "What it is."),
    KeySpec::optional("id", Shape::TEXT, "The field with the id, which must be that of the URL."),
    KeySpec::required(
        "state",
        Shape::TEXT,
        "The field with the state.",
        "write the field of the document that has the state, such as `state: status`",
    ),
    KeySpec::required(
        "states",
        Shape::List { of: &Shape::SCALAR, min: Some(1), max: Some(STATES_MAX) },
        "The states it may be in.",
        "list the states: `states: [open, closed]`",
    ),
    KeySpec::optional("starts_in", Shape::SCALAR, "The state before any change."),
    KeySpec::optional("transitions", Shape::MapOf(&SOME_STATES), "What may follow a state; any may follow those left out."),
    KeySpec::optional("final", SOME_STATES, "States that nothing follows."),
    KeySpec::optional(
        "subjects",
        Shape::List { of: &TEMPLATE, min: None, max: Some(SUBJECTS_MAX) },
        "Whom a document is about; one whose value the document lacks is left out.",
    ),
    KeySpec::required(
        "events",
        Shape::List { of: &RULE, min: None, max: None },
        "What its changes cause.",
        "list what changes cause: `- { type: order.created, when: created }`",
    ),
];
const RULE_KEYS: &[KeySpec] = &[
    KeySpec::required("type", Shape::NAME, "An event of the catalogue.", "write the type of an event of the catalogue"),
    KeySpec::required(
        "when",
        Shape::OneOrMany { of: &TRIGGER, min: Some(1) },
        "What must happen: any one of these.",
        TRIGGER_HELP,
    ),
    KeySpec::optional("in", SOME_STATES, "It is in one of these now."),
    KeySpec::optional("before", SOME_STATES, "Until this change it was in none of these."),
    KeySpec::optional("after", SOME_STATES, "It is in one of these, or was at some time."),
    KeySpec::optional("where", Shape::OneOrMany { of: &CONDITION, min: None }, "What must hold in the new document."),
    KeySpec::optional("each_item", Shape::FLAG, "One event for each item that the list grew by."),
    KeySpec::optional("id", TEMPLATE, "The event's id; the same again is the same event, sent again."),
    KeySpec::optional("data", TREE, "The event's data; the document unless given."),
];
const TRIGGER_KEYS: &[KeySpec] = &[
    KeySpec::optional("reached", SOME_STATES, "It comes into one of these states."),
    KeySpec::optional("changed", Shape::TEXT, "A field of the document has another value."),
    KeySpec::optional("grew", Shape::TEXT, "A list in the document has more items."),
];
const CONDITION_KEYS: &[KeySpec] = &[
    KeySpec::required("field", Shape::TEXT, "A field of the document, which must be there.", "write a field of the document"),
    KeySpec::optional("equals", Shape::Any, "The value it must have, or a list of those."),
];
/// The value of each kind in `resources`.
pub(crate) const RESOURCE: Shape = Shape::Named(&Definition {
    name: "resource",
    about: "A kind of object whose changes cause events.",
    shape: Shape::Keys(KEYS),
    examples: &[],
});
const RULE: Shape = Shape::Named(&Definition {
    name: "resource_event",
    about: "A rule: what a change causes.",
    shape: Shape::Keys(RULE_KEYS),
    examples: &[],
});
const TRIGGER: Shape = Shape::Named(&Definition {
    name: "trigger",
    about: "Something that happens to a resource.",
    shape: Shape::Either(&[Shape::Words(TriggerWord::WORDS), Shape::OneKey(TRIGGER_KEYS)]),
    examples: &[],
});
const CONDITION: Shape = Shape::Named(&Definition {
    name: "condition",
    about: "Something that holds in a document.",
    shape: Shape::Keys(CONDITION_KEYS),
    examples: &[],
});
const SOME_STATES: Shape = Shape::Named(&Definition {
    name: "states",
    about: "A state, or several.",
    shape: Shape::OneOrMany { of: &Shape::SCALAR, min: None },
    examples: &[],
});
const TRIGGER_HELP: &str = "write `created`, `updated`, `state_changed`, `{ reached: [state] }`, `{ changed: field }`, `{ grew: field }`, or a list of these";

bellwire_domain::words! {
    /// The triggers that are a single word.
    enum TriggerWord {
        Created = "created",
        Updated = "updated",
        StateChanged = "state_changed",
    }
}

/// Reads `resources`. The catalogue says which events there are.
pub(crate) fn read(node: Option<&Node>, catalogue: &Catalogue<'_>, report: &mut Report) -> Vec<ResourceDefinition> {
    let Some(node) = node else { return Vec::new() };
    let help = "write a mapping from kinds to resources: `order: { state: status, states: [open, closed], events: [ … ] }`";
    let Some(entries) = entries(node, "resources", help, report) else { return Vec::new() };
    if entries.len() > KINDS_MAX {
        report.add(node.at, "resources", format!("more than {KINDS_MAX} kinds"), "");
    }
    let read = |(key, node): &(crate::yaml::Key, Node)| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
        let path = join("resources", &key.text);
        if key.text.is_empty() || key.text.len() > 64 || !key.text.bytes().all(plain) {
            let help = "write letters in lower case, digits, `-`, `.` and `_`";
            report.add(key.at, &path, format!("`{}` cannot be a kind of resource", key.text), help);
        }
        read_kind(&key.text, &path, node, catalogue, report)
    };
    entries.iter().filter_map(read).collect()
}

fn read_kind(kind: &str, path: &str, node: &Node, catalogue: &Catalogue<'_>, report: &mut Report) -> Option<ResourceDefinition> {
    let fields = Fields::open(node, path, KEYS, report)?;
    let id = fields.get("id").and_then(|node| document_path(node, &fields.path_of("id"), report));
    let state = fields.get("state").and_then(|node| document_path(node, &fields.path_of("state"), report));
    let states = States(read_states(&fields, report)?);
    let mut compiler = Rules { states: &states, catalogue, fields: Vec::new(), conditions: Vec::new() };
    let mut rules = Vec::new();
    let mut events = Vec::new();
    let list = fields.get("events").and_then(|node| items(node, &fields.path_of("events"), "write a list", report));
    for (index, item) in list.unwrap_or_default().iter().enumerate() {
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
        subjects: read_subjects(&fields, report),
    })
}

fn read_states(fields: &Fields<'_>, report: &mut Report) -> Option<Vec<String>> {
    let path = fields.path_of("states");
    let node = fields.get("states")?;
    let mut states: Vec<String> = Vec::new();
    for item in items(node, &path, "write a list", report).unwrap_or_default() {
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
        Some(one_or_many(node).iter().filter_map(|item| self.one(item, path, report)).collect())
    }

    fn read_transitions(&self, fields: &Fields<'_>, report: &mut Report) -> Vec<Option<StateSet>> {
        let mut next = vec![None; self.0.len()];
        let Some(node) = fields.get("transitions") else { return next };
        let path = fields.path_of("transitions");
        let help = "write a mapping from each state to those that may follow it: `open: [closed]`";
        for (key, node) in entries(node, &path, help, report).unwrap_or_default() {
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
        let fields = Fields::open(node, path, RULE_KEYS, report)?;
        let event_type = self.read_type(&fields, report);
        let triggers =
            fields.get("when").map(|node| self.read_triggers(node, &fields.path_of("when"), report)).unwrap_or_default();
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
        let node = fields.get("type")?;
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
        // An incomplete one may have it among the events that are wrong.
        if self.catalogue.is_complete {
            let known: Vec<&str> = self.catalogue.events.iter().map(|event| event.event_type.as_str()).collect();
            report.add(node.at, &path, format!("the catalogue has no event `{name}`"), suggestion(&name, &known));
        }
        None
    }

    fn read_triggers(&mut self, node: &Node, path: &str, report: &mut Report) -> Vec<Trigger> {
        let items = one_or_many(node);
        if items.is_empty() {
            report.add(node.at, path, "nothing is listed", TRIGGER_HELP);
        }
        items.iter().filter_map(|item| self.read_trigger(item, path, report)).collect()
    }

    fn read_trigger(&mut self, node: &Node, path: &str, report: &mut Report) -> Option<Trigger> {
        if let Some(word) = node.scalar() {
            let trigger = TriggerWord::parse(&word.text).map(|word| match word {
                TriggerWord::Created => Trigger::Created,
                TriggerWord::Updated => Trigger::Updated,
                TriggerWord::StateChanged => Trigger::StateChanged,
            });
            if trigger.is_none() {
                let known = [TriggerWord::WORDS, &names(TRIGGER_KEYS)].concat();
                let message = format!("`{}` is not something that can happen", word.text);
                report.add(node.at, path, message, suggestion(&word.text, &known));
            }
            return trigger;
        }
        let fields = Fields::open(node, path, TRIGGER_KEYS, report)?;
        let given = TRIGGER_KEYS.iter().map(|key| key.name).filter(|key| fields.get(key).is_some());
        let [key] = given.collect::<Vec<_>>()[..] else {
            report.add(node.at, path, "this is not exactly one thing that can happen", TRIGGER_HELP);
            return None;
        };
        let (node, place) = (fields.get(key)?, fields.path_of(key));
        match key {
            "reached" => self.states.set(Some(node), &place, report).map(Trigger::Reached),
            "grew" => self.field(node, &place, report).map(Trigger::ListGrew),
            _ => self.field(node, &place, report).map(Trigger::FieldChanged),
        }
    }

    /// The index of a field among those that rules look at.
    fn field(&mut self, node: &Node, path: &str, report: &mut Report) -> Option<usize> {
        Some(place_of(&mut self.fields, document_path(node, path, report)?))
    }

    fn read_conditions(&mut self, fields: &Fields<'_>, report: &mut Report) -> Vec<usize> {
        let Some(node) = fields.get("where") else { return Vec::new() };
        let path = fields.path_of("where");
        let mut places = Vec::new();
        for item in one_or_many(node) {
            let Some(fields) = Fields::open(item, &path, CONDITION_KEYS, report) else { continue };
            let Some(field) = fields.get("field") else { continue };
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

fn read_subjects(fields: &Fields<'_>, report: &mut Report) -> Vec<Template> {
    let locals = LOCALS.map(str::to_owned);
    let path = fields.path_of("subjects");
    let Some(node) = fields.get("subjects") else { return Vec::new() };
    let help = "list templates: `subjects: [\"patient:{{ document.patient.id }}\"]`";
    let nodes = items(node, &path, help, report).unwrap_or_default();
    let read = |(index, node): (usize, &Node)| {
        let path = format!("{path}[{index}]");
        let template = Template::read(node, &path, &locals, report)?;
        template.expressions().for_each(|expression| refuse_request_values(expression, &path, report));
        Some(template)
    };
    nodes.iter().enumerate().filter_map(read).collect()
}

/// Events are made when a document is stored, before there is a request.
fn refuse_request_values(expression: &Expression, path: &str, report: &mut Report) {
    if expression.uses(|variable| !matches!(variable, Variable::Local(_))) {
        let message = format!("`{}` uses a value that only a request has", expression.text);
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
            format!("`{text}` is not a field"),
            "write names joined by dots, such as `status` or `outcome.code`",
        );
    }
    parsed
}

/// The index of `wanted` in `all`, where it is added if it is new.
fn place_of<T: PartialEq>(all: &mut Vec<T>, wanted: T) -> usize {
    all.iter().position(|known| *known == wanted).unwrap_or_else(|| {
        all.push(wanted);
        all.len() - 1
    })
}
