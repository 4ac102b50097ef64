//! A line of the list.

use std::sync::Arc;

use super::super::arrival::Arrival;
use super::super::exchange::Answer;

/// One request, and its last answer.
pub(super) struct Entry {
    pub(super) arrival: Arc<Arrival>,
    pub(super) answer: Option<Answer>,
}

impl Entry {
    /// The status that came back, or that none did, and how long that took.
    pub(super) fn came_back(&self) -> String {
        match &self.answer {
            None if self.arrival.forwarder.is_some() => "…".to_owned(),
            None | Some(Answer::Shown) => String::new(),
            Some(Answer::Here(status)) => status.as_u16().to_string(),
            Some(Answer::Forwarded { status, took, .. }) => format!("{} in {} ms", status.as_u16(), took.as_millis()),
            Some(Answer::Failed { .. }) => "failed".to_owned(),
        }
    }

    /// What a filter looks at.
    pub(super) fn text(&self) -> String {
        format!("{} {} {}", self.arrival.what(), self.arrival.judged.word(), self.came_back())
    }

    /// The bytes of its bodies.
    pub(super) fn bytes(&self) -> usize {
        let answer = match &self.answer {
            Some(Answer::Forwarded { body, .. }) => body.len(),
            None | Some(Answer::Shown | Answer::Here(_) | Answer::Failed { .. }) => 0,
        };
        self.arrival.request.body.len() + answer
    }
}
