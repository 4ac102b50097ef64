//! Room for large bodies: together they take a bounded amount of memory, and the rest wait to be read.
//!
//! There may be many connections, and a body may have a megabyte. Small bodies, nearly all of them, are not counted.

use std::sync::Arc;
use std::time::Duration;

use bellwire_app::AppError;
use bellwire_store::StoreError;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// Bodies are counted from this size on.
const COUNTED_BYTES_MIN: usize = 16 << 10;
/// Bytes of all counted bodies together. An event is held several times over on its way to the store.
const BYTES_MAX: usize = 4 << 20;
/// How long a request waits for room before it is refused with `Retry-After`.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// The unit of room.
const UNIT_BYTES: usize = 1 << 10;

/// The room. Clones share it.
#[derive(Clone)]
pub struct LargeBodies(Arc<Semaphore>);

impl Default for LargeBodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BYTES_MAX / UNIT_BYTES)))
    }
}

impl LargeBodies {
    /// Waits for room for a body of `length` bytes; without a declared length it may have up to `max`.
    pub(crate) async fn admit(&self, length: Option<usize>, max: usize) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        let length = length.unwrap_or(max).min(BYTES_MAX);
        if length < COUNTED_BYTES_MIN {
            return Ok(None);
        }
        let units = u32::try_from(length.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        match tokio::time::timeout(WAIT_MAX, Arc::clone(&self.0).acquire_many_owned(units)).await {
            Ok(Ok(room)) => Ok(Some(room)),
            Ok(Err(_)) | Err(_) => Err(AppError::from(StoreError::Busy).into()),
        }
    }
}

/// A body that keeps its room for as long as it is held.
struct Held {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// `bytes`, which return `room` when the last reference is dropped.
pub(crate) fn hold(bytes: Bytes, room: Option<OwnedSemaphorePermit>) -> Bytes {
    match room {
        Some(room) => Bytes::from_owner(Held { bytes, _room: room }),
        None => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_bodies_pass_and_large_ones_share_what_there_is() {
        let room = LargeBodies::default();
        assert!(room.admit(Some(COUNTED_BYTES_MIN - 1), 1 << 20).await.is_ok_and(|held| held.is_none()));
        let mut held = Vec::new();
        for _ in 0..BYTES_MAX / (1 << 20) {
            let body = hold(Bytes::from_static(b"{}"), room.admit(None, 1 << 20).await.unwrap());
            assert_eq!(body.as_ref(), b"{}");
            held.push(body);
        }
        assert_eq!(room.0.available_permits(), 0, "a body of unknown length counts as the longest");
        let slice = held[0].slice(1..);
        held.clear();
        assert_eq!(room.0.available_permits(), BYTES_MAX / UNIT_BYTES - (1 << 10), "a part of a body holds all of it");
        drop(slice);
        assert_eq!(room.0.available_permits(), BYTES_MAX / UNIT_BYTES);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_asked_to_come_back() {
        let room = LargeBodies::default();
        let _all = room.admit(Some(BYTES_MAX), BYTES_MAX).await.unwrap();
        let refused = room.admit(Some(1 << 20), 1 << 20).await.err().unwrap();
        assert_eq!(axum::response::IntoResponse::into_response(refused).status(), 503);
    }
}
