//! Networks that the operator allows, as they are written: `10.1.0.0/16`, `10.1.0.0/16:443+8443`, `[fd00::/8]:443@noyo`,
//! `10.1.0.0/16@account:clinic-1`.

use std::fmt;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use crate::{AccountId, Consumer};

/// What stands before the account in a scope.
const ACCOUNT: &str = "account:";
/// The length of ::ffff:0:0/96.
const V4_MAPPED_PREFIX: u8 = 96;

/// A network to which deliveries may go although it is not public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedNetwork {
    pub(super) network: IpNet,
    /// In order, each once. None: all.
    ports: Vec<u16>,
    pub(super) scope: Scope,
}

/// Whose deliveries something is allowed for; the widest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everybody's.
    Everybody,
    /// Those under this contract.
    Contract(String),
    /// Those of this account.
    Account(AccountId),
}

/// Why a text names no network that could be allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetwork {
    /// No address, or no number of bits.
    #[error("`{0}` is no network; write ADDRESS/BITS, as in 10.1.0.0/16")]
    Network(String),
    /// Brackets are missing, or stand where they should not.
    #[error("an IPv6 network stands in brackets where ports follow, and no other does, as in [fd00::/8]:443")]
    Brackets,
    /// Something else than ports after the colon.
    #[error("`{0}` is no port; write 443, or several as in 443+8443, each from 1 to 65535")]
    Port(String),
    /// Nothing after the `@`.
    #[error("after the @ stands a contract, as in @noyo, or an account, as in @account:clinic-1")]
    Scope,
    /// Something else than an id after `@account:`.
    #[error("`{0}` is no account: {1}")]
    Account(String, crate::InvalidId),
}

impl AllowedNetwork {
    /// Whose deliveries it is allowed for.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether it is allowed for this port and on behalf of this consumer.
    pub(super) fn admits(&self, port: u16, consumer: Consumer<'_>) -> bool {
        (self.ports.is_empty() || self.ports.contains(&port)) && self.scope.holds(consumer)
    }
}

impl Scope {
    fn holds(&self, consumer: Consumer<'_>) -> bool {
        match self {
            Self::Everybody => true,
            Self::Contract(contract) => contract == consumer.contract,
            Self::Account(account) => account == consumer.account,
        }
    }
}

/// All ports of it, for everybody.
impl From<IpNet> for AllowedNetwork {
    fn from(network: IpNet) -> Self {
        Self { network: canonical(network).trunc(), ports: Vec::new(), scope: Scope::Everybody }
    }
}

impl FromStr for AllowedNetwork {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (place, scope) = match text.split_once('@') {
            Some((place, scope)) => (place, scope.parse()?),
            None => (text, Scope::Everybody),
        };
        let (network, ports) = split(place)?;
        let network: IpNet = network.parse().map_err(|_| InvalidNetwork::Network(network.to_owned()))?;
        if place.starts_with('[') && matches!(network, IpNet::V4(_)) {
            return Err(InvalidNetwork::Brackets);
        }
        Ok(Self { ports: ports.map_or_else(|| Ok(Vec::new()), read_ports)?, scope, ..Self::from(network) })
    }
}

impl FromStr for Scope {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        match text.strip_prefix(ACCOUNT) {
            Some(id) => id.parse().map(Self::Account).map_err(|error| InvalidNetwork::Account(id.to_owned(), error)),
            None if text.is_empty() => Err(InvalidNetwork::Scope),
            None => Ok(Self::Contract(text.to_owned())),
        }
    }
}

/// The network and the ports, as texts.
fn split(place: &str) -> Result<(&str, Option<&str>), InvalidNetwork> {
    if let Some(rest) = place.strip_prefix('[') {
        return match rest.split_once(']').ok_or(InvalidNetwork::Brackets)? {
            (network, "") => Ok((network, None)),
            (network, rest) => rest.strip_prefix(':').map(|ports| (network, Some(ports))).ok_or(InvalidNetwork::Brackets),
        };
    }
    let is_v6 = |address: &str| address.contains(':');
    match place.split_once('/') {
        Some((address, bits)) if is_v6(address) && bits.contains(':') => Err(InvalidNetwork::Brackets),
        Some((address, _)) if is_v6(address) => Ok((place, None)),
        _ => Ok(place.split_once(':').map_or((place, None), |(network, ports)| (network, Some(ports)))),
    }
}

fn read_ports(text: &str) -> Result<Vec<u16>, InvalidNetwork> {
    let port = |text: &str| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|port| is_number && *port > 0).ok_or_else(|| InvalidNetwork::Port(text.to_owned()))
    };
    let mut ports = text.split('+').map(port).collect::<Result<Vec<u16>, _>>()?;
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

/// A network of v4-mapped addresses as the IPv4 network that it is; addresses are compared in that form.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let inner = mapped.network().to_ipv4_mapped().zip(mapped.prefix_len().checked_sub(V4_MAPPED_PREFIX));
    let inner = inner.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok());
    inner.map_or(network, IpNet::V4)
}

impl fmt::Display for AllowedNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network {
            IpNet::V6(network) if !self.ports.is_empty() => write!(formatter, "[{network}]")?,
            network => write!(formatter, "{network}")?,
        }
        for (index, port) in self.ports.iter().enumerate() {
            write!(formatter, "{}{port}", if index == 0 { ':' } else { '+' })?;
        }
        self.scope.fmt(formatter)
    }
}

/// As it is written behind a network.
impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => Ok(()),
            Self::Contract(contract) => write!(formatter, "@{contract}"),
            Self::Account(account) => write!(formatter, "@{ACCOUNT}{account}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_of_an_allowed_network_reads_as_it_is_written() {
        for (text, network, ports, scope) in [
            ("10.1.0.0/16", "10.1.0.0/16", &[][..], ""),
            ("10.1.0.0/16:443", "10.1.0.0/16", &[443], ""),
            ("10.1.0.0/16:443+8443", "10.1.0.0/16", &[443, 8443], ""),
            ("10.1.0.0/16:443@noyo", "10.1.0.0/16", &[443], "@noyo"),
            ("10.1.0.0/16@b.well", "10.1.0.0/16", &[], "@b.well"),
            ("10.1.0.0/16@account:clinic-1", "10.1.0.0/16", &[], "@account:clinic-1"),
            ("10.1.0.0/16@account:a@b:c", "10.1.0.0/16", &[], "@account:a@b:c"),
            ("fd00::/8", "fd00::/8", &[], ""),
            ("fd00::/8@noyo", "fd00::/8", &[], "@noyo"),
            ("[fd00::/8]:443@noyo", "fd00::/8", &[443], "@noyo"),
            ("[fd00::/8]:1+65535@account:x", "fd00::/8", &[1, 65_535], "@account:x"),
        ] {
            let read: AllowedNetwork = text.parse().unwrap();
            assert_eq!((read.network.to_string().as_str(), read.ports.as_slice()), (network, ports), "{text}");
            assert_eq!((read.scope.to_string().as_str(), read.to_string().as_str()), (scope, text));
        }
        for (text, plain) in [
            ("[fd00::/8]", "fd00::/8"),
            ("10.1.2.3/16", "10.1.0.0/16"),
            ("10.1.0.0/16:8443+443+443", "10.1.0.0/16:443+8443"),
            ("[::ffff:10.1.0.0/112]:443", "10.1.0.0/16:443"),
        ] {
            assert_eq!(text.parse::<AllowedNetwork>().unwrap().to_string(), plain);
        }
    }

    #[test]
    fn what_is_wrong_with_a_network_is_said() {
        let network = |text: &str| InvalidNetwork::Network(text.to_owned());
        let port = |text: &str| InvalidNetwork::Port(text.to_owned());
        for (text, expected) in [
            ("", network("")),
            ("10.1.0.0", network("10.1.0.0")),
            ("10.1.0.0/33", network("10.1.0.0/33")),
            ("10.1.0.0:443", network("10.1.0.0")),
            ("fd00::", network("fd00")),
            ("fd00::/129", network("fd00::/129")),
            ("localhost", network("localhost")),
            ("@noyo", network("")),
            ("10.1.0.0/16:", port("")),
            ("10.1.0.0/16:0", port("0")),
            ("10.1.0.0/16:65536", port("65536")),
            ("10.1.0.0/16:https", port("https")),
            ("10.1.0.0/16:443+", port("")),
            ("10.1.0.0/16:443-445", port("443-445")),
            ("10.1.0.0/16:443:8443", port("443:8443")),
            ("[fd00::/8]:x", port("x")),
            ("fd00::/8:443", InvalidNetwork::Brackets),
            ("[fd00::/8", InvalidNetwork::Brackets),
            ("[fd00::/8]443", InvalidNetwork::Brackets),
            ("[10.1.0.0/16]:443", InvalidNetwork::Brackets),
            ("10.1.0.0/16@", InvalidNetwork::Scope),
            ("10.1.0.0/16@account:", InvalidNetwork::Account(String::new(), crate::InvalidId::Length)),
            ("10.1.0.0/16@account:a b", InvalidNetwork::Account("a b".to_owned(), crate::InvalidId::Character(' '))),
        ] {
            assert_eq!(text.parse::<AllowedNetwork>(), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_as_the_same_and_nothing_panics(
            text in "\\[?[0-9a-f:./]{0,12}\\]?(:[0-9+]{0,9})?(@(account:)?[a-z]{0,4})?",
            bits in 0_u8..=32, address in any::<u32>(), ports in prop::collection::vec(1_u16.., 0..4),
        ) {
            let of = |text: &str| text.parse::<AllowedNetwork>();
            if let Ok(read) = of(&text) {
                prop_assert_eq!(of(&read.to_string()), Ok(read));
            }
            let network = Ipv4Net::new(address.into(), bits).unwrap();
            let mut written: AllowedNetwork = IpNet::from(network).into();
            written.ports = ports;
            written.ports.sort_unstable();
            written.ports.dedup();
            prop_assert_eq!(of(&written.to_string()), Ok(written));
        }
    }
}
