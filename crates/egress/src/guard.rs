//! Which addresses of a host may be connected to.
//!
//! Only the guard makes a [`CheckedAddress`], and nothing else can be dialled, so what was checked is what is connected to. It is
//! asked for every connection: a name is looked up once in a while, and its addresses are judged each time.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bellwire_domain::{AccountId, AddressPolicy, Consumer, Scope};

use crate::lookups::{Lookups, Question};

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

/// An address, and whose requests may go there.
pub(crate) type Admitted<'p> = (CheckedAddress, &'p Scope);

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
    lookups: Arc<Lookups>,
    policy: AddressPolicy,
}

impl Guard {
    pub(crate) fn new(lookups: Arc<Lookups>, policy: AddressPolicy) -> Self {
        Self { lookups, policy }
    }

    /// Asks for the addresses of `host`, which may be one itself, on behalf of an account.
    pub(crate) fn ask(&self, account: &AccountId, host: &str) -> Question {
        match host.parse::<IpAddr>() {
            Ok(address) => Question::answered(Ok([address].into())),
            Err(_) => self.lookups.ask(account, host),
        }
    }

    /// The scopes narrower than everybody in which a connection to `port` may have been opened that `consumer` may use as well.
    pub(crate) fn scopes(&self, port: u16, consumer: Consumer<'_>) -> impl Iterator<Item = &Scope> {
        self.policy.scopes(port, consumer)
    }

    /// The addresses of a host that may be connected to on behalf of `consumer`, in the resolver's order, at least one; each with the
    /// scope that admits it. If a name has both allowed and refused addresses, only the allowed ones count.
    pub(crate) async fn check(&self, host: Question, port: u16, consumer: Consumer<'_>) -> Result<Vec<Admitted<'_>>, NoAddress> {
        let found = host.answer().await.map_err(|why| NoAddress::Dns(why.to_string()))?;
        let mut refused = None;
        let mut checked = Vec::new();
        for address in found.iter() {
            // In the form that is checked: a v4-mapped address counts, and is dialled, as the IPv4 address that it is.
            let address = address.to_canonical();
            match self.policy.check(address, port, consumer) {
                Ok(scope) => checked.push((CheckedAddress(SocketAddr::new(address, port)), scope)),
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
