//! When a delivery is tried again.
//!
//! A contract may give its retries as a list, as a formula, or just as "N times within T". Each becomes a list of delays when the
//! contract is loaded. The hot path then only indexes that list, and people can be shown it.

use std::time::Duration;

use crate::Timestamp;

/// The most retries that a schedule may have.
pub const RETRIES_MAX: usize = 1_000;
/// The longest single delay.
pub const RETRY_DELAY_MAX: Duration = Duration::from_hours(30 * 24);

/// The delays before the second, third, … attempt of a delivery. It is finite, so every delivery ends.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrySchedule {
    delays: Vec<Duration>,
    /// The random share of each delay; the last one goes for all that follow. None: no jitter.
    jitter: Vec<f64>,
}

/// Why there is no such schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    /// More retries than [`RETRIES_MAX`].
    #[error("a schedule has at most {RETRIES_MAX} retries")]
    TooManyRetries,
    /// A delay above [`RETRY_DELAY_MAX`].
    #[error("a delay between attempts is at most 30 days")]
    DelayTooLong,
    /// Jitter outside 0 to 1.
    #[error("jitter is a share of the delay, from 0 to 1")]
    Jitter,
    /// A factor below 1, or not a number.
    #[error("the factor of an exponential backoff is a number of at least 1")]
    Factor,
    /// The retries do not fit into the window.
    #[error("the retries do not fit: {retries} retries starting with {first:?} take longer than {within:?}")]
    Window {
        /// How many retries were asked for.
        retries: usize,
        /// The first delay.
        first: Duration,
        /// The window they should fit.
        within: Duration,
    },
}

impl RetrySchedule {
    /// A single attempt and no retries.
    pub const fn none() -> Self {
        Self { delays: Vec::new(), jitter: Vec::new() }
    }

    /// These delays, each from the end of the previous attempt.
    pub fn list(delays: Vec<Duration>) -> Result<Self, InvalidSchedule> {
        if delays.len() > RETRIES_MAX {
            return Err(InvalidSchedule::TooManyRetries);
        }
        if delays.iter().any(|delay| *delay > RETRY_DELAY_MAX) {
            return Err(InvalidSchedule::DelayTooLong);
        }
        Ok(Self { delays, jitter: Vec::new() })
    }

    /// The same delay before each of the `retries`.
    pub fn fixed(every: Duration, retries: usize) -> Result<Self, InvalidSchedule> {
        check_count(retries)?;
        Self::list(vec![every; retries])
    }

    /// `step`, twice `step`, three times `step`, …, none above `cap`.
    pub fn linear(step: Duration, retries: usize, cap: Option<Duration>) -> Result<Self, InvalidSchedule> {
        check_count(retries)?;
        let delay = |retry: usize| step.saturating_mul(u32::try_from(retry).unwrap_or(u32::MAX));
        Self::list((1..=retries).map(|retry| capped(delay(retry), cap)).collect())
    }

    /// `first`, `first × factor`, `first × factor²`, …, none above `cap`.
    pub fn exponential(first: Duration, factor: f64, retries: usize, cap: Option<Duration>) -> Result<Self, InvalidSchedule> {
        check_count(retries)?;
        if !factor.is_finite() || factor < 1.0 {
            return Err(InvalidSchedule::Factor);
        }
        let mut delays = Vec::with_capacity(retries);
        let mut seconds = first.as_secs_f64();
        for _ in 0..retries {
            let delay = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
            delays.push(capped(delay, cap.or(Some(RETRY_DELAY_MAX))));
            seconds *= factor;
        }
        Self::list(delays)
    }

    /// An exponential backoff whose `retries` delays add up to `within`. Without `first` each delay is twice the previous one.
    /// With it, the factor is chosen to make them fit.
    pub fn exponential_within(retries: usize, within: Duration, first: Option<Duration>) -> Result<Self, InvalidSchedule> {
        check_count(retries)?;
        if retries == 0 {
            return Ok(Self::none());
        }
        let (first, factor) = match first {
            None => (within.as_secs_f64() / geometric_sum(2.0, retries), 2.0),
            Some(first) => {
                let target = within.as_secs_f64() / first.as_secs_f64().max(1e-6);
                if geometric_sum(1.0, retries) > target {
                    return Err(InvalidSchedule::Window { retries, first, within });
                }
                (first.as_secs_f64(), fit_factor(target, retries))
            }
        };
        Self::exponential(Duration::try_from_secs_f64(first).unwrap_or(RETRY_DELAY_MAX), factor, retries, None)
    }

    /// The same schedule with jitter. Each delay grows by up to its share of itself and never shrinks, so that the delays in a
    /// platform's document stay lower bounds. The last of the `shares` goes for all delays that have none of their own.
    pub fn with_jitter(mut self, shares: Vec<f64>) -> Result<Self, InvalidSchedule> {
        if shares.iter().any(|share| !(0.0..=1.0).contains(share)) {
            return Err(InvalidSchedule::Jitter);
        }
        self.jitter = shares;
        Ok(self)
    }

    /// The delays before each retry, without jitter.
    pub fn delays(&self) -> &[Duration] {
        &self.delays
    }

    /// When the next attempt is due after `attempts` attempts, the last of which ended at `now`. `None` if there are no more.
    /// `random` in 0..1 decides the jitter.
    pub fn next(&self, attempts: u32, now: Timestamp, random: f64) -> Option<Timestamp> {
        let index = usize::try_from(attempts).ok()?.checked_sub(1)?;
        let delay = self.delays.get(index)?;
        let share = self.jitter.get(index).or(self.jitter.last()).copied().unwrap_or_default();
        Some(now.plus(delay.mul_f64(1.0 + share * random.clamp(0.0, 1.0))))
    }
}

fn check_count(retries: usize) -> Result<(), InvalidSchedule> {
    if retries > RETRIES_MAX { Err(InvalidSchedule::TooManyRetries) } else { Ok(()) }
}

fn capped(delay: Duration, cap: Option<Duration>) -> Duration {
    cap.map_or(delay, |cap| delay.min(cap))
}

/// `1 + factor + factor² + …`, `terms` terms.
fn geometric_sum(factor: f64, terms: usize) -> f64 {
    let mut sum = 0.0;
    let mut term = 1.0;
    for _ in 0..terms {
        sum += term;
        term *= factor;
    }
    sum
}

/// The factor of at least 1 for which `terms` terms add up to `target`, by bisection.
fn fit_factor(target: f64, terms: usize) -> f64 {
    let (mut low, mut high) = (1.0, target.max(2.0));
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if geometric_sum(middle, terms) < target {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn fifteen_retries_fill_three_days() {
        for first in [None, Some(Duration::from_secs(5)), Some(Duration::from_secs(600))] {
            let schedule = RetrySchedule::exponential_within(15, 3 * DAY, first).unwrap();
            let total: Duration = schedule.delays().iter().sum();
            assert_eq!(schedule.delays().len(), 15);
            assert!(total.abs_diff(3 * DAY) < Duration::from_secs(2), "{first:?} {total:?}");
            assert!(schedule.delays().is_sorted());
        }
    }

    #[test]
    fn impossible_schedules_are_refused() {
        let minute = Duration::from_secs(60);
        assert!(RetrySchedule::exponential_within(10, minute, Some(minute)).is_err());
        assert!(RetrySchedule::exponential(minute, 0.5, 3, None).is_err());
        assert!(RetrySchedule::exponential(minute, f64::NAN, 3, None).is_err());
        assert!(RetrySchedule::fixed(minute, RETRIES_MAX + 1).is_err());
        assert!(RetrySchedule::list(vec![31 * DAY]).is_err());
        assert!(RetrySchedule::none().with_jitter(vec![1.5]).is_err());
    }

    #[test]
    fn a_list_is_followed_and_then_ends() {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let schedule = RetrySchedule::list(vec![minutes(1), minutes(5)]).unwrap();
        let now = Timestamp::from_secs(1_000);
        assert_eq!(schedule.next(1, now, 0.9), Some(now.plus(minutes(1))));
        assert_eq!(schedule.next(2, now, 0.9), Some(now.plus(minutes(5))));
        assert_eq!(schedule.next(3, now, 0.9), None);
        assert_eq!(schedule.next(0, now, 0.9), None);
        assert_eq!(RetrySchedule::none().next(1, now, 0.0), None);
    }

    #[test]
    fn each_delay_has_its_share_of_jitter_and_the_last_one_goes_for_the_rest() {
        let second = Duration::from_secs(1);
        let schedule = RetrySchedule::fixed(second, 4).unwrap().with_jitter(vec![0.0, 0.5, 1.0]).unwrap();
        let now = Timestamp::from_secs(1_000);
        let delays: Vec<Timestamp> = (1..=4).filter_map(|attempts| schedule.next(attempts, now, 1.0)).collect();
        assert_eq!(delays, [now.plus(second), now.plus(second.mul_f64(1.5)), now.plus(2 * second), now.plus(2 * second)]);
    }

    #[test]
    fn linear_and_caps() {
        let second = Duration::from_secs(1);
        let linear = RetrySchedule::linear(second, 4, Some(3 * second)).unwrap();
        assert_eq!(linear.delays(), [second, 2 * second, 3 * second, 3 * second]);
        let capped = RetrySchedule::exponential(second, 2.0, 4, Some(3 * second)).unwrap();
        assert_eq!(capped.delays(), [second, 2 * second, 3 * second, 3 * second]);
    }

    proptest! {
        #[test]
        fn jitter_only_lengthens_and_stays_in_its_share(random in 0.0f64..1.0, share in 0.0f64..1.0, seconds in 1u64..100_000) {
            let delay = Duration::from_secs(seconds);
            let schedule = RetrySchedule::fixed(delay, 1).unwrap().with_jitter(vec![share]).unwrap();
            let now = Timestamp::from_secs(0);
            let next = schedule.next(1, now, random).unwrap();
            prop_assert!(next >= now.plus(delay) && next <= now.plus(delay.mul_f64(1.0 + share)).plus(Duration::from_micros(1)));
        }

        #[test]
        fn every_schedule_ends(retries in 0usize..200, attempts in 0u32..400) {
            let schedule = RetrySchedule::exponential(Duration::from_secs(1), 2.0, retries, None).unwrap();
            let ended = schedule.next(attempts, Timestamp::default(), 0.5).is_none();
            prop_assert_eq!(ended, attempts == 0 || attempts as usize > retries);
        }
    }
}
