//! Leases: an endpoint that is sent to until an instant, unless somebody renews it before.
//!
//! A contract says how long a lease may last, whether there must be one, and how long before its end the operator is told. An endpoint
//! without an end is sent to for ever.

use std::time::Duration;

use crate::{Timestamp, print_duration};

/// What a contract says of leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeasePolicy {
    /// How long an endpoint is sent to that asks for nothing; `None`: for ever.
    pub default: Option<Duration>,
    /// The longest lease.
    pub max: Option<Duration>,
    /// How long before its end the operator is told; `None`: they are not.
    pub warn: Option<Duration>,
    /// Whether every endpoint has an end.
    pub required: bool,
    /// Whether an endpoint whose lease has ended may be renewed.
    pub renewable_after_end: bool,
}

/// An endpoint's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// From then on nothing is sent.
    pub expires_at: Timestamp,
    /// When the operator is told of the end; `None`: they are not.
    pub warn_at: Option<Timestamp>,
}

/// Why an endpoint cannot have a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLease {
    /// Its end is over already.
    #[error("must be in the future")]
    Past,
    /// Its end is too far away.
    #[error("is too far away: this contract allows at most {} from now", print_duration(*max))]
    Beyond {
        /// The longest lease.
        max: Duration,
    },
    /// There must be an end.
    #[error("under this contract every endpoint expires: give an instant")]
    Required,
}

impl LeasePolicy {
    /// When an endpoint of an example ends.
    pub fn example(&self, now: Timestamp) -> Option<Timestamp> {
        const DAY: Duration = Duration::from_secs(86_400);
        let span = self.default.or_else(|| self.required.then(|| self.max.unwrap_or(DAY)));
        span.map(|span| now.plus(span))
    }

    /// The lease of a new endpoint. `wanted` is `None` where nothing is asked for, and `Some(None)` where none is wanted.
    pub fn begin(&self, wanted: Option<Option<Timestamp>>, now: Timestamp) -> Result<Option<Lease>, InvalidLease> {
        let chosen = wanted.unwrap_or_else(|| self.default.map(|span| now.plus(span)));
        self.renew(chosen, now)
    }

    /// The lease of an endpoint that is to end then, or never.
    pub fn renew(&self, expires_at: Option<Timestamp>, now: Timestamp) -> Result<Option<Lease>, InvalidLease> {
        let Some(expires_at) = expires_at else {
            return if self.required { Err(InvalidLease::Required) } else { Ok(None) };
        };
        if has_ended(Some(expires_at), now) {
            return Err(InvalidLease::Past);
        }
        if let Some(max) = self.max.filter(|max| expires_at > now.plus(*max)) {
            return Err(InvalidLease::Beyond { max });
        }
        // A lease that is shorter than the warning is long has just been given: nobody has to be told.
        let warn_at = self.warn.map(|warn| expires_at.minus(warn)).filter(|warn_at| *warn_at > now);
        Ok(Some(Lease { expires_at, warn_at }))
    }
}

impl Lease {
    /// When something has to be done about it next.
    pub fn due_at(&self) -> Timestamp {
        self.warn_at.map_or(self.expires_at, |warn_at| warn_at.min(self.expires_at))
    }
}

/// Whether a lease that ends at `expires_at` is over. Without an end it never is.
pub fn has_ended(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|end| end <= now)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn policy() -> LeasePolicy {
        LeasePolicy { default: Some(30 * DAY), max: Some(90 * DAY), warn: Some(7 * DAY), ..LeasePolicy::default() }
    }

    #[test]
    fn who_asks_for_nothing_gets_what_the_contract_gives() {
        let now = Timestamp::from_secs(0);
        let given = policy().begin(None, now).unwrap().unwrap();
        assert_eq!(given, Lease { expires_at: now.plus(30 * DAY), warn_at: Some(now.plus(23 * DAY)) });
        assert_eq!(policy().begin(Some(None), now), Ok(None));
        assert_eq!(LeasePolicy::default().begin(None, now), Ok(None));
        let required = LeasePolicy { required: true, default: None, ..policy() };
        assert_eq!(required.begin(None, now), Err(InvalidLease::Required));
        assert_eq!(required.renew(None, now), Err(InvalidLease::Required));
    }

    #[test]
    fn an_end_is_ahead_and_not_too_far() {
        let now = Timestamp::from_secs(1_000);
        assert_eq!(policy().renew(Some(now), now), Err(InvalidLease::Past));
        assert_eq!(policy().renew(Some(now.plus(91 * DAY)), now), Err(InvalidLease::Beyond { max: 90 * DAY }));
        assert!(policy().renew(Some(now.plus(90 * DAY)), now).is_ok());
        let short = policy().renew(Some(now.plus(DAY)), now).unwrap().unwrap();
        assert_eq!((short.warn_at, short.due_at()), (None, now.plus(DAY)));
        assert!(has_ended(Some(now), now) && !has_ended(Some(now.plus(DAY)), now) && !has_ended(None, now));
    }

    proptest! {
        #[test]
        fn whatever_is_given_is_due_before_its_end_and_within_bounds(
            default in proptest::option::of(1u64..200), max in proptest::option::of(1u64..100), warn in proptest::option::of(1u64..100),
            wanted in proptest::option::of(proptest::option::of(-100i64..300)), required: bool,
        ) {
            let days = |count: u64| Duration::from_secs(count * 86_400);
            let policy = LeasePolicy {
                default: default.map(days), max: max.map(days), warn: warn.map(days), required, renewable_after_end: false,
            };
            let now = Timestamp::from_secs(100_000_000);
            let wanted = wanted.map(|wanted| wanted.map(|day| Timestamp::from_secs(100_000_000 + day * 86_400)));
            match policy.begin(wanted, now) {
                Ok(Some(lease)) => {
                    prop_assert!(lease.expires_at > now && lease.due_at() > now && lease.due_at() <= lease.expires_at);
                    prop_assert!(policy.max.is_none_or(|max| lease.expires_at <= now.plus(max)));
                }
                Ok(None) => prop_assert!(!required),
                Err(error) => prop_assert!(required || error != InvalidLease::Required),
            }
        }
    }
}
