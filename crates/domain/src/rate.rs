//! How many requests an endpoint takes per second, minute or hour.
//!
//! Written `10/s`, `600/m` or `1000/h`. Requests are spread evenly, after a burst of at most one second's worth; people, who do things
//! in bursts, may be allowed all of a span [at once](RateLimit::at_once). The only state is
//! the time at which the next one may start (the generic cell rate algorithm of ITU-T I.371).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Timestamp;

/// The most requests a limit may name.
pub const RATE_COUNT_MAX: u32 = 1_000_000;

/// Text that is not a rate limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rate limit is written as a count and a span: 10/s, 600/m or 1000/h, with a count from 1 to {RATE_COUNT_MAX}")]
pub struct InvalidRateLimit;

/// The most requests in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateLimit {
    count: u32,
    per: Span,
    /// How many senders share it. Each sends at its share of the pace.
    sharers: u32,
    /// Whether all requests of a span may come at once.
    at_once: bool,
}

crate::words! {
    /// A span of time.
    enum Span {
        Second = "s",
        Minute = "m",
        Hour = "h",
    }
}

impl Span {
    const fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }
}

impl FromStr for RateLimit {
    type Err = InvalidRateLimit;

    fn from_str(text: &str) -> Result<Self, InvalidRateLimit> {
        let (count, span) = text.split_once('/').ok_or(InvalidRateLimit)?;
        let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
        let count = count.parse().ok().filter(|count| digits && (1..=RATE_COUNT_MAX).contains(count));
        count.zip(Span::parse(span)).map(|(count, per)| Self { count, per, sharers: 1, at_once: false }).ok_or(InvalidRateLimit)
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.count, self.per)
    }
}

impl RateLimit {
    /// So many in a minute, which may come at once. The count is at least 1.
    #[must_use]
    pub const fn per_minute_at_once(count: u32) -> Self {
        let count = if count == 0 { 1 } else { count };
        Self { count, per: Span::Minute, sharers: 1, at_once: true }
    }

    /// How many requests it allows in its span.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Its span, in seconds.
    pub const fn span_s(self) -> u64 {
        self.per.seconds()
    }

    /// How many requests may start at once now, given the state after the last.
    pub fn remaining(self, next: Timestamp, now: Timestamp) -> u32 {
        let left = (self.burst() + self.interval()).saturating_sub(next.since(now));
        let count = left.as_micros() / self.interval().as_micros().max(1);
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// How long it takes until as many may start at once as ever, given the state after the last.
    pub fn resets_in(self, next: Timestamp, now: Timestamp) -> Duration {
        next.since(now)
    }

    /// The share that each of several senders may use.
    #[must_use]
    pub fn shared_by(self, sharers: u32) -> Self {
        Self { sharers: sharers.max(1), ..self }
    }

    /// The time between two requests at a steady pace.
    pub fn interval(self) -> Duration {
        Duration::from_micros(self.per.seconds() * 1_000_000 * u64::from(self.sharers) / u64::from(self.count))
    }

    /// When the next request may start, given what [`RateLimit::after_start`] returned for the previous one. `None`: right now.
    /// After the clock was set back, counting starts over.
    pub fn opens_at(self, next: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let furthest = now.plus(self.burst() + self.interval());
        next.filter(|next| *next <= furthest).map(|next| next.minus(self.burst())).filter(|opens| *opens > now)
    }

    /// The new state once a request has started at `now`.
    pub fn after_start(self, next: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let furthest = now.plus(self.burst());
        next.filter(|next| *next <= furthest).unwrap_or(now).max(now).plus(self.interval())
    }

    /// The state without one request, which had started and was not sent after all.
    #[must_use]
    pub fn without_start(self, next: Timestamp) -> Timestamp {
        next.minus(self.interval())
    }

    /// How far requests may run ahead of the steady pace: a second's worth, or the whole span's, less the request that starts.
    fn burst(self) -> Duration {
        let ahead_s = if self.at_once { self.per.seconds() } else { 1 };
        Duration::from_secs(ahead_s).saturating_sub(self.interval())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_round_trip_and_others_are_refused() {
        for text in ["1/s", "10/s", "600/m", "1000/h", "1000000/s"] {
            assert_eq!(text.parse::<RateLimit>().unwrap().to_string(), text);
        }
        for text in ["", "10", "/s", "0/s", "-1/s", "+1/s", "1.5/s", "10/d", "10/S", "1000001/s", "99999999999/s", "10 /s"] {
            assert_eq!(text.parse::<RateLimit>(), Err(InvalidRateLimit), "{text}");
        }
    }

    #[test]
    fn shares_add_up_to_the_limit() {
        let limit: RateLimit = "6/m".parse().unwrap();
        assert_eq!((limit.shared_by(3).interval(), limit.shared_by(0)), (Duration::from_secs(30), limit));
    }

    #[test]
    fn what_is_allowed_at_once_is_and_says_what_remains() {
        let limit = RateLimit::per_minute_at_once(3);
        let (now, mut next) = (Timestamp::from_secs(100), None);
        for left in [2, 1, 0] {
            assert_eq!(limit.opens_at(next, now), None);
            let state = limit.after_start(next, now);
            assert_eq!(limit.remaining(state, now), left);
            next = Some(state);
        }
        assert_eq!(limit.opens_at(next, now), Some(now.plus(Duration::from_secs(20))));
        assert_eq!(next.map(|next| limit.resets_in(next, now)), Some(Duration::from_secs(60)));
        let steady: RateLimit = "5/s".parse().unwrap();
        assert_eq!(steady.remaining(steady.after_start(None, now), now), 4);
    }

    #[test]
    fn a_slow_limit_has_no_burst() {
        let limit: RateLimit = "6/m".parse().unwrap();
        let now = Timestamp::from_secs(100);
        let next = limit.after_start(None, now);
        assert!(limit.opens_at(Some(next), now.plus(Duration::from_millis(9_999))).is_some());
        assert!(limit.opens_at(Some(next), now.plus(Duration::from_secs(10))).is_none());
        assert!(limit.opens_at(Some(next), now.minus(Duration::from_secs(3_600))).is_none(), "the clock was set back");
    }

    proptest! {
        /// Over any run of starts as early as allowed, no span holds more than its count and one second's burst.
        #[test]
        fn no_more_than_the_limit_starts(count in 1u32..200, waits in proptest::collection::vec(0u64..400, 1..300)) {
            let limit: RateLimit = format!("{count}/s").parse().unwrap();
            let (mut now, mut next, mut starts) = (Timestamp::from_secs(1_000), None, Vec::new());
            for wait in waits {
                now = now.plus(Duration::from_millis(wait));
                now = limit.opens_at(next, now).unwrap_or(now);
                prop_assert!(limit.opens_at(next, now).is_none());
                next = Some(limit.after_start(next, now));
                starts.push(now);
            }
            for (index, start) in starts.iter().enumerate() {
                let in_span = starts[index..].iter().take_while(|later| later.since(*start) < Duration::from_secs(1)).count();
                prop_assert!(in_span <= 2 * count as usize, "{in_span} of {count}");
            }
        }
    }
}
