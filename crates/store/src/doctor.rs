//! Examines a store: whether what is written keeps everything that Bellwire promises.
//!
//! It reads one snapshot, cannot write, and takes no lock, so it may run beside a server. Each check is a statement over whole
//! tables that finds whatever breaks one promise. The promises are listed in `checks`, and `seals` opens what is sealed. Nothing
//! is repaired: people judge what was found.

mod checks;
mod examination;
mod seals;

use bellwire_domain::DeliveryId;

pub use examination::{Check, Examination, VIOLATIONS_NAMED_MAX};

use crate::audit::{self, AuditEvidence};
use crate::rows::master_key;
use crate::seal::Keyring;
use crate::sql::{Db, Row, aside, params};
use crate::{Location, MasterKey, OpenError, StoreError, postgres, sqlite};

/// Examines a store. Without the master key everything is examined but what is sealed.
pub fn examine(location: &Location, master_key: Option<&MasterKey>) -> Result<Examination, OpenError> {
    let own = match location {
        Location::Sqlite(_) => &checks::SQLITE[..],
        Location::Postgres(_) => &checks::POSTGRES[..],
    };
    in_snapshot(location, master_key, |db, keyring| examine_all(db, own, keyring))
}

/// Runs `read` on one snapshot of a store, beside whatever server works on it. A master key that is given has to be the store's,
/// or one of both while it is being rotated.
pub(crate) fn in_snapshot<T: Send, E: From<OpenError> + From<StoreError> + Send>(
    location: &Location,
    master_key: Option<&MasterKey>,
    read: impl FnOnce(Db<'_>, Option<&Keyring>) -> Result<T, E> + Send,
) -> Result<T, E> {
    let keyring = master_key.map(Keyring::new);
    let read = |db: Db<'_>| {
        // While the master key is being rotated, one of both keys says too little: what it does not open may be sealed by the other.
        let opens_all = keyring.as_ref().map(|keyring| master_key::check(db, keyring)).transpose()?;
        read(db, keyring.as_ref().filter(|_| opens_all == Some(true)))
    };
    match location {
        Location::Sqlite(path) => {
            let mut connection = sqlite::open::open_read_only(path)?;
            let snapshot = connection.transaction().map_err(StoreError::from)?;
            read(Db::Sqlite(&snapshot))
        }
        Location::Postgres(url) => aside(|| {
            let session = postgres::open::examined(url)?;
            session.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
            session.lift_timeouts()?;
            read(Db::Postgres(&session))
        }),
    }
}

fn examine_all(db: Db<'_>, own: &[checks::Definition], keyring: Option<&Keyring>) -> Result<Examination, OpenError> {
    let mut checks = Vec::with_capacity(own.len() + checks::ALL.len());
    for definition in own.iter().chain(checks::ALL) {
        checks.push(run(db, definition)?);
    }
    checks.extend(seals::check(db, keyring)?);
    checks.push(check_audit(db, keyring)?);
    Ok(Examination { checks })
}

/// The audit log as a whole: its promise is about how its records hang together.
fn check_audit(db: Db<'_>, keyring: Option<&Keyring>) -> Result<Check, StoreError> {
    let found = audit::verify::verify(db, keyring, &AuditEvidence::default())?;
    let mut check = Check::new("audit", "every record of the audit log is as it was written, and the log fits its checkpoints");
    check.counted = u64::try_from(found.size).unwrap_or(0);
    let named = found.faults.len();
    found.faults.into_iter().for_each(|fault| check.violate(fault));
    check.violated += found.fault_count.saturating_sub(u64::try_from(named).unwrap_or(0));
    Ok(check)
}

fn run(db: Db<'_>, definition: &checks::Definition) -> Result<Check, StoreError> {
    let mut check = Check::new(definition.name, definition.promise);
    check.counted = count(db, definition.count)?;
    let mut note = |row: &Row| {
        check.violate(show_ids(row.value("violation")?));
        Ok(())
    };
    for statement in definition.violations {
        db.for_each(definition.name, statement, &mut note)?;
    }
    Ok(check)
}

/// Writes delivery ids as everybody else sees them.
fn show_ids(violation: &str) -> String {
    let mut parts = violation.split('#');
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(part.bytes().take_while(u8::is_ascii_digit).count());
        match digits.parse().ok().and_then(DeliveryId::from_number) {
            Some(id) => shown.push_str(&id.to_string()),
            None => shown.extend(["#", digits]),
        }
        shown.push_str(rest);
    }
    shown
}

fn count(db: Db<'_>, statement: &str) -> Result<u64, StoreError> {
    db.get("doctor", statement, params![])?.value("count")
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    texts(checks::ALL).into_iter().chain(seals::statements()).collect()
}

/// Those of one database only.
#[cfg(test)]
pub(crate) fn own_statements() -> [Vec<String>; 2] {
    [texts(&checks::SQLITE), texts(&checks::POSTGRES)]
}

#[cfg(test)]
fn texts(definitions: &[checks::Definition]) -> Vec<String> {
    let texts = definitions.iter().flat_map(|definition| definition.violations.iter().chain([&definition.count]));
    texts.map(|text| (*text).to_owned()).collect()
}
