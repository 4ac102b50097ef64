//! Which HTTP status codes count as "received".

use std::fmt;
use std::ops::RangeInclusive;

/// The status codes that a contract counts as success: a union of ranges. Anything else is a failure, and so is a redirect unless
/// the contract names its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuccessRule(Vec<RangeInclusive<u16>>);

/// Text that is not a success rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a status rule; write a code (`200`), a class (`2xx`), a range (`200-299`), or several joined by commas")]
pub struct InvalidSuccessRule {
    text: String,
}

impl SuccessRule {
    /// Any 2xx.
    pub fn any_2xx() -> Self {
        Self(vec![200..=299])
    }

    /// Reads `2xx`, `200`, `200-299` or several of them joined by commas.
    pub fn parse(text: &str) -> Result<Self, InvalidSuccessRule> {
        let invalid = || InvalidSuccessRule { text: text.to_owned() };
        let ranges: Option<Vec<_>> = text.split(',').map(|part| parse_range(part.trim())).collect();
        ranges.filter(|ranges| !ranges.is_empty()).map(Self).ok_or_else(invalid)
    }

    /// Whether `status` counts as received.
    pub fn accepts(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let range = if let Some(class) = text.strip_suffix("xx") {
        let first = class.parse::<u16>().ok()?.checked_mul(100)?;
        first..=first.checked_add(99)?
    } else if let Some((first, last)) = text.split_once('-') {
        first.trim().parse().ok()?..=last.trim().parse().ok()?
    } else {
        let code = text.parse().ok()?;
        code..=code
    };
    let valid = !range.is_empty() && *range.start() >= 100 && *range.end() <= 599;
    valid.then_some(range)
}

impl fmt::Display for SuccessRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(formatter, "{first}")?,
                (first, last) if first % 100 == 0 && *last == first + 99 => write!(formatter, "{}xx", first / 100)?,
                (first, last) => write!(formatter, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        for (text, yes, no) in [
            ("2xx", vec![200, 204, 299], vec![199, 300, 302, 410, 500]),
            ("200", vec![200], vec![201, 204, 302]),
            ("200,202", vec![200, 202], vec![201]),
            ("100-399", vec![100, 302, 399], vec![400]),
        ] {
            let rule = SuccessRule::parse(text).unwrap();
            assert!(yes.iter().all(|status| rule.accepts(*status)), "{text}");
            assert!(!no.iter().any(|status| rule.accepts(*status)), "{text}");
            assert_eq!(rule.to_string(), text);
        }
        for text in ["", "ok", "2x", "299-200", "99", "600", "200;202", "200,"] {
            assert!(SuccessRule::parse(text).is_err(), "{text}");
        }
    }
}
