//! Versions of a contract: how they are written, and which one goes before another.

use std::cmp::{Ordering, Reverse};
use std::fmt;

use crate::diagnostic::Report;
use crate::grammar::Shape;
use crate::reader::{Fields, text};

/// The most characters of a version.
const LENGTH_MAX: usize = 32;
/// The value of `version`.
pub(crate) const VERSION: Shape = Shape::Pattern("^[a-z0-9._-]{1,32}$");

/// Which contract: its name and, where it has one, its version. It is written `acme` or `acme@2025-01`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContractLabel {
    /// The name.
    pub name: String,
    /// The version.
    pub version: Option<String>,
}

impl fmt::Display for ContractLabel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            None => formatter.write_str(&self.name),
            Some(version) => write!(formatter, "{}@{version}", self.name),
        }
    }
}

/// Reads `version`.
pub(crate) fn read(fields: &Fields<'_>, report: &mut Report) -> Option<String> {
    let node = fields.get("version")?;
    let version = text(node, "version", report)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    if version.is_empty() || version.len() > LENGTH_MAX || !version.bytes().all(plain) {
        let help =
            format!("write 1 to {LENGTH_MAX} letters in lower case, digits, `-`, `.` and `_`, such as `version: \"2025-01\"`");
        report.add(node.at, "version", format!("`{version}` cannot be a version"), help);
        return None;
    }
    Some(version)
}

/// Which version goes before another: the one that is none, then from the highest to the lowest. The first of a contract is its
/// default.
pub(crate) fn default_first(left: Option<&str>, right: Option<&str>) -> Ordering {
    match (left, right) {
        (Some(left), Some(right)) => natural(right, left),
        (left, right) => Reverse(left.is_none()).cmp(&Reverse(right.is_none())),
    }
}

/// The order in which people count: numbers in a text by what they are worth.
fn natural(left: &str, right: &str) -> Ordering {
    runs(left).cmp(runs(right)).then_with(|| left.cmp(right))
}

/// Numbers and what stands between them, in the order of the text. Numbers are compared by their digits without leading zeros.
fn runs(text: &str) -> impl Iterator<Item = (bool, usize, &[u8])> {
    let runs = text.as_bytes().chunk_by(|left, right| left.is_ascii_digit() == right.is_ascii_digit());
    runs.map(|run| {
        if !run.iter().all(u8::is_ascii_digit) {
            return (true, 0, run);
        }
        let zeros = run.iter().take_while(|digit| **digit == b'0').count();
        let digits = run.get(zeros..).unwrap_or_default();
        (false, digits.len(), digits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_goes_first_then_the_highest() {
        let sorted =
            [None, Some("v10.0"), Some("v9.12"), Some("v9.2"), Some("v9"), Some("2025-10"), Some("2025-9"), Some("2024")];
        for (index, left) in sorted.iter().enumerate() {
            for (other, right) in sorted.iter().enumerate() {
                assert_eq!(default_first(*left, *right), index.cmp(&other), "{left:?} {right:?}");
            }
        }
        assert_ne!(natural("2025-9", "2025-09"), Ordering::Equal, "the same number, and another version");
    }
}
