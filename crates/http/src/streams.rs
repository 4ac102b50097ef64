//! How many streams may be open: a bound for all, of which each account has its share.

use std::sync::Arc;

use bellwire_domain::{AccountId, Shares};
use parking_lot::Mutex;

/// Streams of all accounts together. Each looks at the store on a beat.
const STREAMS_MAX: usize = 256;

/// The streams that are open. Clones share them.
#[derive(Clone)]
pub struct Streams(Arc<Mutex<Shares<AccountId>>>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Shares::new(STREAMS_MAX))))
    }
}

impl Streams {
    /// Room for one more of this account's, if there is any.
    pub fn take(&self, account: &AccountId) -> Option<Place> {
        self.0.lock().take(account, 1).then(|| Place { streams: self.clone(), account: account.clone() })
    }
}

/// The room of one stream. Dropped, it is free for others.
pub struct Place {
    streams: Streams,
    account: AccountId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.0.lock().give_back(&self.account, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_share_and_leaves_some_for_others() {
        let streams = Streams::default();
        let [one, other] = ["one", "other"].map(|id| AccountId::try_new(id).unwrap());
        let held: Vec<Place> = std::iter::from_fn(|| streams.take(&one)).collect();
        assert_eq!(held.len(), STREAMS_MAX * 3 / 4);
        assert!(streams.take(&other).is_some(), "who has none gets what is free");
        drop(held);
        assert!(streams.take(&one).is_some(), "what is closed is free again");
    }
}
