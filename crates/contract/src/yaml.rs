//! YAML, read into a tree in which every key and value knows its line and column.
//!
//! Only what a contract needs is accepted: one document, keys that are text, no tags. A duplicate key is refused. Aliases cannot
//! blow up the tree: its size, its depth and the number of values after expansion are bounded.

mod unquoted;

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::diagnostic::{At, Report};

/// The largest contract, in bytes.
const SOURCE_LENGTH_MAX: usize = 1 << 20;
/// The most values in a contract, after aliases are expanded.
const NODES_MAX: usize = 50_000;
/// The deepest nesting of values.
const DEPTH_MAX: usize = 64;

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: At,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A scalar's text. Only a plain scalar can mean anything but text.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    Block,
}

/// A mapping's key.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) at: At,
    pub(crate) text: String,
}

/// What a plain scalar means in YAML's core schema.
pub(crate) enum Meaning<'n> {
    Null,
    Bool(bool),
    /// A number that JSON writes with the same characters.
    Number(&'n str),
    Text(&'n str),
}

impl Node {
    /// The scalar's text, whatever it means.
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| matches!(scalar.meaning(), Meaning::Null))
    }

    /// The value as JSON text; numbers keep their spelling.
    pub(crate) fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match &self.kind {
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => out.push_str("null"),
                Meaning::Bool(value) => out.push_str(if value { "true" } else { "false" }),
                Meaning::Number(text) => out.push_str(text),
                Meaning::Text(text) => crate::json::write_string(out, text),
            },
            Kind::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Kind::Map(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    crate::json::write_string(out, &key.text);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }

    /// What this value is, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => "nothing",
                Meaning::Bool(_) => "a yes-or-no value",
                Meaning::Number(_) => "a number",
                Meaning::Text(_) => "text",
            },
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

impl Scalar {
    pub(crate) fn meaning(&self) -> Meaning<'_> {
        if self.style != Style::Plain {
            return Meaning::Text(&self.text);
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
            "true" | "True" | "TRUE" => Meaning::Bool(true),
            "false" | "False" | "FALSE" => Meaning::Bool(false),
            text if crate::json::is_number(text) => Meaning::Number(text),
            text => Meaning::Text(text),
        }
    }
}

/// Reads one document; `None` after reporting what is wrong with it.
pub(crate) fn parse(source: &str, report: &mut Report) -> Option<Node> {
    let start = At { line: 1, column: 1 };
    if source.len() > SOURCE_LENGTH_MAX {
        report.add(start, "", format!("the file is larger than {SOURCE_LENGTH_MAX} bytes"), "split it");
        return None;
    }
    if !nesting_is_sane(source) {
        report.add(start, "", format!("brackets are nested deeper than {DEPTH_MAX}"), "flatten it");
        return None;
    }
    let mut loader = Loader { stack: Vec::new(), root: None, anchors: HashMap::new(), nodes: 0, documents: 0 };
    let mut parser = Parser::new_from_str(source);
    while let Some(next) = parser.next_event() {
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => {
                report_unread(source, place(error.marker()), format!("not valid YAML: {}", error.info()), "", report);
                return None;
            }
        };
        if let Err((message, help)) = loader.accept(event, span) {
            report_unread(source, place(&span.start), message, help, report);
            return None;
        }
    }
    if loader.root.is_none() {
        report.add(start, "", "the file is empty", "write at least `contract`, `title` and `events`");
    }
    loader.root
}

/// Reports what could not be read; a template without quotes is nearly always the reason, where there is one.
fn report_unread(source: &str, at: At, message: impl Into<String>, help: impl Into<String>, report: &mut Report) {
    match unquoted::unquoted_template(source, at.line) {
        Some((at, mistake)) => report.add(at, "", mistake.message, mistake.help),
        None => report.add(at, "", message, help),
    }
}

/// The parser recurses on brackets, so their depth is bounded before it starts. Brackets inside text count too; no sensible
/// contract has that many.
fn nesting_is_sane(source: &str) -> bool {
    let mut depth = 0usize;
    for byte in source.bytes() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX * 4 {
            return false;
        }
    }
    true
}

fn place(marker: &saphyr_parser::Marker) -> At {
    At { line: marker.line().max(1), column: marker.col() + 1 }
}

/// What is wrong, and what to do about it.
type Complaint = (String, String);

struct Loader {
    stack: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    documents: usize,
}

/// A list or mapping that is not finished yet.
struct Open {
    at: At,
    anchor: usize,
    nodes_before: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map(Vec<(Key, Node)>, Option<Key>),
}

impl Loader {
    fn accept(&mut self, event: Event<'_>, span: Span) -> Result<(), Complaint> {
        let at = place(&span.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return refuse("a second document starts here", "keep one contract per file");
                }
                Ok(())
            }
            Event::Alias(id) => {
                let Some((node, nodes)) = self.anchors.get(&id) else {
                    return refuse("this alias refers to something that is not complete yet", "");
                };
                let (node, nodes) = (node.clone(), *nodes);
                self.count(nodes)?;
                self.push(Node { at, kind: node.kind })
            }
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.as_ref())?;
                self.count(1)?;
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let node = Node { at, kind: Kind::Scalar(Scalar { text: text.into_owned(), style }) };
                self.remember(anchor, &node, 1);
                self.push(node)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.as_ref())?;
                self.open(at, anchor, Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.as_ref())?;
                self.open(at, anchor, Content::Map(Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
        }
    }

    fn open(&mut self, at: At, anchor: usize, content: Content) -> Result<(), Complaint> {
        if self.stack.len() >= DEPTH_MAX {
            return refuse(format!("nested deeper than {DEPTH_MAX}"), "flatten it");
        }
        if matches!(self.stack.last(), Some(Open { content: Content::Map(_, None), .. })) {
            return refuse("a key must be text", "");
        }
        let nodes_before = self.nodes;
        self.count(1)?;
        self.stack.push(Open { at, anchor, nodes_before, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Complaint> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let kind = match open.content {
            Content::List(items) => Kind::List(items),
            Content::Map(entries, _) => Kind::Map(entries),
        };
        let node = Node { at: open.at, kind };
        self.remember(open.anchor, &node, self.nodes - open.nodes_before);
        self.push(node)
    }

    fn remember(&mut self, anchor: usize, node: &Node, nodes: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
    }

    fn count(&mut self, nodes: usize) -> Result<(), Complaint> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            return refuse(format!("more than {NODES_MAX} values, counting an alias each time it is used"), "");
        }
        Ok(())
    }

    fn push(&mut self, node: Node) -> Result<(), Complaint> {
        match self.stack.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map(entries, pending)) => {
                if let Some(key) = pending.take() {
                    entries.push((key, node));
                } else {
                    let Kind::Scalar(scalar) = node.kind else { return refuse("a key must be text", "") };
                    if let Some((first, _)) = entries.iter().find(|(key, _)| key.text == scalar.text) {
                        let message = format!("the key `{}` is already given in line {}", scalar.text, first.at.line);
                        return refuse(message, "remove one of them");
                    }
                    *pending = Some(Key { at: node.at, text: scalar.text });
                }
            }
        }
        Ok(())
    }
}

fn refuse<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, Complaint> {
    Err((message.into(), help.into()))
}

fn refuse_tag(tag: Option<&Cow<'_, Tag>>) -> Result<(), Complaint> {
    match tag {
        None => Ok(()),
        Some(_) => refuse("tags such as `!!str` have no meaning in a contract", "put text into quotes instead"),
    }
}
