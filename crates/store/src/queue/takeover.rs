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

    /// What is being built becomes `$2`, or `$4` where it is alone, what is blamed `$6`, and what nothing is held against `$7`.
    fn free(self) -> String {
        format!(
            "UPDATE queue SET claim = NULL, suspicion = CASE WHEN suspicion = $1 THEN CAST($2 AS BIGINT) \
             WHEN suspicion = $3 THEN CAST($4 AS BIGINT) WHEN suspicion = $5 THEN CAST($6 AS BIGINT) \
             ELSE COALESCE(suspicion, CAST($7 AS BIGINT)) END WHERE {}",
            self.condition(8)
        )
    }
}

/// Frees what a holder holds: how many deliveries that were. In a transaction, or where nobody else writes.
pub(crate) fn free(db: Db<'_>, holder: Holder, token: &str, fate: Fate) -> Result<usize, StoreError> {
    let after = match fate {
        Fate::Released => Suspicion::after_release,
        Fate::Died => Suspicion::after_death,
    };
    let [building, alone, blamed] = Suspicion::NOTED;
    let cells = params![building, after(building), alone, after(alone), blamed, after(blamed), after(Suspicion::Nothing), token];
    db.execute(&holder.free(), cells)
}

#[cfg(test)]
pub(crate) fn statements(holders: &[Holder]) -> Vec<String> {
    holders.iter().map(|holder| holder.free()).collect()
}
