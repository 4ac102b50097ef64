//! What the writing side needs besides the connection.

use std::sync::Arc;

use bellwire_domain::{Clock, Entropy};

use super::handoff::HandOff;
use super::ids::DeliveryIds;
use super::lease::Lease;
use super::replay_pace::ReplayPace;

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
    /// How fast replays may add deliveries.
    pub(crate) replay_pace: Arc<ReplayPace>,
    /// Draws the ids of deliveries.
    pub(crate) delivery_ids: Arc<DeliveryIds>,
}
