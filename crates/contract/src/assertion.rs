//! Signed assertions of clients (RFC 7523): by one, a client of a published API shows who it is.
//!
//! An assertion is a JSON Web Token that the client has signed with its private key. What it says of itself is looked at first, as that
//! needs nothing else; then its signature, with the client's public keys ([`ClientKeys`]). That it is used once is for others to see to:
//! nothing is remembered here.

mod algorithm;
mod client_keys;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bellwire_domain::Timestamp;
use serde_json::{Map, Value};

pub use algorithm::AssertionAlgorithm;
pub use client_keys::{ClientKeys, InvalidClientKeys};

/// Bytes of an assertion.
const LENGTH_MAX: usize = 16 << 10;
/// How far ahead its end may be.
const LIFETIME_MAX: Duration = Duration::from_secs(5 * 60);
/// By how much the client's clock may be ahead.
const SKEW_MAX: Duration = Duration::from_secs(10);
/// Characters of its id.
const ID_LENGTH_MAX: usize = 255;

/// What an assertion must say.
#[derive(Debug, Clone, Copy)]
pub struct AssertionTerms<'a> {
    /// Whom it may be for: one of these.
    pub audiences: &'a [&'a str],
    /// How it may be signed.
    pub algorithms: &'a [AssertionAlgorithm],
    /// The time.
    pub now: Timestamp,
}

/// Why an assertion is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionFault {
    /// It is not such a token.
    #[error("the assertion is not a signed JSON Web Token with `alg` and `kid`")]
    Unreadable,
    /// It is signed by another algorithm.
    #[error("the assertion is signed by an algorithm that is not taken here")]
    Algorithm,
    /// It does not name its client.
    #[error("the assertion's `iss` and `sub` must both be the client's id")]
    Client,
    /// It is for somebody else.
    #[error("the assertion's `aud` must be the URL of this token endpoint")]
    Audience,
    /// It has no end, or that is over.
    #[error("the assertion's `exp` must be in the future")]
    Expired,
    /// It lasts too long.
    #[error("the assertion's `exp` must be at most 5 minutes ahead")]
    TooLong,
    /// It is not good yet.
    #[error("the assertion's `nbf` is in the future")]
    NotYet,
    /// It cannot be told from others.
    #[error("the assertion's `jti` must have 1 to 255 characters")]
    Id,
}

/// An assertion whose claims fit, and whose signature was not looked at yet.
#[derive(Debug)]
pub struct Assertion {
    client: String,
    key_id: String,
    id: String,
    algorithm: AssertionAlgorithm,
    expires_at: Timestamp,
    signed: String,
    signature: Vec<u8>,
}

impl Assertion {
    /// Reads one, and checks what it says of itself.
    pub fn read(text: &str, terms: AssertionTerms<'_>) -> Result<Self, AssertionFault> {
        let unreadable = AssertionFault::Unreadable;
        if text.len() > LENGTH_MAX {
            return Err(unreadable);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(unreadable)?;
        let (header, claims) = signed.split_once('.').ok_or(unreadable)?;
        let (header, claims) = (object(header).ok_or(unreadable)?, object(claims).ok_or(unreadable)?);
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| unreadable)?;
        // What a header says is critical has to be understood, and nothing of that kind is.
        let is_token = member(&header, "typ").is_none_or(|kind| kind.eq_ignore_ascii_case("jwt")) && !header.contains_key("crit");
        let (named, key_id) = (member(&header, "alg").ok_or(unreadable)?, member(&header, "kid").ok_or(unreadable)?);
        if !is_token {
            return Err(unreadable);
        }
        let algorithm = AssertionAlgorithm::parse(named).filter(|algorithm| terms.algorithms.contains(algorithm));
        let algorithm = algorithm.ok_or(AssertionFault::Algorithm)?;
        let client = member(&claims, "sub").filter(|subject| !subject.is_empty() && member(&claims, "iss") == Some(subject));
        let client = client.ok_or(AssertionFault::Client)?.to_owned();
        check_audience(&claims, terms.audiences)?;
        let expires_at = check_times(&claims, terms.now)?;
        let id = member(&claims, "jti").filter(|id| (1..=ID_LENGTH_MAX).contains(&id.chars().count()));
        let id = id.ok_or(AssertionFault::Id)?.to_owned();
        Ok(Self { client, key_id: key_id.to_owned(), id, algorithm, expires_at, signed: signed.to_owned(), signature })
    }

    /// Which client it says it is from.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Its id, by which it is used once.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Until when its id has to be remembered.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Whether the client's keys have one of the name and the kind that it is signed with.
    pub fn has_key_in(&self, keys: &ClientKeys) -> bool {
        keys.find(&self.key_id, self.algorithm).next().is_some()
    }

    /// Whether one of the client's keys has signed it.
    pub fn is_signed_by(&self, keys: &ClientKeys) -> bool {
        keys.find(&self.key_id, self.algorithm).any(|key| key.verify(self.signed.as_bytes(), &self.signature))
    }
}

fn check_audience(claims: &Map<String, Value>, audiences: &[&str]) -> Result<(), AssertionFault> {
    let is_known = |value: &Value| value.as_str().is_some_and(|text| audiences.contains(&text));
    let is_for_us = match claims.get("aud") {
        Some(Value::Array(several)) => several.iter().any(is_known),
        Some(one) => is_known(one),
        None => false,
    };
    if is_for_us { Ok(()) } else { Err(AssertionFault::Audience) }
}

fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, AssertionFault> {
    let expires_at = claims.get("exp").and_then(instant).filter(|end| *end > now).ok_or(AssertionFault::Expired)?;
    if expires_at > now.plus(LIFETIME_MAX + SKEW_MAX) {
        return Err(AssertionFault::TooLong);
    }
    match claims.get("nbf").map(instant) {
        Some(begin) if begin.is_none_or(|begin| begin > now.plus(SKEW_MAX)) => Err(AssertionFault::NotYet),
        _ => Ok(expires_at),
    }
}

/// A `NumericDate` (RFC 7519 §2): seconds, which may have a fraction.
fn instant(value: &Value) -> Option<Timestamp> {
    const SECONDS_MAX: i64 = 1 << 40;
    let seconds = value.as_i64().or_else(|| {
        // A fraction is cut off. What does not fit is far beyond what is allowed.
        let number = value.as_f64().filter(|number| number.is_finite() && number.abs() < 1e12)?;
        format!("{:.0}", number.floor()).parse().ok()
    })?;
    (0..SECONDS_MAX).contains(&seconds).then(|| Timestamp::from_secs(seconds))
}

fn object(encoded: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

fn member<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    members.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
