//! Reads `delivery.health`: when an endpoint counts as unhealthy or failed, and what happens then.

use std::time::Duration;

use bellwire_domain::health::{CountedFailures, FailedAfter, FailedThen};
use bellwire_domain::{HealthPolicy, SuccessRule};

use super::statuses::STATUSES;
use crate::diagnostic::Report;
use crate::grammar::{KeySpec, Shape};
use crate::reader::{self, Fields};
use crate::yaml::Node;

/// The value of `health`.
pub(super) const HEALTH: Shape = Shape::Keys(HEALTH_KEYS);
const HEALTH_KEYS: &[KeySpec] = &[
    KeySpec::optional("on", STATUSES, "The failures that count: statuses, and `no_answer`; every one unless given."),
    KeySpec::optional("unhealthy", Shape::Keys(UNHEALTHY_KEYS), "When an endpoint becomes unhealthy."),
    KeySpec::optional("failed", Shape::Keys(FAILED_KEYS), "When it becomes failed, and what happens then."),
];
const UNHEALTHY_KEYS: &[KeySpec] = &[KeySpec::required(
    "after_failures",
    FAILURES,
    "How many failed attempts in a row it takes.",
    "write after how many failed attempts in a row, such as `1`",
)];
const FAILED_KEYS: &[KeySpec] = &[
    KeySpec::optional("after_unhealthy_for", Shape::DURATION, "How long it has been unhealthy."),
    KeySpec::optional("after_failing_for", Shape::DURATION, "How long every attempt has failed."),
    KeySpec::optional("after_failures", FAILURES, "How many attempts in a row have failed."),
    KeySpec::optional("within", Shape::DURATION, "With `after_failures`: how long failures count together."),
    KeySpec::optional(
        "then",
        Shape::Either(&[Shape::Words(Then::WORDS), Shape::Keys(MUTE_KEYS)]),
        "What happens to its queue; `pause` unless given.",
    ),
];
const MUTE_KEYS: &[KeySpec] = &[KeySpec::required(
    "mute",
    Shape::DURATION,
    "How long its queue waits before it is resumed by itself.",
    "write how long nothing is sent, such as `30m`",
)];
/// Among the failures that count: those without an answer.
const NO_ANSWER: &str = "no_answer";
const FAILURES: Shape = Shape::Whole { min: 1, max: None };

/// The shortest time that an endpoint is muted.
const MUTE_MIN: Duration = Duration::from_secs(1);

bellwire_domain::words! {
    /// What happens to an endpoint that has failed.
    enum Then {
        Pause = "pause",
        Disable = "disable",
    }
}

/// Reads `delivery.health`.
pub(super) fn read(node: &Node, report: &mut Report) -> Option<HealthPolicy> {
    let fields = Fields::open(node, "delivery.health", HEALTH_KEYS, report)?;
    let mut policy = HealthPolicy::default();
    if let Some(node) = fields.get("unhealthy") {
        let count = Fields::open(node, "delivery.health.unhealthy", UNHEALTHY_KEYS, report)?.get("after_failures")?;
        policy.unhealthy_after_failures = at_least_one(count, "delivery.health.unhealthy.after_failures", report);
    }
    if let Some(node) = fields.get("failed") {
        policy.failed = read_failed(node, policy.unhealthy_after_failures.is_some(), report);
    }
    Some(policy)
}

/// Which failures count; `None`: every one.
pub(super) fn read_counted(node: &Node, report: &mut Report) -> Option<CountedFailures> {
    let path = "delivery.health.on";
    let node = Fields::open(node, "delivery.health", HEALTH_KEYS, &mut Report::new(""))?.get("on")?;
    let texts: Option<Vec<&str>> =
        reader::one_or_many(node).iter().map(|item| item.scalar().map(|scalar| scalar.text.as_str())).collect();
    let (silent, statuses): (Vec<&str>, Vec<&str>) = texts.unwrap_or_default().into_iter().partition(|text| *text == NO_ANSWER);
    let no_answer = !silent.is_empty();
    if statuses.is_empty() && no_answer {
        return Some(CountedFailures { statuses: None, no_answer });
    }
    let rule = SuccessRule::parse(&statuses.join(",")).ok();
    if rule.is_none() {
        let help = "write statuses such as `[4xx, 503]`, and `no_answer` for failures without one";
        report.add(node.at, path, "not failures", help);
    }
    rule.map(|rule| CountedFailures { statuses: Some(rule), no_answer })
}

fn read_failed(node: &Node, has_unhealthy: bool, report: &mut Report) -> Option<(FailedAfter, FailedThen)> {
    let path = "delivery.health.failed";
    let fields = Fields::open(node, path, FAILED_KEYS, report)?;
    let then = read_then(&fields, report)?;
    let conditions = FAILED_KEYS.iter().map(|key| key.name).filter(|key| *key != "then" && fields.get(key).is_some());
    let conditions: Vec<&str> = conditions.collect();
    if conditions.len() > 1 && conditions.contains(&"after_failures") && !conditions.contains(&"after_unhealthy_for") {
        return Some((read_run(&fields, report)?, then));
    }
    let [key] = conditions[..] else {
        let help = "write one of `after_unhealthy_for`, `after_failing_for` and `after_failures`; with the last, also `after_failing_for` and `within`";
        let message = if conditions.is_empty() { "needs a condition" } else { "these conditions do not go together" };
        report.add(fields.at, path, message, help);
        return None;
    };
    if key == "within" {
        let help = "add how many failures there have to be: `after_failures: 10`";
        report.add(fields.at("within"), &fields.path_of("within"), "`within` alone is no condition", help);
        return None;
    }
    let value = fields.get(key)?;
    let place = fields.path_of(key);
    let after = match key {
        "after_unhealthy_for" => {
            if !has_unhealthy {
                report.add(
                    value.at,
                    &place,
                    "no endpoint ever becomes unhealthy",
                    "add `unhealthy: { after_failures: 1 }`, or write `after_failing_for`",
                );
            }
            FailedAfter::UnhealthyFor(reader::duration(value, &place, report)?)
        }
        "after_failing_for" => FailedAfter::FailingFor(reader::duration(value, &place, report)?),
        _ => FailedAfter::Failures(at_least_one(value, &place, report)?),
    };
    Some((after, then))
}

/// What happens to an endpoint that has failed.
fn read_then(fields: &Fields<'_>, report: &mut Report) -> Option<FailedThen> {
    let Some(node) = fields.get("then").filter(|node| node.scalar().is_none()) else {
        if fields.get("then").and_then(Node::scalar).is_some_and(|scalar| scalar.text == "mute") {
            report.add(fields.at("then"), &fields.path_of("then"), "for how long?", "write `{ mute: 30m }`");
            return None;
        }
        return Some(match fields.word("then", report) {
            Some(Then::Disable) => FailedThen::Disable,
            Some(Then::Pause) | None => FailedThen::Pause,
        });
    };
    let path = fields.path_of("then");
    let mute = Fields::open(node, &path, MUTE_KEYS, report)?;
    let span = mute.duration("mute", report)?;
    if span < MUTE_MIN {
        report.add(mute.at("mute"), &mute.path_of("mute"), "too short", "write at least `1s`");
        return None;
    }
    Some(FailedThen::Mute(span))
}

/// Failures in a row, with what else must hold of them.
fn read_run(fields: &Fields<'_>, report: &mut Report) -> Option<FailedAfter> {
    let failures = at_least_one(fields.get("after_failures")?, &fields.path_of("after_failures"), report)?;
    let (within, failing_for) = (fields.duration("within", report), fields.duration("after_failing_for", report));
    if let (Some(within), Some(failing_for)) = (within, failing_for)
        && failing_for > within
    {
        let help = "write a `within` that is longer than `after_failing_for`";
        report.add(fields.at("within"), &fields.path_of("within"), "no endpoint ever fails so", help);
    }
    Some(FailedAfter::Run { failures, within, failing_for })
}

fn at_least_one(node: &Node, path: &str, report: &mut Report) -> Option<u32> {
    let count = reader::count(node, path, 1_000_000, report)?;
    if count == 0 {
        report.add(node.at, path, "a count of failures starts at 1", "write at least 1");
        return None;
    }
    Some(count)
}
