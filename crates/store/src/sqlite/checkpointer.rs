//! Checkpoints: moving committed pages from the write-ahead log into the database, beside the writer.
//!
//! A checkpoint writes thousands of pages and waits for the disk; on the writer's thread every commit would wait with it. So a
//! thread with a connection of its own does it while commits go on. It never quite catches up with a writer that is busy, and
//! the log begins anew only when every page of it has been moved: so after each pass the writer moves the few pages that
//! were added meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use crate::StoreError;

/// Pages in the log that set off a pass: 16 MiB.
const PASS_PAGES: i32 = 2_048;

/// When the next pass is worth its while. While a reader looks at an old state the log cannot begin anew, and looking through all
/// of it after each commit would only get dearer.
struct Growth {
    pages: i32,
    pass_at: i32,
}

impl Growth {
    const fn new() -> Self {
        Self { pages: 0, pass_at: PASS_PAGES }
    }

    /// Takes the pages in the log after a commit; whether a pass is due.
    const fn observe(&mut self, pages: i32) -> bool {
        if pages < self.pages {
            self.pass_at = PASS_PAGES; // it has begun anew
        }
        self.pages = pages;
        pages >= self.pass_at
    }

    /// A pass has ended: the next is due after as many pages again.
    const fn postpone(&mut self) {
        self.pass_at = self.pages.saturating_add(PASS_PAGES);
    }
}

/// Nothing to do; a pass is under way; a pass has ended and the rest is the writer's.
const IDLE: u8 = 0;
const PASSING: u8 = 1;
const PASSED: u8 = 2;

/// Starts the thread, which ends when `writer` is closed.
pub(crate) fn start(writer: &mut Connection, path: &Path) -> Result<JoinHandle<()>, StoreError> {
    let connection = Connection::open(path)?;
    let stage = Arc::new(AtomicU8::new(IDLE));
    let (wake, woken) = sync_channel::<()>(1);
    let passing = Arc::clone(&stage);
    let thread = std::thread::Builder::new()
        .name("bellwire-checkpoints".to_owned())
        .spawn(move || {
            while woken.recv().is_ok() {
                pass(&connection);
                passing.store(PASSED, Ordering::Release);
            }
        })
        .map_err(|error| StoreError::Database(error.to_string().into()))?;
    let mut growth = Growth::new();
    writer.wal_hook(Some(move |wal: &mut Wal, pages| {
        let due = growth.observe(pages);
        match stage.load(Ordering::Acquire) {
            PASSED => {
                let _ = wal.checkpoint(); // what stays because a reader still looks at it is the next pass's
                growth.postpone();
                stage.store(IDLE, Ordering::Release);
            }
            IDLE if due => {
                stage.store(PASSING, Ordering::Release);
                let _ = wake.try_send(());
            }
            _ => {}
        }
        Ok(())
    }))?;
    Ok(thread)
}

/// Moves what can be moved without waiting for anybody.
fn pass(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::warn!(error = %error, "a checkpoint failed; the write-ahead log grows until one succeeds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_cannot_begin_anew_is_not_looked_through_after_each_commit() {
        let mut growth = Growth::new();
        assert!(!growth.observe(PASS_PAGES - 1) && growth.observe(PASS_PAGES));
        growth.postpone();
        assert!(!growth.observe(PASS_PAGES + 1) && !growth.observe(2 * PASS_PAGES - 1) && growth.observe(2 * PASS_PAGES));
        growth.postpone();
        assert!(!growth.observe(7), "it has begun anew");
        assert!(growth.observe(PASS_PAGES));
    }
}
