//! Reads mappings and scalars of a contract, and says what is wrong with them.

use std::time::Duration;

use crate::diagnostic::{At, Report, list, suggestion};
use crate::yaml::{Kind, Meaning, Node};

/// A mapping whose keys have been checked against those that it may have.
pub(crate) struct Fields<'n> {
    pub(crate) at: At,
    pub(crate) path: String,
    entries: &'n [(crate::yaml::Key, Node)],
}

impl<'n> Fields<'n> {
    /// Reports a node that is no mapping, and keys that are unknown.
    pub(crate) fn open(node: &'n Node, path: &str, known: &[&str], report: &mut Report) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            report.add(node.at, path, format!("this is {}", node.describe()), format!("write a mapping with {}", list(known)));
            return None;
        };
        for (key, _) in entries {
            if !known.contains(&key.text.as_str()) {
                report.add(key.at, &join(path, &key.text), "unknown key", suggestion(&key.text, known));
            }
        }
        Some(Self { at: node.at, path: path.to_owned(), entries })
    }

    /// The value of a key; one without a value counts as left out.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(candidate, node)| candidate.text == key && !node.is_null()).map(|(_, node)| node)
    }

    pub(crate) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// The value of a key that must be there.
    pub(crate) fn require(&self, key: &str, help: &str, report: &mut Report) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            report.add(self.at, &self.path_of(key), "missing", help);
        }
        found
    }

    pub(crate) fn text(&self, key: &str, report: &mut Report) -> Option<String> {
        text(self.get(key)?, &self.path_of(key), report)
    }

    pub(crate) fn flag(&self, key: &str, default: bool, report: &mut Report) -> bool {
        let Some(node) = self.get(key) else { return default };
        if let Some(Meaning::Bool(value)) = node.scalar().map(crate::yaml::Scalar::meaning) {
            return value;
        }
        report.add(node.at, &self.path_of(key), format!("this is {}", node.describe()), "write `true` or `false`");
        default
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, key: &str, default: T, words: &[(&str, T)], report: &mut Report) -> T {
        match self.get(key) {
            Some(node) => choice(node, &self.path_of(key), words, report).unwrap_or(default),
            None => default,
        }
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

/// One of a few words.
pub(crate) fn choice<T: Copy>(node: &Node, path: &str, words: &[(&str, T)], report: &mut Report) -> Option<T> {
    let found = node.scalar().and_then(|scalar| words.iter().find(|(word, _)| *word == scalar.text));
    if found.is_none() {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        match node.scalar() {
            Some(scalar) => {
                report.add(node.at, path, format!("unknown value `{}`", scalar.text), suggestion(&scalar.text, &known));
            }
            None => report.add(node.at, path, format!("this is {}", node.describe()), format!("write one of {}", list(&known))),
        }
    }
    found.map(|(_, value)| *value)
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
    let span = node.scalar().and_then(|scalar| parse_duration(&scalar.text));
    if span.is_none() {
        let written = node.scalar().map_or_else(|| node.describe().to_owned(), |scalar| format!("`{}`", scalar.text));
        report.add(
            node.at,
            path,
            format!("{written} is no duration"),
            "write a number with a unit: `200ms`, `5s`, `1m`, `2h` or `3d`",
        );
    }
    span
}

fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(split)?;
    let number: u64 = number.parse().ok()?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [("200ms", 200), ("5s", 5_000), ("1m", 60_000), ("2h", 7_200_000), ("3d", 259_200_000), ("0s", 0)] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "5 s", "-5s", "1.5h", "5w", "99999999999999999999d", "18446744073709551615d"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
