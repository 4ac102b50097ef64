//! What is kept of an answer: its status, its `Retry-After`, and the beginning of its body.

use std::time::Duration;

use bellwire_domain::delivery::parse_retry_after;
use bellwire_domain::{AttemptOutcome, Timestamp};
use http::header::{CONTENT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, HeaderName, StatusCode};

use crate::excerpt::Excerpt;

/// An answer whose body arrives in pieces.
pub(crate) struct Answer {
    status: u16,
    retry_after: Option<Duration>,
    excerpt: Excerpt,
}

impl Answer {
    /// From the answer's head. `now` is the instant of the attempt; a `Retry-After` date is relative to it.
    pub(crate) fn new(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            status: status.as_u16(),
            retry_after: text(RETRY_AFTER).and_then(|value| parse_retry_after(value, now)),
            excerpt: Excerpt::new(text(CONTENT_ENCODING)),
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
