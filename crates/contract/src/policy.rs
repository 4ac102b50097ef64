//! Reads `delivery`: success, timeout, retries and health, as the domain takes them.

mod batch;
pub(crate) mod chosen;
mod health;
pub(crate) mod order;
mod statuses;

use std::time::Duration;

use bellwire_domain::schedule::RETRIES_MAX;
use bellwire_domain::{DeliveryPolicy, HealthPolicy, RateLimit, RetrySchedule, SuccessRule};

use crate::answer_rules::AnswerRules;
use crate::diagnostic::Report;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::reader::{self, Fields, join};
use crate::yaml::Node;

use order::OrderKey;
use statuses::{STATUSES, read_statuses};

/// The value of `delivery`.
pub(crate) const DELIVERY: Shape = Shape::Named(&Definition {
    name: "delivery",
    about: "Success, retries and health.",
    shape: Shape::Keys(KEYS),
    examples: &[],
});
const KEYS: &[KeySpec] = &[
    KeySpec::optional("timeout", Shape::CHOSEN_DURATION, "How long one attempt may take; `30s` unless given."),
    KeySpec::optional("success", STATUSES, "The statuses that count as received, or a condition on the answer."),
    KeySpec::optional("stop", STATUSES, "The statuses after which nothing is tried again, or a condition on the answer."),
    KeySpec::optional("retry", RETRY, "When to try again."),
    KeySpec::optional(
        "retry_after",
        Shape::Either(&[Shape::Words(&["ignore"]), Shape::Keys(RETRY_AFTER_KEYS)]),
        "Whether a receiver's `Retry-After` puts the next attempt off.",
    ),
    KeySpec::optional("gone", Shape::Words(Gone::WORDS), "What the status 410 does."),
    KeySpec::optional(
        "in_flight",
        Shape::Either(&[Shape::Whole { min: 1, max: Some(IN_FLIGHT_MAX) }, Shape::CHOSEN]),
        "The most requests at once per endpoint.",
    ),
    KeySpec::optional(
        "rate_limit",
        Shape::Either(&[Shape::Pattern("^[0-9]{1,7}/[smh]$"), Shape::CHOSEN]),
        "The most requests in a span, such as `10/s`.",
    ),
    KeySpec::optional("batch", batch::BATCH, "How events share a request; each has one of its own unless given."),
    KeySpec::optional("order", order::ORDER, "Which events wait for the one before; none do unless given."),
    KeySpec::optional("answers", Shape::Words(Answers::WORDS), "Whether the bodies of answers are kept, and told the operator."),
    KeySpec::optional("health", health::HEALTH, "When an endpoint counts as unhealthy or failed."),
];
pub(crate) const RETRY: Shape = Shape::Named(&Definition {
    name: "retry",
    about: "`none`, or one form of schedule.",
    shape: Shape::Either(&[Shape::Words(&["none"]), Shape::CHOSEN, Shape::Keys(RETRY_KEYS)]),
    examples: &[],
});
/// A share of a delay.
const SHARE: Shape = Shape::Number { min: 0, max: Some(1) };
const RETRY_KEYS: &[KeySpec] = &[
    KeySpec::optional(
        "schedule",
        Shape::Either(&[Shape::List { of: &Shape::CHOSEN_DURATION, min: None, max: None }, Shape::CHOSEN]),
        "The delays, one by one.",
    ),
    KeySpec::optional(
        "retries",
        Shape::Either(&[Shape::Whole { min: 0, max: Some(RETRY_COUNT_MAX) }, Shape::CHOSEN]),
        "How often to try again.",
    ),
    KeySpec::optional("within", Shape::CHOSEN_DURATION, "The window that growing delays fill."),
    KeySpec::optional("backoff", Shape::Words(&["exponential", "linear"]), "How the delays grow; follows from the other keys."),
    KeySpec::optional("first", Shape::CHOSEN_DURATION, "The first delay."),
    KeySpec::optional("every", Shape::CHOSEN_DURATION, "The delay, always the same."),
    KeySpec::optional("step", Shape::CHOSEN_DURATION, "How much longer each delay is than the one before."),
    KeySpec::optional("factor", Shape::Number { min: 1, max: None }, "How many times longer each delay is; 2 unless given."),
    KeySpec::optional("max", Shape::CHOSEN_DURATION, "The longest delay."),
    KeySpec::optional(
        "jitter",
        Shape::Either(&[SHARE, Shape::List { of: &SHARE, min: Some(1), max: None }]),
        "The share of a delay that is random, for all of them or one by one.",
    ),
];
#[expect(clippy::cast_possible_truncation, reason = "a thousand")]
const RETRY_COUNT_MAX: u32 = RETRIES_MAX as u32;
/// The forms of a schedule: the key that marks each, and all of its keys. Without such a key the last form is meant.
const RETRY_FORMS: &[(&str, &[&str])] = &[
    ("schedule", &["schedule"]),
    ("within", &["retries", "within", "backoff", "first"]),
    ("every", &["every", "retries"]),
    ("step", &["step", "retries", "max", "backoff"]),
    ("first", &["first", "factor", "retries", "max", "backoff"]),
];
const RETRY_AFTER_KEYS: &[KeySpec] = &[KeySpec::required(
    "max",
    Shape::DURATION,
    "How far the header may put an attempt off.",
    "write how far the header may put an attempt off, such as `1h`",
)];
bellwire_domain::words! {
    /// What the status 410 does to an endpoint.
    enum Gone {
        Disable = "disable",
        Retry = "retry",
    }
}

bellwire_domain::words! {
    /// What happens to the bodies of answers.
    enum Answers {
        Keep = "keep",
        Drop = "drop",
        Relay = "relay",
    }
}

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
const TIMEOUT_MAX: Duration = Duration::from_secs(300);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
const IN_FLIGHT_DEFAULT: u32 = 32;
const IN_FLIGHT_MAX: u32 = 10_000;

/// Reads `delivery`. Keys that are left out have their defaults.
pub(crate) fn read(node: Option<&Node>, report: &mut Report) -> Option<(DeliveryPolicy, AnswerRules)> {
    let mut rules = AnswerRules::default();
    let mut policy = DeliveryPolicy {
        success: SuccessRule::any_2xx(),
        stop: None,
        timeout: TIMEOUT_DEFAULT,
        schedule: default_schedule(),
        retry_after_max: None,
        gone_disables: false,
        in_flight_max: IN_FLIGHT_DEFAULT,
        rate_limit: None,
        batch: None,
        order: None,
        keeps_answers: true,
        relays_answers: false,
        health: HealthPolicy::default(),
        health_on: None,
    };
    let Some(node) = node else { return Some((policy, rules)) };
    let fields = Fields::open(node, "delivery", KEYS, report)?;
    if let Some(timeout) = fields.duration("timeout", report) {
        policy.timeout = timeout;
        if timeout.is_zero() || timeout > TIMEOUT_MAX {
            report.add(fields.at("timeout"), "delivery.timeout", "out of range", "write a timeout from 1ms to 5m");
        }
    }
    let mut is_whole = true;
    if let Some(node) = fields.get("success") {
        is_whole &= match AnswerRules::read(node, "delivery.success", report) {
            (true, condition) => set(&mut rules.success, condition.map(Some)),
            (false, _) => set(&mut policy.success, read_statuses(node, "delivery.success", report)),
        };
    }
    if let Some(node) = fields.get("stop") {
        is_whole &= match AnswerRules::read(node, "delivery.stop", report) {
            (true, condition) => set(&mut rules.stop, condition.map(Some)),
            (false, _) => set(&mut policy.stop, read_statuses(node, "delivery.stop", report).map(Some)),
        };
    }
    if let Some(node) = fields.get("retry") {
        is_whole &= set(&mut policy.schedule, read_retry(node, "delivery.retry", report));
    }
    if let Some(node) = fields.get("retry_after") {
        policy.retry_after_max = read_retry_after(node, report);
    }
    policy.gone_disables = fields.word("gone", report) == Some(Gone::Disable);
    let answers = fields.word("answers", report);
    (policy.keeps_answers, policy.relays_answers) = (answers != Some(Answers::Drop), answers == Some(Answers::Relay));
    if let Some(node) = fields.get("batch") {
        is_whole &= match batch::read(node, report) {
            Some((batch, success)) => {
                rules.each = success;
                policy.batch = Some(batch);
                policy.in_flight_max = 1; // so that those which come meanwhile make up the next one, in order
                true
            }
            None => false,
        };
    }
    if let Some(node) = fields.get("order") {
        is_whole &= set(&mut policy.order, order::read(node, report).map(Some));
        if policy.batch.is_some() {
            let message = "a request for several events leaves no order among them to wait for";
            report.add(
                node.at,
                "delivery.order",
                message,
                "write `order` or `batch`: events of a batch are in order as they are",
            );
        }
    }
    if policy.batch.is_some() && policy.relays_answers {
        let message = "an answer to several events is not told as that of one";
        report.add(fields.at("answers"), "delivery.answers", message, "write `keep`, or leave `batch` out");
    }
    if let Some(count) = fields.count("in_flight", IN_FLIGHT_MAX, report) {
        policy.in_flight_max = count;
        if count == 0 {
            report.add(fields.at("in_flight"), "delivery.in_flight", "nothing could ever be sent", "write at least 1");
        }
    }
    if let Some(node) = fields.get("rate_limit") {
        policy.rate_limit = read_rate_limit(node, report);
    }
    if let Some(node) = fields.get("health") {
        is_whole &= set(&mut policy.health, health::read(node, report));
        policy.health_on = health::read_counted(node, report);
    }
    is_whole.then_some((policy, rules))
}

/// Reads what is in order, of the value of `delivery`. `None`: it could not be read.
#[expect(clippy::option_option, reason = "left out, wrong, or read")]
pub(crate) fn read_order_key(node: Option<&Node>, report: &mut Report) -> Option<Option<OrderKey>> {
    let mut ignored = Report::new("");
    let fields = node.and_then(|node| Fields::open(node, "delivery", KEYS, &mut ignored));
    let order = fields.as_ref().and_then(|fields| fields.get("order"));
    order.map_or(Some(None), |order| order::read_key(order, report).map(Some))
}

/// Sets what could be read. Where it could not, the other keys are still looked at.
fn set<T>(slot: &mut T, read: Option<T>) -> bool {
    match read {
        Some(read) => *slot = read,
        None => return false,
    }
    true
}

fn read_rate_limit(node: &Node, report: &mut Report) -> Option<RateLimit> {
    let limit = node.scalar().and_then(|scalar| scalar.text.parse().ok());
    if limit.is_none() {
        report.add(node.at, "delivery.rate_limit", "not a rate limit", "write a count and a span: 10/s, 600/m or 1000/h");
    }
    limit
}

/// The schedule of a contract that says nothing: ten retries within a day.
fn default_schedule() -> RetrySchedule {
    let day = Duration::from_secs(24 * 3_600);
    RetrySchedule::exponential_within(10, day, Some(Duration::from_secs(10))).unwrap_or_else(|_| RetrySchedule::none())
}

fn read_retry_after(node: &Node, report: &mut Report) -> Option<Duration> {
    if node.scalar().is_some_and(|scalar| scalar.text == "ignore") {
        return None;
    }
    if node.scalar().is_some() {
        report.add(node.at, "delivery.retry_after", "unknown value", "write `ignore` or `{ max: 1h }`");
        return None;
    }
    let fields = Fields::open(node, "delivery.retry_after", RETRY_AFTER_KEYS, report)?;
    let max = fields.duration("max", report)?;
    if max > RETRY_AFTER_MAX {
        report.add(fields.at("max"), "delivery.retry_after.max", "longer than 7 days", "write at most `7d`");
    }
    Some(max)
}

/// Reads a schedule.
pub(crate) fn read_retry(node: &Node, path: &str, report: &mut Report) -> Option<RetrySchedule> {
    if let Some(scalar) = node.scalar() {
        if scalar.text != "none" {
            let help = "write `none`, `{ schedule: [1m, 5m] }`, `{ retries: 15, within: 3d }`, `{ every: 5m, retries: 10 }` or another form";
            report.add(node.at, path, format!("unknown value `{}`", scalar.text), help);
            return None;
        }
        return Some(RetrySchedule::none());
    }
    let fields = Fields::open(node, path, RETRY_KEYS, report)?;
    let chosen = RETRY_FORMS.iter().find(|(chooser, _)| fields.get(chooser).is_some());
    let meant = RETRY_FORMS.iter().find(|(chooser, _)| fields.is_misspelt(chooser));
    let (form, keys) = *chosen.or(meant).or(RETRY_FORMS.last())?;
    for key in RETRY_KEYS.iter().map(|key| key.name).filter(|key| *key != "jitter" && !keys.contains(key)) {
        if let Some(node) = fields.get(key) {
            let message = format!("does not go with `{form}`");
            report.add(node.at, &fields.path_of(key), message, "keep the keys of one form of schedule");
        }
    }
    let schedule = read_form(&fields, form, path, report)?;
    let jitter = match fields.get("jitter") {
        Some(node) => read_jitter(node, &join(path, "jitter"), report)?,
        None => Vec::new(),
    };
    match schedule.and_then(|schedule| schedule.with_jitter(jitter)) {
        Ok(schedule) => Some(schedule),
        Err(error) => {
            report.add(node.at, path, error.to_string(), "");
            None
        }
    }
}

/// One share for all delays, or a list with one for each.
fn read_jitter(node: &Node, path: &str, report: &mut Report) -> Option<Vec<f64>> {
    if node.scalar().is_some() {
        return Some(vec![reader::fraction(node, path, report)?]);
    }
    let shares = reader::items(node, path, "write a share for each delay, such as `[0.1, 0.2]`, or one for all", report)?;
    let shares: Vec<Option<f64>> =
        shares.iter().enumerate().map(|(index, share)| reader::fraction(share, &format!("{path}[{index}]"), report)).collect();
    shares.into_iter().collect()
}

type Schedule = Result<RetrySchedule, bellwire_domain::schedule::InvalidSchedule>;

fn read_form(fields: &Fields<'_>, form: &str, path: &str, report: &mut Report) -> Option<Schedule> {
    if form == "schedule" {
        let node = fields.get("schedule")?;
        let delays = reader::items(node, &join(path, "schedule"), "write the delays: `[1m, 5m, 15m, 1h]`", report)?;
        let delays: Vec<Option<Duration>> = delays
            .iter()
            .enumerate()
            .map(|(index, item)| reader::duration(item, &format!("{path}.schedule[{index}]"), report))
            .collect();
        return Some(RetrySchedule::list(delays.into_iter().collect::<Option<Vec<_>>>()?));
    }
    check_backoff(fields, if form == "step" { "linear" } else { "exponential" }, report);
    let retries = fields.require("retries", "write how often to try again", report)?;
    let retries = usize::try_from(reader::count(retries, &join(path, "retries"), RETRY_COUNT_MAX, report)?).ok()?;
    let duration_of = |key: &str, help: &str, report: &mut Report| {
        reader::duration(fields.require(key, help, report)?, &fields.path_of(key), report)
    };
    Some(match form {
        "within" => {
            let first = match fields.get("first") {
                Some(node) => Some(reader::duration(node, &join(path, "first"), report)?),
                None => None,
            };
            RetrySchedule::exponential_within(retries, duration_of("within", "", report)?, first)
        }
        "every" => RetrySchedule::fixed(duration_of("every", "", report)?, retries),
        "step" => RetrySchedule::linear(duration_of("step", "", report)?, retries, fields.duration("max", report)),
        _ => {
            let factor = match fields.get("factor") {
                Some(node) => reader::fraction(node, "delivery.retry.factor", report)?,
                None => 2.0,
            };
            let help = "write the first delay (`first: 10s`), a window (`within: 3d`), `every`, `step` or a `schedule`";
            RetrySchedule::exponential(duration_of("first", help, report)?, factor, retries, fields.duration("max", report))
        }
    })
}

/// The other keys decide how delays grow; `backoff` may only agree.
fn check_backoff(fields: &Fields<'_>, expected: &str, report: &mut Report) {
    let Some(node) = fields.get("backoff") else { return };
    if node.scalar().is_none_or(|scalar| scalar.text != expected) {
        let message = format!("these delays are {expected}");
        report.add(node.at, &fields.path_of("backoff"), message, format!("write `{expected}`, or leave `backoff` out"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_schedule_belongs_to_some_form() {
        let of_forms: Vec<&str> = RETRY_FORMS.iter().flat_map(|(_, keys)| *keys).copied().collect();
        for key in RETRY_KEYS.iter().map(|key| key.name).filter(|key| *key != "jitter") {
            assert!(of_forms.contains(&key), "{key}");
        }
        for (chooser, keys) in RETRY_FORMS {
            assert!(keys.contains(chooser), "{chooser}");
            assert!(keys.iter().all(|key| RETRY_KEYS.iter().any(|known| known.name == *key)), "{chooser}");
        }
    }
}
