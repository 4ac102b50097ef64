//! The endpoints of accounts that publish, kept from one commit to the next.
//!
//! Each publication asks which of its account's endpoints take it. Nobody but the writer writes to the file, so what it has read stays
//! true until it changes it itself: a trigger of its own connection says when, whatever statement it was. What another connection
//! changed all the same, by hand perhaps, SQLite tells by the version of its data, and then everything is read again.
//!
//! While a group is planned its endpoints are taken out, and they come back once it is committed. So a group that is rolled back leaves
//! nothing behind that is not true, and neither does one of whose accounts something was changed meanwhile.

use std::cell::Cell;
use std::sync::Arc;

use bellwire_domain::AccountId;
use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use crate::StoreError;
use crate::queue::plan::endpoints::PlannedEndpoints;
use crate::rows::endpoint::RecipientColumns;
use crate::sql::{Db, Select, params};

static ENDPOINTS: Select<RecipientColumns> = Select::new("FROM endpoints p WHERE p.account_id = $1 ORDER BY p.id");
const DATA_VERSION: &str = "PRAGMA data_version";

/// Bytes that are kept in all, and those of one account: one whose endpoints take more is read each time.
const BYTES_MAX: usize = 8 << 20;
const ACCOUNT_BYTES_MAX: usize = BYTES_MAX / 4;
/// About what an account takes beside its endpoints.
const ENTRY_BYTES: usize = size_of::<Entry>() + 128;
/// About how many accounts that is, for the first allocation.
const ACCOUNTS: usize = 4_096;

/// Said by the triggers; the function that they call.
const FORGET: &str = "bellwire_forget_recipients";
const TRIGGERS: [(&str, &str); 3] = [("INSERT", "NEW"), ("UPDATE", "OLD"), ("DELETE", "OLD")];

pub(super) struct Recipients {
    kept: Arc<Mutex<Kept>>,
    data_version: Cell<i64>,
}

struct Kept {
    accounts: Cache<Box<str>, Entry, ByBytes>,
    /// While a plan is written: its counters are known.
    is_planned: bool,
}

struct Entry {
    bytes: u64,
    /// `None`: taken out.
    endpoints: Option<PlannedEndpoints>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Box<str>, Entry> for ByBytes {
    fn weight(&self, _: &Box<str>, entry: &Entry) -> u64 {
        entry.bytes
    }
}

impl Recipients {
    /// None yet, of the store that this connection writes.
    pub(super) fn watch(connection: &Connection) -> Result<Self, StoreError> {
        let accounts = Cache::with_weighter(ACCOUNTS, BYTES_MAX as u64, ByBytes);
        let kept = Arc::new(Mutex::new(Kept { accounts, is_planned: false }));
        let forgetting = Arc::clone(&kept);
        connection.create_scalar_function(FORGET, 1, FunctionFlags::SQLITE_UTF8, move |context| {
            let mut kept = forgetting.lock();
            if !kept.is_planned {
                kept.accounts.remove(context.get_raw(0).as_str()?);
            }
            Ok(None::<i64>)
        })?;
        for (change, row) in TRIGGERS {
            connection.execute_batch(&format!(
                "CREATE TEMP TRIGGER forget_recipients_{change} AFTER {change} ON main.endpoints \
                 BEGIN SELECT {FORGET}({row}.account_id); END"
            ))?;
        }
        Ok(Self { kept, data_version: Cell::new(0) })
    }

    /// A transaction has begun, in which nobody else writes: forgets everything if somebody else has written.
    pub(super) fn begin(&self, connection: &Connection) -> Result<(), StoreError> {
        let now = connection.prepare_cached(DATA_VERSION)?.query_row([], |row| row.get(0))?;
        if self.data_version.replace(now) != now {
            self.kept.lock().accounts.clear();
        }
        Ok(())
    }

    /// Takes an account's endpoints out, or reads them.
    pub(super) fn take(&self, db: Db<'_>, account_id: &AccountId) -> Result<PlannedEndpoints, StoreError> {
        let mut kept = self.kept.lock();
        if let Some(endpoints) = kept.accounts.get_mut(account_id.as_str()).and_then(|mut entry| entry.endpoints.take()) {
            return Ok(endpoints);
        }
        let endpoints = read(db, account_id)?;
        let bytes = ENTRY_BYTES + endpoints.bytes();
        if bytes <= ACCOUNT_BYTES_MAX {
            kept.accounts.insert(account_id.as_str().into(), Entry { bytes: bytes as u64, endpoints: None });
        }
        Ok(endpoints)
    }

    /// Writes a plan, and keeps in mind that what it changes of endpoints is known.
    pub(super) fn planned<T>(&self, write: impl FnOnce() -> T) -> T {
        self.kept.lock().is_planned = true;
        let result = write();
        self.kept.lock().is_planned = false;
        result
    }

    /// A group is committed: puts its endpoints back, unless something of them was changed meanwhile.
    pub(super) fn put_back(&self, all: impl Iterator<Item = (AccountId, PlannedEndpoints)>) {
        let mut kept = self.kept.lock();
        for (account_id, endpoints) in all {
            if let Some(mut entry) = kept.accounts.get_mut(account_id.as_str()) {
                entry.endpoints = Some(endpoints.kept());
            }
        }
    }
}

/// An account's endpoints, as they are stored.
pub(super) fn read(db: Db<'_>, account_id: &AccountId) -> Result<PlannedEndpoints, StoreError> {
    Ok(ENDPOINTS.list(db, params![account_id.as_str()])?.into_iter().collect())
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![ENDPOINTS.sql()]
}
