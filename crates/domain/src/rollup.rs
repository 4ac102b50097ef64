//! Rollups: attempts counted by spans of time, so that no question about them has to read the history.
//!
//! Each attempt is counted once, in the minute in which it was recorded, under its [class](AttemptOutcome::class) and the
//! [bin](LatencyBin) of its latency. Minutes are folded into hours as they grow old, and hours into days: what an hour came to is
//! what was folded into it, and those of its minutes that have not been.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{AttemptOutcome, Decision, Timestamp};

crate::words! {
    /// The spans that attempts are counted by.
    pub enum Span {
        /// Sixty seconds.
        Minute = "minute",
        /// Sixty minutes.
        Hour = "hour",
        /// Twenty-four hours, by UTC.
        Day = "day",
    }
}

const DAY: u64 = 24 * 60 * 60;

impl Span {
    /// How long one is.
    pub const fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Minute => 60,
            Self::Hour => 60 * 60,
            Self::Day => DAY,
        })
    }

    /// How long figures by spans of this length are kept.
    pub const fn kept(self) -> Duration {
        Duration::from_secs(match self {
            Self::Minute => DAY,
            Self::Hour => 8 * DAY,
            Self::Day => 400 * DAY,
        })
    }

    /// The number of the span that an instant is in: 0 is the first of 1970.
    pub fn number(self, at: Timestamp) -> i64 {
        at.as_micros().div_euclid(self.micros())
    }

    /// When the span with this number begins.
    pub fn start(self, number: i64) -> Timestamp {
        Timestamp::from_micros(number.saturating_mul(self.micros()))
    }

    /// How many of these a longer span has.
    pub const fn per(self, longer: Self) -> i64 {
        longer.micros() / self.micros()
    }

    const fn micros(self) -> i64 {
        match self {
            Self::Minute => 60_000_000,
            Self::Hour => 3_600_000_000,
            Self::Day => 86_400_000_000,
        }
    }
}

/// A range of latencies: four to each doubling, so that a quantile is off by an eighth at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LatencyBin(u8);

impl LatencyBin {
    /// The bin of a latency.
    pub fn of(latency: Duration) -> Self {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).clamp(1, u64::MAX >> 2);
        let doublings = micros.ilog2();
        let quarter = ((micros << 2) >> doublings) & 3;
        Self(u8::try_from(u64::from(doublings) * 4 + quarter).unwrap_or(u8::MAX))
    }

    /// The bin that the store keeps as `number`.
    pub fn from_number(number: i64) -> Self {
        Self(u8::try_from(number.clamp(0, 255)).unwrap_or_default())
    }

    /// The number that the store keeps.
    pub fn number(self) -> i64 {
        i64::from(self.0)
    }

    /// The latency in the middle of the bin.
    pub fn middle(self) -> Duration {
        let (doublings, quarter) = (u32::from(self.0 / 4), f64::from(self.0 % 4));
        Duration::from_secs_f64(2f64.powi(i32::try_from(doublings).unwrap_or_default()) * (1.125 + quarter / 4.0) / 1e6)
    }
}

/// Attempts that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RollupKey {
    /// The class of their outcomes.
    pub class: &'static str,
    /// The range of their latencies; the first one where nothing answered.
    pub bin: LatencyBin,
}

/// How many there were, and what became of their deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Attempts.
    pub attempts: i64,
    /// Deliveries that they ended as delivered.
    pub delivered: i64,
    /// Deliveries that they ended as failed.
    pub failed: i64,
}

impl Tally {
    /// One attempt after which this was decided.
    pub const fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Delivered => Self { attempts: 1, delivered: 1, failed: 0 },
            Decision::Failed { .. } => Self { attempts: 1, delivered: 0, failed: 1 },
            Decision::Retry { .. } => Self { attempts: 1, delivered: 0, failed: 0 },
        }
    }

    /// Counts others in, `times` over: -1 takes them out.
    pub const fn add(&mut self, others: Self, times: i64) {
        self.attempts += others.attempts * times;
        self.delivered += others.delivered * times;
        self.failed += others.failed * times;
    }
}

impl RollupKey {
    /// Where an attempt is counted.
    pub fn of(outcome: &AttemptOutcome, latency: Duration) -> Self {
        let bin = if outcome.is_answer() { LatencyBin::of(latency) } else { LatencyBin::default() };
        Self { class: outcome.class(), bin }
    }
}

/// What attempts of one span, or of several, came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// How many there were.
    pub tally: Tally,
    classes: BTreeMap<String, i64>,
    latencies: BTreeMap<LatencyBin, i64>,
}

/// The outcome of every attempt that was answered.
const ANSWERED: &str = "response";

impl Figures {
    /// Counts attempts of one class and bin in.
    pub fn count(&mut self, class: &str, bin: LatencyBin, tally: Tally) {
        self.tally.add(tally, 1);
        *self.classes.entry(class.to_owned()).or_default() += tally.attempts;
        if is_status_class(class) {
            *self.latencies.entry(bin).or_default() += tally.attempts;
        }
    }

    /// Attempts by the word for what happened: `response` where something answered.
    pub fn outcomes(&self) -> BTreeMap<&str, i64> {
        let mut outcomes = BTreeMap::new();
        for (class, count) in &self.classes {
            *outcomes.entry(if is_status_class(class) { ANSWERED } else { class.as_str() }).or_default() += count;
        }
        outcomes
    }

    /// Answered attempts by the class of the status: `2xx`.
    pub fn statuses(&self) -> BTreeMap<&str, i64> {
        self.classes.iter().filter(|(class, _)| is_status_class(class)).map(|(class, count)| (class.as_str(), *count)).collect()
    }

    /// The latency that this share of the answers stays within, 0 to 1; `None` without an answer.
    pub fn latency(&self, share: f64) -> Option<Duration> {
        let all: i64 = self.latencies.values().sum();
        #[allow(clippy::cast_precision_loss, reason = "a share of a count")]
        let wanted = (all as f64 * share).ceil();
        let mut passed = 0;
        for (bin, count) in &self.latencies {
            passed += count;
            #[allow(clippy::cast_precision_loss, reason = "as above")]
            if passed as f64 >= wanted && passed > 0 {
                return Some(bin.middle());
            }
        }
        None
    }

    /// The share of attempts that delivered, 0 to 1; `None` without an attempt.
    #[allow(clippy::cast_precision_loss, reason = "a share of a count")]
    pub fn success(&self) -> Option<f64> {
        (self.tally.attempts > 0).then(|| self.tally.delivered as f64 / self.tally.attempts as f64)
    }
}

impl<'f> std::iter::Sum<&'f Self> for Figures {
    fn sum<I: Iterator<Item = &'f Self>>(all: I) -> Self {
        let mut sum = Self::default();
        for figures in all {
            sum.tally.add(figures.tally, 1);
            for (class, count) in &figures.classes {
                *sum.classes.entry(class.clone()).or_default() += count;
            }
            for (bin, count) in &figures.latencies {
                *sum.latencies.entry(*bin).or_default() += count;
            }
        }
        sum
    }
}

fn is_status_class(class: &str) -> bool {
    class.ends_with("xx")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_middle_of_a_bin_is_within_an_eighth_of_what_is_in_it(micros in 4u64..10_000_000_000) {
            let latency = Duration::from_micros(micros);
            let ratio = LatencyBin::of(latency).middle().as_secs_f64() / latency.as_secs_f64();
            prop_assert!((0.875..=1.125).contains(&ratio), "{ratio}");
        }

        #[test]
        fn bins_are_in_the_order_of_what_they_hold(a in any::<u64>(), b in any::<u64>()) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(LatencyBin::of(Duration::from_micros(low)) <= LatencyBin::of(Duration::from_micros(high)));
            let bin = LatencyBin::of(Duration::from_micros(high));
            prop_assert_eq!(LatencyBin::from_number(bin.number()), bin);
        }

        #[test]
        fn an_instant_is_in_the_span_that_has_its_number(micros in -1i64 << 60..1i64 << 60) {
            let at = Timestamp::from_micros(micros);
            for span in Span::ALL {
                let start = span.start(span.number(at));
                prop_assert!(start <= at && at < start.plus(span.length()));
                for longer in Span::ALL.iter().filter(|longer| *longer >= span) {
                    prop_assert_eq!(span.number(at).div_euclid(span.per(*longer)), longer.number(at));
                }
            }
        }
    }

    #[test]
    fn figures_say_what_answered_how_and_how_fast() {
        let mut figures = Figures::default();
        let of = |millis| LatencyBin::of(Duration::from_millis(millis));
        figures.count("2xx", of(10), Tally { attempts: 98, delivered: 98, failed: 0 });
        figures.count("5xx", of(1_000), Tally { attempts: 1, ..Tally::default() });
        figures.count("connect", LatencyBin::default(), Tally { attempts: 1, delivered: 0, failed: 1 });
        assert_eq!(figures.outcomes(), BTreeMap::from([("connect", 1), ("response", 99)]));
        assert_eq!(figures.statuses(), BTreeMap::from([("2xx", 98), ("5xx", 1)]));
        assert_eq!(figures.success(), Some(0.98));
        assert_eq!(figures.latency(0.5), Some(of(10).middle()));
        assert_eq!(figures.latency(1.0), Some(of(1_000).middle()), "what did not answer has no latency");
        assert_eq!(figures.tally.failed, 1);
    }

    #[test]
    fn without_attempts_there_is_no_share_and_no_latency() {
        assert_eq!((Figures::default().success(), Figures::default().latency(0.5)), (None, None));
    }
}
