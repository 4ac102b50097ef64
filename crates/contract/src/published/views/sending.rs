//! What answers show of what is sent on request: test events, and deliveries that are sent again.

use bellwire_domain::Timestamp;

use super::{Members, list, optional, time};
use crate::published::bindings::quoted;

/// A test event that an endpoint is sent, as an answer may show it.
#[derive(Debug)]
pub struct TestedView {
    /// Its id.
    pub id: String,
    /// Its number within its account.
    pub seq: i64,
}

/// A delivery that is sent again, as an answer may show it.
#[derive(Debug)]
pub struct RetriedView {
    /// Its id.
    pub id: String,
    /// Its number within the endpoint.
    pub number: i64,
    /// How it stands, as a word.
    pub state: &'static str,
    /// The id of its event.
    pub event: String,
    /// The type of its event.
    pub event_type: String,
    /// The id of its endpoint.
    pub endpoint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the next attempt is due; `None`: it waits for an earlier delivery, or has ended already.
    pub due_at: Option<Timestamp>,
    /// How many attempts were made.
    pub attempt_count: u32,
    /// The attempts so far.
    pub attempts: Vec<AttemptView>,
}

/// An attempt as an answer may show it.
#[derive(Debug)]
pub struct AttemptView {
    /// 1 for the first.
    pub number: u32,
    /// Why it was made, as a word.
    pub trigger: &'static str,
    /// When it started.
    pub started_at: Timestamp,
    /// What happened, in one word.
    pub outcome: String,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// What went wrong, if there was none.
    pub detail: Option<String>,
}

impl TestedView {
    pub(super) fn members(&self) -> Members {
        vec![("id", quoted(&self.id)), ("seq", self.seq.to_string())]
    }
}

impl RetriedView {
    pub(super) fn members(&self) -> Members {
        vec![
            ("id", quoted(&self.id)),
            ("number", self.number.to_string()),
            ("state", quoted(self.state)),
            ("event", quoted(&self.event)),
            ("event_type", quoted(&self.event_type)),
            ("endpoint", quoted(&self.endpoint)),
            ("created_at", time(self.created_at)),
            ("due_at", self.due_at.map_or_else(|| "null".to_owned(), time)),
            ("attempt_count", self.attempt_count.to_string()),
            ("attempts", list(self.attempts.iter().map(AttemptView::members))),
        ]
    }
}

impl AttemptView {
    fn members(&self) -> Members {
        vec![
            ("number", self.number.to_string()),
            ("trigger", quoted(self.trigger)),
            ("started_at", time(self.started_at)),
            ("outcome", quoted(&self.outcome)),
            ("status", self.status.map_or_else(|| "null".to_owned(), |status| status.to_string())),
            ("detail", optional(self.detail.as_deref())),
        ]
    }
}
