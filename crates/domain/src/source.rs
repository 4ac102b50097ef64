//! Where time and randomness come from, as the shell passes them down.
//!
//! The pure crates never hold one of these: they take a [`Timestamp`] or bytes. The IO crates take them at construction, so
//! that a test or a simulation decides what time it is and which ids are drawn.

use crate::Timestamp;

/// A source of the current time.
pub trait Clock: Send + Sync + 'static {
    /// The current instant.
    fn now(&self) -> Timestamp;
}

/// A source of random bytes, fit for keys, nonces and ids.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Entropy {
    /// An array of random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}
