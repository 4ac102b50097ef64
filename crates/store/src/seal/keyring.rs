//! The keys of a store: the master key, and the data keys that it wraps.

use std::sync::Arc;

use bellwire_domain::{AccountId, Entropy, Secret};
use parking_lot::RwLock;
use quick_cache::unsync::Cache;

use super::data_key::DataKey;
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
    /// What the same key was wrapped as before: somebody may still have read that.
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

    fn open_wrapped(&self, place: &Place, wrapped: &[u8]) -> Result<DataKey, StoreError> {
        let (bytes, _) = self.unwrap(place, wrapped)?;
        let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| place.unsealable())?;
        Ok(DataKey::new(&bytes))
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
        self.open_wrapped(&Place::store_key(), wrapped)
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
        let key = Arc::new(self.open_wrapped(&Place::data_key(account), wrapped)?);
        let mut opened = self.opened.write();
        let before = opened.get(account).filter(|known| known.key.is_same(&key)).map(|known| known.wrapped.clone());
        opened.insert(account.clone(), OpenedKey { wrapped: wrapped.to_vec(), before, key: Arc::clone(&key) });
        Ok(key)
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
}
