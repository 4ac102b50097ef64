//! Leaving nothing behind. On SQLite what is deleted is overwritten in the database's file, and still stands in its write-ahead log:
//! that is emptied. On PostgreSQL old rows stand in their tables until these are vacuumed: that is done. Its log is kept as long as its
//! operator says: nothing here can change that.
//!
//! Where rows go for good, with their account, by age, or because somebody had them erased, the transaction that removes them notes that
//! this has to be done. The note stays until it is, also over a death in between.

use std::sync::Arc;
use std::time::Duration;

use crate::StoreError;
use crate::rows::meta;
use crate::sql::Db;

/// Empties the log, or vacuums; `false`: a reader still looks at it.
pub(crate) type Scrub = Arc<dyn Fn() -> Result<bool, StoreError> + Send + Sync>;

const WANTED: &str = "scrub";
/// How often it is tried; readers are done within a page.
pub(super) const TRIES: u32 = 10;
/// Between two tries.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Notes that the log has to be emptied.
pub(crate) fn want(db: Db<'_>) -> Result<(), StoreError> {
    meta::put(db, WANTED, b"")
}

/// Whether it still has to be.
pub(crate) fn is_wanted(db: Db<'_>) -> Result<bool, StoreError> {
    Ok(meta::find(db, WANTED)?.is_some())
}

/// It is done.
pub(crate) fn done(db: Db<'_>) -> Result<(), StoreError> {
    meta::delete(db, WANTED)
}
