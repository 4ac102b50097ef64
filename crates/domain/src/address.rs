//! Which network addresses a delivery may go to.
//!
//! Endpoints are chosen by strangers, so a URL must not be a way into the operator's own network. Only globally routed
//! unicast addresses are allowed; everything that the IANA special-purpose registries list is refused, and so are the
//! IPv6 forms that carry an IPv4 address inside (the inner address decides). Exceptions are single networks, named by the
//! operator: for everybody, or for one contract or account, and for all ports or some.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use self::allowed::{AllowedNetwork, InvalidNetwork, Scope};
use crate::Consumer;

mod allowed;

crate::words! {
    /// What kind of address it is, in words for people.
    pub enum AddressClass {
        /// Globally routed unicast.
        Public = "a public address",
        /// This host.
        Loopback = "a loopback address",
        /// A private network (RFC 1918, RFC 4193, site-local).
        Private = "a private address",
        /// Link-local; cloud metadata services live there.
        LinkLocal = "a link-local address",
        /// A carrier's shared space (RFC 6598).
        SharedCarrier = "a carrier-shared address",
        /// Multicast or broadcast.
        Multicast = "a multicast or broadcast address",
        /// Documentation or benchmarking.
        Documentation = "a documentation or benchmarking address",
        /// Reserved, unspecified, or a protocol's own space.
        Reserved = "a reserved address",
        /// A public address behind which a cloud serves its own customers' machines.
        CloudService = "an address of a cloud's own services",
        /// An IPv6 form that tunnels or translates to IPv4.
        Transition = "an IPv6 transition address",
    }
}

/// The operator's rules.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    allowed: Vec<AllowedNetwork>,
}

impl AddressPolicy {
    /// Public addresses and these networks.
    pub const fn new(allowed: Vec<AllowedNetwork>) -> Self {
        Self { allowed }
    }

    /// Every address, for requests that the operator sends, to where the operator says.
    pub fn anywhere() -> Self {
        Self::new(["0.0.0.0/0", "::/0"].iter().filter_map(|network| network.parse().ok()).collect())
    }

    /// Whether `address` may be connected to at `port` on behalf of `consumer`. If so, for whom else: the widest scope that admits
    /// it. If not, what kind of address it is.
    pub fn check(&self, address: IpAddr, port: u16, consumer: Consumer<'_>) -> Result<&Scope, AddressClass> {
        let seen = address.to_canonical(); // ::ffff:a.b.c.d is that IPv4 address to the system, and so it is here
        let class = classify(seen);
        if class == AddressClass::Public {
            return Ok(&Scope::Everybody);
        }
        let admitting = self.admitting(port, consumer).filter(|allowed| allowed.network.contains(&seen));
        admitting.map(AllowedNetwork::scope).min().ok_or(class)
    }

    /// The scopes narrower than everybody in which a connection to `port` may have been opened that `consumer` may use as well.
    pub fn scopes(&self, port: u16, consumer: Consumer<'_>) -> impl Iterator<Item = &Scope> {
        self.admitting(port, consumer).map(AllowedNetwork::scope).filter(|scope| **scope != Scope::Everybody)
    }

    fn admitting(&self, port: u16, consumer: Consumer<'_>) -> impl Iterator<Item = &AllowedNetwork> {
        self.allowed.iter().filter(move |allowed| allowed.admits(port, consumer))
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
        // Azure's platform (168.63.129.16), and IBM Cloud's (161.26.0.0/16, 166.8.0.0/14). Those of AWS, Google, Oracle, Alibaba and
        // Tencent are link-local, private, carrier-shared or reserved anyway.
        (168, 63, 129) if address.octets() == [168, 63, 129, 16] => AddressClass::CloudService,
        (161, 26, _) | (166, 8..=11, _) => AddressClass::CloudService,
        (0 | 240..=255, ..) | (192, 0, 0) | (192, 31, 196) | (192, 52, 193) | (192, 88, 99) | (192, 175, 48) => {
            AddressClass::Reserved
        }
        _ => AddressClass::Public,
    }
}

/// IANA IPv6 Special-Purpose Address Registry. Only 2000::/3 is handed out for global unicast.
fn classify_v6(address: Ipv6Addr) -> AddressClass {
    let [a, b, c, _, group, mark, ..] = address.segments();
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
        // ISATAP (RFC 5214) marks an interface by 0:5efe or 200:5efe in any network, and ends in an IPv4 address.
        (0x2000..=0x3fff, ..) if matches!((group, mark), (0 | 0x200, 0x5efe)) => AddressClass::Transition,
        (0x2000..=0x3fff, ..) => AddressClass::Public,
        _ => AddressClass::Reserved,
    }
}

#[cfg(test)]
mod tests;
