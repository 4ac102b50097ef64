//! The events of a draft. Each is tried in a contract of its own, so that what cannot be held is left out of that event alone.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::rc::Rc;

use bellwire_contract::Contract;
use bellwire_domain::unseen_reason;

use super::super::yaml_text::quoted;
use super::document::{Fault, Node, shortened};
use super::found::{Found, Message};
use super::headers::{Guess, guess};
use super::yaml::write_member;
use super::{example, schema, types};

/// The most events of a contract.
const EVENTS_MAX: usize = 1_000;
/// The most examples of a document that are tried for one event.
const EXAMPLES_MAX: usize = 8;
/// The most headers of one event.
const HEADERS_MAX: usize = 32;
/// The most values of all schemas and examples together, and the most bytes: a contract holds a few more.
const NODES_MAX: usize = 45_000;
const LENGTH_MAX: usize = 900_000;
/// The longest title and the longest description, in characters.
const TITLE_LENGTH_MAX: usize = 120;
const DESCRIPTION_LENGTH_MAX: usize = 500;

/// An event as the draft has it.
#[derive(Debug)]
pub(super) struct Drafted {
    pub(super) event_type: String,
    title: Option<String>,
    description: Option<String>,
    schema: Option<Rc<Node>>,
    example: Option<Node>,
    /// What somebody must decide about it.
    open: Option<String>,
    pub(super) method: &'static str,
    /// Headers with what is sent, each of which a contract can hold.
    pub(super) headers: Vec<(String, String)>,
    /// Headers that somebody must decide about, with proposals.
    pub(super) open_headers: Vec<(String, String)>,
}

impl Drafted {
    /// The event as an item of `events`, with the parts of its request that are not the same for all.
    pub(super) fn text(&self, method: Option<&str>, headers: &[(String, String)]) -> String {
        let mut out = format!("  - type: {}\n", quoted(&self.event_type));
        for (key, text) in [("title", &self.title), ("description", &self.description)] {
            if let Some(text) = text {
                write_member(&mut out, 4, key, &Node::text_made(text.as_str()));
            }
        }
        if let Some(open) = &self.open {
            let _ = writeln!(out, "    # decide: {open}");
        }
        if let Some(schema) = &self.schema {
            write_member(&mut out, 4, "schema", schema);
        }
        if let Some(example) = &self.example {
            write_member(&mut out, 4, "example", example);
        }
        if method.is_some() || !headers.is_empty() {
            out.push_str("    request:\n");
            if let Some(method) = method {
                let _ = writeln!(out, "      method: {method}");
            }
            if !headers.is_empty() {
                out.push_str("      headers:\n");
            }
            for (name, value) in headers {
                write_member(&mut out, 8, name, &Node::text_made(value.as_str()));
            }
        }
        out
    }

    /// The event with all of its request.
    fn whole_text(&self) -> String {
        self.text(Some(self.method), &self.headers)
    }

    /// Takes the headers that the document declares, as far as a contract can hold them.
    fn add_headers(&mut self, message: &Message<'_>) {
        for header in message.headers.iter().take(HEADERS_MAX) {
            let (place, value) = match guess(header) {
                Guess::Skipped => continue,
                Guess::Open(text) => (&mut self.open_headers, text),
                Guess::Sent(text) if holds_header(header.name, &text) => (&mut self.headers, text),
                Guess::Sent(_) => (&mut self.open_headers, "…".to_owned()),
            };
            if !place.iter().any(|(known, _)| known.eq_ignore_ascii_case(header.name)) {
                place.push((header.name.to_owned(), value));
            }
        }
    }

    fn count(&self) -> usize {
        // Its keys with their values.
        let own = 16 + 2 * self.headers.len();
        own + self.schema.iter().map(|schema| schema.count()).chain(self.example.iter().map(Node::count)).sum::<usize>()
    }
}

/// All events of a document. What is left out is added to its notes.
pub(super) fn draft(root: &Node, found: &mut Found<'_>) -> Result<Vec<Drafted>, Fault> {
    let mut drafting = Drafting::default();
    for message in &found.messages {
        drafting.message(root, message)?;
    }
    found.notes.append(&mut drafting.notes);
    Ok(drafting.events)
}

#[derive(Default)]
struct Drafting {
    events: Vec<Drafted>,
    types: HashSet<String>,
    notes: Vec<(usize, String)>,
    nodes: usize,
    length: usize,
}

impl Drafting {
    fn message(&mut self, root: &Node, message: &Message<'_>) -> Result<(), Fault> {
        let taken = match &message.schema {
            Ok(Some(schema)) => match schema::take(root, schema, message.dialect) {
                Ok(schema) => Ok(Some(Rc::new(schema))),
                Err(fault) if fault.is_fatal => return Err(fault),
                Err(fault) => Err(format!("line {}: {}", fault.line, fault.message)),
            },
            Ok(None) => Ok(None),
            Err(reason) => Err(reason.clone()),
        };
        let fixed = taken.as_ref().ok().and_then(Option::as_ref).map(|schema| types::fixed(schema)).unwrap_or_default();
        for typed in &fixed {
            let examples: Vec<Node> = message
                .examples
                .iter()
                .filter(|example| example.text_of(typed.field).is_none_or(|known| known == typed.event_type))
                .map(|example| (*example).clone())
                .chain(example::make(&typed.schema).map(|made| types::with_type(&made, typed.field, &typed.event_type)))
                .collect();
            self.add(message, &typed.event_type, Ok(Some(&typed.schema)), examples);
        }
        if fixed.is_empty() {
            let event_type = types::as_type(&message.name);
            if event_type != message.name {
                let note = format!("`{}` cannot be an event's type; it is drafted as `{event_type}`", shortened(&message.name));
                self.notes.push((message.line, note));
            }
            let made = taken.as_ref().ok().and_then(Option::as_ref).and_then(|schema| example::make(schema));
            let examples = message.examples.iter().map(|example| (*example).clone()).chain(made).collect();
            self.add(message, &event_type, taken.as_ref().map(Option::as_ref).map_err(String::as_str), examples);
        }
        Ok(())
    }

    /// Adds an event with the first example that its schema takes; without the schema if it takes none.
    fn add(&mut self, message: &Message<'_>, event_type: &str, schema: Result<Option<&Rc<Node>>, &str>, examples: Vec<Node>) {
        if self.types.contains(event_type) || self.events.len() >= EVENTS_MAX {
            let reason =
                if self.types.contains(event_type) { "it is described twice" } else { "a contract has at most 1000 events" };
            self.notes.push((message.line, format!("the event `{event_type}` is left out: {reason}")));
            return;
        }
        // Of a branch, its own schema tells more than what is said of all of them.
        let described = schema.ok().flatten().map(Rc::as_ref);
        let own = |key: &str, of_message| described.and_then(|schema| schema.text_of(key)).or(of_message);
        let mut event = Drafted {
            event_type: event_type.to_owned(),
            title: own("title", message.title).and_then(|title| cleaned(title, TITLE_LENGTH_MAX)),
            description: own("description", message.description).and_then(|text| cleaned(text, DESCRIPTION_LENGTH_MAX)),
            schema: None,
            example: None,
            open: None,
            method: message.method,
            headers: Vec::new(),
            open_headers: Vec::new(),
        };
        event.add_headers(message);
        let reason = match schema {
            Ok(None) => None,
            Ok(Some(schema)) => self.fit(&mut event, schema, &examples).err(),
            Err(reason) => Some(reason.to_owned()),
        };
        if event.schema.is_none() {
            event.example = examples.into_iter().find(|example| {
                event.example = Some(example.clone());
                self.refusal(&event).is_none()
            });
        }
        if let Some(reason) = reason {
            let reason = cleaned(&reason, DESCRIPTION_LENGTH_MAX).unwrap_or_default();
            self.notes.push((message.line, format!("the schema of `{event_type}` is left out: {reason}")));
            event.open = Some(format!("the document's schema is left out: {reason}"));
        }
        if let Some(reason) = self.refusal(&event) {
            self.notes.push((message.line, format!("the event `{event_type}` is left out: {reason}")));
            return;
        }
        self.nodes += event.count();
        self.length += event.whole_text().len();
        self.types.insert(event_type.to_owned());
        self.events.push(event);
    }

    /// Gives the event its schema, and the first of the examples that fits it.
    fn fit(&self, event: &mut Drafted, schema: &Rc<Node>, examples: &[Node]) -> Result<(), String> {
        let mut reason = "no example that fits it can be made; put one into the document".to_owned();
        event.schema = Some(Rc::clone(schema));
        let (listed, made) = examples.split_at(examples.len().saturating_sub(1));
        for example in listed.iter().take(EXAMPLES_MAX).chain(made) {
            event.example = Some(example.clone());
            match self.refusal(event) {
                None => return Ok(()),
                Some(refusal) => reason = refusal,
            }
        }
        event.schema = None;
        event.example = None;
        Err(reason)
    }

    /// Why a contract cannot hold the event beside those that are there already.
    fn refusal(&self, event: &Drafted) -> Option<String> {
        let text = event.whole_text();
        if self.length + text.len() > LENGTH_MAX || self.nodes + event.count() > NODES_MAX {
            return Some("the contract would be too large".to_owned());
        }
        let contract = format!("contract: draft\ntitle: Draft\nevents:\n{text}request: {{ body: \"{{{{ event.data }}}}\" }}\n");
        let error = Contract::compile(&contract, "draft").err()?;
        Some(error.diagnostics.into_iter().next().map_or_else(|| "it is invalid".to_owned(), |first| first.message))
    }
}

/// Whether a contract can send the header.
fn holds_header(name: &str, value: &str) -> bool {
    let mut contract =
        String::from("contract: draft\ntitle: Draft\nevents: any\nrequest:\n  body: \"{{ event.data }}\"\n  headers:\n");
    write_member(&mut contract, 4, name, &Node::text_made(value));
    Contract::compile(&contract, "draft").is_ok()
}

/// Text of a document on one line, without what cannot be seen, and not longer than so many characters; `None` if nothing is left.
pub(super) fn cleaned(text: &str, length_max: usize) -> Option<String> {
    let words = text.split_whitespace().map(|word| {
        word.chars().filter(|character| unseen_reason("text", character.encode_utf8(&mut [0; 4])).is_none()).collect::<String>()
    });
    let mut out = String::new();
    let mut left = length_max;
    for word in words.filter(|word| !word.is_empty()) {
        let length = word.chars().count() + usize::from(!out.is_empty());
        if length > left {
            if out.is_empty() {
                out.extend(word.chars().take(left));
            }
            out.push('…');
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&word);
        left -= length;
    }
    (!out.is_empty()).then_some(out)
}
