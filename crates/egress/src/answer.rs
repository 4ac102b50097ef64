//! What is kept of an answer: its status, its `Retry-After`, and the beginning of its body.

use std::time::Duration;

use bellwire_domain::delivery::parse_retry_after;
use bellwire_domain::{AttemptOutcome, Timestamp};
use http::StatusCode;

use crate::excerpt::Excerpt;

/// What is used of an answer's head.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<String>,
    pub(crate) content_encoding: Option<String>,
    /// The headers that were asked for, by name.
    pub(crate) headers: Vec<(String, String)>,
}

/// An answer whose body arrives in pieces.
pub(crate) struct Answer {
    status: u16,
    retry_after: Option<Duration>,
    headers: Vec<(String, String)>,
    excerpt: Excerpt,
}

impl Answer {
    /// From the answer's head. `now` is the instant of the attempt; a `Retry-After` date is relative to it.
    pub(crate) fn new(said: Said, now: Timestamp) -> Self {
        Self {
            status: said.status.as_u16(),
            retry_after: said.retry_after.and_then(|value| parse_retry_after(&value, now)),
            headers: said.headers,
            excerpt: Excerpt::new(said.content_encoding.as_deref()),
        }
    }

    /// Adds a piece of the body. `false`: no more is needed.
    pub(crate) fn push(&mut self, piece: &[u8]) -> bool {
        self.excerpt.push(piece)
    }

    /// The outcome, with what is kept of the answer.
    pub(crate) fn finish(self) -> AttemptOutcome {
        let Self { status, retry_after, headers, excerpt } = self;
        AttemptOutcome::Response { status, retry_after, headers, body: excerpt.finish() }
    }
}
