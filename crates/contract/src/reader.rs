//! Reads mappings and scalars of a contract, and says what is wrong with them.

use std::str::FromStr;
use std::time::Duration;

use bellwire_domain::{UnknownWord, parse_duration, unseen_reason};

use crate::diagnostic::{At, Report, list, nearest, suggestion};
use crate::grammar::{KeySpec, names};
use crate::yaml::{Kind, Meaning, Node};

/// A mapping whose keys have been checked against its table.
pub(crate) struct Fields<'n> {
    pub(crate) at: At,
    pub(crate) path: String,
    /// The keys that were probably meant by unknown ones, which have been reported.
    misspelt: Vec<String>,
    entries: &'n [(crate::yaml::Key, Node)],
}

impl<'n> Fields<'n> {
    /// Opens a mapping. Reports a node that is not a mapping, unknown keys, and missing ones.
    pub(crate) fn open(node: &'n Node, path: &str, keys: &[KeySpec], report: &mut Report) -> Option<Self> {
        let fields = Self::open_with(node, path, &names(keys), report)?;
        fields.check_missing(keys, report);
        Some(fields)
    }

    /// The same when there are only names to check against.
    pub(crate) fn open_with(node: &'n Node, path: &str, known: &[&str], report: &mut Report) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            report.add(node.at, path, format!("this is {}", node.describe()), format!("write a mapping with {}", list(known)));
            return None;
        };
        let mut misspelt = Vec::new();
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
            report.add(key.at, &join(path, &key.text), "unknown key", suggestion(&key.text, known));
            misspelt.extend(nearest(&key.text, known.iter().copied()).map(str::to_owned));
        }
        Some(Self { at: node.at, path: path.to_owned(), misspelt, entries })
    }

    /// Reports the required keys that are missing.
    pub(crate) fn check_missing(&self, keys: &[KeySpec], report: &mut Report) {
        for key in keys {
            if let Some(help) = key.required {
                self.require(key.name, help, report);
            }
        }
    }

    /// The value of a key. A key without a value counts as left out.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(candidate, node)| candidate.text == key && !node.is_null()).map(|(_, node)| node)
    }

    /// Whether an unknown key was probably meant to be this one. That has been reported, so that nothing more need be said.
    pub(crate) fn is_misspelt(&self, key: &str) -> bool {
        self.misspelt.iter().any(|meant| meant == key)
    }

    /// The place of a key's value, or of the mapping if the key is left out.
    pub(crate) fn at(&self, key: &str) -> At {
        self.get(key).map_or(self.at, |node| node.at)
    }

    pub(crate) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// The value of a key that other keys make necessary.
    pub(crate) fn require(&self, key: &str, help: &str, report: &mut Report) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() && !self.is_misspelt(key) {
            report.add(self.at, &self.path_of(key), "missing", help);
        }
        found
    }

    pub(crate) fn text(&self, key: &str, report: &mut Report) -> Option<String> {
        text(self.get(key)?, &self.path_of(key), report)
    }

    /// A short text for people, in which every character can be seen.
    pub(crate) fn label(&self, key: &str, report: &mut Report) -> Option<String> {
        let text = self.text(key, report)?;
        let Some(reason) = unseen_reason(key, &text) else { return Some(text) };
        report.add(self.at(key), &self.path_of(key), reason, "leave it out");
        None
    }

    pub(crate) fn flag(&self, key: &str, default: bool, report: &mut Report) -> bool {
        let Some(node) = self.get(key) else { return default };
        if let Some(Meaning::Bool(value)) = node.scalar().map(crate::yaml::Scalar::meaning) {
            return value;
        }
        report.add(node.at, &self.path_of(key), format!("this is {}", node.describe()), "write `true` or `false`");
        default
    }

    /// One of an enum's words.
    pub(crate) fn word<W: FromStr<Err = UnknownWord>>(&self, key: &str, report: &mut Report) -> Option<W> {
        word(self.get(key)?, &self.path_of(key), report)
    }

    /// The name of an algorithm.
    pub(crate) fn algorithm<W: FromStr<Err = UnknownWord>>(&self, key: &str, report: &mut Report) -> Option<W> {
        word_for("unsupported algorithm", self.get(key)?, &self.path_of(key), report)
    }

    pub(crate) fn duration(&self, key: &str, report: &mut Report) -> Option<Duration> {
        duration(self.get(key)?, &self.path_of(key), report)
    }

    pub(crate) fn count(&self, key: &str, max: u32, report: &mut Report) -> Option<u32> {
        count(self.get(key)?, &self.path_of(key), max, report)
    }
}

/// `parent.key`.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A scalar's text.
pub(crate) fn text(node: &Node, path: &str, report: &mut Report) -> Option<String> {
    if let Some(scalar) = node.scalar() {
        return Some(scalar.text.clone());
    }
    report.add(node.at, path, format!("this is {}", node.describe()), "write text");
    None
}

/// The items of a list.
pub(crate) fn items<'n>(node: &'n Node, path: &str, help: &str, report: &mut Report) -> Option<&'n [Node]> {
    if let Kind::List(items) = &node.kind {
        return Some(items);
    }
    report.add(node.at, path, format!("this is {}", node.describe()), help);
    None
}

/// The items of a list, or the single value written instead of one.
pub(crate) fn one_or_many(node: &Node) -> &[Node] {
    if let Kind::List(items) = &node.kind { items } else { std::slice::from_ref(node) }
}

/// The entries of a mapping whose keys are the author's choice.
pub(crate) fn entries<'n>(node: &'n Node, path: &str, help: &str, report: &mut Report) -> Option<&'n [(crate::yaml::Key, Node)]> {
    if let Kind::Map(entries) = &node.kind {
        return Some(entries);
    }
    report.add(node.at, path, format!("this is {}", node.describe()), help);
    None
}

/// One of an enum's words.
pub(crate) fn word<W: FromStr<Err = UnknownWord>>(node: &Node, path: &str, report: &mut Report) -> Option<W> {
    word_for("unknown value", node, path, report)
}

/// The same with what to say of any other word.
fn word_for<W: FromStr<Err = UnknownWord>>(other: &str, node: &Node, path: &str, report: &mut Report) -> Option<W> {
    let scalar = node.scalar();
    match scalar.map_or("", |scalar| scalar.text.as_str()).parse() {
        Ok(word) => Some(word),
        Err(UnknownWord { found, expected }) => {
            match scalar {
                Some(_) => {
                    let help = match nearest(&found, expected.iter().copied()).filter(|meant| is_slip_of(&found, meant)) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => format!("there is {}", list(expected)),
                    };
                    report.add(node.at, path, format!("{other} `{found}`"), help);
                }
                None => {
                    report.add(node.at, path, format!("this is {}", node.describe()), format!("write one of {}", list(expected)));
                }
            }
            None
        }
    }
}

/// Whether a word can be a slip of the pen for another. With other digits, or other letters beside few, it is the name of something
/// else: `sha224` is not a misspelt `sha256`, nor `ES256` a misspelt `HS256`.
fn is_slip_of(word: &str, meant: &str) -> bool {
    let digits = |text: &str| {
        let mut digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
        digits.sort_unstable();
        digits
    };
    let letters = |text: &str| text.chars().filter(|character| !character.is_ascii_digit()).collect::<String>();
    let none = digits(meant).is_empty();
    let (word_letters, meant_letters) = (letters(word).to_lowercase(), letters(meant).to_lowercase());
    let wrong = strsim::levenshtein(&word_letters, &meant_letters);
    none || digits(word) == digits(meant) && wrong * 3 <= meant_letters.len()
}

/// A whole number from 0 to `max`.
pub(crate) fn count(node: &Node, path: &str, max: u32, report: &mut Report) -> Option<u32> {
    let number = node.scalar().and_then(|scalar| scalar.text.parse::<u32>().ok()).filter(|number| *number <= max);
    if number.is_none() {
        report.add(node.at, path, "not a whole number in range", format!("write a number from 0 to {max}"));
    }
    number
}

/// A number that may have a fraction.
pub(crate) fn fraction(node: &Node, path: &str, report: &mut Report) -> Option<f64> {
    let number = node.scalar().and_then(|scalar| scalar.text.parse::<f64>().ok()).filter(|number| number.is_finite());
    if number.is_none() {
        report.add(node.at, path, "not a number", "write a number such as `2` or `0.5`");
    }
    number
}

/// A span such as `200ms`, `5s`, `1m`, `2h` or `3d`.
pub(crate) fn duration(node: &Node, path: &str, report: &mut Report) -> Option<Duration> {
    let span = node.scalar().and_then(|scalar| parse_duration(&scalar.text).ok());
    if span.is_none() {
        let written = node.scalar().map_or_else(|| node.describe().to_owned(), |scalar| format!("`{}`", scalar.text));
        report.add(
            node.at,
            path,
            format!("{written} is not a duration"),
            "write a whole number and a unit: `200ms`, `5s`, `1m`, `2h` or `3d`",
        );
    }
    span
}
