//! Clients of published APIs: registered by the operator for an account, each with the public keys that it signs with.

use std::sync::Arc;

use bellwire_contract::ClientKeys;
use bellwire_domain::{AuditAction, AuditDetail, ClientId, Consumer, UrlPolicy};
use bellwire_store::{Client, ClientKeySource, Page, PageRequest};
use serde_json::{Map, Value};

use crate::endpoint_rules::{check_name, url_fault};
use crate::endpoints::limited;
use crate::error::no_faults;
use crate::{AccountAccess, App, AppError, Conflict, Fault, Resource};

/// A client as asked for: with its keys, or the URL where they are.
#[derive(Debug, Clone, Default)]
pub struct ClientInput {
    /// A name for people.
    pub name: Option<String>,
    /// Where it publishes its keys.
    pub jwks_url: Option<String>,
    /// Its keys: a JSON Web Key Set.
    pub jwks: Option<Map<String, Value>>,
}

impl App {
    /// Registers a client of the account.
    pub async fn create_client(&self, access: &AccountAccess, input: ClientInput) -> Result<Client, AppError> {
        let mut faults = Vec::new();
        check_name(input.name.as_deref(), self.limits(), &mut faults);
        let keys = self.key_source(access, input.jwks_url, input.jwks, &mut faults);
        no_faults(faults)?;
        let keys = keys.ok_or_else(|| AppError::invalid("", "a client has `jwks_url` or `jwks`"))?;
        let created_at = self.clock().now();
        let id = ClientId::draw(created_at, self.entropy().bytes());
        let entry = access.entry(AuditAction::ClientCreated).to(id.as_str());
        let entry = match &input.name {
            Some(name) => entry.with("name", AuditDetail::Personal(name.clone())),
            None => entry,
        };
        let new = Client { id, account_id: access.account.id.clone(), name: input.name, keys, created_at };
        let created = self.records().audited(entry).create_client(new, self.limits().clients_per_account_max).await;
        let created = created.map_err(|error| limited(error, |max| Conflict::ClientLimit { max }))?;
        created.ok_or(AppError::NotFound(Resource::Account))
    }

    /// Exactly one of both, and one that can be used.
    fn key_source(
        &self,
        access: &AccountAccess,
        url: Option<String>,
        set: Option<Map<String, Value>>,
        faults: &mut Vec<Fault>,
    ) -> Option<ClientKeySource> {
        match (url, set) {
            (Some(url), None) => {
                faults.extend(self.key_url_fault(access, &url).map(|detail| Fault::new("/jwks_url", detail)));
                Some(ClientKeySource::Url(url))
            }
            (None, Some(set)) => {
                let set = Value::Object(set);
                let text = set.to_string();
                let bytes_max = self.limits().client_keys_bytes_max;
                if let Err(error) = ClientKeys::read(&set) {
                    faults.push(Fault::new("/jwks", error.to_string()));
                } else if text.len() > bytes_max {
                    faults.push(Fault::new("/jwks", format!("a key set has at most {bytes_max} bytes")));
                }
                Some(ClientKeySource::Set(text))
            }
            (Some(_), Some(_)) => {
                faults.push(Fault::new("/jwks", "give `jwks` or `jwks_url`, and not both"));
                None
            }
            (None, None) => {
                faults.push(Fault::new("/jwks", "give the client's keys, or their URL as `jwks_url`"));
                None
            }
        }
    }

    fn key_url_fault(&self, access: &AccountAccess, text: &str) -> Option<String> {
        let policy = if self.options().allow_http { UrlPolicy::Any } else { UrlPolicy::Https };
        let consumer = Consumer { account: &access.account.id, contract: &access.account.contract };
        url_fault(text, policy, (&self.options().addresses, consumer), "from where nothing is fetched")
    }

    /// A client of the account.
    pub async fn get_client(&self, access: &AccountAccess, id: &str) -> Result<Arc<Client>, AppError> {
        let id = ClientId::try_new(id).map_err(|_| AppError::NotFound(Resource::Client))?;
        let found = self.records().find_client(&id).await?.filter(|client| client.account_id == access.account.id);
        found.ok_or(AppError::NotFound(Resource::Client))
    }

    /// A page of the account's clients, by id.
    pub async fn list_clients(&self, access: &AccountAccess, page: PageRequest) -> Result<Page<Client>, AppError> {
        Ok(self.records().list_clients(&access.account.id, page).await?)
    }

    /// Deletes a client: it gets no token any more, and those that it has work no more.
    pub async fn delete_client(&self, access: &AccountAccess, id: &str) -> Result<(), AppError> {
        let not_found = || AppError::NotFound(Resource::Client);
        let id = ClientId::try_new(id).map_err(|_| not_found())?;
        let entry = access.entry(AuditAction::ClientDeleted).to(id.as_str());
        let is_deleted = self.records().audited(entry).delete_client(&access.account.id, &id).await?;
        if is_deleted { Ok(()) } else { Err(not_found()) }
    }
}
