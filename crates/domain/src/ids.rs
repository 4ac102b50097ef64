//! Typed ids.
//!
//! Ids that Bellwire draws start with a time, so that rows written together lie together, and end in randomness. How an
//! event's or an endpoint's id looks on the wire is the contract's choice ([`IdFormat`]); an account's id is the operator's.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::Timestamp;
use crate::name::{code_point, unseen_character};

/// The longest id accepted, in bytes.
pub const ID_LENGTH_MAX: usize = 200;

/// A text that cannot be an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// It has the wrong length.
    #[error("an id has 1 to {ID_LENGTH_MAX} characters")]
    Length,
    /// It has this character, which no id has.
    #[error("an id has letters, digits and . _ - : ~ @, and this one has {}", shown(*.0))]
    Character(char),
    /// It is not of the form that Bellwire draws.
    #[error("an id of this kind has another form")]
    Form,
    /// It is `.` or `..`, which mean something else in a path.
    #[error("an id is not `.` or `..`, which mean something else in a path")]
    Dots,
}

/// A character for people: by its number if it could not be seen, or would change how the text around it is shown.
fn shown(character: char) -> String {
    match unseen_character(character.encode_utf8(&mut [0; 4])) {
        Some(unseen) => code_point(unseen),
        None if character.is_whitespace() => code_point(character),
        None => format!("`{character}`"),
    }
}

/// How ids of one kind look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdFormat {
    /// A hyphenated UUID (RFC 9562, version 7).
    Uuid,
    /// This text, then 26 characters of Crockford base32 in lower case.
    Prefixed(String),
}

impl IdFormat {
    /// A new id's text. `entropy` must be fresh random bytes.
    pub fn draw(&self, now: Timestamp, entropy: [u8; 10]) -> String {
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &entropy).into_uuid();
        match self {
            Self::Uuid => uuid.hyphenated().to_string(),
            Self::Prefixed(prefix) => prefixed(prefix, uuid.as_u128()),
        }
    }
}

/// Crockford's base32 in lower case.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// `prefix` and then 128 bits as 26 digits of Crockford base32, so that the order of texts is the order of numbers.
fn prefixed(prefix: &str, number: u128) -> String {
    let mut text = String::with_capacity(prefix.len() + 26);
    text.push_str(prefix);
    for position in (0..26).rev() {
        let digit = usize::try_from((number >> (position * 5)) & 31).unwrap_or(0);
        text.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'0')));
    }
    text
}

fn check(text: &str) -> Result<(), InvalidId> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:~@".contains(&byte);
    if text.is_empty() || text.len() > ID_LENGTH_MAX {
        return Err(InvalidId::Length);
    }
    if !text.bytes().all(allowed) {
        let found = text.chars().find(|character| !u8::try_from(*character).is_ok_and(allowed));
        return Err(InvalidId::Character(found.unwrap_or_default()));
    }
    if matches!(text, "." | "..") { Err(InvalidId::Dots) } else { Ok(()) }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks length and alphabet.
            pub fn try_new(text: &str) -> Result<Self, InvalidId> {
                check(text).map(|()| Self(text.into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::try_new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, formatter)
            }
        }
    };
}

id!(
    /// An account's id, chosen by the operator.
    AccountId
);
id!(
    /// An endpoint's id, in the contract's format.
    EndpointId
);
id!(
    /// An event's id: chosen by the publisher, or drawn in the contract's format.
    EventId
);
id!(
    /// An API key's id: `key_…`.
    KeyId
);

id!(
    /// The id of a client of a published API: `cli_…`.
    ClientId
);
id!(
    /// A replay's id: `rpl_…`.
    ReplayId
);
id!(
    /// The id of a retry of many deliveries: `blk_…`.
    BulkRetryId
);
id!(
    /// The id of an erasure: `era_…`.
    ErasureId
);
id!(
    /// An incident's id: `inc_…`.
    IncidentId
);
id!(
    /// A resource's id, chosen by the publisher; unique among those of its kind in its account.
    ResourceId
);

macro_rules! drawn {
    ($name:ident, $prefix:literal) => {
        impl $name {
            /// A new id. `entropy` must be fresh random bytes.
            pub fn draw(now: Timestamp, entropy: [u8; 10]) -> Self {
                let millis = u64::try_from(now.as_millis()).unwrap_or(0);
                let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &entropy).into_uuid();
                Self(prefixed($prefix, uuid.as_u128()).into())
            }
        }
    };
}

drawn!(KeyId, "key_");
drawn!(ClientId, "cli_");
drawn!(ReplayId, "rpl_");
drawn!(BulkRetryId, "blk_");
drawn!(ErasureId, "era_");
drawn!(IncidentId, "inc_");

/// A delivery's id: a number that ascends, shown as `dlv_` and 13 digits.
///
/// The store keeps the number: rows are appended in its order, and every index that ends in it is small. Its upper 41 bits are
/// milliseconds since 2020, the lower 22 count within one of them.
///
/// The default is below every id that is drawn.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(i64);

const DELIVERY_PREFIX: &str = "dlv_";
const DELIVERY_DIGITS: u32 = 13;
/// 2020-01-01T00:00:00Z in milliseconds since 1970.
const DELIVERY_EPOCH_MS: i64 = 1_577_836_800_000;
const DELIVERY_COUNT_BITS: u32 = 22;

impl DeliveryId {
    /// The id after `last`, drawn at `now`. Ids ascend also when the clock was set back, or when more are drawn within one
    /// millisecond than it has numbers for.
    #[must_use]
    pub fn after(last: Self, now: Timestamp) -> Self {
        let millis = now.as_millis().saturating_sub(DELIVERY_EPOCH_MS).clamp(0, (1 << 41) - 1);
        Self((millis << DELIVERY_COUNT_BITS).max(last.0.saturating_add(1)))
    }

    /// The id that the store keeps as `number`; `None` where it is below zero.
    pub fn from_number(number: i64) -> Option<Self> {
        (number >= 0).then_some(Self(number))
    }

    /// The number that the store keeps.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// When it was drawn, to the millisecond; later than that only where the clock had been set back.
    pub const fn made_at(self) -> Timestamp {
        Timestamp::from_micros(((self.0 >> DELIVERY_COUNT_BITS) + DELIVERY_EPOCH_MS).saturating_mul(1_000))
    }

    /// Reads what [`DeliveryId`] shows, and nothing else.
    pub fn try_new(text: &str) -> Result<Self, InvalidId> {
        let digits = text.strip_prefix(DELIVERY_PREFIX).filter(|digits| digits.len() == 13).ok_or(InvalidId::Form)?;
        let digit = |byte: u8| DIGITS.iter().position(|known| *known == byte).and_then(|digit| i64::try_from(digit).ok());
        let number = digits.bytes().try_fold(0i64, |number, byte| number.checked_mul(32)?.checked_add(digit(byte)?));
        number.map(Self).ok_or(InvalidId::Form)
    }
}

impl FromStr for DeliveryId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::try_new(text)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'0'; 13];
        for (position, place) in (0..DELIVERY_DIGITS).rev().zip(&mut text) {
            let digit = usize::try_from((self.0 >> (position * 5)) & 31).unwrap_or(0);
            *place = DIGITS.get(digit).copied().unwrap_or(b'0');
        }
        formatter.write_str(DELIVERY_PREFIX)?;
        formatter.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for DeliveryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formats() {
        let now = Timestamp::from_secs(1_714_670_277);
        let uuid = IdFormat::Uuid.draw(now, [7; 10]);
        assert_eq!((uuid.len(), uuid.chars().filter(|c| *c == '-').count()), (36, 4));
        let prefixed = IdFormat::Prefixed("evt_".into()).draw(now, [7; 10]);
        assert!(prefixed.starts_with("evt_") && prefixed.len() == 30, "{prefixed}");
        assert!(EventId::try_new(&prefixed).is_ok() && EventId::try_new(&uuid).is_ok());
    }

    #[test]
    fn an_error_names_the_character_even_if_it_cannot_be_seen() {
        for (text, named) in
            [("a\u{202e}b", "U+202E"), ("a\u{200b}", "U+200B"), ("a b", "U+0020"), ("aü", "`ü`"), ("a\n", "U+000A")]
        {
            let error = AccountId::try_new(text).unwrap_err().to_string();
            assert!(error.ends_with(&format!("has {named}")), "{error}");
        }
    }

    #[test]
    fn refuses_what_does_not_fit_a_path_or_a_column() {
        for text in ["", "a b", "a/b", "ü", "a\n", &"x".repeat(ID_LENGTH_MAX + 1)] {
            assert!(AccountId::try_new(text).is_err(), "{text:?}");
        }
        for text in [".", ".."] {
            assert_eq!(ResourceId::try_new(text), Err(InvalidId::Dots), "{text:?}");
        }
        assert!(AccountId::try_new("...").is_ok() && AccountId::try_new("a..b").is_ok());
        assert!(AccountId::try_new("550e8400-e29b-41d4-a716-446655440000").is_ok());
    }

    proptest! {
        #[test]
        fn later_ids_sort_later(millis in 0i64..4_000_000_000_000, gap in 1i64..1_000_000, left: [u8; 10], right: [u8; 10]) {
            let early = KeyId::draw(Timestamp::from_micros(millis * 1_000), left);
            let late = KeyId::draw(Timestamp::from_micros((millis + gap) * 1_000), right);
            prop_assert!(early < late);
        }

        #[test]
        fn delivery_ids_ascend_whatever_the_clock_does(millis in proptest::collection::vec(0i64..4_000_000_000_000, 1..20)) {
            let mut last = DeliveryId(0);
            for millis in millis {
                let next = DeliveryId::after(last, Timestamp::from_micros(millis * 1_000));
                prop_assert!(next > last && next.to_string() > last.to_string());
                prop_assert_eq!(DeliveryId::try_new(&next.to_string()), Ok(next));
                last = next;
            }
        }

        #[test]
        fn what_is_no_delivery_id_is_refused(text in "dlv_[0-9a-z]{12,14}|[a-z0-9_]{0,20}") {
            if let Ok(id) = DeliveryId::try_new(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
