//! Instants, kept as whole microseconds since the Unix epoch.
//!
//! The most precise published contract prints microseconds, and they fit a database integer. When an *event* happened and when an
//! *attempt* is made are both `Timestamp`s. They are passed by name, so they are never confused.

use std::fmt;
use std::time::Duration;

use jiff::tz::{Offset, TimeZone};

/// An instant in microseconds since 1970-01-01T00:00:00Z, without leap seconds (POSIX time).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// How UTC is written at the end of an RFC 3339 time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Zone {
    /// `Z`
    Zulu,
    /// `+00:00`
    Offset,
}

/// Text that is not an RFC 3339 time.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a date and time as in RFC 3339, for example 2025-01-15T10:30:00Z")]
pub struct InvalidTimestamp {
    text: String,
}

const MICROS_PER_SECOND: i64 = 1_000_000;

/// The latest instant that prints as RFC 3339: the end of the year 9999, less a few hours of margin.
const PRINTABLE_MAX: i64 = 253_402_207_200 * MICROS_PER_SECOND;
const PRINTABLE_MIN: i64 = -62_135_596_800 * MICROS_PER_SECOND;

impl Timestamp {
    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From whole seconds since the Unix epoch.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    /// This instant plus `duration`, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// This instant minus `duration`, saturating.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// The next multiple of `step` since the epoch, or this instant if it is one. `step` is at least a microsecond.
    #[must_use]
    pub fn rounded_up(self, step: Duration) -> Self {
        let past = self.0.rem_euclid(micros(step).max(1));
        if past == 0 { self } else { self.minus(Duration::from_micros(past.unsigned_abs())).plus(step) }
    }

    /// The time that has passed since `earlier`. Zero if `earlier` is later, since a clock may be set back.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads an RFC 3339 date and time with any offset. Digits beyond microseconds are dropped.
    pub fn parse_rfc3339(text: &str) -> Result<Self, InvalidTimestamp> {
        text.parse::<jiff::Timestamp>()
            .map(|parsed| Self(parsed.as_microsecond()))
            .map_err(|_| InvalidTimestamp { text: text.chars().take(64).collect() })
    }

    /// RFC 3339 in UTC, with `digits` (0 to 6) digits of fractional seconds. They are cut and not rounded, so no time is printed
    /// as later than it was.
    pub fn rfc3339(self, digits: u8, zone: Zone) -> String {
        let civil = self.civil();
        let mut text = String::with_capacity("2025-01-15T10:30:00.000000+00:00".len());
        push_digits(&mut text, civil.year().into(), 4);
        for (before, number) in
            [('-', civil.month()), ('-', civil.day()), ('T', civil.hour()), (':', civil.minute()), (':', civil.second())]
        {
            text.push(before);
            push_digits(&mut text, number.into(), 2);
        }
        let places = u32::from(digits.min(6));
        if places > 0 {
            text.push('.');
            push_digits(&mut text, self.0.rem_euclid(MICROS_PER_SECOND) / 10i64.pow(6 - places), places);
        }
        text.push_str(match zone {
            Zone::Zulu => "Z",
            Zone::Offset => "+00:00",
        });
        text
    }

    /// The fixed-length date of HTTP (RFC 9110 §5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn http_date(self) -> String {
        let printed = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&self.printable());
        printed.unwrap_or_default() // only years before 0 have no such date, and those do not print
    }

    /// Reads the date of an HTTP header: any of the three forms of RFC 9110 §5.6.7, or the format of mail, which some servers
    /// send.
    pub fn parse_http_date(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(date) = httpdate::parse_http_date(text) {
            let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
            return Some(Self(micros(since_epoch)));
        }
        let zoned = jiff::fmt::rfc2822::DateTimeParser::new().parse_zoned(text).ok()?;
        Some(Self(zoned.timestamp().as_microsecond()))
    }

    /// The instant, or the nearest one that prints.
    fn printable(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0.clamp(PRINTABLE_MIN, PRINTABLE_MAX)).unwrap_or_default()
    }

    fn civil(self) -> jiff::civil::DateTime {
        self.printable().to_zoned(TimeZone::fixed(Offset::UTC)).datetime()
    }
}

/// Appends the last `places` digits of `number`, which is not negative. Times are printed for every delivery, and formatting with
/// the standard library costs ten times as much.
fn push_digits(text: &mut String, number: i64, places: u32) {
    for place in (0..places).rev() {
        let digit = number / 10i64.pow(place) % 10;
        text.push(u8::try_from(digit).map_or('0', |digit| char::from(b'0' + digit)));
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// RFC 3339 with microseconds and `Z`, as in Bellwire's own API.
impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.rfc3339(6, Zone::Zulu))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prints_the_forms_that_published_contracts_use() {
        let at = Timestamp::from_micros(1_715_203_665_039_587);
        assert_eq!(at.rfc3339(6, Zone::Offset), "2024-05-08T21:27:45.039587+00:00");
        assert_eq!(at.rfc3339(3, Zone::Zulu), "2024-05-08T21:27:45.039Z");
        assert_eq!(at.rfc3339(0, Zone::Zulu), "2024-05-08T21:27:45Z");
        assert_eq!(at.as_secs(), 1_715_203_665);
        assert_eq!(at.as_millis(), 1_715_203_665_039);
        assert_eq!(Timestamp::from_secs(784_111_777).http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn reads_offsets_and_refuses_what_is_no_instant() {
        let zulu = Timestamp::parse_rfc3339("2025-01-15T10:30:00Z").unwrap();
        assert_eq!(Timestamp::parse_rfc3339("2025-01-15T11:30:00+01:00").unwrap(), zulu);
        for text in ["", "yesterday", "2025-01-15", "2025-13-15T10:30:00Z", "2025-01-15T10:30:00"] {
            assert!(Timestamp::parse_rfc3339(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_http_dates() {
        let instant = Some(Timestamp::from_secs(784_111_777));
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            " Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "6 Nov 1994 09:49:37 +0100",
        ] {
            assert_eq!(Timestamp::parse_http_date(text), instant, "{text}");
        }
        for text in ["", "soon", "Sun, 31 Feb 1994 08:49:37 GMT", "784111777"] {
            assert_eq!(Timestamp::parse_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn prints_http_dates_before_and_long_after_the_epoch() {
        for (seconds, text) in [
            (-62_135_596_800, "Mon, 01 Jan 0001 00:00:00 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (253_402_207_199, "Thu, 30 Dec 9999 21:59:59 GMT"),
        ] {
            assert_eq!(Timestamp::from_secs(seconds).http_date(), text);
        }
    }

    #[test]
    fn the_ends_of_time_print_without_a_panic() {
        for micros in [i64::MIN, i64::MAX, 0, -1] {
            let at = Timestamp::from_micros(micros);
            assert!(!at.to_string().is_empty() && !at.http_date().is_empty());
            assert!(at.rounded_up(Duration::from_secs(7)) >= at && at.rounded_up(Duration::ZERO) == at);
            assert!(at.plus(Duration::MAX) >= at && at.minus(Duration::MAX) <= at);
        }
    }

    proptest! {
        #[test]
        fn rounding_up_finds_the_nearest_multiple_that_is_not_past(micros in -10_000_000i64..10_000_000, step in 1u64..2_000_000) {
            let at = Timestamp::from_micros(micros);
            let (rounded, step) = (at.rounded_up(Duration::from_micros(step)), i64::try_from(step).unwrap());
            prop_assert_eq!(rounded.as_micros() % step, 0);
            prop_assert!((0..step).contains(&(rounded.as_micros() - micros)));
        }

        #[test]
        fn rfc3339_round_trips(micros in 0i64..253_402_000_000_000_000) {
            let at = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse_rfc3339(&at.rfc3339(6, Zone::Offset)).unwrap(), at);
            prop_assert_eq!(Timestamp::parse_http_date(&at.http_date()).unwrap().as_secs(), at.as_secs());
        }
    }
}
