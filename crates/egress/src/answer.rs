//! What is kept of an answer: its status, its `Retry-After`, and the beginning of its body.

use std::time::Duration;

use bellwire_domain::delivery::parse_retry_after;
use bellwire_domain::{AttemptOutcome, Timestamp};
use http::StatusCode;

use crate::excerpt::Excerpt;

/// An answer whose body arrives in pieces.
pub(crate) struct Answer {
    status: u16,
    retry_after: Option<Duration>,
    excerpt: Excerpt,
}

impl Answer {
    /// From the answer's head. `now` is the instant of the attempt; a `Retry-After` date is relative to it.
    pub(crate) fn new(status: StatusCode, retry_after: Option<&str>, content_encoding: Option<&str>, now: Timestamp) -> Self {
        Self {
            status: status.as_u16(),
            retry_after: retry_after.and_then(|value| parse_retry_after(value, now)),
            excerpt: Excerpt::new(content_encoding),
        }
    }

    /// Adds a piece of the body. `false`: no more is needed.
    pub(crate) fn push(&mut self, piece: &[u8]) -> bool {
        self.excerpt.push(piece)
    }

    /// The outcome, with what is kept of the answer.
    pub(crate) fn finish(self) -> AttemptOutcome {
        AttemptOutcome::Response { status: self.status, retry_after: self.retry_after, body: self.excerpt.finish() }
    }
}
