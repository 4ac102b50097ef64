//! What a request is made from.

use bellwire_domain::{EventType, Timestamp, Trigger};

use crate::published::quoted;
use crate::signature::SigningSecret;

/// Everything that a request is made from.
#[derive(Debug, Clone, Copy)]
pub struct RenderInput<'a> {
    /// What happened.
    pub event: EventInput<'a>,
    /// This attempt.
    pub attempt: AttemptInput,
    /// The delivery that the attempt belongs to.
    pub delivery: DeliveryInput<'a>,
    /// Where it goes.
    pub endpoint: EndpointInput<'a>,
    /// Whose event it is.
    pub account: AccountInput<'a>,
    /// The events that share the request with the first one, in order. Only under a contract with `delivery.batch`.
    pub others: &'a [BatchedEvent<'a>],
    /// The active secrets, newest first; of the endpoint or of the account, as the contract says. Where the contract has keys beside
    /// them, those follow, newest first.
    pub secrets: &'a [SigningSecret],
    /// The token of a handshake, where this is a request of one.
    pub activation: Option<&'a str>,
    /// The access token, where the contract wants one.
    pub access_token: Option<&'a str>,
}

/// An event.
#[derive(Debug, Clone, Copy)]
pub struct EventInput<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its type.
    pub event_type: &'a EventType,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Its number within its account.
    pub seq: i64,
    /// Its data: JSON, as posted. It was checked where it entered. Here it is only spliced in, so a large payload is not parsed
    /// again for each endpoint.
    pub data: &'a str,
    /// Whether it is the contract's test event.
    pub is_test: bool,
}

/// One of the events that share a request, and its delivery.
#[derive(Debug, Clone, Copy)]
pub struct BatchedEvent<'a> {
    /// What happened.
    pub event: EventInput<'a>,
    /// The delivery's id.
    pub delivery_id: &'a str,
    /// The delivery's number within its endpoint.
    pub number: i64,
    /// The attempt's number within the delivery, from 1.
    pub attempt: u32,
}

/// An attempt.
#[derive(Debug, Clone, Copy)]
pub struct AttemptInput {
    /// Its number within its delivery, from 1.
    pub number: u32,
    /// When it is made.
    pub at: Timestamp,
    /// Why it is made.
    pub trigger: Trigger,
    /// Fresh random bytes, for trace ids and nonces.
    pub random: [u8; 24],
}

/// A delivery.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryInput<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its number within its endpoint.
    pub number: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its first attempt was made, where the contract [asks](crate::Contract::looks_back) and it is known.
    pub first_attempt_at: Option<Timestamp>,
    /// How the attempt before this one ended, where there was one and the contract [asks](crate::Contract::looks_back).
    pub previous: Option<PreviousAttempt<'a>>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy)]
pub struct PreviousAttempt<'a> {
    /// In a word, such as `response` or `timeout_connect`.
    pub outcome: &'a str,
    /// The status, if there was an answer.
    pub status: Option<u16>,
}

/// An endpoint.
#[derive(Debug, Clone, Copy)]
pub struct EndpointInput<'a> {
    /// What it has chosen of its contract's options, as a JSON object.
    pub options: Option<&'a str>,
    /// Its credentials, as a JSON object of texts.
    pub credentials: Option<&'a str>,
    /// Its id.
    pub id: &'a str,
    /// Its URL as it was registered.
    pub url: &'a str,
    /// Its name.
    pub name: Option<&'a str>,
    /// When its lease ends.
    pub expires_at: Option<Timestamp>,
    /// Its own headers, sent where the contract allows it.
    pub headers: &'a [(String, String)],
}

/// An account.
#[derive(Debug, Clone, Copy)]
pub struct AccountInput<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name.
    pub name: Option<&'a str>,
}

impl PreviousAttempt<'_> {
    /// As templates see it. Without an answer there is no status.
    pub(crate) fn to_json(self) -> String {
        let status = self.status.map_or_else(String::new, |status| format!(",\"status\":{status}"));
        format!("{{\"outcome\":{}{status}}}", quoted(self.outcome))
    }
}
