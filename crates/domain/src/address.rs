//! Which network addresses a delivery may go to.
//!
//! Endpoints are chosen by strangers, so a URL must not be a way into the operator's own network. Only globally routed
//! unicast addresses are allowed; everything that the IANA special-purpose registries list is refused, and so are the
//! IPv6 forms that carry an IPv4 address inside (the inner address decides). Exceptions are single networks, named by the
//! operator.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// What kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressClass {
    /// Globally routed unicast.
    Public,
    /// This host.
    Loopback,
    /// A private network (RFC 1918, RFC 4193, site-local).
    Private,
    /// Link-local; cloud metadata services live there.
    LinkLocal,
    /// A carrier's shared space (RFC 6598).
    SharedCarrier,
    /// Multicast or broadcast.
    Multicast,
    /// Documentation or benchmarking.
    Documentation,
    /// Reserved, unspecified, or a protocol's own space.
    Reserved,
    /// An IPv6 form that tunnels or translates to IPv4.
    Transition,
}

impl AddressClass {
    /// The words for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::SharedCarrier => "a carrier-shared address",
            Self::Multicast => "a multicast or broadcast address",
            Self::Documentation => "a documentation or benchmarking address",
            Self::Reserved => "a reserved address",
            Self::Transition => "an IPv6 transition address",
        }
    }
}

/// The operator's rules.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    allowed: Vec<IpNet>,
}

impl AddressPolicy {
    /// Public addresses and these networks.
    pub const fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Whether `address` may be connected to; if not, what kind of address it is.
    pub fn check(&self, address: IpAddr) -> Result<(), AddressClass> {
        let seen = address.to_canonical(); // ::ffff:a.b.c.d is that IPv4 address to the system, and so it is here
        if self.allowed.iter().any(|network| network.contains(&seen)) {
            return Ok(());
        }
        match classify(seen) {
            AddressClass::Public => Ok(()),
            class => Err(class),
        }
    }
}

/// The kind of `address`.
pub fn classify(address: IpAddr) -> AddressClass {
    match address.to_canonical() {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

/// IANA IPv4 Special-Purpose Address Registry (RFC 6890 and its updates).
fn classify_v4(address: Ipv4Addr) -> AddressClass {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (127, ..) => AddressClass::Loopback,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => AddressClass::Private,
        (169, 254, _) => AddressClass::LinkLocal,
        (100, 64..=127, _) => AddressClass::SharedCarrier,
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) | (198, 18..=19, _) => AddressClass::Documentation,
        (224..=239, ..) => AddressClass::Multicast,
        (255, 255, 255) if address.is_broadcast() => AddressClass::Multicast,
        (0 | 240..=255, ..) | (192, 0, 0) | (192, 31, 196) | (192, 52, 193) | (192, 88, 99) | (192, 175, 48) => {
            AddressClass::Reserved
        }
        _ => AddressClass::Public,
    }
}

/// IANA IPv6 Special-Purpose Address Registry. Only 2000::/3 is handed out for global unicast.
fn classify_v6(address: Ipv6Addr) -> AddressClass {
    let [a, b, c, ..] = address.segments();
    if address.is_loopback() {
        return AddressClass::Loopback;
    }
    match (a, b, c) {
        // ::/96 (v4-compatible), ::ffff:0:0:0/96 (translated), 64:ff9b::/96, 64:ff9b:1::/48 (NAT64), Teredo, 6to4
        (0, ..) if !address.is_unspecified() => AddressClass::Transition,
        (0x64, 0xff9b, _) | (0x2001, 0, _) | (0x2002, ..) => AddressClass::Transition,
        (0xfc00..=0xfdff | 0xfec0..=0xfeff, ..) => AddressClass::Private,
        (0xfe80..=0xfebf, ..) => AddressClass::LinkLocal,
        (0xff00..=0xffff, ..) => AddressClass::Multicast,
        (0x2001, 0xdb8, _) | (0x3fff, 0..=0xfff, _) | (0x2001, 2, 0) => AddressClass::Documentation,
        (0x2001, 1..=0x1ff, _) | (0x2620, 0x4f, 0x8000) => AddressClass::Reserved,
        (0x2000..=0x3fff, ..) => AddressClass::Public,
        _ => AddressClass::Reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First and last address of every special range, and the class it must have.
    const RANGES: &[(&str, &str, AddressClass)] = &[
        ("0.0.0.0", "0.255.255.255", AddressClass::Reserved),
        ("10.0.0.0", "10.255.255.255", AddressClass::Private),
        ("100.64.0.0", "100.127.255.255", AddressClass::SharedCarrier),
        ("127.0.0.0", "127.255.255.255", AddressClass::Loopback),
        ("169.254.0.0", "169.254.255.255", AddressClass::LinkLocal),
        ("172.16.0.0", "172.31.255.255", AddressClass::Private),
        ("192.0.0.0", "192.0.0.255", AddressClass::Reserved),
        ("192.0.2.0", "192.0.2.255", AddressClass::Documentation),
        ("192.88.99.0", "192.88.99.255", AddressClass::Reserved),
        ("192.168.0.0", "192.168.255.255", AddressClass::Private),
        ("198.18.0.0", "198.19.255.255", AddressClass::Documentation),
        ("198.51.100.0", "198.51.100.255", AddressClass::Documentation),
        ("203.0.113.0", "203.0.113.255", AddressClass::Documentation),
        ("224.0.0.0", "239.255.255.255", AddressClass::Multicast),
        ("240.0.0.0", "255.255.255.254", AddressClass::Reserved),
        ("255.255.255.255", "255.255.255.255", AddressClass::Multicast),
        ("::", "::", AddressClass::Reserved),
        ("::1", "::1", AddressClass::Loopback),
        ("::2", "::fffe:ffff:ffff", AddressClass::Transition),
        ("::ffff:0:0:0", "::ffff:0:ffff:ffff", AddressClass::Transition),
        ("64:ff9b::", "64:ff9b::ffff:ffff", AddressClass::Transition),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", AddressClass::Transition),
        ("100::", "100::ffff:ffff:ffff:ffff", AddressClass::Reserved),
        ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", AddressClass::Transition),
        ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", AddressClass::Documentation),
        ("2001:10::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", AddressClass::Reserved),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", AddressClass::Documentation),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressClass::Transition),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", AddressClass::Documentation),
        ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressClass::Reserved),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressClass::Private),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressClass::LinkLocal),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressClass::Private),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressClass::Multicast),
    ];

    #[test]
    fn every_reserved_range_is_refused_to_its_last_address() {
        let policy = AddressPolicy::default();
        for (first, last, class) in RANGES {
            for address in [first, last] {
                assert_eq!(policy.check(address.parse().unwrap()), Err(*class), "{address}");
            }
        }
    }

    #[test]
    fn v4_mapped_addresses_are_judged_as_the_v4_address_inside() {
        let policy = AddressPolicy::default();
        for (first, last, class) in RANGES {
            for address in [first, last] {
                if let IpAddr::V4(inner) = address.parse().unwrap() {
                    assert_eq!(policy.check(inner.to_ipv6_mapped().into()), Err(*class), "::ffff:{address}");
                }
            }
        }
        assert_eq!(policy.check("::ffff:8.8.8.8".parse().unwrap()), Ok(()));
    }

    #[test]
    fn public_addresses_pass() {
        for address in
            ["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "172.32.0.0", "223.255.255.255", "2606:4700::1111", "2a00::1"]
        {
            assert_eq!(AddressPolicy::default().check(address.parse().unwrap()), Ok(()), "{address}");
        }
    }

    #[test]
    fn an_exception_is_one_network_and_no_more() {
        let policy = AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]);
        assert_eq!(policy.check("127.0.0.1".parse().unwrap()), Ok(()));
        assert_eq!(policy.check("::ffff:127.0.0.1".parse().unwrap()), Ok(()));
        assert_eq!(policy.check("::1".parse().unwrap()), Err(AddressClass::Loopback));
        assert_eq!(policy.check("169.254.169.254".parse().unwrap()), Err(AddressClass::LinkLocal));
    }
}
