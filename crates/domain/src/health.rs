//! The health of an endpoint, as its contract defines it.
//!
//! Health is a function of what is stored with the endpoint and of one attempt's result; nothing is remembered elsewhere, so a
//! restart changes nothing. A contract that says nothing about health leaves every endpoint `active`.

use std::time::Duration;

use crate::Timestamp;

crate::words! {
    /// Where an endpoint stands, in order of severity.
    #[derive(Default)]
    pub enum HealthStatus {
        /// Deliveries are attempted.
        #[default]
        Active = "active",
        /// Deliveries are attempted; recent ones failed.
        Unhealthy = "unhealthy",
        /// The queue is paused: nothing is attempted until somebody resumes the endpoint.
        Failed = "failed",
        /// Not yet verified: nothing is attempted.
        Pending = "pending",
        /// Its lease has ended: nothing is attempted, and events make no deliveries for it.
        Expired = "expired",
    }
}

impl HealthStatus {
    /// Whether deliveries to an endpoint in this state are attempted.
    pub const fn allows_attempts(self) -> bool {
        match self {
            Self::Active | Self::Unhealthy => true,
            Self::Failed | Self::Pending | Self::Expired => false,
        }
    }
}

/// What is stored with an endpoint about its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// Where it stands.
    pub status: HealthStatus,
    /// Failed attempts since the last success.
    pub consecutive_failures: u32,
    /// When the first of those failures ended.
    pub failing_since: Option<Timestamp>,
    /// When it became unhealthy.
    pub unhealthy_since: Option<Timestamp>,
}

/// When an endpoint counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedAfter {
    /// A failure when it has been unhealthy for this long.
    UnhealthyFor(Duration),
    /// A failure when nothing has succeeded for this long.
    FailingFor(Duration),
    /// This many failed attempts in a row.
    Failures(u32),
}

/// What happens when an endpoint becomes failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedThen {
    /// Its queue waits; new events still queue for it.
    Pause,
    /// It is disabled: waiting deliveries are cancelled and new events make none.
    Disable,
}

/// A contract's health rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HealthPolicy {
    /// Failed attempts in a row that make an endpoint unhealthy; `None`: never.
    pub unhealthy_after_failures: Option<u32>,
    /// What makes it failed, and what then happens; `None`: never.
    pub failed: Option<(FailedAfter, FailedThen)>,
}

impl Health {
    /// That of an endpoint that is not verified yet.
    pub fn pending() -> Self {
        Self { status: HealthStatus::Pending, ..Self::default() }
    }

    /// That of an endpoint whose lease has ended.
    pub fn expired() -> Self {
        Self { status: HealthStatus::Expired, ..Self::default() }
    }

    /// The health after an attempt that ended at `now`.
    #[must_use]
    pub fn observe(self, policy: &HealthPolicy, success: bool, now: Timestamp) -> Self {
        if !self.status.allows_attempts() {
            return self; // a late answer neither revives nor worsens a paused endpoint
        }
        if success { Self::default() } else { self.after_failure(policy, now) }
    }

    fn after_failure(self, policy: &HealthPolicy, now: Timestamp) -> Self {
        let consecutive_failures = self.consecutive_failures.saturating_add(1);
        let failing_since = Some(self.failing_since.unwrap_or(now));
        let unhealthy = policy.unhealthy_after_failures.is_some_and(|count| consecutive_failures >= count);
        let unhealthy_since = self.unhealthy_since.or(unhealthy.then_some(now));
        let failed = policy.failed.is_some_and(|(after, _)| match after {
            FailedAfter::UnhealthyFor(span) => unhealthy_since.is_some_and(|since| now.since(since) >= span),
            FailedAfter::FailingFor(span) => failing_since.is_some_and(|since| now.since(since) >= span),
            FailedAfter::Failures(count) => consecutive_failures >= count,
        });
        let status = match (failed, unhealthy_since) {
            (true, _) => HealthStatus::Failed,
            (false, Some(_)) => HealthStatus::Unhealthy,
            (false, None) => HealthStatus::Active,
        };
        Self { status, consecutive_failures, failing_since, unhealthy_since }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn seven_days() -> HealthPolicy {
        HealthPolicy { unhealthy_after_failures: Some(1), failed: Some((FailedAfter::UnhealthyFor(7 * DAY), FailedThen::Pause)) }
    }

    #[test]
    fn unhealthy_on_failure_active_on_success_failed_after_seven_days() {
        let policy = seven_days();
        let start = Timestamp::from_secs(0);
        let health = Health::default().observe(&policy, false, start);
        assert_eq!(health.status, HealthStatus::Unhealthy);
        assert_eq!(health.observe(&policy, true, start).status, HealthStatus::Active);
        let almost = start.plus(7 * DAY).minus(Duration::from_micros(1));
        assert_eq!(health.observe(&policy, false, almost).status, HealthStatus::Unhealthy);
        let failed = health.observe(&policy, false, start.plus(7 * DAY));
        assert_eq!(failed.status, HealthStatus::Failed);
        assert_eq!(failed.observe(&policy, true, start.plus(8 * DAY)), failed, "only a resume revives it");
    }

    #[test]
    fn a_success_in_between_starts_the_clock_anew() {
        let policy = seven_days();
        let start = Timestamp::from_secs(0);
        let revived = Health::default().observe(&policy, false, start).observe(&policy, true, start.plus(6 * DAY));
        let again = revived.observe(&policy, false, start.plus(8 * DAY));
        assert_eq!((again.status, again.unhealthy_since), (HealthStatus::Unhealthy, Some(start.plus(8 * DAY))));
    }

    proptest! {
        #[test]
        fn without_a_policy_every_endpoint_stays_active(results: Vec<bool>) {
            let mut health = Health::default();
            for (second, success) in (0i64..).zip(results) {
                health = health.observe(&HealthPolicy::default(), success, Timestamp::from_secs(second));
                prop_assert_eq!(health.status, HealthStatus::Active);
                prop_assert_eq!(success, health.consecutive_failures == 0);
            }
        }

        #[test]
        fn by_count_the_nth_failure_in_a_row_fails_it(count in 1u32..20) {
            let policy = HealthPolicy { unhealthy_after_failures: None, failed: Some((FailedAfter::Failures(count), FailedThen::Disable)) };
            let mut health = Health::default();
            for failure in 1..=count {
                health = health.observe(&policy, false, Timestamp::from_secs(i64::from(failure)));
                prop_assert_eq!(health.status == HealthStatus::Failed, failure == count);
            }
        }
    }
}
