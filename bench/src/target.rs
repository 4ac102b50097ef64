//! The targets. A missed target is shown, but is not an error: a run on a busy machine is still a run.

use serde::Serialize;

/// The target of a workload at saturation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Saturation {
    /// Of the bare loop, for bodies up to [`SMALL_BODY_MAX`].
    share: f64,
    /// For the same.
    cpu_us: f64,
}

/// One event per POST, one endpoint.
pub(crate) const SINGLE: Saturation = Saturation { share: 0.33, cpu_us: 60.0 };
/// Batches, one endpoint.
pub(crate) const BATCHES: Saturation = Saturation { share: 0.45, cpu_us: 45.0 };
/// One event per POST, 10 endpoints.
pub(crate) const FAN_OUT: Saturation = Saturation { share: 0.55, cpu_us: 38.0 };

/// The target of a row with many tenants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tenants {
    /// Of the bare loop.
    share: f64,
    /// Of the CPU of one event per POST, one endpoint.
    cpu_ratio: f64,
}

/// A thousand accounts in turn.
pub(crate) const ACCOUNTS_IN_TURN: Tenants = Tenants { share: 0.25, cpu_ratio: 1.2 };
/// One of an account's thousand endpoints.
pub(crate) const ONE_OF_MANY: Tenants = Tenants { share: 0.30, cpu_ratio: 1.15 };

/// A platform's day: of what a bare client delivers, from POST to arrival at half of that, and memory.
const DAY_SHARE: f64 = 0.5;
const DAY_P50_MS: f64 = 5.0;
const DAY_P99_MS: f64 = 50.0;
const DAY_MEMORY_MIB: f64 = 128.0;

/// Over TLS, of what is delivered without.
const TLS_SHARE: f64 = 0.75;

/// Over PostgreSQL, shares of the bare loop.
const POSTGRES_SINGLE: f64 = 0.12;
const POSTGRES_FAN_OUT: f64 = 0.25;

/// Bodies between these two sizes have no targets.
const SMALL_BODY_MAX: usize = 1_024;
const LARGE_BODY_MIN: usize = 16 << 10;
/// Large bodies have a lower share as their target, as the bare loop only copies what the server also stores and signs, and none
/// for CPU.
const LARGE_BODY_FACTOR: f64 = 0.6;

/// From POST to arrival at a fixed rate.
const PACED_P50_MS: f64 = 1.5;
const PACED_P99_MS: f64 = 6.0;
const MEMORY_MIB: f64 = 64.0;
/// Bad neighbours may at most double a healthy endpoint's median; a hostile tenant that too, and make the slowest wait five times as long.
const NEIGHBOURS_RATIO: f64 = 2.0;
const HOSTILE_P50_RATIO: f64 = 2.0;
const HOSTILE_P99_RATIO: f64 = 5.0;
/// A grown store may cost 15%.
const GROWN_SPEED: f64 = 0.85;
const GROWN_CPU: f64 = 1.15;
/// A page of the console, whatever the filter.
const PAGE_MS: f64 = 50.0;
const READY_EMPTY_MS: f64 = 150.0;
const READY_WAITING_MS: f64 = 1_000.0;

/// What a number should be.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// A number and what it should be.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
}

impl Figure {
    /// A number without a target.
    pub(crate) fn plain(value: f64) -> Self {
        Self { value, target: None, met: None }
    }

    fn at_least(value: f64, least: f64) -> Self {
        Self { value, target: Some(Target::AtLeast(least)), met: Some(value >= least) }
    }

    fn at_most(value: f64, most: f64) -> Self {
        Self { value, target: Some(Target::AtMost(most)), met: Some(value <= most) }
    }

    /// A share of the bare loop, by the workload and its size.
    pub(crate) fn share(value: f64, expected: Saturation, size: usize) -> Self {
        match size {
            0..=SMALL_BODY_MAX => Self::at_least(value, expected.share),
            LARGE_BODY_MIN.. => Self::at_least(value, expected.share * LARGE_BODY_FACTOR),
            _ => Self::plain(value),
        }
    }

    /// A share of the bare loop over PostgreSQL: one event per POST, one endpoint.
    pub(crate) fn postgres_single(value: f64) -> Self {
        Self::at_least(value, POSTGRES_SINGLE)
    }

    /// The same: one event per POST, 10 endpoints.
    pub(crate) fn postgres_fan_out(value: f64) -> Self {
        Self::at_least(value, POSTGRES_FAN_OUT)
    }

    /// CPU of a workload at saturation, by its size.
    pub(crate) fn cpu(value: f64, expected: Saturation, size: usize) -> Self {
        if size <= SMALL_BODY_MAX { Self::at_most(value, expected.cpu_us) } else { Self::plain(value) }
    }

    /// A share of the bare loop, with many tenants.
    pub(crate) fn of_tenants(value: f64, expected: Tenants) -> Self {
        Self::at_least(value, expected.share)
    }

    /// CPU with many tenants, held against that of a single one.
    pub(crate) fn cpu_of_tenants(value: f64, single: f64, expected: Tenants) -> Self {
        Self::at_most(value, single * expected.cpu_ratio)
    }

    /// Of what a bare client delivers on a platform's day.
    pub(crate) fn share_of_day(value: f64) -> Self {
        Self::at_least(value, DAY_SHARE)
    }

    /// Over TLS, of what is delivered without.
    pub(crate) fn share_over_tls(value: f64) -> Self {
        Self::at_least(value, TLS_SHARE)
    }

    /// The median on a platform's day.
    pub(crate) fn day_p50(value: f64) -> Self {
        Self::at_most(value, DAY_P50_MS)
    }

    /// The 99th percentile on a platform's day.
    pub(crate) fn day_p99(value: f64) -> Self {
        Self::at_most(value, DAY_P99_MS)
    }

    /// Peak memory on a platform's day.
    pub(crate) fn memory_of_day(value: f64) -> Self {
        Self::at_most(value, DAY_MEMORY_MIB)
    }

    /// The median at a fixed rate.
    pub(crate) fn paced_p50(value: f64) -> Self {
        Self::at_most(value, PACED_P50_MS)
    }

    /// The 99th percentile at a fixed rate.
    pub(crate) fn paced_p99(value: f64) -> Self {
        Self::at_most(value, PACED_P99_MS)
    }

    /// Peak memory.
    pub(crate) fn memory(value: f64) -> Self {
        Self::at_most(value, MEMORY_MIB)
    }

    /// How many times as long deliveries take with bad neighbours.
    pub(crate) fn neighbours(value: f64) -> Self {
        Self::at_most(value, NEIGHBOURS_RATIO)
    }

    /// How many times as long a healthy tenant's deliveries take while another attacks: the median.
    pub(crate) fn hostile_p50(value: f64) -> Self {
        Self::at_most(value, HOSTILE_P50_RATIO)
    }

    /// The same, 99th percentile.
    pub(crate) fn hostile_p99(value: f64) -> Self {
        Self::at_most(value, HOSTILE_P99_RATIO)
    }

    /// How long a page of the console takes.
    pub(crate) fn page(value: f64) -> Self {
        Self::at_most(value, PAGE_MS)
    }

    /// Deliveries per second, as a share of those on an empty store.
    pub(crate) fn grown_speed(value: f64) -> Self {
        Self::at_least(value, GROWN_SPEED)
    }

    /// CPU per delivery, as a multiple of that on an empty store.
    pub(crate) fn grown_cpu(value: f64) -> Self {
        Self::at_most(value, GROWN_CPU)
    }

    /// From start to ready on an empty store.
    pub(crate) fn ready_empty(value: f64) -> Self {
        Self::at_most(value, READY_EMPTY_MS)
    }

    /// From start to ready with many deliveries that wait.
    pub(crate) fn ready_waiting(value: f64) -> Self {
        Self::at_most(value, READY_WAITING_MS)
    }

    /// The number, with its target in brackets; bold if it misses the target.
    pub(crate) fn show(&self, decimals: usize, unit: &str) -> String {
        let value = format!("{:.decimals$}{unit}", self.value);
        let value = if self.met == Some(false) { format!("**{value}**") } else { value };
        match self.target {
            None => value,
            Some(Target::AtLeast(least)) => format!("{value} (≥ {least:.decimals$})"),
            Some(Target::AtMost(most)) => format!("{value} (≤ {most:.decimals$})"),
        }
    }
}
