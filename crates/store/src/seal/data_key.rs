//! One account's key: it seals and opens values.
//!
//! A sealed value is `form (1) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`, AES-256-GCM, with its place as associated data.
//!
//! A large value that repeats itself, as JSON does, is compressed before it is sealed (form 2). One thread writes and flushes the
//! log and the database's file, and so it writes a third of the bytes. `docs/adr/0007` says what that gives away.
//!
//! Subjects are kept as hashes under a second key that is derived from it.
//!
//! Fingerprints tell whether something was posted before. A fingerprint is a digest of the content under a key that is derived
//! from the data key.

use std::borrow::Cow;

use aes_gcm::aead::{Aead, AeadInOut, Payload};
use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce};
use bellwire_domain::Entropy;
use hmac::{Hmac, Mac};
use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};
use sha2::Sha256;

use super::place::Place;
use super::subject::SubjectHash;
use crate::StoreError;

/// The forms of a sealed value, its first byte.
const PLAIN: u8 = 1;
const COMPRESSED: u8 = 2;
/// From so many bytes on it is worth while to compress: below, more time is lost than won.
const COMPRESS_MIN: usize = 1_024;
const NONCE_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;

/// What the key of fingerprints is derived for.
const FINGERPRINTS: &[u8] = b"bellwire fingerprints";
/// What the key of subjects is derived for.
const SUBJECTS: &[u8] = b"bellwire subjects";

/// One AES-256-GCM key, ready to use, and what is derived from it.
pub(crate) struct DataKey {
    cipher: Aes256Gcm,
    fingerprints: Hmac<Sha256>,
    subjects: Hmac<Sha256>,
}

impl DataKey {
    pub(crate) fn new(bytes: &[u8; 32]) -> Self {
        let derived = |purpose: &[u8]| hmac(&hmac(bytes).chain_update(purpose).finalize().into_bytes().into());
        let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*bytes));
        Self { cipher, fingerprints: derived(FINGERPRINTS), subjects: derived(SUBJECTS) }
    }

    /// A digest that says nothing without this key. A plain digest of something short, such as a date of birth, can be found by
    /// trying every value.
    pub(crate) fn conceal(&self, digest: &[u8; 32]) -> [u8; 32] {
        self.fingerprints.clone().chain_update(digest).finalize().into_bytes().into()
    }

    /// The first half of a hash by which a subject is found and not guessed.
    pub(crate) fn hash_subject(&self, subject: &str) -> SubjectHash {
        let digest: [u8; 32] = self.subjects.clone().chain_update(subject).finalize().into_bytes().into();
        let mut half = [0; 16];
        half.iter_mut().zip(digest).for_each(|(byte, of_digest)| *byte = of_digest);
        SubjectHash::new(half)
    }

    /// Whether it is the same key.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.conceal(&[0; 32]) == other.conceal(&[0; 32])
    }

    /// Seals `plain` for its place.
    pub(crate) fn seal(&self, entropy: &dyn Entropy, place: &Place, plain: &[u8]) -> Vec<u8> {
        let compressed = compress(plain);
        let (form, inside) = compressed.as_deref().map_or((PLAIN, plain), |smaller| (COMPRESSED, smaller));
        let nonce: [u8; NONCE_LENGTH] = entropy.bytes();
        let mut value = Vec::with_capacity(1 + NONCE_LENGTH + inside.len() + TAG_LENGTH);
        value.push(form);
        value.extend_from_slice(&nonce);
        value.extend_from_slice(inside);
        let (_, text) = value.split_at_mut(1 + NONCE_LENGTH);
        match self.cipher.encrypt_inout_detached(&Nonce::from(nonce), &bound(form, place), text.into()) {
            Ok(tag) => value.extend_from_slice(&tag),
            // The cipher's one error is a plaintext beyond 64 GiB, which the body limits exclude; an empty value never opens.
            Err(_) => value.clear(),
        }
        value
    }

    /// Opens what [`DataKey::seal`] made for the same place.
    pub(crate) fn open(&self, place: &Place, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let unsealable = || place.unsealable();
        let (form, rest) = sealed.split_first().ok_or_else(unsealable)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or_else(unsealable)?;
        let payload = Payload { msg: ciphertext, aad: &bound(*form, place) };
        let inside = self.cipher.decrypt(&Nonce::from(*nonce), payload).map_err(|_| unsealable())?;
        // What opens was sealed here: its length is not what somebody else wrote.
        if *form == COMPRESSED { decompress_size_prepended(&inside).map_err(|_| unsealable()) } else { Ok(inside) }
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
