//! What opens, and what does not.

use bellwire_domain::{AccountId, EventId};
use bellwire_testkit::SeededEntropy;

use super::*;

fn event(id: &str) -> Place {
    Place::payload(&AccountId::try_new("a").unwrap(), &EventId::try_new(id).unwrap())
}

struct Sevens;
impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

#[test]
fn opens_only_in_its_place_and_under_its_key() {
    let key = DataKey::new(&[1; 32]);
    let sealed = key.seal(&Sevens, &event("1"), b"patient 789");
    assert!(!sealed.windows(7).any(|window| window == b"patient"));
    assert_eq!(key.open(&event("1"), &sealed).unwrap(), b"patient 789");
    assert!(key.open(&event("2"), &sealed).is_err(), "moved to another row");
    assert!(DataKey::new(&[2; 32]).open(&event("1"), &sealed).is_err(), "another key");
    for index in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[index] ^= 1;
        assert!(key.open(&event("1"), &changed).is_err(), "byte {index} changed");
    }
    assert!(key.open(&event("1"), &[]).is_err());
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
        let sealed = key.seal(&Sevens, &event("1"), &plain);
        let is_large = length >= COMPRESS_MIN;
        assert_eq!(sealed[0], if is_large { COMPRESSED } else { PLAIN }, "{length}");
        assert_eq!(sealed.len() < length * 7 / 8, is_large, "{length} became {}", sealed.len());
        assert_eq!(key.open(&event("1"), &sealed).unwrap(), plain);
        assert!(key.open(&event("2"), &sealed).is_err(), "moved to another row");
    }
}

#[test]
fn what_does_not_compress_is_sealed_as_it_is() {
    let key = DataKey::new(&[1; 32]);
    let mut plain = [0; 8_192];
    SeededEntropy::new(1).fill(&mut plain);
    let sealed = key.seal(&Sevens, &event("x"), &plain);
    assert_eq!((sealed[0], sealed.len()), (PLAIN, 1 + NONCE_LENGTH + plain.len() + TAG_LENGTH));
    assert_eq!(key.open(&event("x"), &sealed).unwrap(), plain);
}

#[test]
fn a_compressed_value_opens_unchanged_only() {
    let key = DataKey::new(&[1; 32]);
    let sealed = key.seal(&Sevens, &event("x"), &document(7, 2_000));
    for index in 0..sealed.len() {
        for bits in [1, 3] {
            let mut changed = sealed.clone();
            changed[index] ^= bits; // the form becomes 3, and 1
            assert!(key.open(&event("x"), &changed).is_err(), "byte {index} changed");
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
