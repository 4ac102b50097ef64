//! What decides where and how an endpoint is sent to, as it is sealed with its row.
//!
//! The columns beside the seal are there to be searched, listed and fanned out by. Whoever can write to the database can change them, or
//! put another row in their place, but cannot seal: what is sealed is what is sent by, and a row whose columns say something else is
//! refused.

use bellwire_domain::mask_query;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::lane::LaneKey;
use crate::seal::{AccountSeal, DataKey, Place};

/// What decides where and how an endpoint is sent to. Each field is as its column holds it, but for the URL, which is whole here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SealedConfig {
    pub(super) url: String,
    pub(super) events: Option<String>,
    /// The SHA-256 of what stands in `headers_sealed`: headers that were sealed for another time do not open this row.
    pub(super) headers: Option<String>,
    /// As it was configured.
    pub(super) enabled: bool,
    pub(super) in_flight_max: Option<u32>,
    pub(super) rate_limit: Option<String>,
    /// How much it is sent.
    pub(super) payload: Option<String>,
    /// Whether what it answers is kept.
    pub(super) keep_answers: bool,
    /// What it has chosen of its contract's options. Seals of before schema 17 say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) options: Option<String>,
    /// The SHA-256 of what stands in `credentials_sealed`. Seals of before schema 19 say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) credentials: Option<String>,
    /// When its lease ends, in microseconds since 1970. Seals of before schema 19 say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<i64>,
}

impl SealedConfig {
    /// Seals it for its row.
    pub(super) fn seal(&self, seal: &AccountSeal<'_>, lane: &LaneKey) -> Vec<u8> {
        let text = serde_json::to_vec(self).unwrap_or_default(); // texts and numbers cannot fail
        seal.key.seal(seal.entropy, &place(lane), &text)
    }

    /// What was sealed for a row; `None`: it does not open there.
    pub(super) fn open(key: &DataKey, lane: &LaneKey, sealed: &[u8]) -> Option<Self> {
        serde_json::from_slice(&key.open(&place(lane), sealed).ok()?).ok()
    }

    /// Whether the columns of a row say the same. An endpoint may have been disabled since because it failed, and not enabled.
    pub(super) fn agrees_with(&self, columns: &Self) -> bool {
        let expected = Self { url: mask_query(&self.url), enabled: columns.enabled, ..self.clone() };
        expected == *columns && self.enabled >= columns.enabled
    }
}

/// The digest of headers, or of credentials, as they are sealed.
pub(super) fn digest(sealed: &[u8]) -> String {
    hex::encode(Sha256::digest(sealed))
}

fn place(lane: &LaneKey) -> Place {
    Place::endpoint_config(&lane.account_id, lane.endpoint_id.as_str())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bellwire_domain::{AccountId, EndpointId, Entropy};

    use super::*;

    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn config() -> SealedConfig {
        SealedConfig {
            url: "https://h.example/p?token=a".to_owned(),
            events: Some(r#"["x"]"#.to_owned()),
            headers: Some(digest(b"sealed")),
            enabled: true,
            in_flight_max: Some(3),
            rate_limit: Some("10/s".to_owned()),
            payload: Some("ids".to_owned()),
            keep_answers: false,
            options: Some(r#"{"a":1}"#.to_owned()),
            credentials: Some(digest(b"given")),
            expires_at: Some(7),
        }
    }

    fn lane(account: &str, endpoint: &str) -> LaneKey {
        LaneKey { account_id: AccountId::try_new(account).unwrap(), endpoint_id: EndpointId::try_new(endpoint).unwrap() }
    }

    #[test]
    fn it_opens_in_its_row_and_under_its_key() {
        let (key, other) = (Arc::new(DataKey::new(&[5; 32])), DataKey::new(&[6; 32]));
        let sealed = config().seal(&AccountSeal { key: Arc::clone(&key), entropy: &Sevens }, &lane("a", "e1"));
        assert_eq!(SealedConfig::open(&key, &lane("a", "e1"), &sealed), Some(config()));
        for (key, lane) in [(&*key, lane("a", "e2")), (&*key, lane("b", "e1")), (&other, lane("a", "e1"))] {
            assert_eq!(SealedConfig::open(key, &lane, &sealed), None, "{lane:?}");
        }
    }

    #[test]
    fn no_column_may_say_something_else_but_that_the_endpoint_is_disabled() {
        let columns = SealedConfig { url: "https://h.example/p?token=…".to_owned(), ..config() };
        assert!(config().agrees_with(&columns));
        assert!(config().agrees_with(&SealedConfig { enabled: false, ..columns.clone() }), "it was disabled as it failed");
        let disabled = SealedConfig { enabled: false, ..config() };
        assert!(!disabled.agrees_with(&columns), "nobody enables an endpoint without the key");
        for other in [
            config(),
            SealedConfig { url: "https://evil.example/p?token=…".to_owned(), ..columns.clone() },
            SealedConfig { url: "https://h.example/p?token=…&x=…".to_owned(), ..columns.clone() },
            SealedConfig { events: None, ..columns.clone() },
            SealedConfig { headers: None, ..columns.clone() },
            SealedConfig { headers: Some(digest(b"others")), ..columns.clone() },
            SealedConfig { in_flight_max: None, ..columns.clone() },
            SealedConfig { rate_limit: Some("99/s".to_owned()), ..columns.clone() },
            SealedConfig { payload: None, ..columns.clone() },
            SealedConfig { keep_answers: true, ..columns.clone() },
            SealedConfig { options: None, ..columns.clone() },
            SealedConfig { credentials: None, ..columns.clone() },
            SealedConfig { credentials: Some(digest(b"others")), ..columns.clone() },
            SealedConfig { expires_at: None, ..columns.clone() },
        ] {
            assert!(!config().agrees_with(&other), "{other:?}");
        }
    }
}
