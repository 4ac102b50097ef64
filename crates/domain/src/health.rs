//! The health of an endpoint, as its contract defines it.
//!
//! Health is a function of what is stored with the endpoint and of one attempt's result; nothing is remembered elsewhere, so a
//! restart changes nothing. A contract that says nothing about health leaves every endpoint `active`.

use std::time::Duration;

use crate::{SuccessRule, Timestamp};

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
    /// Where it has failed and is only muted: when it is resumed by itself.
    pub resumes_at: Option<Timestamp>,
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
    /// This many failed attempts in a row, and more that must hold.
    Run {
        /// How many.
        failures: u32,
        /// Within this time of the first of them. Once that is over, counting begins anew.
        within: Option<Duration>,
        /// The first of them is at least so long ago.
        failing_for: Option<Duration>,
    },
}

/// What happens when an endpoint becomes failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedThen {
    /// Its queue waits; new events still queue for it.
    Pause,
    /// It is disabled: waiting deliveries are cancelled and new events make none.
    Disable,
    /// Its queue waits for this long; then it is resumed by itself.
    Mute(Duration),
}

/// A contract's health rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HealthPolicy {
    /// Failed attempts in a row that make an endpoint unhealthy; `None`: never.
    pub unhealthy_after_failures: Option<u32>,
    /// What makes it failed, and what then happens; `None`: never.
    pub failed: Option<(FailedAfter, FailedThen)>,
    /// Whether a failure changes nothing, as it is of another kind than those that count.
    pub ignores_failure: bool,
}

/// Which failures count for the health of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CountedFailures {
    /// Answers with these statuses.
    pub statuses: Option<SuccessRule>,
    /// Those without an answer: timeouts, refused connections and the like.
    pub no_answer: bool,
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
        match (success, policy.ignores_failure) {
            (true, _) => Self::default(),
            (false, true) => self,
            (false, false) => self.after_failure(policy, now),
        }
    }

    fn after_failure(self, policy: &HealthPolicy, now: Timestamp) -> Self {
        let is_over = self.failing_since.zip(policy.window()).is_some_and(|(since, within)| now.since(since) > within);
        let (before, since) = if is_over { (0, None) } else { (self.consecutive_failures, self.failing_since) };
        let consecutive_failures = before.saturating_add(1);
        let failing_since = Some(since.unwrap_or(now));
        let unhealthy = policy.unhealthy_after_failures.is_some_and(|count| consecutive_failures >= count);
        let unhealthy_since = self.unhealthy_since.or(unhealthy.then_some(now));
        let has_failed_for = |span: Duration| failing_since.is_some_and(|since| now.since(since) >= span);
        let failed = policy.failed.is_some_and(|(after, _)| match after {
            FailedAfter::UnhealthyFor(span) => unhealthy_since.is_some_and(|since| now.since(since) >= span),
            FailedAfter::FailingFor(span) => has_failed_for(span),
            FailedAfter::Failures(count) => consecutive_failures >= count,
            FailedAfter::Run { failures, failing_for, within: _ } => {
                consecutive_failures >= failures && failing_for.is_none_or(has_failed_for)
            }
        });
        let status = match (failed, unhealthy_since) {
            (true, _) => HealthStatus::Failed,
            (false, Some(_)) => HealthStatus::Unhealthy,
            (false, None) => HealthStatus::Active,
        };
        let resumes_at = match policy.failed {
            Some((_, FailedThen::Mute(span))) if failed => Some(now.plus(span)),
            _ => None,
        };
        Self { status, consecutive_failures, failing_since, unhealthy_since, resumes_at }
    }
}

impl HealthPolicy {
    /// How long failures count together.
    const fn window(&self) -> Option<Duration> {
        match self.failed {
            Some((FailedAfter::Run { within, .. }, _)) => within,
            Some((FailedAfter::UnhealthyFor(_) | FailedAfter::FailingFor(_) | FailedAfter::Failures(_), _)) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn seven_days() -> HealthPolicy {
        HealthPolicy {
            unhealthy_after_failures: Some(1),
            failed: Some((FailedAfter::UnhealthyFor(7 * DAY), FailedThen::Pause)),
            ignores_failure: false,
        }
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

    #[test]
    fn a_run_needs_its_count_within_its_time_and_a_first_failure_that_is_old_enough() {
        let hour = Duration::from_secs(3_600);
        let after = FailedAfter::Run { failures: 3, within: Some(4 * hour), failing_for: Some(hour) };
        let policy = HealthPolicy { failed: Some((after, FailedThen::Mute(hour))), ..HealthPolicy::default() };
        let at = |minutes: i64| Timestamp::from_secs(minutes * 60);
        let after = |minutes: &[i64]| {
            minutes.iter().fold(Health::default(), |health, minute| health.observe(&policy, false, at(*minute)))
        };
        assert_eq!(after(&[0, 1, 2]).status, HealthStatus::Active, "the first is too young");
        assert_eq!(after(&[0, 61]).status, HealthStatus::Active, "too few");
        let muted = after(&[0, 1, 2, 60]);
        assert_eq!((muted.status, muted.resumes_at), (HealthStatus::Failed, Some(at(120))));
        let anew = after(&[0, 1, 241]);
        assert_eq!((anew.status, anew.consecutive_failures, anew.failing_since), (HealthStatus::Active, 1, Some(at(241))));
        assert_eq!(muted.observe(&policy, false, at(70)), muted, "what is muted stays so until it is resumed");
    }

    #[test]
    fn what_does_not_count_neither_worsens_nor_heals() {
        let policy = seven_days();
        let unhealthy = Health::default().observe(&policy, false, Timestamp::from_secs(0));
        let ignoring = HealthPolicy { ignores_failure: true, ..policy };
        let later = Timestamp::from_secs(8 * 86_400);
        assert_eq!(unhealthy.observe(&ignoring, false, later), unhealthy);
        assert_eq!(unhealthy.observe(&ignoring, true, later), Health::default());
    }

    proptest! {
        #[test]
        fn however_it_fails_what_is_muted_is_failed_and_resumes_later(
            failures in 1u32..6, within in proptest::option::of(1u64..50), failing_for in proptest::option::of(1u64..50),
            gaps in proptest::collection::vec((0i64..30, any::<bool>()), 0..40),
        ) {
            let seconds = Duration::from_secs;
            let after = FailedAfter::Run { failures, within: within.map(seconds), failing_for: failing_for.map(seconds) };
            let policy = HealthPolicy { failed: Some((after, FailedThen::Mute(seconds(9)))), ..HealthPolicy::default() };
            let (mut health, mut now) = (Health::default(), Timestamp::from_secs(0));
            for (gap, success) in gaps {
                now = now.plus(Duration::from_secs(gap.unsigned_abs()));
                let before = health;
                health = health.observe(&policy, success, now);
                prop_assert_eq!(health.status == HealthStatus::Failed, health.resumes_at.is_some());
                if before.status != health.status {
                    prop_assert!(health.consecutive_failures >= failures);
                    prop_assert_eq!(health.resumes_at, Some(now.plus(seconds(9))));
                    let since = health.failing_since.unwrap();
                    prop_assert!(within.is_none_or(|within| now.since(since) <= seconds(within)));
                    prop_assert!(failing_for.is_none_or(|span| now.since(since) >= seconds(span)));
                }
            }
        }

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
            let policy = HealthPolicy { failed: Some((FailedAfter::Failures(count), FailedThen::Disable)), ..HealthPolicy::default() };
            let mut health = Health::default();
            for failure in 1..=count {
                health = health.observe(&policy, false, Timestamp::from_secs(i64::from(failure)));
                prop_assert_eq!(health.status == HealthStatus::Failed, failure == count);
            }
        }
    }
}
