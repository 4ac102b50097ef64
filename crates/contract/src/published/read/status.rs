//! Statuses of published answers and refusals.

use std::ops::Range;

use http::StatusCode;
use serde_json::{Value, json};

use crate::diagnostic::Report;
use crate::yaml::Node;

/// The statuses of an answer when nothing is wrong.
pub(crate) const ANSWER_STATUSES: Range<u16> = 200..300;
/// The statuses of a refusal. A published API may say in the body alone that something is wrong, as GraphQL does.
pub(crate) const ERROR_STATUSES: Range<u16> = 200..600;

pub(crate) fn read_status(node: &Node, place: &str, range: Range<u16>, report: &mut Report) -> Option<StatusCode> {
    let number = node.scalar().and_then(|scalar| scalar.text.parse::<u16>().ok()).filter(|status| range.contains(status));
    if number.is_none() {
        let help = format!("write a number from {} to {}", range.start, range.end - 1);
        report.add(node.at, place, "not a status in range", help);
    }
    StatusCode::from_u16(number?).ok()
}

/// The JSON Schema of such a status.
pub(crate) fn status_schema(range: Range<u16>) -> Value {
    json!({ "type": "integer", "minimum": range.start, "maximum": range.end - 1 })
}
