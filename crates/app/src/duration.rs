//! Durations as people write them in contracts and requests: `200ms`, `5s`, `1m`, `2h`, `3d`.

use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Parses a whole number and its unit; `None` for anything else.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(*millis)?))
}

/// Writes a duration in the largest unit that divides it.
pub(crate) fn print(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let fits = UNITS.iter().rev().find(|(_, unit)| millis.is_multiple_of(*unit));
    fits.map_or_else(|| format!("{millis}ms"), |(name, unit)| format!("{}{name}", millis / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (text, millis) in [("200ms", 200), ("5s", 5_000), ("1m", 60_000), ("2h", 7_200_000), ("3d", 259_200_000)] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(print(Duration::from_millis(millis)), text);
        }
        assert_eq!(parse("0s"), Some(Duration::ZERO));
        for text in ["", "5", "s", "-1s", "1.5h", "1 h", "1w", "99999999999999999999d", "18446744073709551615d"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
