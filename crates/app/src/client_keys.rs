//! The public keys of clients, fetched where they publish them.
//!
//! A client changes its keys by publishing others, so what was fetched is used for some minutes only, and an unknown key is a reason to
//! look again, though not often: anybody can name one. Of requests for one client's keys one fetches, and the others wait for it. How many
//! clients' keys are in memory, and how many are being fetched, is bounded, and an account has a share of both.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bellwire_contract::{Assertion, ClientKeys};
use bellwire_domain::{AccountId, ClientId, Clock, Consumer, Shares, Timestamp};
use bellwire_store::{Client, ClientKeySource};
use parking_lot::Mutex;

/// For how long what was fetched is used.
const KEPT: Duration = Duration::from_secs(5 * 60);
/// Between two looks for a key that is unknown, and between a request that failed and the next.
const PAUSE: Duration = Duration::from_secs(20);
/// Clients whose keys are in memory.
const CLIENTS_MAX: usize = 1_000;
/// Requests at once.
const FETCHING_MAX: usize = 64;

/// The keys at a URL; `None`: there are none, or they could not be fetched.
pub type Fetched<'a> = Pin<Box<dyn Future<Output = Option<ClientKeys>> + Send + 'a>>;

/// Fetches what clients publish, guarded as requests to customers are, and tells the operator where that fails.
pub trait FetchKeys: Send + Sync {
    /// The keys at `url`, fetched on behalf of `consumer`.
    fn fetch<'a>(&'a self, consumer: Consumer<'a>, url: &'a str) -> Fetched<'a>;
}

/// A client's keys are not known now: they cannot be fetched, or too many are being fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoKeys;

/// What was fetched.
pub(crate) struct KnownKeys {
    kept: Mutex<Kept>,
    fetching: Arc<Mutex<Shares<AccountId>>>,
}

struct Kept {
    slots: HashMap<ClientId, (AccountId, Timestamp, Arc<Slot>)>,
    shares: Shares<AccountId>,
}

/// One client's keys. Whoever fetches them holds it.
type Slot = tokio::sync::Mutex<Found>;

#[derive(Default)]
struct Found {
    keys: Option<(Timestamp, Arc<ClientKeys>)>,
    /// When an unknown key was looked for.
    looked_at: Option<Timestamp>,
    failed_at: Option<Timestamp>,
}

/// A place among those that are being fetched.
struct Place(Arc<Mutex<Shares<AccountId>>>, AccountId);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().give_back(&self.1, 1);
    }
}

impl Default for KnownKeys {
    fn default() -> Self {
        let kept = Kept { slots: HashMap::new(), shares: Shares::new(CLIENTS_MAX) };
        Self { kept: Mutex::new(kept), fetching: Arc::new(Mutex::new(Shares::new(FETCHING_MAX))) }
    }
}

impl KnownKeys {
    /// The keys that may have signed an assertion of a client.
    pub(crate) async fn find(
        &self,
        (fetcher, clock): (Option<&dyn FetchKeys>, &dyn Clock),
        client: &Client,
        contract: &str,
        assertion: &Assertion,
    ) -> Result<Arc<ClientKeys>, NoKeys> {
        let url = match &client.keys {
            ClientKeySource::Set(text) => return ClientKeys::parse(text).map(Arc::new).map_err(|_| NoKeys),
            ClientKeySource::Url(url) => url,
        };
        let slot = self.slot(client, clock.now()).ok_or(NoKeys)?;
        let mut found = slot.lock().await;
        let now = clock.now();
        let fresh = found.keys.clone().filter(|(at, _)| now < at.plus(KEPT)).map(|(_, keys)| keys);
        let is_over = |at: Option<Timestamp>| at.is_none_or(|at| now >= at.plus(PAUSE) || now < at);
        if let Some(keys) = &fresh {
            if assertion.has_key_in(keys) || !is_over(found.looked_at) {
                return Ok(Arc::clone(keys));
            }
            found.looked_at = Some(now);
        } else if !is_over(found.failed_at) {
            return Err(NoKeys);
        }
        let _place = self.place(&client.account_id).ok_or(NoKeys)?;
        let fetcher = fetcher.ok_or(NoKeys)?;
        // What is known is still good where nothing is fetched, only without the key that was named.
        let Some(keys) = fetcher.fetch(Consumer { account: &client.account_id, contract }, url).await else {
            found.failed_at = Some(clock.now());
            return fresh.ok_or(NoKeys);
        };
        let keys = Arc::new(keys);
        found.keys = Some((clock.now(), Arc::clone(&keys)));
        Ok(keys)
    }

    fn slot(&self, client: &Client, now: Timestamp) -> Option<Arc<Slot>> {
        let mut kept = self.kept.lock();
        if let Some((_, used_at, slot)) = kept.slots.get_mut(&client.id) {
            *used_at = now;
            return Some(Arc::clone(slot));
        }
        if !kept.make_room(&client.account_id, now) {
            return None;
        }
        let slot = Arc::new(Slot::default());
        kept.slots.insert(client.id.clone(), (client.account_id.clone(), now, Arc::clone(&slot)));
        Some(slot)
    }

    fn place(&self, account: &AccountId) -> Option<Place> {
        let is_taken = self.fetching.lock().take(account, 1);
        is_taken.then(|| Place(Arc::clone(&self.fetching), account.clone()))
    }
}

impl Kept {
    /// Takes a place for an account. What was not used for long goes first, then what the account used least recently.
    fn make_room(&mut self, account: &AccountId, now: Timestamp) -> bool {
        if self.shares.take(account, 1) {
            return true;
        }
        let may_go = |(of, used_at, _): &&(AccountId, Timestamp, Arc<Slot>)| of == account || now >= used_at.plus(KEPT);
        let mut old: Vec<(Timestamp, ClientId)> =
            self.slots.iter().filter(|(_, slot)| may_go(slot)).map(|(id, (_, used_at, _))| (*used_at, id.clone())).collect();
        old.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        old.into_iter().any(|(_, id)| {
            if let Some((of, _, _)) = self.slots.remove(&id) {
                self.shares.give_back(&of, 1);
            }
            self.shares.take(account, 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(account: &str, number: usize) -> Client {
        Client {
            id: ClientId::try_new(&format!("cli_{account}_{number}")).unwrap(),
            account_id: AccountId::try_new(account).unwrap(),
            name: None,
            keys: ClientKeySource::Url("https://client.example/jwks".to_owned()),
            created_at: Timestamp::from_secs(0),
        }
    }

    #[test]
    fn memory_is_bounded_and_an_account_pushes_out_only_its_own() {
        let (known, now) = (KnownKeys::default(), Timestamp::from_secs(100));
        assert!(known.slot(&client("small", 1), now).is_some());
        for number in 0..2 * CLIENTS_MAX {
            assert!(known.slot(&client("large", number), now).is_some());
        }
        let kept = known.kept.lock();
        assert!(kept.slots.len() < CLIENTS_MAX);
        assert!(kept.slots.contains_key(&client("small", 1).id));
    }

    #[test]
    fn what_was_not_used_for_long_makes_room_for_others() {
        let (known, now) = (KnownKeys::default(), Timestamp::from_secs(100));
        for account in 0..3 * CLIENTS_MAX {
            let account = format!("a{account}");
            let is_kept = known.slot(&client(&account, 1), now).is_some();
            if !is_kept {
                assert!(known.slot(&client(&account, 1), now.plus(KEPT)).is_some());
                return;
            }
        }
        panic!("it never was full");
    }

    #[test]
    fn an_account_takes_a_share_of_what_is_fetched_at_once() {
        let known = KnownKeys::default();
        let (one, other) = (client("one", 1).account_id, client("other", 1).account_id);
        let places: Vec<Place> = std::iter::from_fn(|| known.place(&one)).collect();
        assert!(places.len() < FETCHING_MAX && known.place(&other).is_some());
        drop(places);
        assert!(known.place(&one).is_some());
    }
}
