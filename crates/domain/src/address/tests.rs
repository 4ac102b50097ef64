//! The policy against the registries, range by range and edge by edge.

use ipnet::{IpNet, Ipv6Net};

use super::*;
use crate::AccountId;

use AddressClass::{
    CloudService, Documentation, LinkLocal, Loopback, Multicast, Private, Public, Reserved, SharedCarrier, Transition,
};

/// Both address spaces, whole: the ranges of the IANA special-purpose, multicast and unicast registries. The narrowest range
/// that holds an address says its class.
const RANGES: &[(&str, AddressClass)] = &[
    ("0.0.0.0/0", Public),
    ("0.0.0.0/8", Reserved),
    ("10.0.0.0/8", Private),
    ("100.64.0.0/10", SharedCarrier),
    ("127.0.0.0/8", Loopback),
    ("161.26.0.0/16", CloudService),
    ("166.8.0.0/14", CloudService),
    ("168.63.129.16/32", CloudService),
    ("169.254.0.0/16", LinkLocal),
    ("172.16.0.0/12", Private),
    ("192.0.0.0/24", Reserved),
    ("192.0.2.0/24", Documentation),
    ("192.31.196.0/24", Reserved),
    ("192.52.193.0/24", Reserved),
    ("192.88.99.0/24", Reserved),
    ("192.168.0.0/16", Private),
    ("192.175.48.0/24", Reserved),
    ("198.18.0.0/15", Documentation),
    ("198.51.100.0/24", Documentation),
    ("203.0.113.0/24", Documentation),
    ("224.0.0.0/4", Multicast),
    ("240.0.0.0/4", Reserved),
    ("255.255.255.255/32", Multicast),
    ("::/0", Reserved),    // what nobody has handed out
    ("::/16", Transition), // v4-compatible, v4-translated, and what lies between
    ("::/96", Transition),
    ("::ffff:0:0:0/96", Transition),
    ("::/128", Reserved),
    ("::1/128", Loopback),
    ("64:ff9b::/32", Transition), // NAT64, and what lies between its two ranges
    ("64:ff9b::/96", Transition),
    ("64:ff9b:1::/48", Transition),
    ("100::/64", Reserved),
    ("100:0:0:1::/64", Reserved),
    ("2000::/3", Public),
    ("2001::/23", Reserved), // protocol assignments: TURN, AMT, AS112, ORCHID, drone ids
    ("2001::/32", Transition),
    ("2001:2::/48", Documentation),
    ("2001:10::/28", Reserved),
    ("2001:20::/28", Reserved),
    ("2001:30::/28", Reserved),
    ("2001:db8::/32", Documentation),
    ("2002::/16", Transition),
    ("2620:4f:8000::/48", Reserved),
    ("3fff::/20", Documentation),
    ("5f00::/16", Reserved),
    ("fc00::/7", Private),
    ("fe80::/10", LinkLocal),
    ("fec0::/10", Private),
    ("ff00::/8", Multicast),
];

fn ranges() -> impl Iterator<Item = (IpNet, AddressClass)> {
    RANGES.iter().map(|(range, class)| (range.parse().unwrap(), *class))
}

/// The class by the table.
fn expected(address: IpAddr) -> AddressClass {
    let holding = ranges().filter(|(range, _)| range.contains(&address));
    holding.max_by_key(|(range, _)| range.prefix_len()).unwrap().1
}

/// An address and the ones before and after it.
fn around(address: IpAddr) -> Vec<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let number = u32::from(address);
            let near = [number.checked_sub(1), Some(number), number.checked_add(1)];
            near.into_iter().flatten().map(|number| Ipv4Addr::from(number).into()).collect()
        }
        IpAddr::V6(address) => {
            let number = u128::from(address);
            let near = [number.checked_sub(1), Some(number), number.checked_add(1)];
            near.into_iter().flatten().map(|number| Ipv6Addr::from(number).into()).collect()
        }
    }
}

/// Judges for anybody, at a port that no network names.
trait Judge {
    fn judge(&self, address: IpAddr) -> Result<(), AddressClass>;
}

impl Judge for AddressPolicy {
    fn judge(&self, address: IpAddr) -> Result<(), AddressClass> {
        let account = AccountId::try_new("anybody").unwrap();
        self.check(address, 8_080, Consumer { account: &account, contract: "any" }).map(drop)
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn allowing(networks: &[&str]) -> AddressPolicy {
    AddressPolicy::new(networks.iter().map(|network| network.parse().unwrap()).collect())
}

#[test]
fn every_range_is_judged_from_its_first_to_its_last_address_and_no_further() {
    let policy = AddressPolicy::default();
    for (range, _) in ranges() {
        for near in around(range.network()).into_iter().chain(around(range.broadcast())) {
            let seen = near.to_canonical(); // the last address before ::ffff:0:0/96 has v4-mapped neighbours
            let class = expected(seen);
            assert_eq!(classify(near), class, "{near} at an edge of {range}");
            assert_eq!(policy.judge(near), if class == Public { Ok(()) } else { Err(class) }, "{near} at an edge of {range}");
        }
    }
}

/// The same said the other way round, without the table's own arithmetic.
#[test]
fn the_neighbours_of_special_ranges_are_ordinary_addresses() {
    for public in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.1.255",
        "192.0.3.0",
        "192.31.195.255",
        "192.31.197.0",
        "192.52.192.255",
        "192.52.194.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "192.175.47.255",
        "192.175.49.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "1.1.1.1",
        "8.8.8.8",
        "2000::",
        "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:200::",
        "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db9::",
        "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2003::",
        "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff",
        "2620:4f:8001::",
        "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff:1000::",
        "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2606:4700::1111",
        "2a00::1",
    ] {
        assert_eq!(AddressPolicy::default().judge(address(public)), Ok(()), "{public}");
    }
}

#[test]
fn metadata_services_are_refused() {
    for (metadata, class) in [
        ("169.254.169.254", LinkLocal),
        ("169.254.170.2", LinkLocal),
        ("100.100.100.200", SharedCarrier),
        ("192.0.0.192", Reserved),
        ("fd00:ec2::254", Private),
        ("fe80::a9fe:a9fe", LinkLocal),
        ("::ffff:169.254.169.254", LinkLocal),
    ] {
        assert_eq!(AddressPolicy::default().judge(address(metadata)), Err(class), "{metadata}");
    }
}

#[test]
fn v4_mapped_addresses_are_judged_as_the_v4_address_inside() {
    let policy = AddressPolicy::default();
    for (range, _) in ranges() {
        for near in around(range.network()).into_iter().chain(around(range.broadcast())) {
            let IpAddr::V4(inner) = near else { continue };
            let mapped = inner.to_ipv6_mapped().into();
            assert_eq!((classify(mapped), policy.judge(mapped)), (classify(near), policy.judge(near)), "{mapped}");
        }
    }
    assert_eq!(policy.judge(address("::ffff:8.8.8.8")), Ok(()));
}

/// All the ways to write an IPv4 address inside an IPv6 one; which address it is does not matter, for what becomes of it is
/// decided by somebody else's translator.
#[test]
fn forms_that_tunnel_or_translate_to_v4_are_refused_whatever_they_hold() {
    for inner in ["7f00:1", "a00:1", "a9fe:a9fe", "808:808"] {
        let forms = [
            format!("::{inner}"),
            format!("::ffff:0:{inner}"),
            format!("64:ff9b::{inner}"),
            format!("64:ff9b:1::{inner}"),
            format!("64:ff9b:1:ffff::{inner}"),
            format!("2002:{inner}::"),
            format!("2002:{inner}:1:2:3:4:5"),
            format!("2001:0:{inner}::"),
            format!("2001:0:4136:e378:8000:63bf:{inner}"),
            format!("2a00:1:2:3:0:5efe:{inner}"),
            format!("2a00:1:2:3:200:5efe:{inner}"),
        ];
        for form in forms {
            assert_eq!(AddressPolicy::default().judge(address(&form)), Err(Transition), "{form}");
        }
    }
}

#[test]
fn an_exception_is_one_network_and_no_more() {
    let policy = allowing(&["127.0.0.0/8"]);
    for allowed in ["127.0.0.1", "127.255.255.255", "::ffff:127.0.0.1"] {
        assert_eq!(policy.judge(address(allowed)), Ok(()), "{allowed}");
    }
    for (refused, class) in [
        ("::1", Loopback),
        ("169.254.169.254", LinkLocal),
        ("::ffff:10.0.0.1", Private),
        ("::127.0.0.1", Transition),
        ("::ffff:0:127.0.0.1", Transition),
        ("64:ff9b::127.0.0.1", Transition),
        ("2002:7f00:1::", Transition),
        ("128.0.0.1", Public),
    ] {
        assert_eq!(policy.judge(address(refused)), if class == Public { Ok(()) } else { Err(class) }, "{refused}");
    }
}

#[test]
fn an_exception_ends_where_its_network_ends() {
    let policy = allowing(&["10.1.2.0/24", "fd00:1::/32", "192.168.7.7/32"]);
    for allowed in
        ["10.1.2.0", "10.1.2.255", "::ffff:10.1.2.3", "fd00:1::", "fd00:1:ffff:ffff:ffff:ffff:ffff:ffff", "192.168.7.7"]
    {
        assert_eq!(policy.judge(address(allowed)), Ok(()), "{allowed}");
    }
    for refused in ["10.1.1.255", "10.1.3.0", "::ffff:10.1.3.0", "fd00::", "fd00:2::", "192.168.7.6", "192.168.7.8"] {
        assert_eq!(policy.judge(address(refused)), Err(Private), "{refused}");
    }
}

#[test]
fn an_exception_written_as_v4_mapped_is_that_v4_network() {
    let policy = allowing(&["::ffff:10.1.0.0/112"]);
    assert_eq!(policy.judge(address("10.1.255.255")), Ok(()));
    assert_eq!(policy.judge(address("::ffff:10.1.0.1")), Ok(()));
    assert_eq!(policy.judge(address("10.2.0.0")), Err(Private));
    let all: Ipv6Net = "::/0".parse().unwrap();
    let policy = AddressPolicy::new(vec![IpNet::from(all).into()]);
    assert_eq!(policy.judge(address("::1")), Ok(()));
    assert_eq!(policy.judge(address("::ffff:10.1.0.1")), Err(Private), "all of IPv6 says nothing of IPv4");
}

#[test]
fn what_clouds_serve_their_own_machines_with_is_refused() {
    let policy = AddressPolicy::default();
    for address in [
        "168.63.129.16",      // Azure: metadata, DNS, health
        "169.254.169.254",    // most: metadata
        "169.254.169.253",    // AWS: DNS
        "169.254.170.2",      // AWS: credentials of containers
        "fd00:ec2::254",      // AWS
        "fd20:ce::254",       // Google
        "fd00:c1::a9fe:a9fe", // Oracle
        "192.0.0.192",        // Oracle
        "100.100.100.200",    // Alibaba
        "100.100.2.136",      // Alibaba: DNS
        "161.26.0.10",        // IBM: DNS
        "166.8.0.1",          // IBM: services
        "::ffff:168.63.129.16",
    ] {
        assert!(policy.judge(address.parse().unwrap()).is_err(), "{address}");
    }
    for address in ["168.63.129.15", "168.63.129.17", "161.25.255.255", "166.12.0.0"] {
        assert!(policy.judge(address.parse().unwrap()).is_ok(), "{address}");
    }
}

#[test]
fn an_exception_holds_for_the_ports_the_contract_and_the_account_that_it_names() {
    let policy =
        allowing(&["10.1.0.0/16:443+8443", "10.2.0.0/16@noyo", "10.3.0.0/16:443@account:clinic-1", "[fd00::/8]:443@noyo"]);
    let (clinic, other) = (AccountId::try_new("clinic-1").unwrap(), AccountId::try_new("other").unwrap());
    for (to, port, account, contract, scope) in [
        ("10.1.0.1", 443, &other, "silver", Some("")),
        ("10.1.0.1", 8_443, &other, "silver", Some("")),
        ("::ffff:10.1.0.1", 443, &other, "silver", Some("")),
        ("10.1.0.1", 80, &other, "silver", None),
        ("10.2.0.1", 80, &other, "noyo", Some("@noyo")),
        ("10.2.0.1", 80, &clinic, "silver", None),
        ("10.2.0.1", 80, &other, "account:noyo", None),
        ("10.3.0.1", 443, &clinic, "silver", Some("@account:clinic-1")),
        ("10.3.0.1", 443, &clinic, "noyo", Some("@account:clinic-1")),
        ("10.3.0.1", 80, &clinic, "silver", None),
        ("10.3.0.1", 443, &other, "clinic-1", None),
        ("fd00::1", 443, &other, "noyo", Some("@noyo")),
        ("fd00::1", 80, &other, "noyo", None),
        ("8.8.8.8", 80, &other, "silver", Some("")),
    ] {
        let judged = policy.check(address(to), port, Consumer { account, contract });
        let expected = scope.map(str::to_owned).ok_or(Private);
        assert_eq!(judged.map(ToString::to_string), expected, "{to}:{port} for {account} under {contract}");
    }
}

#[test]
fn of_several_exceptions_the_widest_counts_and_public_addresses_need_none() {
    let policy = allowing(&["10.0.0.0/8@account:a", "10.1.0.0/16@noyo", "10.1.1.0/24", "8.0.0.0/8@account:a"]);
    let a = AccountId::try_new("a").unwrap();
    let consumer = Consumer { account: &a, contract: "noyo" };
    for (to, scope) in [("10.9.0.1", "@account:a"), ("10.1.9.1", "@noyo"), ("10.1.1.1", ""), ("8.8.8.8", "")] {
        assert_eq!(policy.check(address(to), 443, consumer).unwrap().to_string(), scope, "{to}");
    }
    let scopes = |consumer| policy.scopes(443, consumer).map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(scopes(consumer), ["@account:a", "@noyo", "@account:a"]);
    assert_eq!(scopes(Consumer { contract: "silver", account: &AccountId::try_new("b").unwrap() }), Vec::<String>::new());
}
