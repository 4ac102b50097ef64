//! What the nodes over one database tell each other.
//!
//! A notice only makes things quicker. Caches are bounded in age, and backlogs are looked for on a heartbeat as well, so a notice
//! may get lost.

use bellwire_domain::AccountId;

use crate::StoreError;
use crate::sql::{Db, params};

/// What one node tells the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// This account, or what is read together with it, has changed.
    Account(AccountId),
    /// What is about somebody is being erased in this account: a delivery in memory may not exist any more.
    Erasing(AccountId),
    /// A key has been revoked, or a client deleted.
    Keys,
    /// Deliveries wait that no node has in its lanes.
    Waiting,
    /// Anything may have happened: this node could not listen.
    Deaf,
}

const TELL: &str = "SELECT pg_notify('bellwire', $1)";

#[cfg(test)]
pub(crate) const POSTGRES_STATEMENTS: [&str; 1] = [TELL];

impl Notice {
    fn payload(&self) -> String {
        match self {
            Self::Account(id) => format!("account {id}"),
            Self::Erasing(id) => format!("erasing {id}"),
            Self::Keys => "keys".to_owned(),
            Self::Waiting => "waiting".to_owned(),
            Self::Deaf => "deaf".to_owned(),
        }
    }

    /// Reads what another node told; `None` for what only a newer one knows.
    pub(crate) fn read(payload: &str) -> Option<Self> {
        match payload.split_once(' ') {
            Some(("account", id)) => AccountId::try_new(id).ok().map(Self::Account),
            Some(("erasing", id)) => AccountId::try_new(id).ok().map(Self::Erasing),
            None if payload == "keys" => Some(Self::Keys),
            None if payload == "waiting" => Some(Self::Waiting),
            _ => None,
        }
    }

    /// Tells the other nodes, once the transaction is committed.
    pub(crate) fn tell(&self, db: Db<'_>) -> Result<(), StoreError> {
        if db.is_shared() {
            db.execute(TELL, params![self.payload().as_str()])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_read_as_they_were_told() {
        let account = AccountId::try_new("a").unwrap();
        for notice in [Notice::Account(account.clone()), Notice::Erasing(account), Notice::Keys, Notice::Waiting] {
            assert_eq!(Notice::read(&notice.payload()), Some(notice));
        }
        for payload in ["", "what is new", "account", "account a b"] {
            assert_eq!(Notice::read(payload), None, "{payload}");
        }
    }
}
