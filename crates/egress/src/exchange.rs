//! What it means if no answer comes back.

use bellwire_domain::AttemptOutcome;

/// Why there is no answer. If the request goes out no more, the value inside is the outcome of the attempt.
pub(crate) enum Unanswered {
    /// Nothing was sent, so another connection may carry the request.
    Unsent(AttemptOutcome),
    /// The receiver says that it did not process the request, so another connection may carry it.
    Refused(AttemptOutcome),
    /// The receiver closed a connection that had served before, and not a byte of an answer came. Most likely it closed an idle
    /// connection just as the request went out.
    Dropped,
    /// It may have arrived.
    Failed(AttemptOutcome),
}
