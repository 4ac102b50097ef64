//! What a closure answers that runs elsewhere: on a thread that reads, or at the writer.
//!
//! Whoever carries closures out takes them as one type, whatever they answer. Compiled for each of them instead, the runtime's tasks were
//! a third of the code of every crate above the store.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::StoreError;

/// Where an answer is put, and taken from once the work is done.
pub(crate) struct Answer<T, E>(Arc<Mutex<Option<Result<T, E>>>>);

impl<T, E: From<StoreError>> Answer<T, E> {
    pub(crate) fn put(&self, answer: Result<T, E>) {
        *self.0.lock() = Some(answer);
    }

    /// What was put here. [`StoreError::Closed`]: nothing, as the work panicked.
    pub(crate) fn take(&self) -> Result<T, E> {
        self.0.lock().take().unwrap_or_else(|| Err(StoreError::Closed.into()))
    }
}

impl<T, E> Default for Answer<T, E> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T, E> Clone for Answer<T, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
