//! What the host takes for others.
//!
//! A virtual machine borrows its processors. If the host overcommits them, one row may get half of what the previous one got,
//! which says nothing about the program. The kernel counts the time in which a processor had work but was not scheduled
//! (`steal` in proc(5)). It is shown for each row, and a row that lost a lot is measured again. Only that time decides which
//! try counts, never the result.

use std::time::Duration;

use anyhow::Context;

use crate::report::{Measurement, say};

/// The share of the processors' time that the host may take before a row is measured again.
const TAKEN_MAX: f64 = 0.05;

/// Ticks of all processors since the machine started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostTime {
    all: u64,
    taken: u64,
}

impl HostTime {
    /// The ticks up to now.
    pub(crate) fn now() -> anyhow::Result<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").context("/proc/stat")?).context("/proc/stat has no line `cpu`")
    }

    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // user, nice, system, idle, iowait, irq, softirq, steal; the rest is included in the first two
        let ticks: Vec<u64> = line.split_whitespace().take(8).map(|field| field.parse().ok()).collect::<Option<_>>()?;
        Some(Self { all: ticks.iter().sum(), taken: *ticks.get(7)? })
    }

    /// The share of all processors' time that the host has taken since, from 0 to 1.
    pub(crate) fn taken_since(self, before: Self) -> f64 {
        let ticks = |now: u64, before: u64| u32::try_from(now.saturating_sub(before)).map_or(0.0, f64::from);
        ticks(self.taken, before.taken) / ticks(self.all, before.all).max(1.0)
    }
}

/// How a row is measured.
pub(crate) struct Tries {
    /// The most tries.
    pub(crate) most: usize,
    /// The pause before each try.
    pub(crate) rest: Duration,
}

impl Tries {
    /// Measures until the host takes little or there are no tries left; returns the try from which it took least.
    pub(crate) async fn quietest(
        &self,
        mut measure: impl AsyncFnMut() -> anyhow::Result<Measurement>,
    ) -> anyhow::Result<Measurement> {
        let mut quietest: Option<Measurement> = None;
        for left in (0..self.most).rev() {
            tokio::time::sleep(self.rest).await;
            let measured = measure().await?;
            let took = measured.host_took;
            if quietest.as_ref().is_none_or(|best| took < best.host_took) {
                quietest = Some(measured);
            }
            if took <= TAKEN_MAX {
                break;
            }
            let then = if left > 0 { "again" } else { "the quietest try counts" };
            say(&format!("  the host took {:.0} % of the processors: {then}", took * 100.0));
        }
        quietest.context("a row is tried at least once")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Figure;

    fn measured(host_took: f64) -> Measurement {
        let plain = Figure::plain(0.0);
        Measurement {
            name: String::new(),
            deliveries: 0,
            per_second: 0.0,
            of_bare_loop: None,
            latency_p50_ms: plain,
            latency_p99_ms: plain,
            cpu_us_per_delivery: plain,
            peak_memory_mib: plain,
            host_took,
        }
    }

    #[tokio::test]
    async fn the_quietest_try_counts_and_a_quiet_one_is_the_last() {
        for (most, takes, quietest, tried) in
            [(3, [0.3, 0.1, 0.2], 0.1, 3), (3, [0.3, 0.04, 0.0], 0.04, 2), (1, [0.3, 0.0, 0.0], 0.3, 1)]
        {
            let mut left = takes.into_iter();
            let tries = Tries { most, rest: Duration::ZERO };
            let kept = tries.quietest(async || Ok(measured(left.next().unwrap()))).await.unwrap();
            assert!((kept.host_took - quietest).abs() < f64::EPSILON, "{takes:?}: {}", kept.host_took);
            assert_eq!(takes.len() - left.len(), tried, "{takes:?}");
        }
    }

    #[test]
    fn what_the_host_took_is_a_share_of_all_time_also_of_idle_time() {
        let before = HostTime::parse("cpu  10 0 10 80 0 0 0 0 7 7\ncpu0 1 1 1 1 1 1 1 1 1 1\n").unwrap();
        let after = HostTime::parse("cpu  40 0 20 110 0 0 0 30 9 9\n").unwrap();
        assert!((after.taken_since(before) - 0.3).abs() < 1e-9, "{}", after.taken_since(before));
        assert!(after.taken_since(after).abs() < 1e-9);
        assert!(HostTime::parse("intr 1 2 3").is_none() && HostTime::parse("cpu  1 2 3").is_none());
    }
}
