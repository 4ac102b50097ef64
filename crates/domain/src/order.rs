//! The order of deliveries to one endpoint: of those with the same key, each waits for the one before.
//!
//! The store decides who waits, where it makes and ends deliveries. This says what an attempt means for those that wait behind it.

use std::time::Duration;

use crate::health::{FailedAfter, FailedThen};
use crate::{HealthPolicy, Timestamp};

/// A contract's rules for the order of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRule {
    /// For how long after its first attempt a delivery may keep the next ones waiting; `None`: until it ends.
    pub wait: Option<Duration>,
    /// What happens when it may not keep them waiting any more, or has failed.
    pub then: OrderThen,
    /// Whether a delivery that has been tried in vain is dropped once a newer one waits behind it.
    pub drops_stale: bool,
}

crate::words! {
    /// What happens when a delivery may not keep those behind it waiting any more.
    pub enum OrderThen {
        /// The next one goes, and this one, if it is tried again, goes beside them.
        Pass = "pass",
        /// The endpoint is paused, until somebody resumes it.
        Pause = "pause",
    }
}

/// What an attempt of a delivery means for those that wait behind it, beside what its end means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrderStep {
    /// It is tried again, and they wait for it no longer.
    pub passes: bool,
    /// Its endpoint is paused.
    pub pauses: bool,
    /// It is dropped if a newer one waits.
    pub drops_stale: bool,
}

impl OrderStep {
    /// The health rules for the attempt: where it pauses its endpoint, that is all they say.
    pub fn health(self, policy: HealthPolicy) -> HealthPolicy {
        if self.pauses {
            let failed = Some((FailedAfter::Failures(1), FailedThen::Pause));
            return HealthPolicy { failed, ignores_failure: false, ..policy };
        }
        policy
    }
}

impl OrderRule {
    /// What it means that an attempt failed and the next one is due at `due_at`, of a delivery whose first attempt started at `first_at`.
    pub fn after_retry(&self, due_at: Timestamp, first_at: Timestamp) -> OrderStep {
        let is_over = self.wait.is_some_and(|wait| due_at > first_at.plus(wait));
        OrderStep {
            passes: is_over && self.then == OrderThen::Pass,
            pauses: is_over && self.then == OrderThen::Pause,
            drops_stale: self.drops_stale,
        }
    }

    /// What it means that a delivery has failed for good.
    pub fn after_failure(&self) -> OrderStep {
        OrderStep { pauses: self.then == OrderThen::Pause, ..OrderStep::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Health, HealthStatus};

    fn rule(wait: Option<Duration>, then: OrderThen) -> OrderRule {
        OrderRule { wait, then, drops_stale: false }
    }

    #[test]
    fn who_is_late_lets_the_others_pass_or_pauses_its_endpoint() {
        let at = Timestamp::from_secs;
        let hour = Some(Duration::from_secs(3_600));
        for (wait, then, due_at, passes, pauses) in [
            (hour, OrderThen::Pass, 3_600, false, false),
            (hour, OrderThen::Pass, 3_601, true, false),
            (hour, OrderThen::Pause, 3_600, false, false),
            (hour, OrderThen::Pause, 3_601, false, true),
            (None, OrderThen::Pass, 1 << 40, false, false),
            (None, OrderThen::Pause, 1 << 40, false, false),
        ] {
            let expected = OrderStep { passes, pauses, drops_stale: false };
            assert_eq!(rule(wait, then).after_retry(at(due_at), at(0)), expected, "{wait:?}, {then}, {due_at}");
        }
        assert!(rule(None, OrderThen::Pause).after_failure().pauses && !rule(hour, OrderThen::Pass).after_failure().pauses);
    }

    #[test]
    fn what_pauses_an_endpoint_does_so_whatever_else_its_health_depends_on() {
        let disables = Some((FailedAfter::Failures(9), FailedThen::Disable));
        let policy = HealthPolicy { unhealthy_after_failures: None, failed: disables, ignores_failure: true };
        let after = |pauses| {
            let policy = OrderStep { pauses, ..OrderStep::default() }.health(policy);
            (Health::default().observe(&policy, false, Timestamp::from_secs(0)).status, policy.failed.map(|(_, then)| then))
        };
        assert_eq!(after(true), (HealthStatus::Failed, Some(FailedThen::Pause)));
        assert_eq!(after(false), (HealthStatus::Active, Some(FailedThen::Disable)));
    }

    #[test]
    fn only_what_is_to_be_tried_again_can_be_stale() {
        let rule = OrderRule { drops_stale: true, ..rule(None, OrderThen::Pass) };
        let at = Timestamp::from_secs(0);
        assert!(rule.after_retry(at, at).drops_stale && !rule.after_failure().drops_stale);
    }
}
