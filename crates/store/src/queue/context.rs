//! What the writing side needs besides the connection.

use std::sync::Arc;

use bellwire_domain::{AccountId, Clock, Entropy};

use super::handoff::HandOff;
use super::ids::DeliveryIds;
use super::lease::Lease;
use super::replay_pace::ReplayPace;
use crate::audit::keys::AuditKeys;
use crate::seal::Keyring;

/// What the writing side needs besides the connection.
#[derive(Clone)]
pub(crate) struct WriteContext {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) handoff: Arc<HandOff>,
    /// Marks the rows that this process holds.
    pub(crate) lease: Arc<Lease>,
    /// Live deliveries that one account may have.
    pub(crate) account_backlog_max: i64,
    /// The account whose events tell the operator what happens here.
    pub(crate) operator_account: Option<AccountId>,
    /// How fast replays may add deliveries.
    pub(crate) replay_pace: Arc<ReplayPace>,
    /// The keys of the audit log.
    pub(crate) audit: Arc<AuditKeys>,
    /// Draws the ids of deliveries.
    pub(crate) delivery_ids: Arc<DeliveryIds>,
    /// The master key, and the data keys it has opened.
    pub(crate) keyring: Arc<Keyring>,
}

impl WriteContext {
    /// Whether the operator is told of what happens to this account. Of its own account it is not: telling it that would fail too.
    pub(crate) fn tells_of(&self, account_id: &AccountId) -> bool {
        self.operator_account.as_ref().is_some_and(|operator| operator != account_id)
    }
}
