//! Instants, kept as whole microseconds since the Unix epoch.
//!
//! The most precise published contract prints microseconds, and they fit a database integer. When an *event* happened and when an
//! *attempt* is made are both `Timestamp`s. They are passed by name, so they are never confused.

use std::fmt;
use std::time::Duration;

use time::format_description::well_known::Rfc2822;
use time::{Date, Month, OffsetDateTime, Time, UtcDateTime};

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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimestamp {
    /// It does not have the form, or names a day or an hour that there is not.
    #[error("`{text}` is not a date and time as in RFC 3339, for example 2025-01-15T10:30:00Z")]
    Form {
        /// Its start.
        text: String,
    },
    /// In UTC it is before the year 0 or after 9999, where it could not be written any more.
    #[error("`{text}` is not between the years 0000 and 9999 in UTC")]
    Range {
        /// Its start.
        text: String,
    },
}

const MICROS_PER_SECOND: i64 = 1_000_000;

/// The first and the last instant that RFC 3339 can write in UTC: the years 0000 to 9999.
const PRINTABLE_MIN: i64 = -62_167_219_200 * MICROS_PER_SECOND;
const PRINTABLE_MAX: i64 = 253_402_300_800 * MICROS_PER_SECOND - 1;

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

    /// Reads a date and time of RFC 3339 (the production `date-time` of section 5.6), with any offset, and nothing else.
    ///
    /// `t` and `z` may be in lower case; a space instead of `T`, which that section leaves to applications, is refused. Digits
    /// beyond microseconds are dropped. A leap second, which POSIX time does not have, counts as the second after it; it can only
    /// be the last of a month in UTC.
    pub fn parse_rfc3339(text: &str) -> Result<Self, InvalidTimestamp> {
        let start = || text.chars().take(64).collect();
        let micros = read_rfc3339(text).ok_or_else(|| InvalidTimestamp::Form { text: start() })?;
        if (PRINTABLE_MIN..=PRINTABLE_MAX).contains(&micros) {
            Ok(Self(micros))
        } else {
            Err(InvalidTimestamp::Range { text: start() })
        }
    }

    /// RFC 3339 in UTC, with `digits` (0 to 6) digits of fractional seconds. They are cut and not rounded, so no time is printed
    /// as later than it was.
    pub fn rfc3339(self, digits: u8, zone: Zone) -> String {
        let civil = self.civil();
        let mut text = String::with_capacity("2025-01-15T10:30:00.000000+00:00".len());
        push_digits(&mut text, civil.year().into(), 4);
        for (before, number) in
            [('-', civil.month().into()), ('-', civil.day()), ('T', civil.hour()), (':', civil.minute()), (':', civil.second())]
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
        let civil = self.civil();
        let (weekday, month, time) = (civil.weekday(), civil.month(), civil.time());
        let (hour, minute, second) = time.as_hms();
        format!("{weekday:.3}, {:02} {month:.3} {:04} {hour:02}:{minute:02}:{second:02} GMT", civil.day(), civil.year())
    }

    /// Reads the date of an HTTP header: any of the three forms of RFC 9110 §5.6.7, or the format of mail, which some servers
    /// send.
    pub fn parse_http_date(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(date) = httpdate::parse_http_date(text) {
            let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
            return Some(Self(micros(since_epoch)));
        }
        Some(Self::from_secs(OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp()))
    }

    /// The second in UTC, or the nearest one that prints.
    fn civil(self) -> UtcDateTime {
        let printable = Self(self.0.clamp(PRINTABLE_MIN, PRINTABLE_MAX));
        UtcDateTime::from_unix_timestamp(printable.as_secs()).unwrap_or(UtcDateTime::UNIX_EPOCH)
    }
}

/// The microseconds since the epoch that a `date-time` of RFC 3339 stands for.
fn read_rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |start: usize, digits: usize| {
        let digits = bytes.get(start..start + digits)?;
        digits.iter().try_fold(0u16, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u16::from(byte - b'0')))
    };
    let two = |start: usize| number(start, 2).and_then(|number| u8::try_from(number).ok());
    let is = |index: usize, expected: u8| bytes.get(index).is_some_and(|byte| byte.eq_ignore_ascii_case(&expected));
    let separated = is(4, b'-') && is(7, b'-') && is(10, b't') && is(13, b':') && is(16, b':');
    let month = Month::try_from(two(5)?).ok().filter(|_| separated)?;
    let date = Date::from_calendar_date(number(0, 4)?.into(), month, two(8)?).ok()?;
    let second = two(17)?;
    let time = Time::from_hms(two(11)?, two(14)?, second.min(59)).ok().filter(|_| second <= 60)?;
    let (fraction, zone) = read_fraction(bytes.get(19..)?)?;
    let seconds = UtcDateTime::new(date, time).unix_timestamp() - i64::from(read_offset(zone)?) * 60;
    let leap = second == 60;
    if leap && !ends_a_month(seconds) {
        return None;
    }
    Some((seconds + i64::from(leap)) * MICROS_PER_SECOND + fraction)
}

/// The microseconds of a fraction, if there is one, and what follows it.
fn read_fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(fraction) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = fraction.split_at_checked(length).filter(|_| length > 0)?;
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    Some((padded.fold(0, |number, digit| number * 10 + i64::from(digit - b'0')), after))
}

/// The minutes of an offset: `Z`, or hours up to 23 and minutes up to 59 with a sign.
fn read_offset(zone: &[u8]) -> Option<i32> {
    let (sign, digits) = match zone {
        [b'Z' | b'z'] => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let &[a, b, b':', c, d] = digits else { return None };
    if ![a, b, c, d].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let two = |tens: u8, ones: u8| i32::from(tens - b'0') * 10 + i32::from(ones - b'0');
    let (hours, minutes) = (two(a, b), two(c, d));
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

/// Whether a second of POSIX time is the last of a month in UTC.
fn ends_a_month(seconds: i64) -> bool {
    let after = Timestamp::from_secs(seconds.saturating_add(1)).civil();
    seconds.rem_euclid(86_400) == 86_399 && (after.day() == 1 || after.date() == Date::MAX)
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
    fn takes_all_of_rfc3339_and_nothing_else() {
        for (text, printed) in [
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z"),
            ("0000-02-29T12:00:00Z", "0000-02-29T12:00:00.000000Z"),
            ("2024-01-01t00:00:00z", "2024-01-01T00:00:00.000000Z"),
            ("2024-01-01T00:00:00+23:59", "2023-12-31T00:01:00.000000Z"),
            ("2024-01-01T00:00:00-23:59", "2024-01-01T23:59:00.000000Z"),
            ("2024-01-01T00:00:00-00:00", "2024-01-01T00:00:00.000000Z"),
            ("2024-01-01T00:00:00.1234567Z", "2024-01-01T00:00:00.123456Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000Z"),
            ("1990-12-31T23:59:60Z", "1991-01-01T00:00:00.000000Z"),
            ("1990-12-31T15:59:60-08:00", "1991-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text).map(|at| at.to_string()), Ok(printed.to_owned()), "{text}");
        }
        for text in [
            "20240101T000000Z",
            "2024-01-01T00:00:00+24:00",
            "2024-01-01T00:00:00+23:60",
            "2024-01-01T00:00:00+0100",
            "2024-01-01T00:00:00+01",
            "2024-01-01T00:00:00Z[Europe/Berlin]",
            "2024-01-01 00:00:00Z",
            "2024-01-01T00:00:00,5Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-02-30T00:00:00Z",
            "2024-01-01T12:00:60Z",
            "2024-06-30T23:59:61Z",
            "+002024-01-01T00:00:00Z",
            "-0001-01-01T00:00:00Z",
            " 2024-01-01T00:00:00Z",
            "2024-01-01T00:00:00Z ",
            "２024-01-01T00:00:00Z",
        ] {
            assert!(matches!(Timestamp::parse_rfc3339(text), Err(InvalidTimestamp::Form { .. })), "{text}");
        }
        for text in ["9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:60Z"] {
            assert!(matches!(Timestamp::parse_rfc3339(text), Err(InvalidTimestamp::Range { .. })), "{text}");
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
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
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
        fn rfc3339_round_trips_at_every_offset(micros in PRINTABLE_MIN..=PRINTABLE_MAX, minutes in -1_439i32..=1_439) {
            let at = Timestamp::from_micros(micros);
            let local = Timestamp::from_micros(micros + i64::from(minutes) * 60 * MICROS_PER_SECOND);
            prop_assume!((PRINTABLE_MIN..=PRINTABLE_MAX).contains(&local.0));
            let sign = if minutes < 0 { '-' } else { '+' };
            let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
            let text = local.rfc3339(6, Zone::Zulu).replace('Z', &format!("{sign}{hours:02}:{rest:02}"));
            prop_assert_eq!(Timestamp::parse_rfc3339(&text), Ok(at));
        }

        #[test]
        fn nothing_makes_the_reader_panic(text in "[0-9TtZz:+. -]{0,40}|\\PC{0,40}") {
            let _ = Timestamp::parse_rfc3339(&text);
        }

        #[test]
        fn rfc3339_round_trips(micros in 0i64..253_402_000_000_000_000) {
            let at = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse_rfc3339(&at.rfc3339(6, Zone::Offset)).unwrap(), at);
            prop_assert_eq!(Timestamp::parse_http_date(&at.http_date()).unwrap().as_secs(), at.as_secs());
        }
    }
}
