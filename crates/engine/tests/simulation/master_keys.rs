//! The master key is rotated between two lives of the process, and stopped in the middle as often as not: the next life goes on with
//! both keys.

use std::ops::ControlFlow;
use std::sync::Arc;

use bellwire_domain::{Clock, Entropy};
use bellwire_store::rotation::{MasterKeyRotation, RotationEnd, rotate_master_key};
use bellwire_store::{Location, MasterKey};

/// Which key is the store's, and whether another one is taking its place.
#[derive(Debug, Clone, Copy, Default)]
pub struct MasterKeys {
    number: u8,
    is_rotating: bool,
}

impl MasterKeys {
    /// What the process is given.
    pub fn given(self) -> MasterKey {
        if self.is_rotating { key(self.number).replaced_by(key(self.number + 1)) } else { key(self.number) }
    }

    /// Goes on with a rotation, or begins one, and stops after so many steps, if it has not ended by then.
    pub fn rotate(self, location: &Location, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, steps: usize) -> Self {
        let (from, to) = (key(self.number), key(self.number + 1));
        let rotation = MasterKeyRotation { database: location.clone(), from, to, clock, entropy, accounts_at_once: 1 };
        let mut left = steps;
        let mut report = |_| {
            left = left.saturating_sub(1);
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match rotate_master_key(&rotation, &mut report).unwrap() {
            RotationEnd::Rotated { .. } | RotationEnd::Already => Self { number: self.number + 1, is_rotating: false },
            RotationEnd::Stopped => Self { number: self.number, is_rotating: true },
        }
    }
}

fn key(number: u8) -> MasterKey {
    MasterKey::new([number + 1; 32])
}
