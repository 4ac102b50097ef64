//! Numbers made of numbers.

use std::time::Duration;

/// A rate per second.
pub(crate) fn per_second(count: usize, elapsed: Duration) -> f64 {
    precise(count) / elapsed.as_secs_f64()
}

/// The value below which this share of the sorted ones is, in percent.
pub(crate) fn percentile<T: Copy>(sorted: &[T], share: usize) -> Option<T> {
    sorted.get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1))).copied()
}

/// A count as a float.
pub(crate) fn precise(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
