//! Resources: domain objects whose stored changes cause events.
//!
//! `read` compiles what a contract says about them, and `document` looks into JSON documents without changing a byte. This file
//! turns an old and a new document into facts, asks the domain's [`Lifecycle`], and writes the events.

mod document;
mod read;

use std::sync::Arc;

use bellwire_domain::EventType;
use bellwire_domain::resource::{Facts, FieldFact, Lifecycle, Past, Refusal, StateId, StateSet};
use bellwire_schema::DataError;
use bytes::Bytes;

use crate::failure::Failure;
use crate::json;
use crate::meter::Meter;
use crate::piece::Piece;
use crate::schema::repeated_anywhere;
use crate::template::Template;
use crate::tree::Tree;
use crate::variables::{Local, Scope, Values, Variable};

use document::{Condition, DocumentPath};
pub(crate) use read::{RESOURCE, read};

/// A kind of resource.
#[derive(Debug)]
pub struct ResourceDefinition {
    kind: String,
    title: String,
    description: Option<String>,
    /// Where a document holds its id.
    id: Option<DocumentPath>,
    state: DocumentPath,
    states: Vec<String>,
    lifecycle: Lifecycle,
    /// What the facts are about. Rules refer to fields and conditions by index.
    fields: Vec<DocumentPath>,
    conditions: Vec<Condition>,
    /// What each rule of the lifecycle causes.
    events: Vec<EventRule>,
    /// Whom a document is about.
    subjects: Vec<Template>,
}

/// What a rule causes.
#[derive(Debug)]
struct EventRule {
    event_type: EventType,
    id: Option<Template>,
    data: Option<Tree>,
}

/// A resource as it was last stored.
#[derive(Debug, Clone, Copy)]
pub struct StoredResource<'a> {
    /// Its state.
    pub state: &'a str,
    /// Every state it has been in.
    pub states_ever: &'a [String],
    /// Its document: valid JSON.
    pub document: &'a str,
}

/// The result of a new document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceChange {
    /// The resource's state now.
    pub state: String,
    /// Every state it has been in, including this one.
    pub states_ever: Vec<String>,
    /// The events that it causes, in the order of the contract's rules.
    pub events: Vec<ResourceEvent>,
    /// Whom the document, and so each of the events, is about.
    pub subjects: Vec<String>,
    /// Nothing changed, so there is nothing to store.
    pub is_same: bool,
}

/// An event that a change causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceEvent {
    /// Its type.
    pub event_type: EventType,
    /// The id that the contract gives it. An event with the same id is the same event.
    pub id: Option<String>,
    /// Its data.
    pub data: Bytes,
    /// Whether the data is the document itself.
    pub is_document: bool,
    /// How many of these events there are.
    pub count: usize,
}

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceRefusal {
    /// Something in it is wrong.
    Invalid(Vec<DataError>),
    /// The resource cannot enter that state from its present one.
    Transition {
        /// The rule, as a place in the contract.
        rule: String,
        /// What it says.
        detail: String,
    },
}

impl ResourceDefinition {
    /// Its short name, by which everything refers to it.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The name for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What it is.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The states it may be in.
    pub fn states(&self) -> &[String] {
        &self.states
    }

    /// Decides what a new document (valid JSON) of the resource `id` changes and causes.
    pub fn decide(&self, id: &str, old: Option<StoredResource<'_>>, document: &Bytes) -> Result<ResourceChange, ResourceRefusal> {
        let text = std::str::from_utf8(document).map_err(|_| wrong("", "not UTF-8"))?;
        if let Some(error) = repeated_anywhere(text) {
            return Err(ResourceRefusal::Invalid(vec![error]));
        }
        let state = self.read_state(id, text)?;
        let past = old.as_ref().map(|old| self.past(old));
        let facts = self.facts(old.map(|old| old.document), text);
        let emissions = self.lifecycle.decide(past, state, &facts).map_err(|refusal| self.describe(refusal, state))?;
        let name = self.name_of(state);
        let local = self.describe_resource(id, name);
        let mut events = Vec::with_capacity(emissions.len());
        for emission in emissions {
            let Some(rule) = self.events.get(emission.rule) else { continue };
            events.push(rule.write(text, document, &local, emission.count)?);
        }
        let subjects = self.name_subjects(text, &local);
        let is_same = |old: StoredResource<'_>| {
            old.document == text || (events.is_empty() && old.state == name && document::equal(old.document, text))
        };
        Ok(match old {
            Some(old) if is_same(old) => ResourceChange {
                state: old.state.to_owned(),
                states_ever: old.states_ever.to_vec(),
                events: Vec::new(),
                subjects,
                is_same: true,
            },
            _ => ResourceChange { state: name.to_owned(), states_ever: ever(old, name), events, subjects, is_same: false },
        })
    }

    /// The state in the document, once the document is known to be this resource's.
    fn read_state(&self, id: &str, text: &str) -> Result<StateId, ResourceRefusal> {
        if !text.trim_start().starts_with('{') {
            return Err(wrong("", "the document of a resource must be a JSON object"));
        }
        if let Some(path) = &self.id
            && let Some(found) = path.find(text).and_then(document::scalar)
            && found != id
        {
            return Err(wrong(&path.pointer(), "not the id in the URL"));
        }
        let one_of = || format!("must be one of {}", self.states.join(", "));
        let found = self.state.find(text).and_then(document::scalar);
        let found = found
            .ok_or_else(|| wrong(&self.state.pointer(), &format!("missing: this field holds the state and {}", one_of())))?;
        let state = self.state_id(&found).ok_or_else(|| wrong(&self.state.pointer(), &format!("unknown state; {}", one_of())))?;
        Ok(state)
    }

    fn state_id(&self, name: &str) -> Option<StateId> {
        self.states.iter().position(|state| state == name).and_then(StateId::try_new)
    }

    fn name_of(&self, state: StateId) -> &str {
        self.states.get(state.index()).map_or("", String::as_str)
    }

    fn past(&self, old: &StoredResource<'_>) -> Past {
        let ever: StateSet = old.states_ever.iter().filter_map(|name| self.state_id(name)).collect();
        Past { state: self.state_id(old.state), ever }
    }

    fn facts(&self, old: Option<&str>, new: &str) -> Facts {
        let fact = |path: &DocumentPath| {
            let (before, after) = (old.and_then(|old| path.find(old)), path.find(new));
            let items = |raw: Option<&str>| raw.map_or(0, |raw| json::elements(raw).count());
            FieldFact { changed: !document::same(before, after), grew_by: items(after).saturating_sub(items(before)) }
        };
        let updated = || old.is_some_and(|old| !document::equal(old, new));
        Facts {
            updated: self.lifecycle.asks_for_updates() && updated(),
            fields: self.fields.iter().map(fact).collect(),
            conditions: self.conditions.iter().map(|condition| condition.holds(new)).collect(),
        }
    }

    fn describe(&self, refusal: Refusal, to: StateId) -> ResourceRefusal {
        let (kind, to) = (&self.kind, self.name_of(to));
        let (rule, detail) = match refusal {
            Refusal::Final { from } => {
                let from = self.name_of(from);
                ("final".to_owned(), format!("`{from}` is final, so it cannot become `{to}`"))
            }
            Refusal::Transition { from } => {
                let (from_name, next) = (self.name_of(from), self.lifecycle.next.get(from.index()).copied().flatten());
                let next: Vec<&str> = next.unwrap_or_default().iter().map(|state| self.name_of(state)).collect();
                (format!("transitions.{from_name}"), format!("`{from_name}` can become {}, not `{to}`", next.join(" or ")))
            }
        };
        ResourceRefusal::Transition { rule: format!("resources.{kind}.{rule}"), detail }
    }

    /// Whom a document is about. What it lacks names nobody.
    fn name_subjects(&self, text: &str, resource: &str) -> Vec<String> {
        let document_local = Local { name: "document", value: Piece::Json(text.into()), outer: None };
        let resource_local = Local { name: "resource", value: Piece::Json(resource.into()), outer: Some(&document_local) };
        let nothing = Nothing::default();
        let scope = Scope { values: &nothing, locals: Some(&resource_local) };
        self.subjects.iter().filter_map(|template| template.render_text(scope).ok()).collect()
    }

    /// What `resource` stands for in templates.
    fn describe_resource(&self, id: &str, state: &str) -> String {
        let mut out = String::new();
        for (start, value) in [("{\"kind\":", self.kind.as_str()), (",\"id\":", id), (",\"state\":", state)] {
            out.push_str(start);
            json::write_string(&mut out, value);
        }
        out.push('}');
        out
    }
}

impl EventRule {
    fn write(&self, text: &str, document: &Bytes, resource: &str, count: usize) -> Result<ResourceEvent, ResourceRefusal> {
        let document_local = Local { name: "document", value: Piece::Json(text.into()), outer: None };
        let resource_local = Local { name: "resource", value: Piece::Json(resource.into()), outer: Some(&document_local) };
        let nothing = Nothing::default();
        let scope = Scope { values: &nothing, locals: Some(&resource_local) };
        let failed = |failure: &Failure| wrong("", &format!("the event `{}`: {}", self.event_type, failure.message));
        let id = self.id.as_ref().map(|id| id.render_text(scope)).transpose().map_err(|failure| failed(&failure))?;
        let data = match &self.data {
            None => document.clone(),
            Some(tree) => {
                let mut out = String::new();
                tree.render(scope, &mut out).map_err(|failure| failed(&failure))?;
                out.into()
            }
        };
        Ok(ResourceEvent { event_type: self.event_type.clone(), id, data, is_document: self.data.is_none(), count })
    }
}

/// Templates of resources know `document` and `resource`, and nothing of a request.
#[derive(Default)]
struct Nothing(Arc<Meter>);

impl Values for Nothing {
    fn get(&self, _variable: &Variable) -> Piece<'_> {
        Piece::Absent
    }

    fn meter(&self) -> &Arc<Meter> {
        &self.0
    }
}

fn ever(old: Option<StoredResource<'_>>, state: &str) -> Vec<String> {
    let mut ever = old.map_or_else(Vec::new, |old| old.states_ever.to_vec());
    if !ever.iter().any(|known| known == state) {
        ever.push(state.to_owned());
    }
    ever
}

fn wrong(pointer: &str, message: &str) -> ResourceRefusal {
    ResourceRefusal::Invalid(vec![DataError { pointer: pointer.to_owned(), message: message.to_owned() }])
}
