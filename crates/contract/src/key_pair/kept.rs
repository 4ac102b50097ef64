//! Private keys that were read, and signatures that were made, lately.
//!
//! Reading a key costs as much as signing with it, or, of RSA, several times as much; and the tokens of a second are often alike. The same
//! key has the same signature of the same message each time, so nobody sees whether it was made anew.

use std::fmt;
use std::sync::Arc;

use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use super::private::PrivateKey;
use super::public::VerifyingKey;
use super::{EcdsaForm, KeyKind, SignatureAlgorithm};

/// Keys that are kept for one signature of a contract. Most contracts have one; where each endpoint has its own, the busiest are here.
const KEYS_MAX: usize = 256;
/// Signatures that are kept for one kind of token.
const SIGNATURES_MAX: usize = 1_024;

type Digest = [u8; 32];

/// Private keys that were read lately, by the digest of their text.
pub(crate) struct KeptKeys(Cache<Digest, Arc<PrivateKey>>);

impl Default for KeptKeys {
    fn default() -> Self {
        Self(Cache::new(KEYS_MAX))
    }
}

impl KeptKeys {
    /// As [`PrivateKey::parse`].
    pub(crate) fn parse(&self, kind: KeyKind, text: &str) -> Result<Arc<PrivateKey>, String> {
        let digest: Digest = Sha256::new().chain_update(kind.as_str()).chain_update([0]).chain_update(text).finalize().into();
        self.0.get_or_insert_with(&digest, || PrivateKey::parse(kind, text).map(Arc::new))
    }

    /// As [`VerifyingKey::parse`].
    pub(crate) fn verifying(&self, kind: KeyKind, text: &str) -> Result<VerifyingKey, String> {
        VerifyingKey::parse_public(kind, text.trim()).unwrap_or_else(|| Ok(self.parse(kind, text)?.verifying()))
    }
}

/// What was signed lately.
pub(crate) struct KeptSignatures {
    keys: KeptKeys,
    made: Cache<Digest, Arc<[u8]>>,
}

impl Default for KeptSignatures {
    fn default() -> Self {
        Self { keys: KeptKeys::default(), made: Cache::new(SIGNATURES_MAX) }
    }
}

impl KeptSignatures {
    /// As [`PrivateKey::sign`], with the key that `text` is. A number of ECDSA is written raw.
    pub(crate) fn sign(&self, algorithm: SignatureAlgorithm, text: &str, message: &str) -> Result<Arc<[u8]>, String> {
        // The length parts the key from the message.
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes();
        let digest: Digest = Sha256::new().chain_update(length).chain_update(text).chain_update(message).finalize().into();
        self.made.get_or_insert_with(&digest, || {
            let key = self.keys.parse(algorithm.kind(), text)?;
            key.sign(algorithm, EcdsaForm::Raw, message.as_bytes()).map(Into::into)
        })
    }
}

impl fmt::Debug for KeptKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} keys", self.0.len())
    }
}

impl fmt::Debug for KeptSignatures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} signatures", self.made.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_would_be_made_anew() {
        for algorithm in SignatureAlgorithm::ALL {
            if algorithm.kind() == KeyKind::Rsa2048 && *algorithm != SignatureAlgorithm::RsaPssSha256 {
                continue; // drawing one takes a while
            }
            let kept = KeptSignatures::default();
            for byte in [1, 2] {
                let key = PrivateKey::draw(algorithm.kind(), [byte; 32]).unwrap();
                for message in ["a", "b", "a"] {
                    let anew = PrivateKey::parse(algorithm.kind(), key.expose()).unwrap();
                    let anew = anew.sign(*algorithm, EcdsaForm::Raw, message.as_bytes()).unwrap();
                    assert_eq!(*kept.sign(*algorithm, key.expose(), message).unwrap(), *anew, "{algorithm}");
                }
            }
            assert_eq!((kept.made.len(), kept.keys.0.len()), (4, 2));
        }
    }

    #[test]
    fn the_key_of_another_kind_is_refused_each_time() {
        let kept = KeptKeys::default();
        let key = PrivateKey::draw(KeyKind::Ed25519, [1; 32]).unwrap();
        assert!(kept.parse(KeyKind::Ed25519, key.expose()).is_ok());
        for _ in 0..2 {
            assert!(kept.parse(KeyKind::P256, key.expose()).is_err());
        }
    }
}
