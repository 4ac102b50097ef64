//! What is told to whoever collects traces: that an event was published, and each attempt to deliver it.
//!
//! An attempt may be made days after its event was published, and by another node. So it is a trace of its own, with a link to the span
//! of that publication. The ids of both follow from what they are about, and are stored nowhere.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::{AccountId, DeliveryId, EventId, EventType, Timestamp};

/// The ids of a span, and of the trace that begins with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanIds {
    /// Of the trace.
    pub trace: [u8; 16],
    /// Of the span in it.
    pub span: [u8; 8],
}

impl SpanIds {
    /// Of the publication of an event.
    pub fn of_event(account: &AccountId, event: &EventId) -> Self {
        Self::of(&[b"publish", account.as_str().as_bytes(), event.as_str().as_bytes()])
    }

    /// Of one attempt of a delivery; the first is 1.
    pub fn of_attempt(delivery: DeliveryId, attempt: u32) -> Self {
        Self::of(&[b"attempt", &delivery.number().to_be_bytes(), &attempt.to_be_bytes()])
    }

    /// Each part is preceded by its length, so that no two have the same digest.
    fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        }
        let bytes: [u8; 32] = digest.finalize().into();
        // Ids of zeroes alone are not valid, so each has a bit that is set.
        let byte = |at: usize| bytes.get(at).copied().unwrap_or_default() | u8::from(at == 0 || at == 16);
        Self { trace: std::array::from_fn(byte), span: std::array::from_fn(|at| byte(16 + at)) }
    }
}

/// An event, as spans name it: never its data, nor whom it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedEvent {
    /// Whose it is.
    pub account: AccountId,
    /// The account's contract.
    pub contract: String,
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub event_type: EventType,
}

/// An event was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishSpan {
    /// Which one.
    pub event: TracedEvent,
    /// When it was about to be committed.
    pub started_at: Timestamp,
    /// When it was.
    pub ended_at: Timestamp,
}

/// A delivery was attempted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptSpan {
    /// Of which event.
    pub event: TracedEvent,
    /// The delivery.
    pub delivery: DeliveryId,
    /// Which of its attempts; the first is 1.
    pub attempt: u32,
    /// Where the request went; `None`: none was made.
    pub target: Option<Target>,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// What came in place of an answer.
    pub error: Option<&'static str>,
}

/// Where a request goes, without what may be secret: user, path and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Such as `POST`.
    pub method: String,
    /// `https` or `http`.
    pub scheme: String,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Target {
    /// Of a request with this URL; `None`: the URL names no host.
    pub fn of(method: &http::Method, url: &str) -> Option<Self> {
        let url = url::Url::parse(url).ok()?;
        let (host, port) = (url.host_str()?.to_owned(), url.port_or_known_default()?);
        Some(Self { method: method.as_str().to_owned(), scheme: url.scheme().to_owned(), host, port })
    }
}

/// Takes spans to whoever collects them. Nobody waits for that.
pub trait Traces: Send + Sync {
    /// An event was published.
    fn published(&self, span: PublishSpan);

    /// A delivery was attempted.
    fn attempted(&self, span: AttemptSpan);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(account: &str, event: &str) -> SpanIds {
        SpanIds::of_event(&AccountId::try_new(account).unwrap(), &EventId::try_new(event).unwrap())
    }

    #[test]
    fn ids_follow_from_what_they_are_about_and_from_nothing_else() {
        assert_eq!(event("a", "e1"), event("a", "e1"));
        for other in [event("a", "e2"), event("b", "e1"), event("ae", "1")] {
            assert_ne!(event("a", "e1").trace, other.trace);
            assert_ne!(event("a", "e1").span, other.span);
        }
        let delivery = DeliveryId::default();
        assert_ne!(SpanIds::of_attempt(delivery, 1), SpanIds::of_attempt(delivery, 2));
    }

    #[test]
    fn a_target_has_nothing_that_may_be_secret() {
        let target = Target::of(&http::Method::POST, "https://user:word@clinic.example/hooks/T0KEN?key=secret#part").unwrap();
        let expected = Target { method: "POST".into(), scheme: "https".into(), host: "clinic.example".into(), port: 443 };
        assert_eq!(target, expected);
        assert_eq!(Target::of(&http::Method::POST, "http://127.0.0.1:8081/in").map(|target| target.port), Some(8081));
        assert_eq!(Target::of(&http::Method::POST, "nothing"), None);
    }
}
