//! The endpoint and the account that everything is rendered for when a contract is loaded.

use bellwire_domain::Timestamp;

use crate::contract::Contract;
use crate::render::{AccountInput, EndpointInput};

/// When that happens.
pub(super) const NOW: Timestamp = Timestamp::from_secs(1_760_000_000);

/// The account.
pub(super) const ACCOUNT: AccountInput<'static> = AccountInput { id: "example", name: Some("Example") };

/// An endpoint that has chosen these options and given these credentials.
pub(super) fn endpoint<'a>(contract: &Contract, options: Option<&'a str>, credentials: Option<&'a str>) -> EndpointInput<'a> {
    EndpointInput {
        id: "example",
        url: "https://example.com/webhooks",
        name: Some("Example"),
        expires_at: contract.subscription().lease.and_then(|lease| lease.example(NOW)),
        headers: &[],
        options,
        credentials,
    }
}
