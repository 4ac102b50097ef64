//! Which master key a store has, and which one takes its place.
//!
//! `meta` holds a text that the master key sealed, the canary, by which a key is recognized. A store that is prepared for another key
//! has a second one under that key. A server that is started with both keys writes it, and from then on none starts with one of
//! them alone. Once every server knows both, the rotation begins, which is noted here too: what is wrapped from then on is wrapped by
//! the new key. In the end the second canary takes the place of the first.

use bellwire_domain::Entropy;
use serde_json::{Value, json};

use super::meta;
use crate::seal::{Keyring, Wrapper};
use crate::sql::Db;
use crate::{OpenError, StoreError};

/// By this a key is recognized as the store's.
pub(crate) const CANARY: &str = "canary";
/// By this, as the one that takes its place.
const CANARY_NEW: &str = "canary.new";
/// By this, as the one that was replaced last.
const CANARY_OLD: &str = "canary.old";
/// How far the rotation is, from its beginning to its end.
const ROTATION: &str = "master_key.rotation";
/// Before a node's token: the second canary, as a node knows both keys.
pub(crate) const NODE: &str = "master_key.node.";

/// How far a rotation is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RotationState {
    /// The last account that was looked at, going through all of them; empty: none was.
    pub(crate) after: String,
    /// Whether any was wrapped anew this time through. The time that finds nothing to do is the last.
    pub(crate) changed: bool,
    /// Data keys wrapped anew in all.
    pub(crate) rewrapped: u64,
}

impl RotationState {
    fn write(&self) -> Vec<u8> {
        let Self { after, changed, rewrapped } = self;
        json!({ "after": after, "changed": changed, "rewrapped": rewrapped }).to_string().into_bytes()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let read: Value = serde_json::from_slice(bytes).ok()?;
        let after = read.get("after")?.as_str()?.to_owned();
        Some(Self { after, changed: read.get("changed")?.as_bool()?, rewrapped: read.get("rewrapped")?.as_u64()? })
    }
}

/// The texts by which keys are recognized.
pub(crate) struct Canaries {
    current: Option<Vec<u8>>,
    /// Of the key that takes the other's place.
    pub(crate) next: Option<Vec<u8>>,
    previous: Option<Vec<u8>>,
}

impl Canaries {
    pub(crate) fn find(db: Db<'_>) -> Result<Self, StoreError> {
        let find = |name| meta::find(db, name);
        Ok(Self { current: find(CANARY)?, next: find(CANARY_NEW)?, previous: find(CANARY_OLD)? })
    }

    fn opener(keyring: &Keyring, canary: Option<&Vec<u8>>) -> Option<Wrapper> {
        canary.and_then(|canary| keyring.opener(canary))
    }

    /// Whether the rotation to the keyring's next key has ended.
    pub(crate) fn are_rotated(&self, keyring: &Keyring) -> bool {
        self.next.is_none() && Self::opener(keyring, self.current.as_ref()) == Some(Wrapper::Next)
    }

    /// Whether whoever has these keys may work on the store: it opens whatever is there, and whatever others may still wrap.
    pub(crate) fn admit(&self, keyring: &Keyring) -> Result<(), OpenError> {
        let current = Self::opener(keyring, self.current.as_ref());
        if self.next.is_none() {
            return current.map(drop).ok_or_else(|| self.wrong(keyring));
        }
        match (current, Self::opener(keyring, self.next.as_ref())) {
            (Some(Wrapper::Current), Some(Wrapper::Next)) => Ok(()),
            (Some(Wrapper::Current), _) if !keyring.has_next() => Err(OpenError::NewMasterKeyMissing),
            (Some(_), _) => Err(OpenError::WrongNewMasterKey),
            (None, Some(Wrapper::Current)) => Err(OpenError::OldMasterKeyMissing),
            (None, _) => Err(self.wrong(keyring)),
        }
    }

    fn wrong(&self, keyring: &Keyring) -> OpenError {
        match Self::opener(keyring, self.previous.as_ref()) {
            Some(_) => OpenError::ReplacedMasterKey,
            None => OpenError::WrongMasterKey,
        }
    }
}

/// The value that another database needs, so that the same key opens it.
pub(crate) fn canary(db: Db<'_>) -> Result<Vec<u8>, StoreError> {
    meta::find(db, CANARY)?.ok_or_else(|| meta::inconsistent(CANARY))
}

/// Whether this is the store's key, or the one that takes its place; `false`: more may be sealed than it opens.
pub(crate) fn check(db: Db<'_>, keyring: &Keyring) -> Result<bool, OpenError> {
    let canaries = Canaries::find(db)?;
    let admitted = canaries.admit(keyring);
    match (&admitted, rotation(db)?) {
        (Err(OpenError::NewMasterKeyMissing), None) => Ok(true), // nothing is wrapped by the new one yet
        (Err(OpenError::NewMasterKeyMissing | OpenError::OldMasterKeyMissing), _) => Ok(false),
        _ => admitted.map(|()| true),
    }
}

/// Whether whoever has these keys may work on the store.
pub(crate) fn admit(db: Db<'_>, keyring: &Keyring) -> Result<(), OpenError> {
    Canaries::find(db)?.admit(keyring)
}

/// The same; a database that is new remembers the key, and one that knows of no other the key that takes its place. To be called in a
/// transaction.
pub(crate) fn adopt(db: Db<'_>, keyring: &Keyring, entropy: &dyn Entropy) -> Result<(), OpenError> {
    meta::put_first(db, CANARY, &keyring.seal_canary(entropy, Wrapper::Current))?;
    meta::lock(db, CANARY)?;
    let canaries = Canaries::find(db)?;
    let is_current = Canaries::opener(keyring, canaries.current.as_ref()) == Some(Wrapper::Current);
    if is_current && keyring.has_next() && canaries.next.is_none() {
        return Ok(prepare(db, keyring, entropy)?);
    }
    canaries.admit(keyring)
}

/// From now on nobody begins to work on the store who does not know the new key.
pub(crate) fn prepare(db: Db<'_>, keyring: &Keyring, entropy: &dyn Entropy) -> Result<(), StoreError> {
    meta::put(db, CANARY_NEW, &keyring.seal_canary(entropy, Wrapper::Next))
}

/// Whether a store is prepared for another key, and not rotated to it yet.
pub(crate) fn is_being_rotated(db: Db<'_>) -> Result<bool, StoreError> {
    Ok(meta::find(db, CANARY_NEW)?.is_some())
}

/// By which key something new is to be wrapped. No rotation begins or ends before the transaction does.
pub(crate) fn wrapper(db: Db<'_>, keyring: &Keyring) -> Result<Wrapper, StoreError> {
    let canary = meta::share(db, CANARY)?.ok_or_else(|| meta::inconsistent(CANARY))?;
    match keyring.opener(&canary) {
        Some(Wrapper::Current) if meta::find(db, ROTATION)?.is_none() => Ok(Wrapper::Current),
        Some(Wrapper::Current) if keyring.has_next() => Ok(Wrapper::Next),
        Some(Wrapper::Next) => Ok(Wrapper::Next),
        _ => Err(StoreError::Unavailable("the master key has been changed: restart this server with the new one".into())),
    }
}

/// A node that registers while the store is prepared for another key says that it knows both. One that does not may go on only until
/// the rotation begins.
pub(crate) fn register(db: Db<'_>, keyring: &Keyring, token: &str) -> Result<(), OpenError> {
    let canaries = Canaries::find(db)?;
    match (canaries.admit(keyring), &canaries.next) {
        (Ok(()), Some(next)) => Ok(meta::put(db, &format!("{NODE}{token}"), next)?),
        (Err(OpenError::NewMasterKeyMissing), _) if rotation(db)?.is_none() => Ok(()),
        (admitted, _) => admitted,
    }
}

/// A node is gone.
pub(crate) fn unregister(db: Db<'_>, token: &str) -> Result<(), StoreError> {
    meta::delete(db, &format!("{NODE}{token}"))
}

/// Keeps everybody from beginning or ending a rotation, and from wrapping anything, until the transaction ends.
pub(crate) fn lock(db: Db<'_>) -> Result<(), StoreError> {
    meta::lock(db, CANARY).map(drop)
}

/// How far the rotation is; `None`: there is none.
pub(crate) fn rotation(db: Db<'_>) -> Result<Option<RotationState>, StoreError> {
    meta::find(db, ROTATION)?.map(|bytes| read(&bytes)).transpose()
}

/// The same, kept from others until the transaction ends.
pub(crate) fn lock_rotation(db: Db<'_>) -> Result<Option<RotationState>, StoreError> {
    meta::lock(db, ROTATION)?.map(|bytes| read(&bytes)).transpose()
}

fn read(bytes: &[u8]) -> Result<RotationState, StoreError> {
    RotationState::read(bytes).ok_or_else(|| meta::inconsistent(ROTATION))
}

/// Notes how far it is.
pub(crate) fn set_rotation(db: Db<'_>, state: &RotationState) -> Result<(), StoreError> {
    meta::put(db, ROTATION, &state.write())
}

/// The next key is the store's.
pub(crate) fn conclude(db: Db<'_>) -> Result<(), StoreError> {
    let (before, after) = (canary(db)?, meta::find(db, CANARY_NEW)?.ok_or_else(|| meta::inconsistent(CANARY_NEW))?);
    meta::put(db, CANARY_OLD, &before)?;
    meta::put(db, CANARY, &after)?;
    meta::delete(db, CANARY_NEW)?;
    meta::delete(db, ROTATION)?;
    meta::delete_below(db, NODE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_was_written() {
        for state in [RotationState::default(), RotationState { after: "a\u{e9}\"".to_owned(), changed: true, rewrapped: 7 }] {
            assert_eq!(RotationState::read(&state.write()), Some(state));
        }
        for bytes in [&b""[..], b"{}", b"[1]", br#"{"after":"x","changed":1,"rewrapped":0}"#] {
            assert_eq!(RotationState::read(bytes), None);
        }
    }
}
