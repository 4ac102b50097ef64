//! The keys of a store: the master key, and the data keys that it wraps.

use std::sync::Arc;

use bellwire_domain::{AccountId, Entropy, Secret};
use parking_lot::RwLock;
use quick_cache::unsync::Cache;

use super::data_key::DataKey;
use super::key_row::{KeyRow, Renewal};
use super::place::Place;
use crate::StoreError;

/// Data keys kept opened in memory.
const OPENED_MAX: usize = 100_000;

/// The key that wraps every account's data key, and the one that takes its place while it is rotated.
#[derive(Clone, Debug)]
pub struct MasterKey {
    current: Secret<[u8; 32]>,
    next: Option<Secret<[u8; 32]>>,
}

impl MasterKey {
    /// From 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self { current: Secret::new(bytes), next: None }
    }

    /// The same key together with the one that takes its place.
    #[must_use]
    pub fn replaced_by(self, next: Self) -> Self {
        Self { next: Some(next.current), ..self }
    }
}

/// One of the two keys that a keyring may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapper {
    /// The key that was there before; where only one is known, that one.
    Current,
    /// The key that takes its place.
    Next,
}

/// Sealing for one account, with fresh nonces.
pub(crate) struct AccountSeal<'a> {
    pub(crate) key: Arc<DataKey>,
    pub(crate) entropy: &'a dyn Entropy,
}

/// The master key, the one that takes its place if it is being rotated, and the data keys they have opened.
pub(crate) struct Keyring {
    current: DataKey,
    next: Option<DataKey>,
    opened: RwLock<Cache<AccountId, OpenedKey>>,
}

/// A data key, and the wrapped form it came from. An account that was deleted and made anew under its id has another one.
#[derive(Clone)]
struct OpenedKey {
    wrapped: Vec<u8>,
    /// What the same key was wrapped as before it was wrapped anew or renewed: somebody may still have read that.
    before: Option<Vec<u8>>,
    key: Arc<DataKey>,
}

impl OpenedKey {
    fn is_from(&self, wrapped: &[u8]) -> bool {
        self.wrapped == wrapped || self.before.as_deref() == Some(wrapped)
    }
}

impl Keyring {
    pub(crate) fn new(master: &MasterKey) -> Self {
        let next = master.next.as_ref().map(Secret::expose).filter(|next| *next != master.current.expose());
        let opened = RwLock::new(Cache::new(OPENED_MAX));
        Self { current: DataKey::new(master.current.expose()), next: next.map(DataKey::new), opened }
    }

    /// Whether there is a key that takes the other's place.
    pub(crate) const fn has_next(&self) -> bool {
        self.next.is_some()
    }

    fn key(&self, wrapper: Wrapper) -> &DataKey {
        match wrapper {
            Wrapper::Current => &self.current,
            Wrapper::Next => self.next.as_ref().unwrap_or(&self.current),
        }
    }

    /// A text sealed by a master key, by which a later start knows whether it has the same key.
    pub(crate) fn seal_canary(&self, entropy: &dyn Entropy, wrapper: Wrapper) -> Vec<u8> {
        self.key(wrapper).seal(entropy, &Place::canary(), b"bellwire")
    }

    /// Which key has sealed a canary.
    pub(crate) fn opener(&self, canary: &[u8]) -> Option<Wrapper> {
        self.unwrap(&Place::canary(), canary).ok().map(|(_, wrapper)| wrapper)
    }

    /// What is wrapped, and by which key.
    fn unwrap(&self, place: &Place, wrapped: &[u8]) -> Result<(Vec<u8>, Wrapper), StoreError> {
        match (self.current.open(place, wrapped), &self.next) {
            (Ok(bytes), _) => Ok((bytes, Wrapper::Current)),
            (Err(_), Some(next)) => Ok((next.open(place, wrapped)?, Wrapper::Next)),
            (Err(error), None) => Err(error),
        }
    }

    fn open_wrapped(&self, place: &Place, wrapped: &[u8]) -> Result<(KeyRow, Wrapper), StoreError> {
        let (bytes, by) = self.unwrap(place, wrapped)?;
        Ok((KeyRow::read(&bytes).ok_or_else(|| place.unsealable())?, by))
    }

    /// The same value wrapped by the next key; `None`: it is already.
    fn rewrap(&self, entropy: &dyn Entropy, place: &Place, wrapped: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let (bytes, by) = self.unwrap(place, wrapped)?;
        Ok((by == Wrapper::Current).then(|| self.key(Wrapper::Next).seal(entropy, place, &bytes)))
    }

    /// An account's wrapped data key, wrapped by the next key; `None`: it is already.
    pub(crate) fn rewrap_key(
        &self,
        entropy: &dyn Entropy,
        account: &AccountId,
        wrapped: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.rewrap(entropy, &Place::data_key(account), wrapped)
    }

    /// The same for the store's own key.
    pub(crate) fn rewrap_store_key(&self, entropy: &dyn Entropy, wrapped: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.rewrap(entropy, &Place::store_key(), wrapped)
    }

    /// A new key of the store's own, in its wrapped form.
    pub(crate) fn draw_store_key(&self, entropy: &dyn Entropy, wrapper: Wrapper) -> Vec<u8> {
        self.key(wrapper).seal(entropy, &Place::store_key(), &entropy.bytes::<32>())
    }

    /// The store's own key, from its wrapped form.
    pub(crate) fn open_store_key(&self, wrapped: &[u8]) -> Result<DataKey, StoreError> {
        Ok(DataKey::of(&self.open_wrapped(&Place::store_key(), wrapped)?.0))
    }

    /// A new data key for `account`, in its wrapped form for the accounts table.
    pub(crate) fn draw(&self, entropy: &dyn Entropy, account: &AccountId, wrapper: Wrapper) -> Vec<u8> {
        self.key(wrapper).seal(entropy, &Place::data_key(account), &entropy.bytes::<32>())
    }

    /// Opens an account's data key from its wrapped form.
    pub(crate) fn open_key(&self, account: &AccountId, wrapped: &[u8]) -> Result<Arc<DataKey>, StoreError> {
        if let Some(known) = self.opened.read().get(account)
            && known.is_from(wrapped)
        {
            return Ok(Arc::clone(&known.key));
        }
        let (row, _) = self.open_wrapped(&Place::data_key(account), wrapped)?;
        let mut opened = self.opened.write();
        let key = DataKey::of(&row);
        let known = opened.get(account).filter(|known| known.key.is_same(&key));
        let (key, before) = match known {
            // Whoever holds it learns what it has become.
            Some(known) => {
                known.key.catch_up(&row);
                (Arc::clone(&known.key), Some(known.wrapped.clone()))
            }
            None => (Arc::new(key), None),
        };
        opened.insert(account.clone(), OpenedKey { wrapped: wrapped.to_vec(), before, key: Arc::clone(&key) });
        Ok(key)
    }

    /// Announces a new key for an account: its data key as it is to be stored, unless there is no room for another one.
    pub(crate) fn announce(
        &self,
        entropy: &dyn Entropy,
        account: &AccountId,
        wrapped: &[u8],
    ) -> Result<(Renewal, Vec<u8>), StoreError> {
        self.change(entropy, account, wrapped, |row| row.announce(entropy))
    }

    /// Lets the key seal that was announced for an account: whether one was, and its data key as it is to be stored.
    pub(crate) fn put_to_use(
        &self,
        entropy: &dyn Entropy,
        account: &AccountId,
        wrapped: &[u8],
    ) -> Result<(bool, Vec<u8>), StoreError> {
        self.change(entropy, account, wrapped, KeyRow::put_to_use)
    }

    /// Changes what an account's data key is; the master key that wraps it stays.
    fn change<T>(
        &self,
        entropy: &dyn Entropy,
        account: &AccountId,
        wrapped: &[u8],
        change: impl FnOnce(&mut KeyRow) -> T,
    ) -> Result<(T, Vec<u8>), StoreError> {
        let place = Place::data_key(account);
        let (mut row, by) = self.open_wrapped(&place, wrapped)?;
        let result = change(&mut row);
        Ok((result, self.key(by).seal(entropy, &place, &row.to_bytes())))
    }

    /// Accounts whose keys have sealed so many values or more since they were last asked for here, and how many.
    pub(crate) fn take_sealed(&self, at_least: u64) -> Vec<(AccountId, u64)> {
        let opened = self.opened.read();
        let taken = opened.iter().map(|(id, known)| (id, known.key.take_sealed(at_least)));
        taken.filter_map(|(id, sealed)| Some((id.clone(), sealed?))).collect()
    }

    /// An account's data key, if it has been opened lately.
    pub(crate) fn find(&self, account: &AccountId) -> Option<Arc<DataKey>> {
        self.opened.read().get(account).map(|known| Arc::clone(&known.key))
    }

    pub(crate) fn forget(&self, account: &AccountId) {
        self.opened.write().remove(account);
    }
}

#[cfg(test)]
mod tests {
    use bellwire_testkit::SeededEntropy;

    use super::*;

    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn a_keyring_knows_its_master_key() {
        let keyring = Keyring::new(&MasterKey::new([3; 32]));
        let canary = keyring.seal_canary(&Sevens, Wrapper::Current);
        assert_eq!(keyring.opener(&canary), Some(Wrapper::Current));
        assert_eq!(Keyring::new(&MasterKey::new([4; 32])).opener(&canary), None);
        let account = AccountId::try_new("clinic").unwrap();
        let wrapped = keyring.draw(&Sevens, &account, Wrapper::Current);
        let key = keyring.open_key(&account, &wrapped).unwrap();
        let sealed = key.seal(&Sevens, &Place::canary(), b"y");
        assert_eq!(keyring.open_key(&account, &wrapped).unwrap().open(&Place::canary(), &sealed).unwrap(), b"y");
        let other = AccountId::try_new("other").unwrap();
        assert!(keyring.open_key(&other, &wrapped).is_err(), "a wrapped key belongs to its account");
    }

    #[test]
    fn what_is_rewrapped_is_the_same_key_and_opens_with_the_next_one_alone() {
        let (old, new) = (MasterKey::new([3; 32]), MasterKey::new([4; 32]));
        let both = Keyring::new(&old.clone().replaced_by(new.clone()));
        let account = AccountId::try_new("clinic").unwrap();
        let before = both.draw(&Sevens, &account, Wrapper::Current);
        let sealed = both.open_key(&account, &before).unwrap().seal(&Sevens, &Place::canary(), b"y");
        let after = both.rewrap_key(&Sevens, &account, &before).unwrap().unwrap();
        assert_eq!(both.rewrap_key(&Sevens, &account, &after).unwrap(), None, "once is enough");
        let opened = Keyring::new(&new).open_key(&account, &after).unwrap();
        assert_eq!(opened.open(&Place::canary(), &sealed).unwrap(), b"y");
        assert!(Keyring::new(&old).open_key(&account, &after).is_err());
        let known = both.open_key(&account, &after).unwrap();
        for wrapped in [&before, &after] {
            assert!(Arc::ptr_eq(&known, &both.open_key(&account, wrapped).unwrap()), "in both forms it is known");
        }
        assert!(!Keyring::new(&old.clone().replaced_by(old)).has_next(), "a key does not take its own place");
    }

    #[test]
    fn a_renewed_key_opens_what_it_sealed_before_and_whoever_holds_it_learns_of_the_new_one() {
        let (old, new) = (MasterKey::new([3; 32]), MasterKey::new([4; 32]));
        let (account, entropy, place) = (AccountId::try_new("clinic").unwrap(), SeededEntropy::new(1), Place::canary());
        let keyring = Keyring::new(&old.clone().replaced_by(new.clone()));
        let first = keyring.draw(&entropy, &account, Wrapper::Current);
        let held = keyring.open_key(&account, &first).unwrap();
        let (before, subject) = (held.seal(&entropy, &place, b"before"), held.hash_subject("patient:1"));

        let (renewal, announced) = keyring.announce(&entropy, &account, &first).unwrap();
        assert_eq!(renewal, Renewal::Announced);
        keyring.open_key(&account, &announced).unwrap();
        let meanwhile = held.seal(&entropy, &place, b"meanwhile");
        let (is_used, renewed) = keyring.put_to_use(&entropy, &account, &announced).unwrap();
        assert!(is_used);
        keyring.open_key(&account, &renewed).unwrap();
        let after = held.seal(&entropy, &place, b"after");

        let rewrapped = keyring.rewrap_key(&entropy, &account, &renewed).unwrap().unwrap();
        for other in [Keyring::new(&old).open_key(&account, &renewed), Keyring::new(&new).open_key(&account, &rewrapped)] {
            let other = other.unwrap();
            for (sealed, plain) in [(&before, "before"), (&meanwhile, "meanwhile"), (&after, "after")] {
                assert_eq!(other.open(&place, sealed).unwrap(), plain.as_bytes());
            }
            assert_eq!(other.hash_subject("patient:1"), subject, "its events are found");
        }
        let known = Keyring::new(&old).open_key(&account, &announced).unwrap();
        assert!(known.open(&place, &meanwhile).is_ok() && known.open(&place, &after).is_ok(), "who knows an announced key opens");
        let unknowing = Keyring::new(&old).open_key(&account, &first).unwrap();
        assert!(unknowing.open(&place, &meanwhile).is_ok(), "an announced key does not seal");
        assert!(unknowing.open(&place, &after).is_err(), "and then the new one does");
    }

    #[test]
    fn what_a_key_has_sealed_is_counted_once_there_is_enough_of_it() {
        let (keyring, account) = (Keyring::new(&MasterKey::new([3; 32])), AccountId::try_new("clinic").unwrap());
        let wrapped = keyring.draw(&Sevens, &account, Wrapper::Current);
        let key = keyring.open_key(&account, &wrapped).unwrap();
        for _ in 0..3 {
            key.seal(&Sevens, &Place::canary(), b"y");
        }
        assert_eq!(keyring.take_sealed(4), []);
        assert_eq!(keyring.take_sealed(3), [(account, 3)]);
        assert_eq!(keyring.take_sealed(1), [], "once");
    }
}
