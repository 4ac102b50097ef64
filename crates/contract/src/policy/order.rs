//! Reads `delivery.order`: which deliveries to an endpoint wait for the one before, and for how long.

use std::time::Duration;

use bellwire_domain::{OrderRule, OrderThen};

use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::facts::read_event_value;
use crate::grammar::{KeySpec, Shape};
use crate::reader::Fields;
use crate::template::TEMPLATE;
use crate::yaml::Node;

/// The value of `delivery.order`.
pub(super) const ORDER: Shape = Shape::Either(&[Shape::Words(By::WORDS), Shape::Keys(KEYS)]);
const KEYS: &[KeySpec] = &[
    KeySpec::optional(
        "by",
        Shape::Either(&[Shape::Words(By::WORDS), TEMPLATE]),
        "What events have in common that wait for each other; all of an endpoint's do unless given.",
    ),
    KeySpec::optional(
        "wait",
        Shape::CHOSEN_DURATION,
        "How long after its first attempt a delivery may keep the next ones waiting.",
    ),
    KeySpec::optional("then", Shape::Words(OrderThen::WORDS), "What happens after that, or if it fails; `pass` unless given."),
    KeySpec::optional("stale", Shape::Words(Stale::WORDS), "What happens to a retry that a newer event waits behind."),
];
const PATH: &str = "delivery.order";
const WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

bellwire_domain::words! {
    /// What is in order without a value that says so.
    enum By {
        Endpoint = "endpoint",
    }
}

bellwire_domain::words! {
    /// What happens to a delivery that has been tried in vain, once a newer one waits behind it.
    enum Stale {
        Keep = "keep",
        Drop = "drop",
    }
}

/// What events have in common that wait for each other.
#[derive(Debug)]
pub(crate) enum OrderKey {
    /// That they go to the same endpoint.
    Endpoint,
    /// This value as well.
    By(Expression),
}

/// Reads the rule.
pub(super) fn read(node: &Node, report: &mut Report) -> Option<OrderRule> {
    let mut rule = OrderRule { wait: None, then: OrderThen::Pass, drops_stale: false };
    if let Some(scalar) = node.scalar() {
        if scalar.text != By::Endpoint.as_str() {
            let help = "write `endpoint`, or `{ by: \"{{ event.data.order_id }}\" }`";
            report.add(node.at, PATH, format!("unknown value `{}`", scalar.text), help);
            return None;
        }
        return Some(rule);
    }
    let fields = Fields::open(node, PATH, KEYS, report)?;
    if fields.get("wait").is_some() {
        let wait = fields.duration("wait", report)?;
        if wait.is_zero() || wait > WAIT_MAX {
            report.add(fields.at("wait"), "delivery.order.wait", "out of range", "write a time from 1ms to 30d");
        }
        rule.wait = Some(wait);
    }
    rule.then = fields.word("then", report).unwrap_or(rule.then);
    rule.drops_stale = fields.word("stale", report) == Some(Stale::Drop);
    Some(rule)
}

/// Reads what is in order.
pub(super) fn read_key(node: &Node, report: &mut Report) -> Option<OrderKey> {
    if node.scalar().is_some() {
        return Some(OrderKey::Endpoint);
    }
    let mut ignored = Report::new(""); // the rule's reader says what is wrong with the keys
    let fields = Fields::open(node, PATH, KEYS, &mut ignored)?;
    let Some(by) = fields.get("by").filter(|by| by.scalar().is_none_or(|scalar| scalar.text != By::Endpoint.as_str())) else {
        return Some(OrderKey::Endpoint);
    };
    let help = "write `endpoint`, or one expression: `\"{{ event.data.order_id }}\"`";
    read_event_value(by, "delivery.order.by", help, report).map(OrderKey::By)
}
