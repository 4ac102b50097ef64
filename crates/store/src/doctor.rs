//! Examines a store: whether everything that Bellwire promises of it is true of what is written.
//!
//! It reads one snapshot, cannot write and takes no lock, so it may run beside a server. Each check is
//! a statement over whole tables that finds what breaks one promise; the promises are listed in `checks`, and `seals` opens
//! what is sealed. Nothing is repaired: what is found is for people to judge.

mod checks;
mod seals;

use std::path::Path;

use bellwire_domain::DeliveryId;
use rusqlite::{Connection, OpenFlags};

use crate::driver::{Db, Row, params};
use crate::seal::Keyring;
use crate::{Location, MasterKey, OpenError, StoreError, migrations, postgres};

/// Violations named for each check; more are only counted.
pub const VIOLATIONS_NAMED_MAX: usize = 20;
/// Page cache of the examining connection, in KiB (negative as SQLite counts it).
const CACHE_KIB: i64 = -65_536;

/// What an examination found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// Every check, in the order in which they were made.
    pub checks: Vec<Check>,
}

impl Examination {
    /// Whether no check found a violation.
    pub fn is_sound(&self) -> bool {
        self.checks.iter().all(|check| check.violated == 0)
    }
}

/// One promise, and whether it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name, such as `events.seq`.
    pub name: &'static str,
    /// The promise, as a sentence.
    pub promise: &'static str,
    /// Rows that it is about.
    pub counted: u64,
    /// Rows, or groups of rows, that break it.
    pub violated: u64,
    /// The first of those, each as a sentence with its ids.
    pub violations: Vec<String>,
    /// Why it was not made, if it was not.
    pub skipped: Option<&'static str>,
}

impl Check {
    const fn new(name: &'static str, promise: &'static str) -> Self {
        Self { name, promise, counted: 0, violated: 0, violations: Vec::new(), skipped: None }
    }

    fn violate(&mut self, what: impl Into<String>) {
        self.violated += 1;
        if self.violations.len() < VIOLATIONS_NAMED_MAX {
            self.violations.push(what.into());
        }
    }
}

/// Examines a store. Without the master key everything is examined but what is sealed.
pub fn examine(location: &Location, master_key: Option<&MasterKey>) -> Result<Examination, OpenError> {
    match location {
        Location::Sqlite(path) => {
            let mut connection = open(path)?;
            let snapshot = connection.transaction().map_err(StoreError::from)?;
            examine_all(Db::Sqlite(&snapshot), &checks::SQLITE, master_key)
        }
        Location::Postgres(url) => postgres::aside(|| {
            let session = postgres::examined(url)?;
            session.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
            session.be_patient()?;
            examine_all(Db::Postgres(&session), &checks::POSTGRES, master_key)
        }),
    }
}

fn examine_all(db: Db<'_>, own: &[checks::Definition], master_key: Option<&MasterKey>) -> Result<Examination, OpenError> {
    let keyring = master_key.map(Keyring::new);
    if let Some(keyring) = &keyring {
        check_canary(db, keyring)?;
    }
    let mut checks = Vec::with_capacity(own.len() + checks::ALL.len() + seals::ALL.len());
    for definition in own.iter().chain(checks::ALL) {
        checks.push(run(db, definition)?);
    }
    checks.extend(seals::check(db, keyring.as_ref())?);
    Ok(Examination { checks })
}

/// A connection that reads an SQLite store, if the file is one.
pub(crate) fn open(path: &Path) -> Result<Connection, OpenError> {
    let not_readable = |error: &rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            OpenError::NotADatabase { path: path.to_owned(), reason: "it is not an SQLite file".to_owned() }
        }
        _ => OpenError::NotReadable { path: path.to_owned(), reason: error.to_string() },
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| not_readable(&error))?;
    connection.pragma_update(None, "cache_size", CACHE_KIB).map_err(|error| not_readable(&error))?;
    let header = migrations::read_header(&connection).map_err(|error| not_readable(&error))?;
    if header.is_empty {
        return Err(OpenError::NotADatabase { path: path.to_owned(), reason: "it is empty".to_owned() });
    }
    let version = migrations::check_header(&header, path)?;
    if version < migrations::KNOWN_VERSION {
        return Err(OpenError::OlderSchema { found: version, known: migrations::KNOWN_VERSION });
    }
    Ok(connection)
}

/// Whether this is the key that the store was made with.
pub(crate) fn check_canary(db: Db<'_>, keyring: &Keyring) -> Result<(), OpenError> {
    let stored = db.find("meta", "SELECT value FROM meta WHERE key = 'canary'", params![])?;
    match stored {
        Some(row) if keyring.opens_canary(row.bytes(0, "value")?) => Ok(()),
        _ => Err(OpenError::WrongMasterKey),
    }
}

fn run(db: Db<'_>, definition: &checks::Definition) -> Result<Check, StoreError> {
    let mut check = Check::new(definition.name, definition.promise);
    check.counted = count(db, definition.count)?;
    let mut note = |row: &Row| {
        check.violate(show_ids(row.text(0, "violation")?));
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
    db.find("doctor", statement, params![])?.map_or(Ok(0), |row| row.narrow(0, "count"))
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    texts(checks::ALL).into_iter().chain(seals::ALL.iter().map(|definition| definition.select.to_owned())).collect()
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
