//! May this delivery be attempted now?
//!
//! The answer depends on the endpoint's switch and its health, and on whether the event is a test. It is decided here and
//! nowhere else: publishing, claiming and attempting all ask a [`Gate`], and the store makes its SQL from the same words.

use crate::HealthStatus;

/// What decides whether an endpoint is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// The consumer's or operator's switch.
    pub enabled: bool,
    /// Its health.
    pub health: HealthStatus,
}

/// Which deliveries a gate lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Every one.
    All,
    /// Only test events: the endpoint is disabled, and whoever sets it up wants to see whether it works.
    TestsOnly,
    /// None: the endpoint failed and waits for a resume, is not verified yet, or has expired.
    Nothing,
}

impl Gate {
    /// Which deliveries may be attempted.
    pub const fn admission(self) -> Admission {
        match (self.health.allows_attempts(), self.enabled) {
            (true, true) => Admission::All,
            (true, false) => Admission::TestsOnly,
            (false, _) => Admission::Nothing,
        }
    }

    /// Whether a delivery may be attempted.
    pub const fn admits(self, is_test: bool) -> bool {
        match self.admission() {
            Admission::All => true,
            Admission::TestsOnly => is_test,
            Admission::Nothing => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        use Admission::{All, Nothing, TestsOnly};
        for (health, enabled, expected) in [
            (HealthStatus::Active, true, All),
            (HealthStatus::Active, false, TestsOnly),
            (HealthStatus::Unhealthy, true, All),
            (HealthStatus::Unhealthy, false, TestsOnly),
            (HealthStatus::Failed, true, Nothing),
            (HealthStatus::Failed, false, Nothing),
            (HealthStatus::Pending, true, Nothing),
            (HealthStatus::Pending, false, Nothing),
            (HealthStatus::Expired, true, Nothing),
            (HealthStatus::Expired, false, Nothing),
        ] {
            let gate = Gate { enabled, health };
            assert_eq!(gate.admission(), expected, "{gate:?}");
            assert_eq!((gate.admits(false), gate.admits(true)), (expected == All, expected != Nothing), "{gate:?}");
        }
    }
}
