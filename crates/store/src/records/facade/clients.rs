//! Clients of published APIs, and the access tokens that they get.

use std::sync::Arc;

use bellwire_domain::{AccountId, ClientId, Timestamp};
use sha2::{Digest, Sha256};

use super::Records;
use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::queue::notice::Notice;
use crate::records::endpoints::LimitedError;
use crate::rows::account;
use crate::rows::client::{self, Client};
use crate::sql::Db;

/// What the key of access tokens is derived for.
const TOKENS: &str = "bellwire access tokens";

impl Records {
    /// Registers a client, one of `account_max` at most of its account. `None`: there is no such account.
    pub async fn create_client(&self, new: Client, account_max: u32) -> Result<Option<Client>, LimitedError> {
        let (keyring, context) = (Arc::clone(&self.access.keyring), self.access.context.clone());
        let create = move |db: Db<'_>| -> Result<Option<Client>, LimitedError> {
            account::lock(db, &new.account_id)?;
            if account::find(db, &new.account_id)?.is_none_or(|account| account.deleting_since.is_some()) {
                return Ok(None);
            }
            let Some(key) = account::find_key(db, &keyring, &new.account_id)? else { return Ok(None) };
            LimitedError::check(client::count(db, &new.account_id)?, account_max)?;
            client::put(db, (&key, &*context.entropy), &new)?;
            Ok(Some(new))
        };
        self.access.act(self.entry(), create).await
    }

    /// A client, of whichever account.
    pub async fn find_client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StoreError> {
        self.access.find_client(id).await
    }

    /// A page of an account's clients, by id.
    pub async fn list_clients(&self, account_id: &AccountId, page: PageRequest) -> Result<Page<Client>, StoreError> {
        let (keyring, account_id) = (Arc::clone(&self.access.keyring), account_id.clone());
        self.access.read(move |db| client::list(db, &keyring, &account_id, &page)).await
    }

    /// Deletes a client, and with it all of its tokens. `false`: the account has none of this id.
    pub async fn delete_client(&self, account_id: &AccountId, id: &ClientId) -> Result<bool, StoreError> {
        let (account_id, wanted) = (account_id.clone(), id.clone());
        let delete = move |db: Db<'_>| {
            let is_deleted = client::delete(db, &account_id, &wanted)?;
            if is_deleted {
                Notice::Keys.tell(db)?;
            }
            Ok::<_, StoreError>(is_deleted)
        };
        let deleted = self.access.act(self.entry(), delete).await;
        self.access.clients.remove(id);
        deleted
    }

    /// Notes that a client has used an assertion of this name, which nobody takes any more after `expires_at`. `false`: it was used
    /// before, or the client is gone.
    pub async fn use_assertion(&self, client: &ClientId, name: &str, expires_at: Timestamp) -> Result<bool, StoreError> {
        let digest =
            Sha256::new().chain_update("assertion\0").chain_update(client.as_str()).chain_update("\0").chain_update(name);
        let hash = self.access.context.audit.store_key().conceal(&digest.finalize().into());
        let client = client.clone();
        self.access.write(move |db| client::use_assertion(db, &client, &hash, expires_at)).await
    }

    /// What proves to every node of this store that an access token was issued here.
    pub fn prove_token(&self, token: &[u8]) -> [u8; 32] {
        self.access.context.audit.store_key().prove(TOKENS, token)
    }

    /// Whether a code is that proof.
    pub fn is_proven_token(&self, token: &[u8], code: &[u8]) -> bool {
        self.access.context.audit.store_key().is_proven(TOKENS, token, code)
    }
}
