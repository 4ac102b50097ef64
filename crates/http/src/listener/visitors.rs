//! Who is connected, address by address.
//!
//! Each address has a share of the connections. One that holds its share loses a connection on which nothing is being answered, the
//! longest quiet of them, for each new one that it opens: thousands of half-sent heads from one machine keep nobody out, not even
//! another client on that machine.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bellwire_domain::Shares;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::activity::Activity;

/// The connections of one listener. Clones share them.
#[derive(Clone)]
pub(super) struct Visitors(Arc<Mutex<Open>>);

struct Open {
    shares: Shares<IpAddr>,
    /// In the order in which they came.
    by_address: HashMap<IpAddr, VecDeque<Visit>>,
    next: u64,
}

struct Visit {
    number: u64,
    activity: Arc<Activity>,
    close: CancellationToken,
}

/// One connection. Dropped, it is one less.
pub(super) struct Visitor {
    visitors: Visitors,
    address: IpAddr,
    number: u64,
    pub(super) activity: Arc<Activity>,
    /// Told when it has to make room.
    pub(super) close: CancellationToken,
}

impl Visitors {
    pub(super) fn new(connections_max: usize) -> Self {
        let shares = Shares::new(connections_max);
        Self(Arc::new(Mutex::new(Open { shares, by_address: HashMap::new(), next: 0 })))
    }

    /// Lets a connection in; `None` when its address holds its share, and all of them are being answered.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Visitor> {
        let address = network_of(address);
        let mut open = self.0.lock();
        let is_admitted = open.shares.take(&address, 1) || open.replace_quiet(&address);
        if !is_admitted {
            return None;
        }
        open.next += 1;
        let (number, activity, close) = (open.next, Arc::new(Activity::default()), CancellationToken::new());
        let visit = Visit { number, activity: Arc::clone(&activity), close: close.clone() };
        open.by_address.entry(address).or_default().push_back(visit);
        Some(Visitor { visitors: self.clone(), address, number, activity, close })
    }
}

impl Open {
    /// Closes a quiet connection of this address, whose place is free then.
    fn replace_quiet(&mut self, address: &IpAddr) -> bool {
        let Some(visits) = self.by_address.get_mut(address) else { return false };
        let quiet = visits.iter().position(|visit| !visit.activity.is_answering());
        match quiet.and_then(|index| visits.remove(index)) {
            Some(visit) => {
                visit.close.cancel();
                true
            }
            None => false,
        }
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let mut open = self.visitors.0.lock();
        let Some(visits) = open.by_address.get_mut(&self.address) else { return };
        let Some(index) = visits.iter().position(|visit| visit.number == self.number) else { return };
        visits.remove(index);
        if visits.is_empty() {
            open.by_address.remove(&self.address);
        }
        open.shares.give_back(&self.address, 1);
    }
}

/// What counts as one address: with IPv6, everybody has a whole /64 (RFC 4291 §2.5.1).
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn one_address_leaves_connections_to_others_and_replaces_its_own_quiet_ones() {
        let visitors = Visitors::new(100);
        let mut held: Vec<Visitor> = (0..75).map(|_| visitors.admit(HOSTILE).unwrap()).collect();
        assert_eq!(visitors.0.lock().shares.free(), 25);
        held[0].activity.begin();
        let replacing = visitors.admit(HOSTILE).unwrap();
        let closed: Vec<usize> = (0..75).filter(|index| held[*index].close.is_cancelled()).collect();
        assert_eq!(closed, [1], "the longest quiet one");
        assert_eq!(visitors.0.lock().shares.free(), 25);
        assert!(visitors.admit(OTHER).is_some());
        drop(replacing);
        held.clear();
        assert_eq!(visitors.0.lock().shares.free(), 100, "what was replaced is not given back twice");
        assert!(visitors.0.lock().by_address.is_empty());
    }

    #[test]
    fn an_address_whose_connections_are_all_being_answered_gets_no_more() {
        let visitors = Visitors::new(8);
        let held: Vec<Visitor> = std::iter::from_fn(|| {
            let visitor = visitors.admit(HOSTILE)?;
            visitor.activity.begin();
            Some(visitor)
        })
        .collect();
        assert_eq!(held.len(), 6);
        assert!(visitors.admit(HOSTILE).is_none() && visitors.admit(OTHER).is_some());
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let of = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), HOSTILE);
    }
}
