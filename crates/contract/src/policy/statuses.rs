//! Statuses, as several keys of `delivery` take them.

use bellwire_domain::SuccessRule;

use crate::diagnostic::Report;
use crate::grammar::Shape;
use crate::yaml::{Kind, Node};

/// Statuses, or one condition as `{{ … }}`.
pub(super) const STATUSES: Shape = Shape::OneOrMany { of: &STATUS, min: None };
/// A status, a class such as `2xx`, a range, or `any`.
const STATUS: Shape = Shape::Types(&["string", "integer"]);

/// Reads a rule of statuses.
pub(super) fn read_statuses(node: &Node, path: &str, report: &mut Report) -> Option<SuccessRule> {
    let parts: Option<Vec<&str>> = match &node.kind {
        Kind::Scalar(scalar) if scalar.text == "any" => Some(vec!["100-599"]),
        Kind::Scalar(scalar) => Some(vec![&scalar.text]),
        Kind::List(items) => items.iter().map(|item| item.scalar().map(|scalar| scalar.text.as_str())).collect(),
        Kind::Map(_) => None,
    };
    let rule = parts.map(|parts| SuccessRule::parse(&parts.join(",")));
    if let Some(Ok(rule)) = rule {
        return Some(rule);
    }
    let help = "write `200`, `2xx`, `200-399`, a list such as `[200, 202]`, `any`, or a condition such as `\"{{ answer.status == 200 }}\"`";
    report.add(node.at, path, "not a status rule", help);
    None
}
