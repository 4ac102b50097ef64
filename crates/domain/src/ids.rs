//! Typed ids.
//!
//! Ids that Bellwire draws start with a time, so that rows written together lie together, and end in randomness. How an
//! event's or an endpoint's id looks on the wire is the contract's choice ([`IdFormat`]); an account's id is the operator's.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::Timestamp;

/// The longest id accepted, in bytes.
pub const ID_LENGTH_MAX: usize = 200;

/// A text that cannot be an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to {ID_LENGTH_MAX} characters, each a letter, a digit or one of . _ - : ~ @")]
pub struct InvalidId;

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

/// `prefix` and then 128 bits as 26 digits of Crockford base32, so that the order of texts is the order of numbers.
fn prefixed(prefix: &str, number: u128) -> String {
    const DIGITS: [char; 32] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 'k', 'm', 'n', 'p', 'q',
        'r', 's', 't', 'v', 'w', 'x', 'y', 'z',
    ];
    let mut text = String::with_capacity(prefix.len() + 26);
    text.push_str(prefix);
    for position in (0..26).rev() {
        let digit = usize::try_from((number >> (position * 5)) & 31).unwrap_or(0);
        text.push(DIGITS.get(digit).copied().unwrap_or('0'));
    }
    text
}

fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:~@".contains(&byte);
    !text.is_empty() && text.len() <= ID_LENGTH_MAX && text.bytes().all(allowed)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks length and alphabet.
            pub fn try_new(text: &str) -> Result<Self, InvalidId> {
                if is_id(text) { Ok(Self(text.into())) } else { Err(InvalidId) }
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
    /// A delivery's id: `dlv_…`.
    DeliveryId
);
id!(
    /// An API key's id: `key_…`.
    KeyId
);

id!(
    /// A replay's id: `rpl_…`.
    ReplayId
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

drawn!(DeliveryId, "dlv_");
drawn!(KeyId, "key_");
drawn!(ReplayId, "rpl_");

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
    fn refuses_what_does_not_fit_a_path_or_a_column() {
        for text in ["", "a b", "a/b", "ü", "a\n", &"x".repeat(ID_LENGTH_MAX + 1)] {
            assert_eq!(AccountId::try_new(text), Err(InvalidId), "{text:?}");
        }
        assert!(AccountId::try_new("550e8400-e29b-41d4-a716-446655440000").is_ok());
    }

    proptest! {
        #[test]
        fn later_ids_sort_later(millis in 0i64..4_000_000_000_000, gap in 1i64..1_000_000, left: [u8; 10], right: [u8; 10]) {
            let early = DeliveryId::draw(Timestamp::from_micros(millis * 1_000), left);
            let late = DeliveryId::draw(Timestamp::from_micros((millis + gap) * 1_000), right);
            prop_assert!(early < late);
        }
    }
}
