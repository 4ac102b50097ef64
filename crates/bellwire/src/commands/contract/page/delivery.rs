//! The section on answers, retries, health and order.

use std::fmt::Write as _;
use std::time::Duration;

use bellwire_contract::Contract;
use bellwire_domain::health::{FailedAfter, FailedThen};
use bellwire_domain::{OrderRule, OrderThen, Timestamp};

/// Delays do not depend on when they begin.
const START: Timestamp = Timestamp::from_secs(0);

/// What an answer means, and what follows when there is none.
pub(super) fn delivery(contract: &Contract) -> String {
    let policy = contract.delivery();
    let (success, timeout) = (&policy.success, spelled(policy.timeout));
    let mut text = String::new();
    if let Some(batch) = policy.batch {
        let _ = write!(text, "A request has up to {} events, in order", batch.deliveries_max);
        if !batch.wait.is_zero() {
            let _ = write!(text, "; the first of them waits up to {} for others", spelled(batch.wait));
        }
        text.push_str(". ");
    }
    let _ = write!(text, "A delivery has succeeded when you answer with status {success} within {timeout}.");
    let delays = policy.schedule.delays();
    if delays.is_empty() {
        text.push_str(" Otherwise it has failed: it is not tried again.\n");
    } else {
        let whole = spelled(delays.iter().sum());
        let retries = delays.len();
        let _ =
            writeln!(text, " Otherwise it is tried again, up to {retries} times within {whole}, after each of these delays:\n");
        for (index, delay) in delays.iter().enumerate() {
            let attempts = u32::try_from(index + 1).unwrap_or(u32::MAX);
            let latest = policy.schedule.next(attempts, START, 1.0).map_or(*delay, |due| due.since(START));
            let more = if latest > *delay { format!(" to {}", spelled(latest)) } else { String::new() };
            let _ = writeln!(text, "{}. {}{more}", index + 1, spelled(*delay));
        }
    }
    text.push('\n');
    if let Some(most) = policy.retry_after_max {
        let _ = writeln!(text, "- A `Retry-After` of yours is honoured, up to {}.", spelled(most));
    }
    if policy.gone_disables {
        text.push_str("- Status 410 ends the delivery and disables the endpoint.\n");
    }
    if let Some(counted) = &policy.health_on {
        let statuses = counted.statuses.as_ref().map(|rule| format!("answers with status {rule}"));
        let silence = counted.no_answer.then(|| "attempts without an answer".to_owned());
        let counted: Vec<String> = statuses.into_iter().chain(silence).collect();
        let _ = writeln!(text, "- Failures that count for the following: {}.", counted.join(", "));
    }
    if let Some(count) = policy.health.unhealthy_after_failures {
        let _ = writeln!(
            text,
            "- Failed attempts in a row that make an endpoint unhealthy: {count}. A success makes it active again."
        );
    }
    if let Some((after, then)) = policy.health.failed {
        let _ = writeln!(text, "- {}.", failed(after, then));
    }
    match policy.order {
        Some(rule) => {
            let _ = writeln!(text, "- The same event may arrive more than once. {}", order(rule, contract.ordered_by()));
        }
        None => text.push_str("- The same event may arrive more than once, and events may arrive out of order.\n"),
    }
    text
}

/// When an endpoint is failed, and what that does.
fn failed(after: FailedAfter, then: FailedThen) -> String {
    let when = match after {
        FailedAfter::UnhealthyFor(span) => {
            format!("An attempt that fails when the endpoint has been unhealthy for {}", spelled(span))
        }
        FailedAfter::FailingFor(span) => format!("An attempt that fails when none has succeeded for {}", spelled(span)),
        FailedAfter::Failures(count) => format!("The last of {count} failed attempts in a row"),
        FailedAfter::Run { failures, within, failing_for } => {
            let within = within.map(|span| format!(" within {}", spelled(span))).unwrap_or_default();
            let old = failing_for.map(|span| format!(", the first at least {} ago,", spelled(span))).unwrap_or_default();
            format!("The last of {failures} failed attempts in a row{within}{old}")
        }
    };
    let what = match then {
        FailedThen::Mute(span) => &format!("mutes it: its deliveries wait for {}, and then go on", spelled(span)),
        FailedThen::Pause => "pauses it: its deliveries wait until it is resumed",
        FailedThen::Disable => "disables it: what waits is cancelled, and new events are not sent to it",
    };
    format!("{when} {what}")
}

/// In which order events arrive.
fn order(rule: OrderRule, by: Option<&str>) -> String {
    let who = match by {
        Some(by) => format!("Events with the same `{by}` arrive in order"),
        None => "Events arrive in order".to_owned(),
    };
    let wait = match rule.wait {
        Some(span) => format!(", or cannot be tried again within {} of its first attempt", spelled(span)),
        None => String::new(),
    };
    let then = match rule.then {
        OrderThen::Pass => "",
        OrderThen::Pause => " Where one fails so, your endpoint is paused until it is resumed.",
    };
    let stale = if rule.drops_stale { " What could not be delivered is dropped once there is a newer one." } else { "" };
    format!("{who}: each is sent when the one before has been received or has failed{wait}.{then}{stale}")
}

/// `1 h 30 min`, to the second; below one second in milliseconds.
pub(super) fn spelled(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        return format!("{} ms", span.as_millis());
    }
    let seconds = (span + Duration::from_millis(500)).as_secs();
    let units = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let parts: Vec<String> =
        units.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let shown = [250, 5_000, 59_999, 5_400_000, 86_400_000, 90_061_000].map(|millis| spelled(Duration::from_millis(millis)));
        assert_eq!(shown, ["250 ms", "5 s", "1 min", "1 h 30 min", "1 d", "1 d 1 h 1 min 1 s"]);
    }
}
