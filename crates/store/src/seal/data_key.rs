//! One account's key: it seals and opens values.
//!
//! A sealed value is `form (1) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`, AES-256-GCM, with its place as associated data.
//!
//! A key that has been renewed is a row of keys: the newest seals, and each of them opens what it sealed. What others than the first
//! sealed says so in its form, and a byte after that tells which. Nonces are random, and so a key is good for 2^32 values (NIST SP
//! 800-38D, section 8.3); each counts what it seals, and `queue::renewal` renews it in time.
//!
//! A large value that repeats itself, as JSON does, is compressed before it is sealed (form 2). One thread writes and flushes the
//! log and the database's file, and so it writes a third of the bytes. `docs/adr/0007` says what that gives away.
//!
//! Subjects are kept as hashes under a second key that is derived from the first of them, and stays: otherwise nobody would find
//! what a subject's events were.
//!
//! Fingerprints tell whether something was posted before. A fingerprint is a digest of the content under another such key.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::aead::{Aead, AeadInOut, Payload};
use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce};
use bellwire_domain::Entropy;
use hmac::{Hmac, Mac};
use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};
use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};

use super::key_row::KeyRow;
use super::place::Place;
use super::subject::SubjectHash;
use crate::StoreError;

/// The forms of a sealed value, its first byte.
const PLAIN: u8 = 1;
const COMPRESSED: u8 = 2;
/// Added to the form of what another key than the first sealed. The number of that key comes next.
const NUMBERED: u8 = 0x10;
/// From so many bytes on it is worth while to compress: below, more time is lost than won.
const COMPRESS_MIN: usize = 1_024;
const NONCE_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;

/// What the key of fingerprints is derived for.
const FINGERPRINTS: &[u8] = b"bellwire fingerprints";
/// What the key of subjects is derived for.
const SUBJECTS: &[u8] = b"bellwire subjects";

/// A row of AES-256-GCM keys, ready to use, and what is derived from the first.
pub(crate) struct DataKey {
    /// Grows when somebody learns that the key was renewed; whoever holds it then learns it too.
    ciphers: RwLock<Ciphers>,
    fingerprints: Hmac<Sha256>,
    subjects: Hmac<Sha256>,
    /// Values sealed since they were last counted.
    sealed: AtomicU64,
}

struct Ciphers {
    /// In the order of their numbers.
    all: Vec<Aes256Gcm>,
    /// The number of the one that seals.
    sealing: u8,
}

impl Ciphers {
    fn new(row: &KeyRow) -> Self {
        let all = row.keys().map(|key| Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key))).collect();
        Self { all, sealing: row.sealing() }
    }

    fn find(&self, number: u8) -> Option<&Aes256Gcm> {
        self.all.get(usize::from(number))
    }
}

impl DataKey {
    /// From the 32 bytes of a key that was never renewed.
    pub(crate) fn new(bytes: &[u8; 32]) -> Self {
        Self::of(&KeyRow::first(*bytes))
    }

    /// From all that an account's key has been.
    pub(super) fn of(row: &KeyRow) -> Self {
        let first = row.oldest();
        let derived = |purpose: &[u8]| hmac(&hmac(first).chain_update(purpose).finalize().into_bytes().into());
        Self {
            ciphers: RwLock::new(Ciphers::new(row)),
            fingerprints: derived(FINGERPRINTS),
            subjects: derived(SUBJECTS),
            sealed: AtomicU64::new(0),
        }
    }

    /// Takes over what the same key has become, unless it is further already.
    pub(super) fn catch_up(&self, row: &KeyRow) {
        let later = Ciphers::new(row);
        let mut ciphers = self.ciphers.write();
        if (later.all.len(), later.sealing) > (ciphers.all.len(), ciphers.sealing) {
            *ciphers = later;
        }
    }

    /// Takes the number of values that were sealed since it was last asked, once there are so many.
    pub(super) fn take_sealed(&self, at_least: u64) -> Option<u64> {
        let sealed = self.sealed.load(Ordering::Relaxed);
        (sealed >= at_least).then(|| self.sealed.swap(0, Ordering::Relaxed))
    }

    /// A digest that says nothing without this key. A plain digest of something short, such as a date of birth, can be found by
    /// trying every value.
    pub(crate) fn conceal(&self, digest: &[u8; 32]) -> [u8; 32] {
        self.fingerprints.clone().chain_update(digest).finalize().into_bytes().into()
    }

    /// What proves that a text was made here: a code under a key that is derived from this one for that purpose alone.
    pub(crate) fn prove(&self, purpose: &str, text: &[u8]) -> [u8; 32] {
        self.proof(purpose).chain_update(text).finalize().into_bytes().into()
    }

    /// Whether [`DataKey::prove`] made that code of the text; in the same time whatever the code is.
    pub(crate) fn is_proven(&self, purpose: &str, text: &[u8], code: &[u8]) -> bool {
        self.proof(purpose).chain_update(text).verify_slice(code).is_ok()
    }

    fn proof(&self, purpose: &str) -> Hmac<Sha256> {
        hmac(&self.conceal(&Sha256::digest(purpose).into()))
    }

    /// The first half of a hash by which a subject is found and not guessed.
    pub(crate) fn hash_subject(&self, subject: &str) -> SubjectHash {
        let digest: [u8; 32] = self.subjects.clone().chain_update(subject).finalize().into_bytes().into();
        let mut half = [0; 16];
        half.iter_mut().zip(digest).for_each(|(byte, of_digest)| *byte = of_digest);
        SubjectHash::new(half)
    }

    /// A hash by which deliveries are told from those of another order, and what they have in common is not guessed.
    pub(crate) fn hash_order(&self, key: &str) -> i64 {
        let digest = self.prove("order", key.as_bytes());
        let mut first = [0; 8];
        first.iter_mut().zip(digest).for_each(|(byte, of_digest)| *byte = of_digest);
        i64::from_be_bytes(first)
    }

    /// Whether it is the same key, however often it was renewed.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.conceal(&[0; 32]) == other.conceal(&[0; 32])
    }

    /// Seals `plain` for its place.
    pub(crate) fn seal(&self, entropy: &dyn Entropy, place: &Place, plain: &[u8]) -> Vec<u8> {
        self.sealed.fetch_add(1, Ordering::Relaxed);
        let ciphers = self.ciphers.read();
        let compressed = compress(plain);
        let (form, inside) = compressed.as_deref().map_or((PLAIN, plain), |smaller| (COMPRESSED, smaller));
        let (form, number) = if ciphers.sealing == 0 { (form, None) } else { (form | NUMBERED, Some(ciphers.sealing)) };
        let nonce: [u8; NONCE_LENGTH] = entropy.bytes();
        let mut value = Vec::with_capacity(2 + NONCE_LENGTH + inside.len() + TAG_LENGTH);
        value.push(form);
        value.extend(number);
        value.extend_from_slice(&nonce);
        let head = value.len();
        value.extend_from_slice(inside);
        let (_, text) = value.split_at_mut(head);
        let cipher = ciphers.find(ciphers.sealing);
        match cipher.map(|cipher| cipher.encrypt_inout_detached(&Nonce::from(nonce), &bound(form, place), text.into())) {
            Some(Ok(tag)) => value.extend_from_slice(&tag),
            // The cipher's one error is a plaintext beyond 64 GiB, which the body limits exclude; an empty value never opens.
            _ => value.clear(),
        }
        value
    }

    /// Opens what [`DataKey::seal`] made for the same place.
    pub(crate) fn open(&self, place: &Place, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let unsealable = || place.unsealable();
        let (form, rest) = sealed.split_first().ok_or_else(unsealable)?;
        let (number, rest) = if form & NUMBERED == 0 { (&0, rest) } else { rest.split_first().ok_or_else(unsealable)? };
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or_else(unsealable)?;
        let payload = Payload { msg: ciphertext, aad: &bound(*form, place) };
        let ciphers = self.ciphers.read();
        let cipher = ciphers.find(*number).ok_or_else(unsealable)?;
        let inside = cipher.decrypt(&Nonce::from(*nonce), payload).map_err(|_| unsealable())?;
        // What opens was sealed here: its length is not what somebody else wrote.
        let is_compressed = form & !NUMBERED == COMPRESSED;
        if is_compressed { decompress_size_prepended(&inside).map_err(|_| unsealable()) } else { Ok(inside) }
    }

    /// The same of a text.
    pub(crate) fn open_text(&self, place: &Place, sealed: &[u8]) -> Result<String, StoreError> {
        String::from_utf8(self.open(place, sealed)?).map_err(|_| place.unsealable())
    }
}

/// The same in at most seven eighths of the bytes, if that is possible.
fn compress(plain: &[u8]) -> Option<Vec<u8>> {
    let smaller = (plain.len() >= COMPRESS_MIN).then(|| compress_prepend_size(plain))?;
    (smaller.len() <= plain.len() / 8 * 7).then_some(smaller)
}

/// What a sealed value is bound to: its place, and its form where that is not the plain one. No place begins with a form.
fn bound(form: u8, place: &Place) -> Cow<'_, [u8]> {
    let place = place.as_bytes();
    if form == PLAIN { place.into() } else { [&[form], place].concat().into() }
}

/// RFC 2104: a key shorter than the hash's block is filled up with zeros.
fn hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block.split_at_mut(key.len()).0.copy_from_slice(key);
    Hmac::new(&block.into())
}

#[cfg(test)]
mod tests;
