//! The public keys of a client: a JSON Web Key Set (RFC 7517 §5).

use serde_json::{Map, Value};

use super::algorithm::AssertionAlgorithm;
use crate::key_pair::{EcdsaForm, SignatureAlgorithm, VerifyingKey, read_jwk};

/// Keys that a set may have.
const KEYS_MAX: usize = 50;
/// What only private and shared keys have (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The keys that a client signs with.
#[derive(Debug)]
pub struct ClientKeys {
    keys: Vec<ClientKey>,
}

/// Why a set has no key that a client could sign with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidClientKeys(String);

/// One of them.
#[derive(Debug)]
pub(super) struct ClientKey {
    id: String,
    algorithm: AssertionAlgorithm,
    key: VerifyingKey,
}

impl ClientKeys {
    /// Reads a set. Keys for other purposes may be in it, and are passed over; one that could be used has to be there.
    pub fn parse(text: &str) -> Result<Self, InvalidClientKeys> {
        let found: Value = serde_json::from_str(text).map_err(|_| InvalidClientKeys("this is not JSON".to_owned()))?;
        Self::read(&found)
    }

    /// The same of what was read already.
    pub fn read(found: &Value) -> Result<Self, InvalidClientKeys> {
        let invalid = |reason: &str| InvalidClientKeys(reason.to_owned());
        let listed = found.get("keys").and_then(Value::as_array);
        let listed = listed.ok_or_else(|| invalid("a key set is an object with a list `keys`"))?;
        if listed.len() > KEYS_MAX {
            return Err(invalid("a key set has at most 50 keys"));
        }
        let members = listed.iter().map(Value::as_object).collect::<Option<Vec<_>>>();
        let members = members.ok_or_else(|| invalid("each of `keys` is an object"))?;
        if members.iter().any(|key| PRIVATE.iter().any(|name| key.contains_key(*name))) {
            return Err(invalid("it has the private part of a key, which nobody but its owner should have"));
        }
        let mut keys = Vec::new();
        let mut why_not = "it is empty".to_owned();
        for key in members {
            match ClientKey::read(key) {
                Ok(key) => keys.push(key),
                Err(reason) => why_not = reason,
            }
        }
        if keys.is_empty() {
            let needed = "it needs an RSA key of 2048 bits or more, or one on P-384, with a `kid`";
            return Err(InvalidClientKeys(format!("no key in it can be used: {needed}; {why_not}")));
        }
        Ok(Self { keys })
    }

    /// The keys of that name and kind. A name may stand for several.
    pub(super) fn find(&self, id: &str, algorithm: AssertionAlgorithm) -> impl Iterator<Item = &ClientKey> {
        self.keys.iter().filter(move |key| key.id == id && key.algorithm == algorithm)
    }
}

impl ClientKey {
    fn read(members: &Map<String, Value>) -> Result<Self, String> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if members.contains_key("use") && text("use") != Some("sig") {
            return Err("its `use` is not `sig`".to_owned());
        }
        let operations = members.get("key_ops").map(|operations| operations.as_array().map(Vec::as_slice).unwrap_or_default());
        if operations.is_some_and(|operations| !operations.iter().any(|operation| operation == "verify")) {
            return Err("its `key_ops` do not have `verify`".to_owned());
        }
        let id = text("kid").filter(|id| !id.is_empty()).ok_or("it has no `kid`")?.to_owned();
        let key = read_jwk(members)?;
        let algorithm = match &key {
            VerifyingKey::Rsa(_) => AssertionAlgorithm::Rs384,
            _ => AssertionAlgorithm::Es384,
        };
        if members.contains_key("alg") && text("alg") != Some(algorithm.as_str()) {
            return Err(format!("its `alg` is not {algorithm}"));
        }
        Ok(Self { id, algorithm, key })
    }

    pub(super) fn verify(&self, signed: &[u8], signature: &[u8]) -> bool {
        let algorithm = match self.algorithm {
            AssertionAlgorithm::Rs384 => SignatureAlgorithm::RsaSha384,
            AssertionAlgorithm::Es384 => SignatureAlgorithm::EcdsaP384Sha384,
        };
        self.key.verify(algorithm, EcdsaForm::Raw, signed, signature)
    }
}
