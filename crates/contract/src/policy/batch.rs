//! Reads `delivery.batch`: how events to one endpoint share a request.

use std::time::Duration;

use bellwire_domain::BatchRule;

use crate::answer_rules::AnswerRules;
use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::grammar::{KeySpec, Shape};
use crate::reader::Fields;
use crate::template::TEMPLATE;
use crate::yaml::Node;

/// The value of `delivery.batch`.
pub(super) const BATCH: Shape = Shape::Keys(KEYS);
const KEYS: &[KeySpec] = &[
    KeySpec::required(
        "max",
        Shape::Either(&[Shape::Whole { min: 1, max: Some(DELIVERIES_MAX) }, Shape::CHOSEN]),
        "The most events in a request.",
        "write the most events in a request: `max: 100`",
    ),
    KeySpec::optional("wait", Shape::CHOSEN_DURATION, "How long the first event may wait for others; not at all unless given."),
    KeySpec::optional("success", TEMPLATE, "Which events of a request an answer says were received."),
];
const DELIVERIES_MAX: u32 = 1_000;
const WAIT_MAX: Duration = Duration::from_secs(3_600);
const PATH: &str = "delivery.batch";

/// The rule, and the condition on the answer that is asked for each event.
pub(super) fn read(node: &Node, report: &mut Report) -> Option<(BatchRule, Option<Expression>)> {
    let fields = Fields::open(node, PATH, KEYS, report)?;
    let deliveries_max = fields.count("max", DELIVERIES_MAX, report)?;
    if deliveries_max == 0 {
        report.add(fields.at("max"), "delivery.batch.max", "nothing could ever be sent", "write at least 1");
    }
    let wait = fields.duration("wait", report).unwrap_or_default();
    if wait > WAIT_MAX {
        report.add(fields.at("wait"), "delivery.batch.wait", "longer than an hour", "write at most `1h`");
    }
    let success = match fields.get("success") {
        Some(node) => Some(AnswerRules::read_for_each(node, "delivery.batch.success", report)?),
        None => None,
    };
    Some((BatchRule { deliveries_max: deliveries_max.max(1), wait }, success))
}
