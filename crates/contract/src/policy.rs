//! Reads `delivery`: success, timeout, retries and health, resolved to what the domain decides with.

use std::time::Duration;

use bellwire_domain::health::{FailedAfter, FailedThen};
use bellwire_domain::schedule::RETRIES_MAX;
use bellwire_domain::{DeliveryPolicy, HealthPolicy, RateLimit, RetrySchedule, SuccessRule};

use crate::diagnostic::Report;
use crate::reader::{self, Fields};
use crate::yaml::{Kind, Node};

const KEYS: &[&str] = &["timeout", "success", "retry", "retry_after", "gone", "in_flight", "rate_limit", "answers", "health"];
const RETRY_KEYS: &[&str] = &["schedule", "retries", "within", "backoff", "first", "every", "step", "factor", "max", "jitter"];
const HEALTH_KEYS: &[&str] = &["unhealthy", "failed"];
const FAILED_KEYS: &[&str] = &["after_unhealthy_for", "after_failing_for", "after_failures", "then"];
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
const TIMEOUT_MAX: Duration = Duration::from_secs(300);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
const IN_FLIGHT_DEFAULT: u32 = 32;
const IN_FLIGHT_MAX: u32 = 10_000;

/// Reads `delivery`; what is left out has its default.
pub(crate) fn read(node: Option<&Node>, report: &mut Report) -> Option<DeliveryPolicy> {
    let mut policy = DeliveryPolicy {
        success: SuccessRule::any_2xx(),
        timeout: TIMEOUT_DEFAULT,
        schedule: default_schedule(),
        retry_after_max: None,
        gone_disables: false,
        in_flight_max: IN_FLIGHT_DEFAULT,
        rate_limit: None,
        keeps_answers: true,
        health: HealthPolicy::default(),
    };
    let Some(node) = node else { return Some(policy) };
    let fields = Fields::open(node, "delivery", KEYS, report)?;
    if let Some(timeout) = fields.duration("timeout", report) {
        policy.timeout = timeout;
        if timeout.is_zero() || timeout > TIMEOUT_MAX {
            let at = fields.get("timeout").map_or(fields.at, |node| node.at);
            report.add(at, "delivery.timeout", "out of range", "write a timeout from 1ms to 5m");
        }
    }
    if let Some(node) = fields.get("success") {
        policy.success = read_success(node, report)?;
    }
    if let Some(node) = fields.get("retry") {
        policy.schedule = read_retry(node, report)?;
    }
    if let Some(node) = fields.get("retry_after") {
        policy.retry_after_max = read_retry_after(node, report);
    }
    policy.gone_disables = fields.choice("gone", false, &[("disable", true), ("retry", false)], report);
    policy.keeps_answers = fields.choice("answers", true, &[("keep", true), ("drop", false)], report);
    if let Some(count) = fields.count("in_flight", IN_FLIGHT_MAX, report) {
        policy.in_flight_max = count;
        if count == 0 {
            let at = fields.get("in_flight").map_or(fields.at, |node| node.at);
            report.add(at, "delivery.in_flight", "nothing could ever be sent", "write at least 1");
        }
    }
    if let Some(node) = fields.get("rate_limit") {
        policy.rate_limit = read_rate_limit(node, report);
    }
    if let Some(node) = fields.get("health") {
        policy.health = read_health(node, report)?;
    }
    Some(policy)
}

fn read_rate_limit(node: &Node, report: &mut Report) -> Option<RateLimit> {
    let limit = node.scalar().and_then(|scalar| scalar.text.parse().ok());
    if limit.is_none() {
        report.add(node.at, "delivery.rate_limit", "not a rate limit", "write a count and a span: 10/s, 600/m or 1000/h");
    }
    limit
}

/// Ten retries within a day: what a contract gets that says nothing.
fn default_schedule() -> RetrySchedule {
    let day = Duration::from_secs(24 * 3_600);
    RetrySchedule::exponential_within(10, day, Some(Duration::from_secs(10))).unwrap_or_else(|_| RetrySchedule::none())
}

fn read_success(node: &Node, report: &mut Report) -> Option<SuccessRule> {
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
    let help = "write `200`, `2xx`, `200-399`, a list such as `[200, 202]`, or `any`";
    report.add(node.at, "delivery.success", "not a status rule", help);
    None
}

fn read_retry_after(node: &Node, report: &mut Report) -> Option<Duration> {
    if node.scalar().is_some_and(|scalar| scalar.text == "ignore") {
        return None;
    }
    if node.scalar().is_some() {
        report.add(node.at, "delivery.retry_after", "unknown value", "write `ignore` or `{ max: 1h }`");
        return None;
    }
    let fields = Fields::open(node, "delivery.retry_after", &["max"], report)?;
    let max_node = fields.require("max", "write how far the header may push an attempt back, such as `1h`", report)?;
    let max = reader::duration(max_node, "delivery.retry_after.max", report)?;
    if max > RETRY_AFTER_MAX {
        report.add(max_node.at, "delivery.retry_after.max", "longer than 7 days", "write at most `7d`");
    }
    Some(max)
}

fn read_retry(node: &Node, report: &mut Report) -> Option<RetrySchedule> {
    if let Some(scalar) = node.scalar() {
        if scalar.text != "none" {
            let help = "write `none`, `{ schedule: [1m, 5m] }`, `{ retries: 15, within: 3d }`, `{ every: 5m, retries: 10 }` or another form";
            report.add(node.at, "delivery.retry", format!("unknown value `{}`", scalar.text), help);
            return None;
        }
        return Some(RetrySchedule::none());
    }
    let fields = Fields::open(node, "delivery.retry", RETRY_KEYS, report)?;
    let has = |key: &str| fields.get(key).is_some();
    let form = if has("schedule") {
        ("schedule", vec!["schedule"])
    } else if has("within") {
        ("within", vec!["retries", "within", "backoff", "first"])
    } else if has("every") {
        ("every", vec!["every", "retries"])
    } else if has("step") {
        ("step", vec!["step", "retries", "max", "backoff"])
    } else {
        ("first", vec!["first", "factor", "retries", "max", "backoff"])
    };
    for key in RETRY_KEYS.iter().filter(|key| has(key) && **key != "jitter" && !form.1.contains(*key)) {
        let at = fields.get(key).map_or(fields.at, |node| node.at);
        report.add(at, &fields.path_of(key), format!("does not go with `{}`", form.0), "keep the keys of one form of schedule");
    }
    let schedule = read_form(&fields, form.0, report)?;
    let jitter = match fields.get("jitter") {
        Some(node) => reader::fraction(node, "delivery.retry.jitter", report)?,
        None => 0.0,
    };
    match schedule.and_then(|schedule| schedule.with_jitter(jitter)) {
        Ok(schedule) => Some(schedule),
        Err(error) => {
            report.add(node.at, "delivery.retry", error.to_string(), "");
            None
        }
    }
}

type Schedule = Result<RetrySchedule, bellwire_domain::schedule::InvalidSchedule>;

fn read_form(fields: &Fields<'_>, form: &str, report: &mut Report) -> Option<Schedule> {
    if form == "schedule" {
        let node = fields.get("schedule")?;
        let Kind::List(items) = &node.kind else {
            report.add(node.at, "delivery.retry.schedule", "this is no list", "write the delays: `[1m, 5m, 15m, 1h]`");
            return None;
        };
        let delays: Vec<Option<Duration>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| reader::duration(item, &format!("delivery.retry.schedule[{index}]"), report))
            .collect();
        return Some(RetrySchedule::list(delays.into_iter().collect::<Option<Vec<_>>>()?));
    }
    let linear = form == "step";
    let backoff_words: &[(&str, ())] = if linear { &[("linear", ())] } else { &[("exponential", ())] };
    fields.choice("backoff", (), backoff_words, report);
    let most = u32::try_from(RETRIES_MAX).unwrap_or(u32::MAX);
    let retries = fields.require("retries", "write how often to try again", report)?;
    let retries = usize::try_from(reader::count(retries, "delivery.retry.retries", most, report)?).ok()?;
    let duration_of = |key: &str, help: &str, report: &mut Report| {
        reader::duration(fields.require(key, help, report)?, &fields.path_of(key), report)
    };
    Some(match form {
        "within" => {
            let first = match fields.get("first") {
                Some(node) => Some(reader::duration(node, "delivery.retry.first", report)?),
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

fn read_health(node: &Node, report: &mut Report) -> Option<HealthPolicy> {
    let fields = Fields::open(node, "delivery.health", HEALTH_KEYS, report)?;
    let mut policy = HealthPolicy::default();
    if let Some(node) = fields.get("unhealthy") {
        let unhealthy = Fields::open(node, "delivery.health.unhealthy", &["after_failures"], report)?;
        let count = unhealthy.require("after_failures", "write after how many failed attempts in a row, such as `1`", report)?;
        policy.unhealthy_after_failures = at_least_one(count, "delivery.health.unhealthy.after_failures", report);
    }
    if let Some(node) = fields.get("failed") {
        policy.failed = read_failed(node, policy.unhealthy_after_failures.is_some(), report);
    }
    Some(policy)
}

fn read_failed(node: &Node, has_unhealthy: bool, report: &mut Report) -> Option<(FailedAfter, FailedThen)> {
    let path = "delivery.health.failed";
    let fields = Fields::open(node, path, FAILED_KEYS, report)?;
    let then =
        fields.choice("then", FailedThen::Pause, &[("pause", FailedThen::Pause), ("disable", FailedThen::Disable)], report);
    let given: Vec<&str> = FAILED_KEYS.iter().copied().filter(|key| *key != "then" && fields.get(key).is_some()).collect();
    let [key] = given.as_slice() else {
        report.add(
            fields.at,
            path,
            "needs exactly one condition",
            "write one of `after_unhealthy_for`, `after_failing_for` and `after_failures`",
        );
        return None;
    };
    let value = fields.get(key)?;
    let place = fields.path_of(key);
    let after = match *key {
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

fn at_least_one(node: &Node, path: &str, report: &mut Report) -> Option<u32> {
    let count = reader::count(node, path, 1_000_000, report)?;
    if count == 0 {
        report.add(node.at, path, "a count of failures starts at 1", "write at least 1");
        return None;
    }
    Some(count)
}
