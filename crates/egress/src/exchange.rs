//! What goes over a connection, and what it means when no answer comes back.

use bellwire_domain::AttemptOutcome;
use bytes::Bytes;
use http::Request;

/// A request on its way to a customer.
pub(crate) type Outgoing = Request<Bytes>;

/// Why there is no answer.
pub(crate) enum Unanswered {
    /// Nothing of the request was sent: another connection may carry it. Without another, this is how the attempt ended.
    Unsent(Box<Outgoing>, AttemptOutcome),
    /// It may have arrived.
    Failed(AttemptOutcome),
}

impl Unanswered {
    /// As the end of the attempt.
    pub(crate) fn into_outcome(self) -> AttemptOutcome {
        match self {
            Self::Unsent(_, outcome) | Self::Failed(outcome) => outcome,
        }
    }
}
