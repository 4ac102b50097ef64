//! API keys: created, listed, revoked. A key's text is shown once, when it is created.

use std::collections::BTreeSet;

use bellwire_domain::{AccountId, AuditAction, AuditDetail, AuditEntry, KeyId, Role, Secret, Timestamp};
use bellwire_store::{ApiKey, KeyBounds, KeyDeletion, Page, PageRequest, key_hash};

use crate::audit::visible_prefix;
use crate::author::Author;
use crate::endpoint_rules::check_name;
use crate::{App, AppError, Conflict, Fault, Resource, Scope, error::no_faults};

/// How long a configured admin key may be, in bytes.
const CONFIGURED_KEY_LENGTH: std::ops::RangeInclusive<usize> = 16..=512;
/// Different characters that it has at least: a random key of the shortest length nearly always has more.
const CONFIGURED_KEY_CHARACTERS_MIN: usize = 8;

/// The id of the admin key that is configured: when another is, the one before it works no more.
const CONFIGURED_KEY_ID: &str = "key_configured";

/// A key as asked for.
#[derive(Debug, Clone, Default)]
pub struct KeyInput<'a> {
    /// Its role.
    pub role: &'a str,
    /// The account of a consumer's key.
    pub account: Option<&'a str>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// What people call it.
    pub name: Option<String>,
    /// The only accounts of a publisher's key; empty: all.
    pub accounts: Vec<String>,
    /// The one contract whose accounts a publisher's key is for.
    pub contract: Option<&'a str>,
    /// Whether a publisher's key reads no documents.
    pub write_only: bool,
}

/// A new key.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What is stored of it.
    pub key: ApiKey,
    /// Its text; show it once.
    pub text: Secret<String>,
}

impl App {
    /// Creates a key.
    pub async fn create_key(&self, scope: &Scope, input: KeyInput<'_>) -> Result<NewKey, AppError> {
        let mut faults = Vec::new();
        let role = Role::parse(input.role);
        let now = self.clock().now();
        if input.expires_at.is_some_and(|end| end <= now) {
            faults.push(Fault::new("/expires", "this time is in the past"));
        }
        check_name(input.name.as_deref(), self.limits(), &mut faults);
        let account_id = self.key_account(role, input.account, &mut faults).await?;
        let bounds = self.key_bounds(role, &input, &mut faults).await?;
        let Some(role) = role else {
            faults.insert(0, Fault::new("/role", format!("a role is one of {}", Role::WORDS.join(", "))));
            return Err(AppError::Invalid(faults));
        };
        no_faults(faults)?;
        let key = ApiKey { account_id, bounds, name: input.name, expires_at: input.expires_at, ..self.draw_key(role) };
        self.store_new_key(&scope.by, key).await
    }

    /// A consumer's key is for one existing account; the other roles have no account.
    async fn key_account(
        &self,
        role: Option<Role>,
        account: Option<&str>,
        faults: &mut Vec<Fault>,
    ) -> Result<Option<AccountId>, AppError> {
        match (role, account) {
            (Some(Role::Consumer), None) => {
                faults.push(Fault::new("/account", "a consumer's key needs an account"));
            }
            (Some(Role::Consumer), Some(text)) => {
                let id = AccountId::try_new(text).ok();
                let found = match &id {
                    Some(id) => self.find_account(id).await?,
                    None => None,
                };
                if found.is_some() {
                    return Ok(id);
                }
                faults.push(Fault::new("/account", "no such account"));
            }
            (Some(_), Some(_)) => faults.push(Fault::new("/account", "only a consumer's key has an account")),
            (Some(_) | None, None) | (None, Some(_)) => {}
        }
        Ok(None)
    }

    async fn store_new_key(&self, by: &Author, key: ApiKey) -> Result<NewKey, AppError> {
        let text = format!("bwk_{}", hex::encode(self.entropy().bytes::<32>()));
        let key = ApiKey { prefix: visible_prefix(&text).map(str::to_owned), ..key };
        self.records().audited(created(by, &key)).create_key(key.clone(), key_hash(&text)).await?;
        Ok(NewKey { key, text: Secret::new(text) })
    }

    fn draw_key(&self, role: Role) -> ApiKey {
        let created_at = self.clock().now();
        ApiKey::new(KeyId::draw(created_at, self.entropy().bytes()), role, created_at)
    }

    /// What a publisher's key is narrowed to; other roles' keys are not.
    async fn key_bounds(&self, role: Option<Role>, input: &KeyInput<'_>, faults: &mut Vec<Fault>) -> Result<KeyBounds, AppError> {
        let is_publishers = role == Some(Role::Publisher);
        let given = [
            ("/accounts", !input.accounts.is_empty()),
            ("/contract", input.contract.is_some()),
            ("/write_only", input.write_only),
        ];
        for (pointer, _) in given.iter().filter(|(_, is_given)| *is_given && role.is_some() && !is_publishers) {
            faults.push(Fault::new(*pointer, "only a publisher's key is narrowed so"));
        }
        if input.accounts.len() > self.limits().key_accounts_max {
            faults.push(Fault::new("/accounts", format!("at most {} accounts", self.limits().key_accounts_max)));
            return Ok(KeyBounds::default());
        }
        for (index, text) in input.accounts.iter().enumerate().filter(|_| is_publishers) {
            let found = match AccountId::try_new(text) {
                Ok(id) => self.find_account(&id).await?,
                Err(_) => None,
            };
            if found.is_none() {
                faults.push(Fault::new(format!("/accounts/{index}"), "no such account"));
            }
        }
        if let Some(name) = input.contract.filter(|_| is_publishers)
            && self.contracts().get(name).is_none()
        {
            let meant = self.contracts().did_you_mean(name);
            faults.push(Fault::new("/contract", format!("no contract `{name}` is loaded{meant}")));
        }
        let accounts = input.accounts.iter().cloned().collect();
        Ok(KeyBounds { accounts, contract: input.contract.map(str::to_owned), write_only: input.write_only })
    }

    /// A page of keys, by id.
    pub async fn list_keys(&self, _scope: &Scope, page: PageRequest) -> Result<Page<ApiKey>, AppError> {
        Ok(self.records().list_keys(page).await?)
    }

    /// Revokes a key at once, unless nobody could administer the store any more.
    pub async fn delete_key(&self, scope: &Scope, id: &str) -> Result<(), AppError> {
        let not_found = || AppError::NotFound(Resource::Key);
        let id = KeyId::try_new(id).map_err(|_| not_found())?;
        let entry = scope.entry(AuditAction::KeyDeleted).to(id.as_str());
        match self.records().audited(entry).delete_key(&id).await? {
            KeyDeletion::Deleted => Ok(()),
            KeyDeletion::LastAdmin => Err(Conflict::LastAdminKey.into()),
            KeyDeletion::NotFound => Err(not_found()),
        }
    }

    /// Creates a key for whoever has the database and its master key, when nobody can sign in.
    pub async fn create_key_offline(&self, input: KeyInput<'_>) -> Result<NewKey, AppError> {
        self.create_key(&Scope::of_process(Author::command()), input).await
    }

    /// When the last admin key that there is expires; `None`: one never does, or there is none.
    pub async fn admin_keys_end(&self) -> Result<Option<Timestamp>, AppError> {
        Ok(self.records().admin_keys_end().await?)
    }

    /// Makes sure that there is an admin key: stores the configured one in place of the one configured before, or, if none is
    /// configured and none exists, creates one and returns its text, to be printed once.
    pub async fn ensure_admin_key(&self, from_config: Option<&str>) -> Result<Option<String>, AppError> {
        let Some(text) = from_config else {
            if self.records().has_admin_key().await? {
                return Ok(None);
            }
            let made = self.store_new_key(&Author::node(), self.draw_key(Role::Admin)).await?;
            return Ok(Some(made.text.expose().clone()));
        };
        check_admin_key(text).map_err(|detail| AppError::invalid("", detail))?;
        let id = KeyId::try_new(CONFIGURED_KEY_ID).map_err(|error| AppError::invalid("", error.to_string()))?;
        match self.records().find_key(key_hash(text)).await? {
            Some(known) if known.id == id => return Ok(None),
            Some(known) if known.role != Role::Admin || known.expires_at.is_some() => {
                return Err(AppError::invalid("", "the configured admin key is stored already as a key of another role"));
            }
            Some(_) | None => {}
        }
        let key = ApiKey { id, name: Some("configured".to_owned()), ..self.draw_key(Role::Admin) };
        let entry = created(&Author::node(), &key);
        self.records().audited(entry).replace_key(key, key_hash(text)).await?;
        Ok(None)
    }
}

/// That a key was created.
fn created(by: &Author, key: &ApiKey) -> AuditEntry {
    let entry = by.entry(AuditAction::KeyCreated).to(key.id.as_str());
    let entry = entry.with("role", AuditDetail::Text(key.role.to_string()));
    let entry = AuditEntry { account: key.account_id.clone(), ..entry };
    let entry = match &key.name {
        Some(name) => entry.with("name", AuditDetail::Personal(name.clone())),
        None => entry,
    };
    match key.expires_at {
        Some(end) => entry.with("expires", AuditDetail::Text(end.to_string())),
        None => entry,
    }
}

/// What is wrong with a key that somebody has chosen.
pub fn check_admin_key(text: &str) -> Result<(), String> {
    let (min, max) = (CONFIGURED_KEY_LENGTH.start(), CONFIGURED_KEY_LENGTH.end());
    if !CONFIGURED_KEY_LENGTH.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "the admin key must have {min} to {max} printable ASCII characters and no spaces: `openssl rand -hex 32` makes one"
        ));
    }
    if text.bytes().collect::<BTreeSet<u8>>().len() < CONFIGURED_KEY_CHARACTERS_MIN {
        return Err(format!(
            "the admin key is easy to guess: it has fewer than {CONFIGURED_KEY_CHARACTERS_MIN} different characters; `openssl rand -hex 32` makes one"
        ));
    }
    Ok(())
}
