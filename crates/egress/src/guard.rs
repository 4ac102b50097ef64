//! Which addresses of a host may be connected to.
//!
//! Only the guard makes a [`CheckedAddress`], and nothing else can be dialled, so what was checked is what is connected to. It is
//! asked for every connection and caches nothing, so a name is always judged by what it resolves to now.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bellwire_domain::AddressPolicy;

use crate::Resolve;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// An address that the operator's policy allows, with a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedAddress(SocketAddr);

impl CheckedAddress {
    /// What to connect to.
    pub const fn get(self) -> SocketAddr {
        self.0
    }
}

/// Why no address of a host may be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAddress {
    /// The name did not resolve.
    Dns(String),
    /// The policy refuses all of them.
    Blocked(String),
}

/// Resolves and checks.
pub(crate) struct Guard {
    resolver: Arc<dyn Resolve>,
    policy: AddressPolicy,
}

impl Guard {
    pub(crate) fn new(resolver: Arc<dyn Resolve>, policy: AddressPolicy) -> Self {
        Self { resolver, policy }
    }

    /// The addresses of `host` that may be connected to, in the resolver's order, at least one. If a name has both allowed and
    /// refused addresses, only the allowed ones count.
    pub(crate) async fn check(&self, host: &str, port: u16) -> Result<Vec<CheckedAddress>, NoAddress> {
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(host).await.map_err(|error| NoAddress::Dns(error.to_string()))?,
        };
        let mut refused = None;
        let mut checked = Vec::new();
        for address in found {
            // In the form that is checked: a v4-mapped address counts, and is dialled, as the IPv4 address that it is.
            let address = address.to_canonical();
            match self.policy.check(address) {
                Ok(()) => checked.push(CheckedAddress(SocketAddr::new(address, port))),
                Err(class) => refused = Some(class),
            }
        }
        checked.truncate(ADDRESSES_MAX);
        match (checked.is_empty(), refused) {
            (false, _) => Ok(checked),
            (true, Some(class)) => Err(NoAddress::Blocked(format!(
                "{} is not reachable for webhooks; --allow-network permits single networks",
                class.as_str()
            ))),
            (true, None) => Err(NoAddress::Dns("the name has no address".to_owned())),
        }
    }
}
