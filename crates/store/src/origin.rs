//! Why a delivery exists. Only the deliveries of an event's first publication are counted in its receipt; those that come
//! later say where they come from.

use bellwire_domain::ReplayId;

use crate::StoreError;
use crate::driver::{Param, Row};

/// Why a delivery exists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// Its event was published.
    #[default]
    Published,
    /// Its event was published once more, with the wish to send it again.
    Redelivered,
    /// A replay sent its event again.
    Replayed(ReplayId),
}

/// What the column says of a redelivery. No replay has such an id.
const REDELIVERED: &str = "redelivered";

impl Origin {
    /// Its column: NULL for the many that were published.
    pub(crate) fn as_param(&self) -> Param<'_> {
        match self {
            Self::Published => Param::Null,
            Self::Redelivered => Param::Text(REDELIVERED),
            Self::Replayed(replay) => Param::Text(replay.as_str()),
        }
    }

    pub(crate) fn read(row: &Row, index: usize) -> Result<Self, StoreError> {
        Ok(match row.find_text(index, "origin")? {
            None => Self::Published,
            Some(REDELIVERED) => Self::Redelivered,
            Some(_) => Self::Replayed(row.parsed(index, "origin")?),
        })
    }
}
