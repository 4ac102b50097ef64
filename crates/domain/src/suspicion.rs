//! What is held against a delivery that a process died with, and what follows from it.
//!
//! A request is built within bounds, so none should bring the process down. Should one do so all the same, be it by a bug in a
//! library or by the kernel's out-of-memory killer, it must not do so again at each start. A process that dies leaves all that it
//! held as suspect. Before a suspect's request is built, the store notes it; once it is built, before it is sent, the note goes and
//! the suspicion with it.
//!
//! A note alone proves nothing: to write it takes longer than to build a request, so a process that is killed at any moment may
//! leave some. Where many were being built, they are built one by one afterwards, and a process that is killed then leaves the note
//! of one of them. What proves it is a death while a request has been built for much longer than requests take, or a second death
//! while the same request was built with no other suspect's beside it. Then that delivery is refused.

/// What is held against a live delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Suspicion {
    /// Nothing.
    #[default]
    Nothing,
    /// A process died while it held this among others.
    Held,
    /// So it was, and its request is being built now.
    Building,
    /// A process died while it built this: its request is to be built while no other suspect's is.
    Alone,
    /// So it is, for the first time.
    BuildingAlone,
    /// A process died while it built this alone. Should another do so, that is no accident.
    Accused,
    /// Its request is being built alone for the second time, or has been for much longer than requests take: the next death would
    /// be its own.
    Blamed,
    /// A process died then: its request is not to be built any more.
    Refused,
}

impl Suspicion {
    /// What is noted while a request is being built.
    pub const NOTED: [Self; 3] = [Self::Building, Self::BuildingAlone, Self::Blamed];

    /// What the death of the process that holds the delivery makes of it.
    #[must_use]
    pub const fn after_death(self) -> Self {
        match self {
            Self::Nothing | Self::Held => Self::Held,
            Self::Building | Self::Alone => Self::Alone,
            Self::BuildingAlone | Self::Accused => Self::Accused,
            Self::Blamed | Self::Refused => Self::Refused,
        }
    }

    /// What is left of it when the process that holds the delivery lives, and gives it up.
    #[must_use]
    pub const fn after_release(self) -> Self {
        match self {
            Self::Building | Self::BuildingAlone | Self::Blamed => Self::Alone,
            Self::Nothing | Self::Held | Self::Alone | Self::Accused | Self::Refused => self,
        }
    }

    /// What is to be noted before the request of such a delivery is built. `None`: nothing, as nothing is held against it, or as it
    /// is not built.
    #[must_use]
    pub const fn when_building(self) -> Option<Self> {
        match self {
            Self::Nothing | Self::Refused => None,
            Self::Held => Some(Self::Building),
            Self::Building | Self::Alone | Self::BuildingAlone => Some(Self::BuildingAlone),
            Self::Accused | Self::Blamed => Some(Self::Blamed),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Suspicion::{Accused, Alone, Blamed, Building, BuildingAlone, Held, Nothing, Refused};

    #[test]
    fn what_a_death_and_a_release_make_of_what_was_held() {
        for (before, death, release) in [
            (Nothing, Held, Nothing),
            (Held, Held, Held),
            (Building, Alone, Alone),
            (Alone, Alone, Alone),
            (BuildingAlone, Accused, Alone),
            (Accused, Accused, Accused),
            (Blamed, Refused, Alone),
            (Refused, Refused, Refused),
        ] {
            assert_eq!((before.after_death(), before.after_release()), (death, release), "{before:?}");
        }
    }

    proptest! {
        /// One suspect brings the process down whenever its request is built. Of the others, those drawn are being built then, or,
        /// where it is built alone, have been built before.
        #[test]
        fn the_one_that_brings_the_process_down_is_refused_after_four_deaths_and_no_other_ever(
            drawn in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 10), 4),
            guilty in 0_usize..10,
        ) {
            let mut all = [Nothing; 10];
            for drawn in drawn {
                let is_alone = matches!(all[guilty], Alone | Accused);
                for (index, suspicion) in all.iter_mut().enumerate() {
                    if index == guilty {
                        *suspicion = suspicion.when_building().unwrap_or(*suspicion);
                    } else if drawn[index] && is_alone {
                        *suspicion = Nothing;
                    } else if drawn[index] && *suspicion == Held {
                        *suspicion = Building;
                    }
                }
                all = all.map(super::Suspicion::after_death);
            }
            let refused: Vec<usize> = (0..10).filter(|index| all[*index] == Refused).collect();
            prop_assert_eq!(refused, [guilty]);
        }

        /// However often a process is killed while suspects are built one by one: it takes two deaths at the same one.
        #[test]
        fn a_process_that_is_killed_once_while_each_is_built_alone_refuses_none(order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle()) {
            let mut all = [Alone; 6];
            for killed in order {
                all[killed] = all[killed].when_building().unwrap();
                all = all.map(super::Suspicion::after_death);
            }
            prop_assert_eq!(all, [Accused; 6]);
        }
    }
}
