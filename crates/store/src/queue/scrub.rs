//! Leaving nothing behind: what is deleted is overwritten in the database's file, and still stands in its write-ahead log.
//!
//! Where rows go for good, with their account or by age, the transaction that removes the last of them notes that the log has to
//! be emptied. The note stays until that is done, also over a death in between. PostgreSQL keeps old rows until it vacuums, and its log
//! as long as its operator says: nothing here can change that.

use std::sync::Arc;
use std::time::Duration;

use crate::StoreError;
use crate::rows::meta;
use crate::sql::Db;

/// Empties the log; `false`: a reader still looks at it.
pub(crate) type Scrub = Arc<dyn Fn() -> Result<bool, StoreError> + Send + Sync>;

const WANTED: &str = "scrub";
/// How often it is tried; readers are done within a page.
pub(super) const TRIES: u32 = 10;
/// Between two tries.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Notes that the log has to be emptied.
pub(crate) fn want(db: Db<'_>) -> Result<(), StoreError> {
    if db.is_shared() { Ok(()) } else { meta::put(db, WANTED, b"") }
}

/// Whether it still has to be.
pub(crate) fn is_wanted(db: Db<'_>) -> Result<bool, StoreError> {
    Ok(meta::find(db, WANTED)?.is_some())
}

/// It is done.
pub(crate) fn done(db: Db<'_>) -> Result<(), StoreError> {
    meta::delete(db, WANTED)
}
