//! All that an account's data key has been, as it is wrapped: the keys of 32 bytes, one after the other, and a byte of zero after them
//! where the last is not to seal yet.
//!
//! That byte is for nodes that share a database. Each of them has to know a key before one of them seals with it; so a new one is
//! announced first, and seals once everybody has read that.

use bellwire_domain::Entropy;

/// Keys that an account may have had. Each stays in memory with the others.
pub(crate) const KEYS_MAX: usize = 256;
const LENGTH: usize = 32;

/// The keys, the oldest first: there is at least one, and at most [`KEYS_MAX`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyRow {
    oldest: [u8; LENGTH],
    later: Vec<[u8; LENGTH]>,
    /// Whether the last one is not to seal yet.
    is_announced: bool,
}

/// What a renewal has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// A new key is announced, now or before.
    Announced,
    /// There is no room for another one.
    Full,
}

impl KeyRow {
    pub(crate) const fn first(key: [u8; LENGTH]) -> Self {
        Self { oldest: key, later: Vec::new(), is_announced: false }
    }

    /// From what is wrapped; `None`: it is none.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (oldest, rest) = bytes.split_first_chunk::<LENGTH>()?;
        let (later, tail) = rest.as_chunks::<LENGTH>();
        let is_announced = match tail {
            [] => false,
            [0] if !later.is_empty() => true,
            _ => return None,
        };
        (later.len() < KEYS_MAX).then(|| Self { oldest: *oldest, later: later.to_vec(), is_announced })
    }

    /// What [`KeyRow::read`] reads.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.keys().flatten().copied().collect();
        bytes.extend(self.is_announced.then_some(0));
        bytes
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8; LENGTH]> {
        std::iter::once(&self.oldest).chain(&self.later)
    }

    pub(crate) const fn oldest(&self) -> &[u8; LENGTH] {
        &self.oldest
    }

    /// The number of the key that seals, from 0 on.
    pub(crate) fn sealing(&self) -> u8 {
        let used = self.later.len() - usize::from(self.is_announced);
        u8::try_from(used).unwrap_or(u8::MAX)
    }

    /// Announces a new key, unless one is announced already.
    pub(crate) fn announce(&mut self, entropy: &dyn Entropy) -> Renewal {
        if !self.is_announced {
            if self.later.len() + 1 == KEYS_MAX {
                return Renewal::Full;
            }
            self.later.push(entropy.bytes());
            self.is_announced = true;
        }
        Renewal::Announced
    }

    /// Lets an announced key seal; `false`: none is announced.
    pub(crate) fn put_to_use(&mut self) -> bool {
        std::mem::take(&mut self.is_announced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each time the next byte.
    struct Counting(std::sync::atomic::AtomicU8);
    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    #[test]
    fn a_key_seals_once_it_is_put_to_use_and_not_before() {
        let mut row = KeyRow::first([9; 32]);
        assert_eq!((row.to_bytes().len(), row.sealing()), (32, 0), "as it was before there were renewals");
        let entropy = Counting(1.into());
        assert_eq!(row.announce(&entropy), Renewal::Announced);
        assert_eq!((row.keys().count(), row.sealing()), (2, 0));
        assert!(KeyRow::read(&row.to_bytes()) == Some(row.clone()), "it is announced in what is wrapped, too");
        assert_eq!(row.announce(&entropy), Renewal::Announced);
        assert_eq!(row.keys().count(), 2, "one at a time");
        assert!(row.put_to_use());
        assert_eq!((row.keys().count(), row.sealing()), (2, 1));
        assert!(!row.put_to_use());
        assert!(KeyRow::read(&row.to_bytes()) == Some(row));
    }

    #[test]
    fn there_is_room_for_as_many_keys_as_a_byte_can_number() {
        let (mut row, entropy) = (KeyRow::first([9; 32]), Counting(1.into()));
        while row.announce(&entropy) == Renewal::Announced {
            row.put_to_use();
        }
        assert_eq!((row.keys().count(), row.sealing()), (KEYS_MAX, u8::MAX));
        assert!(KeyRow::read(&row.to_bytes()) == Some(row));
    }

    #[test]
    fn what_is_no_row_of_keys_is_none() {
        for length in [0, 31, 33, 63, 66, 32 * 257] {
            assert!(KeyRow::read(&vec![7; length]).is_none(), "{length} bytes");
        }
        assert!(KeyRow::read(&[0; 33]).is_none(), "the one key there is cannot be announced");
    }
}
