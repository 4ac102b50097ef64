//! What replays say in one word, in the API and in the store.

/// What an event has come to at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplayCase {
    /// Its latest delivery failed.
    Failed,
    /// Its latest delivery was cancelled.
    Cancelled,
    /// The endpoint wants it and never had a delivery of it.
    Missed,
    /// Its latest delivery arrived.
    Delivered,
}

impl ReplayCase {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Failed, Self::Cancelled, Self::Missed, Self::Delivered];

    /// The word used in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Missed => "missed",
            Self::Delivered => "delivered",
        }
    }

    /// Reads the word of [`ReplayCase::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| case.as_str() == text)
    }
}

/// Where a replay stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplayState {
    /// It has events to look at.
    Running,
    /// It has looked at all.
    Done,
    /// It was stopped before.
    Cancelled,
}

impl ReplayState {
    /// The word used in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Running, Self::Done, Self::Cancelled].into_iter().find(|state| state.as_str() == text)
    }
}
