//! On whose behalf something is sent.

use crate::AccountId;

/// An account and its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumer<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// The name of its contract.
    pub contract: &'a str,
}
