//! What is held against a delivery that a process died with, and what follows from it.
//!
//! A request is built within bounds, so none should bring the process down. Should one do so all the same, be it by a bug in a
//! library or by the kernel's out-of-memory killer, it must not do so again at each start. A process that dies leaves all that it
//! held as suspect. Before a suspect's request is built, the store notes it; once it is built, before it is sent, the note goes and
//! the suspicion with it. So a second death tells whose request was being built, and that delivery is refused.
//!
//! Suspects are built side by side, as there may be thousands of them. Where the death finds several notes, it does not tell which
//! of them it was: those are built one at a time from then on, and the next death tells.

/// What is held against a live delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Suspicion {
    /// Nothing.
    #[default]
    Nothing,
    /// A process died while it held this among others.
    Held,
    /// So it was, or more, and its request is being built now.
    Building,
    /// A process died while it built this and others: its request is to be built while no other suspect's is.
    Alone,
    /// A process died again while it built this and no other suspect: its request is not to be built any more.
    Refused,
}

impl Suspicion {
    /// What the death of the process that holds the delivery makes of it, where that many requests of suspects were being built.
    #[must_use]
    pub const fn after_death(self, building: usize) -> Self {
        match self {
            Self::Nothing | Self::Held => Self::Held,
            Self::Building if building > 1 => Self::Alone,
            Self::Building | Self::Refused => Self::Refused,
            Self::Alone => Self::Alone,
        }
    }

    /// What is left of it when the process that holds the delivery lives, and gives it up.
    #[must_use]
    pub const fn after_release(self) -> Self {
        match self {
            Self::Building => Self::Alone,
            Self::Nothing | Self::Held | Self::Alone | Self::Refused => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Suspicion::{Alone, Building, Held, Nothing, Refused};

    #[test]
    fn what_a_death_makes_of_what_was_held() {
        for (before, building, after) in [
            (Nothing, 0, Held),
            (Nothing, 1, Held),
            (Held, 1, Held),
            (Held, 7, Held),
            (Building, 1, Refused),
            (Building, 2, Alone),
            (Alone, 0, Alone),
            (Alone, 1, Alone),
            (Refused, 0, Refused),
        ] {
            assert_eq!(before.after_death(building), after, "{before:?}, {building} being built");
        }
    }

    #[test]
    fn a_process_that_lives_blames_nobody() {
        for (before, after) in [(Nothing, Nothing), (Held, Held), (Building, Alone), (Alone, Alone), (Refused, Refused)] {
            assert_eq!(before.after_release(), after, "{before:?}");
        }
    }

    proptest! {
        /// One suspect brings the process down whenever its request is built. Of the others, those drawn are being built then, or,
        /// where it is built alone, have been built before.
        #[test]
        fn the_one_that_brings_the_process_down_is_refused_after_three_deaths_and_no_other_ever(
            drawn in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 10), 3),
            guilty in 0_usize..10,
        ) {
            let mut all = [Nothing; 10];
            for drawn in drawn {
                let is_alone = all[guilty] == Alone;
                for (index, suspicion) in all.iter_mut().enumerate() {
                    match *suspicion {
                        Nothing | Refused => {}
                        _ if index == guilty => *suspicion = Building,
                        Held | Alone if drawn[index] && is_alone => *suspicion = Nothing,
                        Held if drawn[index] => *suspicion = Building,
                        Held | Alone | Building => {}
                    }
                }
                let building = all.iter().filter(|suspicion| **suspicion == Building).count();
                all = all.map(|suspicion| suspicion.after_death(building));
            }
            let refused: Vec<usize> = (0..10).filter(|index| all[*index] == Refused).collect();
            prop_assert_eq!(refused, [guilty]);
        }
    }
}
