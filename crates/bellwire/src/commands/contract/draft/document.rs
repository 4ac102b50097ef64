//! A document in JSON or YAML, as a tree that knows its lines and keeps the order of members.
//!
//! JSON is read as YAML, of which it is a part. Size, depth and the number of values are bounded, counting an alias each time that
//! it is used.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::Value;

/// The largest document, in bytes.
pub(super) const DOCUMENT_LENGTH_MAX: u64 = 16 << 20;
/// The deepest nesting of values.
const DEPTH_MAX: usize = 128;
/// The most that all values weigh: one each, and one more for each 64 bytes of text.
const WEIGHT_MAX: usize = 2_000_000;
/// How many bytes of text weigh as much as a value.
const BYTES_PER_WEIGHT: usize = 64;

/// A value and the line where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// From 1; 0 for what is not from a document.
    pub(super) line: usize,
    pub(super) content: Content,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Null,
    Bool(bool),
    /// A number as it is spelled, which JSON could spell so too.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// What is wrong with a document, or with a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) message: String,
    /// Whether the whole document is refused for it.
    pub(super) is_fatal: bool,
}

impl Fault {
    /// A part cannot be taken over.
    pub(super) fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into(), is_fatal: false }
    }

    /// The document cannot be used.
    pub(super) fn fatal(line: usize, message: impl Into<String>) -> Self {
        Self { is_fatal: true, ..Self::new(line, message) }
    }
}

impl Node {
    /// A value that is not from a document.
    pub(super) fn made(content: Content) -> Self {
        Self { line: 0, content }
    }

    /// Text that is not from a document.
    pub(super) fn text_made(text: impl Into<String>) -> Self {
        Self::made(Content::Text(text.into()))
    }

    /// The member `key`, if this is a mapping that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.members().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The text of the member `key`.
    pub(super) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Self::text)
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Content::Text(text) = &self.content { Some(text) } else { None }
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Self] {
        if let Content::List(items) = &self.content { items } else { &[] }
    }

    /// The members of a mapping; none of anything else.
    pub(super) fn members(&self) -> &[(String, Self)] {
        if let Content::Map(members) = &self.content { members } else { &[] }
    }

    /// How many values this is, itself and its keys included, as a contract counts them.
    pub(super) fn count(&self) -> usize {
        let items: usize = self.items().iter().map(Self::count).sum();
        1 + items + self.members().iter().map(|(_, value)| 1 + value.count()).sum::<usize>()
    }
}

/// Reads a document.
pub(super) fn read(source: &str) -> Result<Node, Fault> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    if source.len() as u64 > DOCUMENT_LENGTH_MAX {
        return Err(Fault::fatal(
            1,
            format!("the document is larger than {} MiB; take out what no webhook needs", DOCUMENT_LENGTH_MAX >> 20),
        ));
    }
    let is_json = source.trim_start().starts_with(['{', '[']);
    let source = if is_json { joined_surrogates(source) } else { Cow::Borrowed(source) };
    let mut loader = Loader::default();
    for next in Parser::new_from_str(&source) {
        match next {
            Ok((event, span)) => loader.accept(event, span.start.line().max(1))?,
            Err(error) => {
                let message = format!("neither JSON nor YAML: {}", error.info());
                return Err(Fault::fatal(error.marker().line().max(1), message));
            }
        }
    }
    loader.root.ok_or_else(|| Fault::fatal(1, "the document is empty"))
}

#[derive(Default)]
struct Loader {
    stack: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, (Node, usize)>,
    weight: usize,
    documents: usize,
}

/// A list or mapping that is not finished yet.
struct Open {
    line: usize,
    anchor: usize,
    weight_before: usize,
    content: OpenContent,
}

enum OpenContent {
    List(Vec<Node>),
    Map { members: Vec<(String, Node)>, names: HashSet<String>, pending: Option<String> },
}

impl Loader {
    fn accept(&mut self, event: Event<'_>, line: usize) -> Result<(), Fault> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Fault::fatal(line, "a second document starts here; keep one"));
                }
                Ok(())
            }
            Event::Alias(id) => {
                let Some((_, weight)) = self.anchors.get(&id) else {
                    return Err(Fault::fatal(line, "this alias refers to something that is not complete yet"));
                };
                // Weighed before it is copied.
                self.weigh(*weight, line)?;
                let copied = self.anchors.get(&id).map_or(Content::Null, |(node, _)| node.content.clone());
                self.push(Node { line, content: copied })
            }
            Event::Scalar(text, style, anchor, _) => {
                let weight = 1 + text.len() / BYTES_PER_WEIGHT;
                self.weigh(weight, line)?;
                let is_plain = style == ScalarStyle::Plain;
                // The text of a key, whatever it would mean as a value: the statuses of responses are numbers.
                if let Some(Open { content: OpenContent::Map { names, pending: pending @ None, .. }, .. }) = self.stack.last_mut()
                {
                    if !names.insert(text.to_string()) {
                        return Err(Fault::fatal(line, format!("the key `{}` is given twice; remove one", shortened(&text))));
                    }
                    *pending = Some(text.into_owned());
                    return Ok(());
                }
                let node = Node { line, content: if is_plain { meaning(&text) } else { Content::Text(text.into_owned()) } };
                self.remember(anchor, &node, weight)?;
                self.push(node)
            }
            Event::SequenceStart(anchor, _) => self.open(line, anchor, OpenContent::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                self.open(line, anchor, OpenContent::Map { members: Vec::new(), names: HashSet::new(), pending: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
        }
    }

    fn open(&mut self, line: usize, anchor: usize, content: OpenContent) -> Result<(), Fault> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(Fault::fatal(line, format!("nested deeper than {DEPTH_MAX}; flatten it")));
        }
        self.refuse_as_key(line)?;
        let weight_before = self.weight;
        self.weigh(1, line)?;
        self.stack.push(Open { line, anchor, weight_before, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let content = match open.content {
            OpenContent::List(items) => Content::List(items),
            OpenContent::Map { members, .. } => Content::Map(members),
        };
        let node = Node { line: open.line, content };
        self.remember(open.anchor, &node, self.weight - open.weight_before)?;
        self.push(node)
    }

    /// Keeps a copy of what has an anchor, which weighs as much again.
    fn remember(&mut self, anchor: usize, node: &Node, weight: usize) -> Result<(), Fault> {
        if anchor > 0 {
            self.weigh(weight, node.line)?;
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        Ok(())
    }

    fn weigh(&mut self, weight: usize, line: usize) -> Result<(), Fault> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > WEIGHT_MAX {
            return Err(Fault::fatal(line, "the document has too many values, counting an alias each time that it is used"));
        }
        Ok(())
    }

    /// A list, a mapping or an alias where a key is due.
    fn refuse_as_key(&self, line: usize) -> Result<(), Fault> {
        match self.stack.last() {
            Some(Open { content: OpenContent::Map { pending: None, .. }, .. }) => Err(Fault::fatal(line, "a key must be text")),
            _ => Ok(()),
        }
    }

    fn push(&mut self, node: Node) -> Result<(), Fault> {
        self.refuse_as_key(node.line)?;
        match self.stack.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(OpenContent::List(items)) => items.push(node),
            Some(OpenContent::Map { members, pending, .. }) => {
                if let Some(key) = pending.take() {
                    members.push((key, node));
                }
            }
        }
        Ok(())
    }
}

/// JSON spells characters beyond U+FFFF as two escapes, which YAML does not know: they become the characters themselves.
fn joined_surrogates(source: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = source;
    while let Some(place) = rest.find('\\') {
        let (before, escape) = rest.split_at(place);
        out.push_str(before);
        let (text, length) = if let Some(character) = surrogate_pair(escape) {
            (String::from(character), "\\ud83d\\ude00".len())
        } else {
            // The backslash and what is escaped, which may be another one.
            let length = 1 + escape.chars().nth(1).map_or(0, char::len_utf8);
            (escape.get(..length).unwrap_or_default().to_owned(), length)
        };
        out.push_str(&text);
        rest = escape.get(length..).unwrap_or_default();
    }
    if out.is_empty() { Cow::Borrowed(source) } else { Cow::Owned(out + rest) }
}

/// The character that two escapes at the start of `text` stand for.
fn surrogate_pair(text: &str) -> Option<char> {
    let unit = |start: usize| {
        let digits = text.get(start..start + 6)?.strip_prefix("\\u")?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let units = [unit(0)?, unit(6)?];
    char::decode_utf16(units).next()?.ok().filter(|character| character.len_utf16() == 2)
}

/// What a plain scalar means in YAML's core schema, as far as JSON has it.
fn meaning(text: &str) -> Content {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Content::Null,
        "true" | "True" | "TRUE" => Content::Bool(true),
        "false" | "False" | "FALSE" => Content::Bool(false),
        text if is_number(text) => Content::Number(text.to_owned()),
        text => Content::Text(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && matches!(serde_json::from_str::<Value>(text), Ok(Value::Number(_)))
}

/// Text of a document, short enough for a message.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN_MAX: usize = 80;
    let mut shown: String = text.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn fault(source: &str) -> (usize, String) {
        let fault = read(source).unwrap_err();
        assert!(fault.is_fatal);
        (fault.line, fault.message)
    }

    #[test]
    fn json_and_yaml_are_one_tree() {
        let json = "{\n\t\"b\": [1, 1.10, -0, true, null, \"x\\u00e9\\n\"],\n\t\"a\": {\"200\": {}}\r\n}\n";
        let yaml = "# a comment\nb: [1, 1.10, -0, true, ~, \"x\\u00e9\\n\"]\na:\n  200: {}\n";
        let (json, yaml) = (read(json).unwrap(), read(yaml).unwrap());
        let names: Vec<_> = json.members().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "a"], "in the order of the document");
        assert_eq!(json.get("b").unwrap().items().len(), 6);
        assert_eq!(json.get("b").unwrap().items()[1].content, Content::Number("1.10".to_owned()));
        assert_eq!((json.get("a").unwrap().line, yaml.get("a").unwrap().line), (3, 4));
        for (one, other) in json.get("b").unwrap().items().iter().zip(yaml.get("b").unwrap().items()) {
            assert_eq!(one.content, other.content);
        }
        assert!(yaml.get("a").unwrap().get("200").is_some());
    }

    #[test]
    fn escapes_of_json() {
        let text = |source: &str| read(source).map(|node| node.items()[0].text().unwrap().to_owned());
        assert_eq!(text(r#"["\ud83d\ude00 \u00e9 \/ \\ \" \t \\ud83d"]"#).unwrap(), "\u{1f600} \u{e9} / \\ \" \t \\ud83d");
        for wrong in [r#"["\ud83d"]"#, r#"["\\ud83d\ude00"]"#, r#"["\ud83d\u0041"]"#, r#"["\"#] {
            assert!(text(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        assert_eq!(fault("").1, "the document is empty");
        assert_eq!(fault("a: 1\nb: 2\na: 3\n"), (3, "the key `a` is given twice; remove one".to_owned()));
        assert_eq!(fault("a: 1\n---\nb: 2\n").0, 2);
        assert!(fault("{\n\"a\": [1,\n}").1.starts_with("neither JSON nor YAML"));
        assert!(fault("? [a]\n: b\n").1.contains("key"));
        assert!(fault("a: *x\n").0 == 1);
    }

    #[test]
    fn nothing_grows_without_end() {
        for open in ["[", "{\"a\":", "- "] {
            assert!(fault(&open.repeat(100_000)).1.len() < 200, "{open}");
        }
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let inner = vec![format!("*a{}", level - 1); 10].join(", ");
            let _ = writeln!(bomb, "a{level}: &a{level} [{inner}]");
        }
        assert!(fault(&bomb).1.contains("too many values"));
        let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 1_000].join(","));
        assert!(fault(&long).1.contains("too many values"));
    }
}
