//! Checkpoints: moving committed pages from the write-ahead log into the database, beside the writer.
//!
//! A checkpoint writes thousands of pages and waits for the disk; on the writer's thread every commit would wait with it. So a
//! thread with a connection of its own does it while commits go on. It never quite catches up with a writer that is busy, and
//! the log begins anew only when every page of it has been moved: so after each pass the writer moves the few pages that
//! were added meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use crate::StoreError;

/// Pages in the log that set off a pass: 16 MiB.
pub(crate) const PASS_PAGES: i32 = 4_096;

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
    writer.wal_hook(Some(move |wal: &mut Wal, pages| {
        after_commit(wal, pages, &stage, &wake);
        Ok(())
    }))?;
    Ok(thread)
}

/// Called by the writer after each commit, with the pages in the log.
fn after_commit(wal: &mut Wal, pages: i32, stage: &AtomicU8, wake: &SyncSender<()>) {
    match stage.load(Ordering::Acquire) {
        PASSED => {
            let _ = wal.checkpoint(); // what stays because a reader still looks at it is the next pass's
            stage.store(IDLE, Ordering::Release);
        }
        IDLE if pages >= PASS_PAGES => {
            stage.store(PASSING, Ordering::Release);
            let _ = wake.try_send(());
        }
        _ => {}
    }
}

/// Moves what can be moved without waiting for anybody.
fn pass(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::warn!(error = %error, "a checkpoint failed; the write-ahead log grows until one succeeds");
    }
}
