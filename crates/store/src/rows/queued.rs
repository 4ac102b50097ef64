//! `queue`: live deliveries. It is small and hot; a row leaves when its delivery ends.

use bellwire_domain::{DeliveryId, ReplayId, Suspicion, Timestamp};
use rusqlite::types::Value;

use crate::sql::{Bind, Cell, Kind, Param, table};

/// Why a delivery exists. Only the deliveries of an event's first publication are counted in its receipt; those that come
/// later say where they come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// Its event was published.
    #[default]
    Published,
    /// Its event is a test event. It counts as published, and goes out to a disabled endpoint too.
    Tested,
    /// Its event was published once more, to be sent again.
    Redelivered,
    /// A replay sent its event again.
    Replayed(ReplayId),
}

/// What the column says of a test event and of a redelivery. No replay has such an id.
const TESTED: &str = "test";
const REDELIVERED: &str = "redelivered";

impl Bind for &Origin {
    const KIND: Kind = Kind::Text;
}

impl<'a> From<&'a Origin> for Param<'a> {
    /// NULL for the many that were published.
    fn from(origin: &'a Origin) -> Self {
        match origin {
            Origin::Published => Self::Null,
            Origin::Tested => Self::Text(TESTED),
            Origin::Redelivered => Self::Text(REDELIVERED),
            Origin::Replayed(replay) => Self::Text(replay.as_str()),
        }
    }
}

impl Cell<'_> for Origin {
    fn read(cell: &Value) -> Option<Self> {
        match Option::<&str>::read(cell)? {
            None => Some(Self::Published),
            Some(TESTED) => Some(Self::Tested),
            Some(REDELIVERED) => Some(Self::Redelivered),
            Some(replay) => ReplayId::try_new(replay).ok().map(Self::Replayed),
        }
    }
}

/// What the column says where something is held against a delivery.
const NUMBERS: [(Suspicion, i64); 7] = [
    (Suspicion::Held, 1),
    (Suspicion::Building, 2),
    (Suspicion::Alone, 3),
    (Suspicion::Refused, 4),
    (Suspicion::Blamed, 5),
    (Suspicion::BuildingAlone, 6),
    (Suspicion::Accused, 7),
];

impl From<Suspicion> for Param<'_> {
    /// NULL for the many that nothing is held against.
    fn from(suspicion: Suspicion) -> Self {
        NUMBERS.iter().find(|(of, _)| *of == suspicion).map(|(_, number)| *number).into()
    }
}

impl Cell<'_> for Suspicion {
    fn read(cell: &Value) -> Option<Self> {
        match Option::<i64>::read(cell)? {
            None => Some(Self::Nothing),
            Some(number) => NUMBERS.iter().find(|(_, of)| *of == number).map(|(suspicion, _)| *suspicion),
        }
    }
}

/// The `wake_at` of a delivery that waits for the one before it: an instant that never comes.
pub(crate) const WAITS: Timestamp = Timestamp::from_micros(i64::MAX);

/// Deliveries that wait for each other: the number of their lane, and their `order_key`.
pub(crate) type InOrder = (i64, i64);

table! {
    /// A live delivery. Nothing is held against a new one: `suspicion` is written by what takes over from a process that is gone,
    /// and when a suspect is built.
    ///
    /// | `claim` | `wake_at` | it |
    /// | --- | --- | --- |
    /// | token | NULL | is held in memory by the process with this token |
    /// | NULL | NULL | waits for room in its endpoint's lane |
    /// | NULL | instant | waits for that instant: a retry |
    /// | NULL | [`WAITS`] | waits for another of its `order_key` |
    pub(crate) struct QueuedRow<'a> in "queue" key { id: DeliveryId } {
        lane: i64,
        number: i64,
        event: i64,
        attempts: u32,
        created_at: Timestamp,
        due_at: Timestamp,
        wake_at: Option<Timestamp>,
        claim: Option<&'a str>,
        origin: &'a Origin,
        /// 1: its event has subjects; NULL: it has none.
        about: Option<bool>,
        /// Which deliveries of its lane it waits for, and which for it: those with the same key.
        order_key: Option<i64>,
    }
}
