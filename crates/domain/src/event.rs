//! Event types, the names by which a contract's catalogue lists what can happen; and what becomes of events' data.

use std::fmt;
use std::sync::Arc;

/// Subjects that an event may have at most.
pub const SUBJECTS_MAX: usize = 32;

/// The longest event type, in bytes.
pub const EVENT_TYPE_LENGTH_MAX: usize = 200;

/// The name of a kind of event, such as `difference.created` or `order:shipped`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(Arc<str>);

/// A text that cannot be an event type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event type has 1 to {EVENT_TYPE_LENGTH_MAX} printable ASCII characters and no spaces, commas or quotes")]
pub struct InvalidEventType;

impl EventType {
    /// Checks length and alphabet.
    pub fn try_new(text: &str) -> Result<Self, InvalidEventType> {
        let allowed = |byte: u8| byte.is_ascii_graphic() && !b",\"'".contains(&byte);
        if text.is_empty() || text.len() > EVENT_TYPE_LENGTH_MAX || !text.bytes().all(allowed) {
            return Err(InvalidEventType);
        }
        Ok(Self(text.into()))
    }

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

crate::words! {
    /// Why the data of an event is not kept any more.
    pub enum DataRemoval {
        /// Somebody whom it was about had it erased.
        Erased = "erased",
        /// It is older than payloads are kept.
        Expired = "expired",
    }
}

crate::words! {
    /// Where an erasure stands.
    pub enum ErasureState {
        /// It removes step by step.
        Running = "running",
        /// Nothing is left.
        Done = "done",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_spellings_of_published_catalogues() {
        for text in ["difference.created", "order:shipped", "adjudication_complete", "User-Delete-Completed", "1"] {
            assert_eq!(EventType::try_new(text).unwrap().as_str(), text);
        }
        for text in ["", "two words", "a,b", "tab\t", "ü", &"x".repeat(EVENT_TYPE_LENGTH_MAX + 1)] {
            assert_eq!(EventType::try_new(text), Err(InvalidEventType), "{text:?}");
        }
    }
}
