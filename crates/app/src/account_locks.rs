//! Locks by account: what one of them does takes its turn, and holds up no other.

use std::collections::HashMap;
use std::sync::Arc;

use bellwire_domain::AccountId;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

/// A lock for each account that anybody holds or waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct AccountLocks(Arc<Mutex<HashMap<AccountId, Arc<tokio::sync::Mutex<()>>>>>);

/// An account's lock, held until this is dropped.
#[derive(Debug)]
pub(crate) struct AccountLock {
    locks: AccountLocks,
    account: AccountId,
    /// Taken out when this is dropped.
    held: Option<OwnedMutexGuard<()>>,
}

impl AccountLocks {
    /// Waits until the account's lock is free. Who asks first gets it first.
    pub(crate) async fn lock(&self, account: &AccountId) -> AccountLock {
        // Made first: it forgets the lock even if this is not waited for any longer.
        let mut lock = AccountLock { locks: self.clone(), account: account.clone(), held: None };
        let own = Arc::clone(self.0.lock().entry(account.clone()).or_default());
        lock.held = Some(own.lock_owned().await);
        lock
    }
}

impl Drop for AccountLock {
    fn drop(&mut self) {
        let mut locks = self.locks.0.lock();
        drop(self.held.take());
        // Whoever waits has a reference of its own, and takes it only while the map is locked.
        if locks.get(&self.account).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.account);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn account(id: &str) -> AccountId {
        AccountId::try_new(id).unwrap()
    }

    fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn only_the_same_account_waits_and_nothing_is_kept() {
        let locks = AccountLocks::default();
        let (one, other) = (account("one"), account("other"));
        let first = locks.lock(&one).await;
        let mut second = pin!(locks.lock(&one));
        assert!(poll(second.as_mut()).is_pending());
        assert!(poll(pin!(locks.lock(&other))).is_ready());
        drop(first);
        drop(second.await);
        assert!(locks.0.lock().is_empty(), "{locks:?}");
    }

    #[tokio::test]
    async fn who_stops_waiting_leaves_nothing_behind() {
        let locks = AccountLocks::default();
        let one = account("one");
        let first = locks.lock(&one).await;
        {
            let mut gives_up = pin!(locks.lock(&one));
            assert!(poll(gives_up.as_mut()).is_pending());
            drop(first);
        }
        assert!(locks.0.lock().is_empty(), "{locks:?}");
    }
}
