//! Spans of time as people write them in contracts, requests and flags: `200ms`, `5s`, `1m`, `2h`, `3d`.

use std::time::Duration;

/// The units and their milliseconds, smallest first.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration: write a whole number and a unit, such as 200ms, 5s, 1m, 2h or 3d")]
pub struct InvalidDuration {
    text: String,
}

/// Reads a whole number with its unit.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    read(text).ok_or_else(|| InvalidDuration { text: text.chars().take(64).collect() })
}

/// Prints a duration in the largest unit that divides it evenly. What is below a millisecond is cut.
pub fn print_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let even = UNITS.iter().rev().find(|(_, unit)| millis.is_multiple_of(*unit));
    even.map_or_else(|| format!("{millis}ms"), |(name, unit)| format!("{}{name}", millis / unit))
}

fn read(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(*millis)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_and_prints_every_unit() {
        for (text, millis) in [("200ms", 200), ("5s", 5_000), ("1m", 60_000), ("2h", 7_200_000), ("3d", 259_200_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(print_duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        assert_eq!(print_duration(Duration::from_millis(90_000)), "90s");
    }

    #[test]
    fn refuses_everything_else_and_says_what_to_write() {
        for text in ["", "5", "s", "5 s", "-5s", "+5s", "1.5h", "5w", "99999999999999999999d", "18446744073709551615d"] {
            let error = parse_duration(text).unwrap_err().to_string();
            assert!(error.contains("such as 200ms"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(millis: u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&print_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9a-zé .+-]{0,24}") {
            let _ = parse_duration(&text);
        }
    }
}
