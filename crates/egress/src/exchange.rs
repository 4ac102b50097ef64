//! What goes over a connection, and what it means if no answer comes back.

use bellwire_domain::AttemptOutcome;
use bytes::Bytes;
use http::Request;

/// A request on its way to a customer.
pub(crate) type Outgoing = Request<Bytes>;

/// Why there is no answer.
pub(crate) enum Unanswered {
    /// Nothing was sent, so another connection may carry the request. If there is none, this is the outcome.
    Unsent(Box<Outgoing>, AttemptOutcome),
    /// It may have arrived.
    Failed(AttemptOutcome),
}

impl Unanswered {
    /// The outcome of the attempt.
    pub(crate) fn into_outcome(self) -> AttemptOutcome {
        match self {
            Self::Unsent(_, outcome) | Self::Failed(outcome) => outcome,
        }
    }
}
