//! Sealing: secrets and payloads are unreadable in the file, its copies and its backups.
//!
//! Each account has a data key of its own, stored wrapped by the master key. A sealed value is
//! `form (1) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`, AES-256-GCM, with the table and the row bound in as associated data, so
//! that a value moved to another row does not open. Deleting an account's data key erases all it sealed.
//!
//! What is large and says the same more than once, as JSON does, is compressed before it is sealed (form 2): the log and the
//! database's file are written and flushed by one thread, and it writes a third of the bytes then. `docs/adr/0007` says what that
//! gives away.
//!
//! By a fingerprint the store knows again what was posted. It is a digest of the content, under a key derived from the data key.

use std::borrow::Cow;
use std::sync::Arc;

use aes_gcm::aead::{Aead, AeadInOut, Payload};
use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce};
use bellwire_domain::{AccountId, Entropy, Secret};
use foldhash::HashMap;
use hmac::{Hmac, Mac};
use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};
use parking_lot::RwLock;
use sha2::Sha256;

use crate::StoreError;

/// The forms of a sealed value, its first byte.
const PLAIN: u8 = 1;
const COMPRESSED: u8 = 2;
/// From so many bytes on it is worth while to compress: below, more time is lost than won.
const COMPRESS_MIN: usize = 1_024;
const NONCE_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;
/// Data keys kept unwrapped in memory.
const CACHED_KEYS_MAX: usize = 100_000;

/// The key that wraps every account's data key.
#[derive(Clone, Debug)]
pub struct MasterKey(Secret<[u8; 32]>);

impl MasterKey {
    /// From 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }
}

/// What the key of fingerprints is derived for.
const FINGERPRINTS: &[u8] = b"bellwire fingerprints";

/// One AES-256-GCM key, ready to use, and what is derived from it.
pub(crate) struct DataKey {
    cipher: Aes256Gcm,
    fingerprints: Hmac<Sha256>,
}

impl DataKey {
    fn new(bytes: &[u8; 32]) -> Self {
        let derived = hmac(bytes).chain_update(FINGERPRINTS).finalize().into_bytes();
        Self { cipher: Aes256Gcm::new(&Key::<Aes256Gcm>::from(*bytes)), fingerprints: hmac(&derived.into()) }
    }

    /// A digest that only this key can tell the content of: a plain one of something short, such as a date of birth, could be
    /// found by trying all.
    pub(crate) fn conceal(&self, digest: &[u8; 32]) -> [u8; 32] {
        self.fingerprints.clone().chain_update(digest).finalize().into_bytes().into()
    }

    /// Seals `plain` for the place that `context` names, such as `events:acct/42`.
    pub(crate) fn seal(&self, entropy: &dyn Entropy, context: &str, plain: &[u8]) -> Vec<u8> {
        let compressed = compress(plain);
        let (form, inside) = compressed.as_deref().map_or((PLAIN, plain), |smaller| (COMPRESSED, smaller));
        let nonce: [u8; NONCE_LENGTH] = entropy.bytes();
        let mut value = Vec::with_capacity(1 + NONCE_LENGTH + inside.len() + TAG_LENGTH);
        value.push(form);
        value.extend_from_slice(&nonce);
        value.extend_from_slice(inside);
        let (_, text) = value.split_at_mut(1 + NONCE_LENGTH);
        match self.cipher.encrypt_inout_detached(&Nonce::from(nonce), &bound(form, context), text.into()) {
            Ok(tag) => value.extend_from_slice(&tag),
            // The cipher's one error is a plaintext beyond 64 GiB, which the body limits exclude; an empty value never opens.
            Err(_) => value.clear(),
        }
        value
    }

    /// Opens what [`DataKey::seal`] made for the same place.
    pub(crate) fn open(&self, table: &'static str, context: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let unsealable = || StoreError::Unsealable { table };
        let (form, rest) = sealed.split_first().ok_or_else(unsealable)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or_else(unsealable)?;
        let payload = Payload { msg: ciphertext, aad: &bound(*form, context) };
        let inside = self.cipher.decrypt(&Nonce::from(*nonce), payload).map_err(|_| unsealable())?;
        // What opens was sealed here: its length is not what somebody else wrote.
        if *form == COMPRESSED { decompress_size_prepended(&inside).map_err(|_| unsealable()) } else { Ok(inside) }
    }
}

/// The same in at most seven eighths of the bytes, if that is possible.
fn compress(plain: &[u8]) -> Option<Vec<u8>> {
    let smaller = (plain.len() >= COMPRESS_MIN).then(|| compress_prepend_size(plain))?;
    (smaller.len() <= plain.len() / 8 * 7).then_some(smaller)
}

/// What a sealed value is bound to: its place, and its form where that is not the plain one. No place begins with a form.
fn bound(form: u8, context: &str) -> Cow<'_, [u8]> {
    let place = context.as_bytes();
    if form == PLAIN { place.into() } else { [&[form], place].concat().into() }
}

/// RFC 2104: a key shorter than the hash's block is filled up with zeros.
fn hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block.split_at_mut(key.len()).0.copy_from_slice(key);
    Hmac::new(&block.into())
}

/// Sealing for one account, with fresh nonces.
pub(crate) struct AccountSeal<'a> {
    pub(crate) key: Arc<DataKey>,
    pub(crate) entropy: &'a dyn Entropy,
}

/// The master key and the data keys unwrapped so far.
pub(crate) struct Keyring {
    master: DataKey,
    unwrapped: RwLock<HashMap<AccountId, Unwrapped>>,
}

/// A data key, and the wrapped form it came from: an account made anew under the same id has another.
type Unwrapped = (Vec<u8>, Arc<DataKey>);

impl Keyring {
    pub(crate) fn new(master: &MasterKey) -> Self {
        Self { master: DataKey::new(master.0.expose()), unwrapped: RwLock::default() }
    }

    /// A text sealed by the master key, by which a later start knows whether it has the same key.
    pub(crate) fn seal_canary(&self, entropy: &dyn Entropy) -> Vec<u8> {
        self.master.seal(entropy, "meta:canary", b"bellwire")
    }

    pub(crate) fn opens_canary(&self, sealed: &[u8]) -> bool {
        self.master.open("meta", "meta:canary", sealed).is_ok()
    }

    /// A new data key for `account`, and its wrapped form for the accounts table.
    pub(crate) fn draw(&self, entropy: &dyn Entropy, account: &AccountId) -> (Arc<DataKey>, Vec<u8>) {
        let bytes: [u8; 32] = entropy.bytes();
        let wrapped = self.master.seal(entropy, &wrap_context(account), &bytes);
        (Arc::new(DataKey::new(&bytes)), wrapped)
    }

    /// The data key in its wrapped form, unwrapped.
    pub(crate) fn unwrap(&self, account: &AccountId, wrapped: &[u8]) -> Result<Arc<DataKey>, StoreError> {
        if let Some((known, key)) = self.unwrapped.read().get(account)
            && known == wrapped
        {
            return Ok(Arc::clone(key));
        }
        let bytes = self.master.open("accounts", &wrap_context(account), wrapped)?;
        let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| StoreError::Unsealable { table: "accounts" })?;
        let key = Arc::new(DataKey::new(&bytes));
        let mut unwrapped = self.unwrapped.write();
        if unwrapped.len() >= CACHED_KEYS_MAX {
            unwrapped.clear();
        }
        unwrapped.insert(account.clone(), (wrapped.to_vec(), Arc::clone(&key)));
        Ok(key)
    }

    pub(crate) fn find(&self, account: &AccountId) -> Option<Arc<DataKey>> {
        self.unwrapped.read().get(account).map(|(_, key)| Arc::clone(key))
    }

    pub(crate) fn forget(&self, account: &AccountId) {
        self.unwrapped.write().remove(account);
    }
}

fn wrap_context(account: &AccountId) -> String {
    format!("accounts:{account}")
}

#[cfg(test)]
mod tests {
    use bellwire_testkit::SeededEntropy;

    use super::*;

    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn opens_only_in_its_place_and_under_its_key() {
        let key = DataKey::new(&[1; 32]);
        let sealed = key.seal(&Sevens, "events:a/1", b"patient 789");
        assert!(!sealed.windows(7).any(|window| window == b"patient"));
        assert_eq!(key.open("events", "events:a/1", &sealed).unwrap(), b"patient 789");
        assert!(key.open("events", "events:a/2", &sealed).is_err(), "moved to another row");
        assert!(DataKey::new(&[2; 32]).open("events", "events:a/1", &sealed).is_err(), "another key");
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(key.open("events", "events:a/1", &changed).is_err(), "byte {index} changed");
        }
        assert!(key.open("events", "events:a/1", &[]).is_err());
    }

    /// Compresses well, and to other bytes for each `seed`.
    fn document(seed: u64, length: usize) -> Vec<u8> {
        let entries = (0..).map(|at| format!("{{\"resourceType\":\"Observation\",\"value\":{}}},", seed.wrapping_mul(at) % 997));
        entries.flat_map(String::into_bytes).take(length).collect()
    }

    #[test]
    fn what_is_large_and_repeats_itself_is_compressed() {
        let key = DataKey::new(&[1; 32]);
        for length in [0, 1, COMPRESS_MIN - 1, COMPRESS_MIN, 20 << 10, 1 << 20] {
            let plain = document(12_345, length);
            let sealed = key.seal(&Sevens, "events:a/1", &plain);
            let is_large = length >= COMPRESS_MIN;
            assert_eq!(sealed[0], if is_large { COMPRESSED } else { PLAIN }, "{length}");
            assert_eq!(sealed.len() < length * 7 / 8, is_large, "{length} became {}", sealed.len());
            assert_eq!(key.open("events", "events:a/1", &sealed).unwrap(), plain);
            assert!(key.open("events", "events:a/2", &sealed).is_err(), "moved to another row");
        }
    }

    #[test]
    fn what_does_not_compress_is_sealed_as_it_is() {
        let key = DataKey::new(&[1; 32]);
        let mut plain = [0; 8_192];
        SeededEntropy::new(1).fill(&mut plain);
        let sealed = key.seal(&Sevens, "x", &plain);
        assert_eq!((sealed[0], sealed.len()), (PLAIN, 1 + NONCE_LENGTH + plain.len() + TAG_LENGTH));
        assert_eq!(key.open("t", "x", &sealed).unwrap(), plain);
    }

    #[test]
    fn a_compressed_value_opens_unchanged_only() {
        let key = DataKey::new(&[1; 32]);
        let sealed = key.seal(&Sevens, "x", &document(7, 2_000));
        for index in 0..sealed.len() {
            for bits in [1, 3] {
                let mut changed = sealed.clone();
                changed[index] ^= bits; // the form becomes 3, and 1
                assert!(key.open("t", "x", &changed).is_err(), "byte {index} changed");
            }
        }
    }

    #[test]
    fn a_concealed_digest_tells_contents_apart_under_one_key_alone() {
        let (key, other) = (DataKey::new(&[1; 32]), DataKey::new(&[2; 32]));
        assert_eq!(key.conceal(&[7; 32]), DataKey::new(&[1; 32]).conceal(&[7; 32]));
        assert_ne!(key.conceal(&[7; 32]), key.conceal(&[8; 32]));
        assert_ne!(key.conceal(&[7; 32]), other.conceal(&[7; 32]));
        assert_ne!(key.conceal(&[7; 32]), [7; 32]);
    }

    #[test]
    fn a_keyring_knows_its_master_key() {
        let keyring = Keyring::new(&MasterKey::new([3; 32]));
        let canary = keyring.seal_canary(&Sevens);
        assert!(keyring.opens_canary(&canary));
        assert!(!Keyring::new(&MasterKey::new([4; 32])).opens_canary(&canary));
        let account = AccountId::try_new("clinic").unwrap();
        let (key, wrapped) = keyring.draw(&Sevens, &account);
        let sealed = key.seal(&Sevens, "x", b"y");
        assert_eq!(keyring.unwrap(&account, &wrapped).unwrap().open("t", "x", &sealed).unwrap(), b"y");
        let other = AccountId::try_new("other").unwrap();
        assert!(keyring.unwrap(&other, &wrapped).is_err(), "a wrapped key belongs to its account");
    }
}
