//! Freeing what a process held that is gone, or that gives it up.
//!
//! Whoever stops in an orderly way frees what it holds, and whoever lives blames nobody. So what a process is found to hold that is
//! gone, it died with: [`Suspicion`] says what that makes of each delivery.

use bellwire_domain::Suspicion;

use crate::StoreError;
use crate::sql::{Db, params};

/// Whose deliveries are freed: who has the token that is named, or others.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holder {
    /// The one with the token.
    This,
    /// Every other. On SQLite, where there is one at a time.
    Other,
    /// Every other that is no node any more. On PostgreSQL.
    Unknown,
}

/// What became of a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It lives, or has stopped in an orderly way.
    Released,
    /// Nobody has heard from it.
    Died,
}

impl Holder {
    /// With the token as `$place`.
    fn condition(self, place: usize) -> String {
        match self {
            Self::This => format!("claim = ${place}"),
            Self::Other => format!("claim <> ${place}"),
            Self::Unknown => format!("claim <> ${place} AND claim NOT IN (SELECT token FROM nodes)"),
        }
    }

    /// Suspects whose requests are being built.
    fn building(self) -> String {
        format!("SELECT COUNT(*) AS building FROM queue WHERE suspicion = $1 AND {}", self.condition(2))
    }

    /// What is being built becomes `$2`, and what nothing is held against `$3`.
    fn free(self) -> String {
        format!(
            "UPDATE queue SET claim = NULL, suspicion = CASE WHEN suspicion = $1 THEN CAST($2 AS BIGINT) \
             ELSE COALESCE(suspicion, CAST($3 AS BIGINT)) END WHERE {}",
            self.condition(4)
        )
    }
}

/// Frees what a holder holds: how many deliveries that were. In a transaction, or where nobody else writes.
pub(crate) fn free(db: Db<'_>, holder: Holder, token: &str, fate: Fate) -> Result<usize, StoreError> {
    let (building, nothing) = match fate {
        Fate::Released => (Suspicion::Building.after_release(), Suspicion::Nothing.after_release()),
        Fate::Died => {
            let found = db.get("queue", &holder.building(), params![Suspicion::Building, token])?;
            let count: usize = found.value("building")?;
            (Suspicion::Building.after_death(count), Suspicion::Nothing.after_death(count))
        }
    };
    db.execute(&holder.free(), params![Suspicion::Building, building, nothing, token])
}

#[cfg(test)]
pub(crate) fn statements(holders: &[Holder]) -> Vec<String> {
    holders.iter().flat_map(|holder| [holder.building(), holder.free()]).collect()
}
