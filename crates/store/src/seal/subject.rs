//! Whom events are about, as the database knows them: a keyed hash under the account's key.
//!
//! Nobody learns from the database whom an event is about, nor that two accounts tell of the same person; and whoever knows a subject
//! finds its events.

use std::fmt;

/// What its text begins with.
const PREFIX: &str = "sub_";

/// The hash of a subject under its account's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectHash([u8; 16]);

impl SubjectHash {
    pub(super) const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// From its bytes; `None`: there are not as many.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// From [its text](fmt::Display); `None`: that is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text.strip_prefix(PREFIX)?, &mut bytes).ok().map(|()| Self(bytes))
    }
}

/// Like an id: `sub_` and 32 hexadecimal digits.
impl fmt::Display for SubjectHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{}", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = SubjectHash::new([0xab; 16]);
        assert_eq!(SubjectHash::parse(&hash.to_string()), Some(hash));
        for text in ["", "sub_", "patient:1", &"a".repeat(32), &format!("sub_{}", "g".repeat(32))] {
            assert_eq!(SubjectHash::parse(text), None, "{text}");
        }
    }
}
