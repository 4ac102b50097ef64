//! Where a store is kept.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{InvalidUrl, PostgresUrl};

/// Where a store is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In an SQLite file, by one process; made when it does not exist.
    Sqlite(PathBuf),
    /// In a PostgreSQL database, by any number of nodes.
    Postgres(PostgresUrl),
}

/// Why a location is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLocation {
    /// No file is named.
    #[error("name a file, as in sqlite:bellwire.db")]
    NoFile,
    /// A PostgreSQL URL that is not understood.
    #[error(transparent)]
    Postgres(#[from] InvalidUrl),
    /// Neither of the two.
    #[error("write sqlite:FILE or postgres://user@host/database")]
    Unknown,
}

impl FromStr for Location {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let is_file = !path.is_empty() && path != ":memory:";
            return if is_file { Ok(Self::Sqlite(path.into())) } else { Err(InvalidLocation::NoFile) };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.parse()?));
        }
        Err(InvalidLocation::Unknown)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "{}", path.display()),
            Self::Postgres(url) => write!(formatter, "{url}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_kinds() {
        assert_eq!("sqlite:a.db".parse(), Ok(Location::Sqlite("a.db".into())));
        assert_eq!("sqlite:///var/lib/a.db".parse(), Ok(Location::Sqlite("/var/lib/a.db".into())));
        assert!(matches!("postgres://me@host/name".parse(), Ok(Location::Postgres(_))));
        for text in ["", "a.db", "sqlite:", "sqlite::memory:", "mysql://x", "postgres://host"] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }
}
