//! Room for large bodies: together they take a bounded amount of memory, and the rest wait to be read.
//!
//! There may be many connections, and a body may have a megabyte. Small bodies, nearly all of them, are not counted. Room is taken
//! once more has come than a small body has, so that nobody gets it by a promise; each sender has a share of it; and who is slow
//! loses it.

use std::sync::Arc;
use std::time::Duration;

use bellwire_app::AppError;
use bellwire_domain::Shares;
use bellwire_store::StoreError;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::problem::Problem;

/// Bodies are counted from this size on.
pub(crate) const COUNTED_BYTES_MIN: usize = 16 << 10;
/// How long a counted body may take, once it has its room.
pub(crate) const COUNTED_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of all counted bodies together. An event is held several times over on its way to the store.
const BYTES_MAX: usize = 4 << 20;
/// How long a request waits for room before it is refused with `Retry-After`.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The room. Clones share it.
#[derive(Clone)]
pub struct LargeBodies(Arc<Room>);

struct Room {
    /// By what names a sender.
    shares: Mutex<Shares<Arc<str>>>,
    freed: Notify,
}

impl Default for LargeBodies {
    fn default() -> Self {
        Self(Arc::new(Room { shares: Mutex::new(Shares::new(BYTES_MAX)), freed: Notify::new() }))
    }
}

impl LargeBodies {
    /// Waits for room for a body of `length` bytes.
    pub(crate) async fn admit(&self, sender: &str, length: usize) -> Result<Held, Problem> {
        let sender = Arc::from(sender);
        let bytes = length.min(BYTES_MAX);
        let taking = async {
            let mut freed = std::pin::pin!(self.0.freed.notified());
            loop {
                freed.as_mut().enable(); // before the look, so that nothing is missed
                if self.0.shares.lock().take(&sender, bytes) {
                    return;
                }
                freed.as_mut().await;
                freed.set(self.0.freed.notified());
            }
        };
        match tokio::time::timeout(WAIT_MAX, taking).await {
            Ok(()) => Ok(Held { room: self.clone(), sender, bytes }),
            Err(_) => Err(AppError::from(StoreError::Busy).into()),
        }
    }
}

/// Room that is held. Dropped, it is free for others.
pub(crate) struct Held {
    room: LargeBodies,
    sender: Arc<str>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.0.shares.lock().give_back(&self.sender, self.bytes);
        self.room.0.freed.notify_waiters();
    }
}

/// A body that keeps its room for as long as it is held.
struct Kept {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// `bytes`, which give their room back when the last reference is dropped.
pub(crate) fn keep(bytes: Bytes, held: Option<Held>) -> Bytes {
    match held {
        Some(held) => Bytes::from_owner(Kept { bytes, _held: held }),
        None => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn free(room: &LargeBodies) -> usize {
        room.0.shares.lock().free()
    }

    #[tokio::test]
    async fn room_is_given_back_with_the_last_part_of_a_body() {
        let room = LargeBodies::default();
        let body = keep(Bytes::from_static(b"{}"), Some(room.admit("a", MIB).await.unwrap()));
        assert_eq!(free(&room), BYTES_MAX - MIB);
        let slice = body.slice(1..);
        drop(body);
        assert_eq!(free(&room), BYTES_MAX - MIB, "a part of a body holds all of it");
        drop(slice);
        assert_eq!(free(&room), BYTES_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn one_sender_leaves_room_for_another_and_waits_for_its_own() {
        let room = LargeBodies::default();
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(room.admit("hostile", MIB).await.unwrap());
        }
        let refused = room.admit("hostile", MIB).await.err().unwrap();
        assert_eq!(axum::response::IntoResponse::into_response(refused).status(), 503);
        let others = room.admit("other", MIB).await.unwrap();
        let waiting = room.admit("hostile", MIB);
        let freeing = async {
            tokio::task::yield_now().await;
            drop(others);
            held.clear();
        };
        assert!(tokio::join!(waiting, freeing).0.is_ok());
    }
}
