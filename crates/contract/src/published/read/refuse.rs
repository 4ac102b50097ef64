//! Reads a route's own checks.

use crate::diagnostic::Report;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::published::error_kind::ErrorKind;
use crate::published::read::known::Known;
use crate::published::refusals::RefusalRule;
use crate::reader::{Fields, items};
use crate::template::TEMPLATE;
use crate::yaml::Node;

/// The most checks of a route.
const RULES_MAX: usize = 50;
const HELP: &str = "list checks: `- { when: \"{{ request.body.kind != 'order' }}\", message: only orders are told }`";

/// The value of `refuse`.
pub(crate) const REFUSE: Shape = Shape::List { of: &RULE, min: Some(1), max: Some(RULES_MAX) };
const RULE: Shape = Shape::Named(&Definition {
    name: "published_refusal",
    about: "A check: which requests are refused, and with what.",
    shape: Shape::Keys(KEYS),
    examples: &[],
});
const KEYS: &[KeySpec] = &[
    KeySpec::required("when", Shape::TEXT, "The condition under which a request is refused.", HELP),
    KeySpec::required("message", TEMPLATE, "What is said then.", "say what is wrong, and what would be right"),
    KeySpec::optional("kind", Shape::Words(ErrorKind::WORDS), "The kind of refusal; `invalid` unless given."),
    KeySpec::optional("field", Shape::TEXT, "The part of the request that is wrong."),
];

/// Reads `refuse`. Its checks know the request.
pub(crate) fn read_refusals(node: &Node, place: &str, known: &Known<'_>, report: &mut Report) -> Option<Vec<RefusalRule>> {
    let items = items(node, place, HELP, report)?;
    if items.is_empty() || items.len() > RULES_MAX {
        report.add(node.at, place, format!("there are {} checks", items.len()), format!("list 1 to {RULES_MAX}"));
    }
    let read = items.iter().enumerate().map(|(index, item)| read_rule(item, &format!("{place}[{index}]"), known, report));
    let rules: Vec<Option<RefusalRule>> = read.collect();
    rules.into_iter().collect()
}

fn read_rule(node: &Node, place: &str, known: &Known<'_>, report: &mut Report) -> Option<RefusalRule> {
    let fields = Fields::open(node, place, KEYS, report)?;
    let when = fields.get("when").and_then(|node| known.condition(node, &fields.path_of("when"), report));
    let message = fields.get("message").and_then(|node| known.text(node, &fields.path_of("message"), report));
    let kind = fields.word("kind", report).unwrap_or(ErrorKind::Invalid);
    let field = fields.text("field", report);
    Some(RefusalRule { when: when?, kind, message: message?, field })
}
