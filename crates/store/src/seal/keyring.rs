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

/// The key that wraps every account's data key.
#[derive(Clone, Debug)]
pub struct MasterKey(Secret<[u8; 32]>);

impl MasterKey {
    /// From 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }
}

/// Sealing for one account, with fresh nonces.
pub(crate) struct AccountSeal<'a> {
    pub(crate) key: Arc<DataKey>,
    pub(crate) entropy: &'a dyn Entropy,
}

/// The master key, and the data keys it has opened.
pub(crate) struct Keyring {
    master: DataKey,
    opened: RwLock<Cache<AccountId, OpenedKey>>,
}

/// A data key, and the wrapped form it came from. An account that was deleted and made anew under its id has another one.
#[derive(Clone)]
struct OpenedKey {
    wrapped: Vec<u8>,
    key: Arc<DataKey>,
}

impl Keyring {
    pub(crate) fn new(master: &MasterKey) -> Self {
        Self { master: DataKey::new(master.0.expose()), opened: RwLock::new(Cache::new(OPENED_MAX)) }
    }

    /// A text sealed by the master key, by which a later start knows whether it has the same key.
    pub(crate) fn seal_canary(&self, entropy: &dyn Entropy) -> Vec<u8> {
        self.master.seal(entropy, &Place::canary(), b"bellwire")
    }

    pub(crate) fn opens_canary(&self, sealed: &[u8]) -> bool {
        self.master.open(&Place::canary(), sealed).is_ok()
    }

    /// A new key of the store's own, in its wrapped form.
    pub(crate) fn draw_store_key(&self, entropy: &dyn Entropy) -> Vec<u8> {
        self.master.seal(entropy, &Place::store_key(), &entropy.bytes::<32>())
    }

    /// The store's own key, from its wrapped form.
    pub(crate) fn open_store_key(&self, wrapped: &[u8]) -> Result<DataKey, StoreError> {
        let place = Place::store_key();
        let bytes = self.master.open(&place, wrapped)?;
        let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| place.unsealable())?;
        Ok(DataKey::new(&bytes))
    }

    /// A new data key for `account`, and its wrapped form for the accounts table.
    pub(crate) fn draw(&self, entropy: &dyn Entropy, account: &AccountId) -> (Arc<DataKey>, Vec<u8>) {
        let bytes: [u8; 32] = entropy.bytes();
        let wrapped = self.master.seal(entropy, &Place::data_key(account), &bytes);
        (Arc::new(DataKey::new(&bytes)), wrapped)
    }

    /// Opens an account's data key from its wrapped form.
    pub(crate) fn open_key(&self, account: &AccountId, wrapped: &[u8]) -> Result<Arc<DataKey>, StoreError> {
        if let Some(known) = self.opened.read().get(account)
            && known.wrapped == wrapped
        {
            return Ok(Arc::clone(&known.key));
        }
        let place = Place::data_key(account);
        let bytes = self.master.open(&place, wrapped)?;
        let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| place.unsealable())?;
        let key = Arc::new(DataKey::new(&bytes));
        self.opened.write().insert(account.clone(), OpenedKey { wrapped: wrapped.to_vec(), key: Arc::clone(&key) });
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
        let canary = keyring.seal_canary(&Sevens);
        assert!(keyring.opens_canary(&canary));
        assert!(!Keyring::new(&MasterKey::new([4; 32])).opens_canary(&canary));
        let account = AccountId::try_new("clinic").unwrap();
        let (key, wrapped) = keyring.draw(&Sevens, &account);
        let sealed = key.seal(&Sevens, &Place::canary(), b"y");
        assert_eq!(keyring.open_key(&account, &wrapped).unwrap().open(&Place::canary(), &sealed).unwrap(), b"y");
        let other = AccountId::try_new("other").unwrap();
        assert!(keyring.open_key(&other, &wrapped).is_err(), "a wrapped key belongs to its account");
    }
}
