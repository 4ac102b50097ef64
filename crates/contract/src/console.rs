//! Reads `console`: how the platform speaks of the pages that its customers see. Every word has a default.

use crate::diagnostic::Report;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::reader::Fields;
use crate::yaml::Node;

/// Characters that a word of the pages may have.
const WORD_LENGTH_MAX: usize = 60;

/// How a platform speaks of the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsoleWords {
    /// The heading of the pages; `None`: the contract's title.
    pub title: Option<String>,
    /// The name of the page of endpoints.
    pub section: String,
    /// What the button says that adds an endpoint.
    pub add: String,
    /// The labels of an endpoint's fields.
    pub fields: FieldWords,
    /// The colour of buttons and links, as `#rrggbb`; `None`: the pages' own.
    pub accent: Option<String>,
}

/// The labels of an endpoint's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldWords {
    /// Its URL.
    pub url: String,
    /// Its secret.
    pub secret: String,
    /// Its name.
    pub name: String,
    /// The events that it gets.
    pub events: String,
}

impl Default for ConsoleWords {
    fn default() -> Self {
        let word = str::to_owned;
        let fields = FieldWords { url: word("URL"), secret: word("Secret"), name: word("Name"), events: word("Events") };
        Self { title: None, section: word("Webhooks"), add: word("Add webhook"), fields, accent: None }
    }
}

const KEYS: &[KeySpec] = &[
    KeySpec::optional("title", Shape::TEXT, "The heading of the pages; the contract's title unless given."),
    KeySpec::optional("section", Shape::TEXT, "The name of the page of endpoints; `Webhooks` unless given."),
    KeySpec::optional("add", Shape::TEXT, "What the button says that adds an endpoint; `Add webhook` unless given."),
    KeySpec::optional("fields", Shape::Keys(FIELD_KEYS), "The labels of an endpoint's fields."),
    KeySpec::optional("accent", Shape::Pattern("^#[0-9a-fA-F]{6}$"), "The colour of buttons and links."),
];
const FIELD_KEYS: &[KeySpec] = &[
    KeySpec::optional("url", Shape::TEXT, "Of its URL; `URL` unless given."),
    KeySpec::optional("secret", Shape::TEXT, "Of its secret; `Secret` unless given."),
    KeySpec::optional("name", Shape::TEXT, "Of its name; `Name` unless given."),
    KeySpec::optional("events", Shape::TEXT, "Of the choice of events; `Events` unless given."),
];

/// The value of `console`.
pub(crate) const CONSOLE: Shape = Shape::Named(&Definition {
    name: "console",
    about: "How the platform speaks of the pages that its customers see.",
    shape: Shape::Keys(KEYS),
    examples: &[],
});

/// Reads `console`.
pub(crate) fn read(node: Option<&Node>, report: &mut Report) -> Option<ConsoleWords> {
    let mut words = ConsoleWords::default();
    let Some(node) = node else { return Some(words) };
    let fields = Fields::open(node, "console", KEYS, report)?;
    words.title = word(&fields, "title", report);
    put(&mut words.section, word(&fields, "section", report));
    put(&mut words.add, word(&fields, "add", report));
    words.accent = fields.text("accent", report);
    if let Some(accent) = &words.accent
        && !is_colour(accent)
    {
        report.add(fields.at("accent"), "console.accent", format!("`{accent}` is not a colour"), "write it as `#2563eb`");
    }
    if let Some(node) = fields.get("fields") {
        let labels = Fields::open(node, "console.fields", FIELD_KEYS, report)?;
        put(&mut words.fields.url, word(&labels, "url", report));
        put(&mut words.fields.secret, word(&labels, "secret", report));
        put(&mut words.fields.name, word(&labels, "name", report));
        put(&mut words.fields.events, word(&labels, "events", report));
    }
    Some(words)
}

fn put(word: &mut String, given: Option<String>) {
    if let Some(given) = given {
        *word = given;
    }
}

fn word(fields: &Fields<'_>, key: &str, report: &mut Report) -> Option<String> {
    let text = fields.text(key, report)?;
    let at = fields.at(key);
    if let Some(unseen) = bellwire_domain::unseen_reason("word", &text) {
        report.add(at, &fields.path_of(key), unseen, "");
    } else if text.trim().is_empty() || text.chars().count() > WORD_LENGTH_MAX {
        report.add(at, &fields.path_of(key), "this does not fit the pages", format!("write 1 to {WORD_LENGTH_MAX} characters"));
    }
    Some(text)
}

fn is_colour(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
