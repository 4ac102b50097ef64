//! The store's own keys: one that seals what belongs to no account, and one that signs heads of the audit log.
//!
//! Both are drawn when a store is opened for the first time. The master key wraps the first, and the first seals the second, so that
//! another master key changes one value.

use bellwire_domain::Entropy;
use rand_core::{CryptoRng, RngCore};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use signed_note::{StandardSigner, generate_key};

use crate::rows::{key, master_key, meta};
use crate::seal::{DataKey, Keyring, Place};
use crate::sql::Db;
use crate::{OpenError, StoreError};

/// The store's key, wrapped.
pub(crate) const STORE_KEY: &str = "store_key";
/// The signing key, sealed, with the key that verifies it in the clear.
pub(crate) const SIGNER: &str = "audit.signer";
/// How many records there are.
pub(crate) const HEAD: &str = "audit.head";

/// The store's own keys.
pub(crate) struct AuditKeys {
    /// Seals what is personal, and makes the hashes by which it is found.
    pub(super) store_key: DataKey,
    /// The signing key, sealed: it is needed once an hour.
    signer_sealed: Vec<u8>,
    /// Names the log, and its signing key: the first line of each checkpoint.
    pub(super) origin: String,
    /// The key that verifies checkpoints, as C2SP `signed-note` writes it.
    pub(super) verifier: String,
}

impl AuditKeys {
    /// The keys of this store, drawn if it has none.
    pub(crate) fn adopt(db: Db<'_>, keyring: &Keyring, entropy: &dyn Entropy) -> Result<Self, OpenError> {
        if meta::find(db, STORE_KEY)?.is_none() {
            db.transaction(|db| draw_store_key(db, keyring, entropy))?;
        }
        let wrapped = meta::find(db, STORE_KEY)?.ok_or_else(|| meta::inconsistent(STORE_KEY))?;
        let store_key = keyring.open_store_key(&wrapped)?;
        if meta::find(db, SIGNER)?.is_none() {
            meta::put_first(db, SIGNER, draw_signer(&store_key, entropy).as_bytes())?;
        }
        meta::put_first(db, HEAD, &0_i64.to_be_bytes())?;
        Ok(Self::read(db, store_key)?)
    }

    fn read(db: Db<'_>, store_key: DataKey) -> Result<Self, StoreError> {
        let broken = || meta::inconsistent(SIGNER);
        let SignerValue { verifier, sealed } = signer(db)?.ok_or_else(broken)?;
        store_key.open(&Place::audit_signer(), &sealed)?;
        let origin = verifier.split('+').next().unwrap_or_default().to_owned();
        Ok(Self { store_key, signer_sealed: sealed, origin, verifier })
    }

    /// The signing key.
    pub(super) fn signer(&self) -> Result<StandardSigner, StoreError> {
        let broken = || meta::inconsistent(SIGNER);
        let signing = self.store_key.open(&Place::audit_signer(), &self.signer_sealed)?;
        let signing = String::from_utf8(signing).map_err(|_| broken())?;
        StandardSigner::new(&signing).map_err(|_| broken())
    }

    /// The store's own key.
    pub(crate) const fn store_key(&self) -> &DataKey {
        &self.store_key
    }

    /// The key that verifies checkpoints.
    pub(crate) fn verifier(&self) -> &str {
        &self.verifier
    }

    /// A hash by which the value of a field is found and not guessed.
    pub(super) fn lookup(&self, field: &str, value: &str) -> [u8; 32] {
        let digest = Sha256::new().chain_update(field).chain_update([0]).chain_update(value).finalize();
        self.store_key.conceal(&digest.into())
    }
}

/// Draws the store's key, and seals what was there before it with it. Of nodes that open a database at once, one does so.
fn draw_store_key(db: Db<'_>, keyring: &Keyring, entropy: &dyn Entropy) -> Result<(), StoreError> {
    let wrapped = keyring.draw_store_key(entropy, master_key::wrapper(db, keyring)?);
    if meta::put_first(db, STORE_KEY, &wrapped)? { key::seal_all(db, &keyring.open_store_key(&wrapped)?) } else { Ok(()) }
}

/// The store's key, where the master key is known: for reading without a server.
pub(crate) fn store_key(db: Db<'_>, keyring: &Keyring) -> Result<Option<DataKey>, StoreError> {
    meta::find(db, STORE_KEY)?.map(|wrapped| keyring.open_store_key(&wrapped)).transpose()
}

/// The key that verifies checkpoints, as the database has it; `None`: no server of a version with an audit log has opened it.
pub(super) fn verifier(db: Db<'_>) -> Result<Option<String>, StoreError> {
    Ok(signer(db)?.map(|signer| signer.verifier))
}

struct SignerValue {
    verifier: String,
    sealed: Vec<u8>,
}

fn signer(db: Db<'_>) -> Result<Option<SignerValue>, StoreError> {
    let Some(stored) = meta::find(db, SIGNER)? else { return Ok(None) };
    let value: Value = serde_json::from_slice(&stored).map_err(|_| meta::inconsistent(SIGNER))?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).ok_or_else(|| meta::inconsistent(SIGNER));
    let sealed = hex::decode(text("sealed")?).map_err(|_| meta::inconsistent(SIGNER))?;
    Ok(Some(SignerValue { verifier: text("verifier")?.to_owned(), sealed }))
}

/// Both halves in one value: two nodes that open a new database at once must not end up with a half each.
fn draw_signer(store_key: &DataKey, entropy: &dyn Entropy) -> String {
    let name = format!("bellwire/{}", hex::encode(entropy.bytes::<8>()));
    let (signing, verifier) = generate_key(&mut Drawn(entropy), &name);
    let sealed = store_key.seal(entropy, &Place::audit_signer(), signing.as_bytes());
    json!({ "verifier": verifier, "sealed": hex::encode(sealed) }).to_string()
}

/// Entropy as the signing crate takes it.
struct Drawn<'a>(&'a dyn Entropy);

impl RngCore for Drawn<'_> {
    fn next_u32(&mut self) -> u32 {
        u32::from_le_bytes(self.0.bytes())
    }

    fn next_u64(&mut self) -> u64 {
        u64::from_le_bytes(self.0.bytes())
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl CryptoRng for Drawn<'_> {}
