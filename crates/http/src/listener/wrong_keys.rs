//! Wrong keys, address by address: whoever tries many is answered slowly.
//!
//! Only the answers that refuse a key wait. A right key is never held up, whatever others on its address do: behind a proxy, all
//! callers have one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::Timestamp;
use parking_lot::Mutex;

use super::visitors::network_of;

/// In which so many are answered at once.
const SPAN: Duration = Duration::from_secs(60);
/// How long an answer waits at most.
const HOLD_MAX: Duration = Duration::from_secs(10);
/// How often an address is named in the log.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// Addresses that are remembered before those that rest are forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// What each address has tried. Clones share it.
#[derive(Clone)]
pub(super) struct WrongKeys {
    /// The pace at which those are answered that came too often; `None`: at once.
    interval: Option<Duration>,
    tried: Arc<Mutex<HashMap<IpAddr, Tried>>>,
}

#[derive(Default)]
struct Tried {
    /// When the next one would be due, if they came at a steady pace.
    next: Option<Timestamp>,
    /// Since the log named the address.
    count: u64,
    told_at: Option<Timestamp>,
}

/// What follows from one more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// How long its answer waits.
    pub(super) for_long: Duration,
    /// How many there were since the log named the address, where it is named again.
    pub(super) told: Option<u64>,
}

impl WrongKeys {
    /// So many from one address are answered at once in a minute; 0: all.
    pub(super) fn new(per_minute: u32) -> Self {
        Self { interval: SPAN.checked_div(per_minute), tried: Arc::default() }
    }

    /// One more from this address.
    pub(super) fn add(&self, address: IpAddr, now: Timestamp) -> Held {
        let mut tried = self.tried.lock();
        if tried.len() >= REMEMBERED_MAX {
            tried.retain(|_, tried| tried.next.is_some_and(|next| next > now));
        }
        let tried = tried.entry(network_of(address)).or_default();
        tried.count += 1;
        let is_told = tried.told_at.is_none_or(|told_at| now >= told_at.plus(TOLD_EVERY) || now < told_at);
        let told = is_told.then(|| std::mem::take(&mut tried.count));
        if is_told {
            tried.told_at = Some(now);
        }
        let Some(interval) = self.interval else { return Held { for_long: Duration::ZERO, told } };
        let ahead = SPAN.saturating_sub(interval);
        // If the clock was set back, counting starts over.
        let next = tried.next.filter(|next| next.since(now) <= SPAN + HOLD_MAX).unwrap_or(now).max(now);
        let for_long = next.minus(ahead).since(now).min(HOLD_MAX);
        tried.next = Some(if for_long < HOLD_MAX { next.plus(interval) } else { next });
        Held { for_long, told }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const HOSTILE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn held(wrong: &WrongKeys, address: IpAddr, now: Timestamp) -> Duration {
        wrong.add(address, now).for_long
    }

    #[test]
    fn whoever_tries_many_keys_waits_longer_and_longer_and_others_do_not() {
        let (wrong, now) = (WrongKeys::new(30), Timestamp::from_secs(1_000));
        for _ in 0..30 {
            assert_eq!(held(&wrong, HOSTILE, now), Duration::ZERO);
        }
        assert_eq!(held(&wrong, HOSTILE, now), Duration::from_secs(2));
        assert_eq!(held(&wrong, HOSTILE, now), Duration::from_secs(4));
        for _ in 0..100 {
            assert!(held(&wrong, HOSTILE, now) <= HOLD_MAX);
        }
        assert_eq!(held(&wrong, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), now), Duration::ZERO);
        assert_eq!(held(&wrong, HOSTILE, now.plus(Duration::from_secs(120))), Duration::ZERO, "and then it rests");
    }

    #[test]
    fn a_whole_network_of_ipv6_is_one_address() {
        let (wrong, now) = (WrongKeys::new(1), Timestamp::from_secs(1_000));
        let address = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, last));
        assert_eq!(held(&wrong, address(1), now), Duration::ZERO);
        assert!(held(&wrong, address(2), now) > Duration::ZERO);
    }

    #[test]
    fn an_address_is_named_at_once_and_then_once_a_minute_with_what_it_tried_since() {
        let (wrong, now) = (WrongKeys::new(0), Timestamp::from_secs(1_000));
        assert_eq!(wrong.add(HOSTILE, now).told, Some(1));
        for _ in 0..5 {
            assert_eq!(wrong.add(HOSTILE, now), Held { for_long: Duration::ZERO, told: None });
        }
        assert_eq!(wrong.add(HOSTILE, now.plus(TOLD_EVERY)).told, Some(6));
    }

    #[test]
    fn those_that_rest_are_forgotten() {
        let wrong = WrongKeys::new(30);
        for number in 0..3 * u32::try_from(REMEMBERED_MAX).unwrap() {
            let now = Timestamp::from_secs(1_000 + i64::from(number));
            wrong.add(IpAddr::V4(Ipv4Addr::from_bits(number)), now);
        }
        assert!(wrong.tried.lock().len() <= REMEMBERED_MAX);
    }
}
