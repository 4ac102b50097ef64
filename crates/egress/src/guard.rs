//! Which addresses a host may be reached at.
//!
//! The guard is the only maker of [`CheckedAddress`], and nothing else can be dialled: what was checked and what is connected
//! to are one value. It is asked anew for every connection and remembers nothing, so a name that changes its mind is judged by
//! what it says now.

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
    /// There is none: the name did not resolve.
    Dns(String),
    /// All of them are refused.
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

    /// The addresses of `host` that may be connected to, in the resolver's order, at least one. Where a name has allowed and
    /// refused ones, it is reached at the allowed ones only.
    pub(crate) async fn check(&self, host: &str, port: u16) -> Result<Vec<CheckedAddress>, NoAddress> {
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(host).await.map_err(|error| NoAddress::Dns(error.to_string()))?,
        };
        let mut refused = None;
        let mut checked = Vec::new();
        for address in found {
            // In the form in which it was judged: a v4-mapped address is connected to as the IPv4 address that it is.
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
