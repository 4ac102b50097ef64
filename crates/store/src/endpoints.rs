//! Endpoints: the URLs that an account has registered.

use std::sync::Arc;

use bellwire_domain::{AccountId, EndpointId, EventFilter, EventType, Health, HealthStatus, RateLimit, Secret, Timestamp};

use crate::accounts::{self, Account, ActiveSecret, SecretOwner};
use crate::driver::{Db, Row, params};
use crate::handoff::LaneKey;
use crate::outcomes::{cancel_waiting, cancelled_insert, read_health};
use crate::postgres::Message;
use crate::seal::{AccountSeal, DataKey, Keyring};
use crate::{Page, PageRequest, StoreError, lanes, replays};

/// A stored endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Its account.
    pub account_id: AccountId,
    /// Its URL, as registered.
    pub url: String,
    /// A name for people.
    pub name: Option<String>,
    /// Which events it gets.
    pub filter: EventFilter,
    /// Headers sent with every delivery, in order.
    pub headers: Vec<(String, String)>,
    /// Whether new events make deliveries for it.
    pub enabled: bool,
    /// Requests in flight at once that it takes; `None`: as many as the process gives every endpoint.
    pub in_flight_max: Option<u32>,
    /// Requests in a span of time that it takes; `None`: any number.
    pub rate_limit: Option<RateLimit>,
    /// Its health.
    pub health: Health,
    /// The `number` of its latest delivery.
    pub last_number: i64,
    /// Changes with every change that matters for sending.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Everything that sending to an endpoint needs.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its account.
    pub account: Arc<Account>,
    /// Its own secrets, newest first.
    pub secrets: Vec<ActiveSecret>,
    /// The account's secrets, newest first.
    pub account_secrets: Vec<ActiveSecret>,
}

/// An endpoint to be stored.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// Its id.
    pub id: EndpointId,
    /// Its account.
    pub account_id: AccountId,
    /// Its URL.
    pub url: String,
    /// A name for people.
    pub name: Option<String>,
    /// Which events it gets.
    pub filter: EventFilter,
    /// Headers sent with every delivery.
    pub headers: Vec<(String, String)>,
    /// Whether it starts enabled.
    pub enabled: bool,
    /// Requests in flight at once that it takes.
    pub in_flight_max: Option<u32>,
    /// Requests in a span of time that it takes.
    pub rate_limit: Option<RateLimit>,
    /// The health it starts with.
    pub health: HealthStatus,
    /// Its own secret, where the contract has one per endpoint.
    pub secret: Option<Secret<String>>,
}

/// Changes of an endpoint; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct EndpointChanges {
    /// The URL.
    pub url: Option<String>,
    /// The name, or none.
    pub name: Option<Option<String>>,
    /// Which events it gets.
    pub filter: Option<EventFilter>,
    /// Headers sent with every delivery.
    pub headers: Option<Vec<(String, String)>>,
    /// Whether new events make deliveries for it.
    pub enabled: Option<bool>,
    /// Requests in flight at once that it takes, or no limit of its own.
    pub in_flight_max: Option<Option<u32>>,
    /// Requests in a span of time that it takes, or any number.
    pub rate_limit: Option<Option<RateLimit>>,
    /// Health back to active.
    pub resume: bool,
}

const COLUMNS: &str = "SELECT id, account_id, url, name, events, headers_sealed, enabled, health, consecutive_failures, \
     failing_since, unhealthy_since, last_number, version, created_at, updated_at, in_flight_max, rate_limit FROM endpoints ";
const BY_ID: &str = "WHERE account_id = $1 AND id = $2";
const PAGE: &str = "WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3";
const COUNT: &str = "SELECT COUNT(*) FROM endpoints WHERE account_id = $1";
const INSERT: &str = "INSERT INTO endpoints (account_id, id, url, name, events, headers_sealed, enabled, health, \
     consecutive_failures, last_number, version, created_at, updated_at, in_flight_max, rate_limit, lane) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 1, $9, $10, $11, $12, $13)";
const UPDATE: &str = "UPDATE endpoints SET url = $1, name = $2, events = $3, headers_sealed = $4, enabled = $5, health = $6, \
     consecutive_failures = $7, failing_since = $8, unhealthy_since = $9, in_flight_max = $10, rate_limit = $11, \
     version = version + 1, updated_at = $12 WHERE account_id = $13 AND id = $14";
const TOUCH: &str = "UPDATE endpoints SET version = version + 1, updated_at = $1 WHERE account_id = $2 AND id = $3";
const DELETE_SECRETS: &str = "DELETE FROM secrets WHERE account_id = $1 AND endpoint_id = $2";
const DELETE: &str = "DELETE FROM endpoints WHERE account_id = $1 AND id = $2";

pub(crate) fn find(db: Db<'_>, keyring: &Keyring, lane: &LaneKey) -> Result<Option<Endpoint>, StoreError> {
    let Some(account) = accounts::find(db, &lane.account_id)? else { return Ok(None) };
    let key = keyring.unwrap(&account.id, &account.data_key_sealed)?;
    find_with(db, &key, lane)
}

fn find_with(db: Db<'_>, key: &DataKey, lane: &LaneKey) -> Result<Option<Endpoint>, StoreError> {
    let (account_id, endpoint_id) = (lane.account_id.as_str(), lane.endpoint_id.as_str());
    let row = db.find("endpoints", &format!("{COLUMNS}{BY_ID}"), params![account_id, endpoint_id])?;
    row.map(|row| read(&row, key)).transpose()
}

/// An endpoint with its account and all secrets that sign at `now`.
pub(crate) fn find_config(
    db: Db<'_>,
    keyring: &Keyring,
    lane: &LaneKey,
    now: Timestamp,
) -> Result<Option<EndpointConfig>, StoreError> {
    let Some(account) = accounts::find(db, &lane.account_id)? else { return Ok(None) };
    let key = keyring.unwrap(&account.id, &account.data_key_sealed)?;
    let Some(endpoint) = find_with(db, &key, lane)? else { return Ok(None) };
    Ok(Some(EndpointConfig {
        secrets: accounts::active_secrets(db, &SecretOwner::endpoint(lane), &key, now)?,
        account_secrets: accounts::active_secrets(db, &SecretOwner::account(&account.id), &key, now)?,
        endpoint,
        account: Arc::new(account),
    }))
}

pub(crate) fn list(
    db: Db<'_>,
    keyring: &Keyring,
    account_id: &AccountId,
    page: &PageRequest,
) -> Result<Page<Endpoint>, StoreError> {
    let Some(account) = accounts::find(db, account_id)? else { return Ok(Page::default()) };
    let key = keyring.unwrap(&account.id, &account.data_key_sealed)?;
    let after = page.after.as_deref().unwrap_or("");
    let rows = db.query("endpoints", &format!("{COLUMNS}{PAGE}"), params![account_id.as_str(), after, page.fetch()])?;
    let items = rows.iter().map(|row| read(row, &key)).collect::<Result<Vec<_>, _>>()?;
    Ok(page.cut(items, |endpoint| endpoint.id.to_string()))
}

/// How many endpoints an account has.
pub(crate) fn count(db: Db<'_>, account_id: &AccountId) -> Result<i64, StoreError> {
    let row = db.find("endpoints", COUNT, params![account_id.as_str()])?;
    row.map_or(Ok(0), |row| row.int(0, "count"))
}

/// Stores a new endpoint; `None` when its account is gone.
pub(crate) fn create(
    db: Db<'_>,
    seal: &AccountSeal<'_>,
    new: &NewEndpoint,
    now: Timestamp,
) -> Result<Option<Endpoint>, StoreError> {
    db.lock_account(&new.account_id)?;
    let lane = LaneKey { account_id: new.account_id.clone(), endpoint_id: new.id.clone() };
    let Some(refs) = lanes::add(db, &lane)? else { return Ok(None) };
    let headers = seal_headers(seal, &lane, &new.headers);
    let filter = write_filter(&new.filter);
    let rate_limit = new.rate_limit.map(|limit| limit.to_string());
    db.execute(
        INSERT,
        params![
            new.account_id.as_str(),
            new.id.as_str(),
            new.url.as_str(),
            new.name.as_deref(),
            filter.as_deref(),
            headers.as_deref(),
            new.enabled,
            new.health.as_str(),
            now,
            now,
            new.in_flight_max,
            rate_limit.as_deref(),
            refs.lane,
        ],
    )?;
    if let Some(secret) = &new.secret {
        accounts::replace_secret(db, &SecretOwner::endpoint(&lane), seal, secret, now, now)?;
    }
    find_with(db, &seal.key, &lane)
}

/// Changes an endpoint; `None` when there is none.
pub(crate) fn update(
    db: Db<'_>,
    seal: &AccountSeal<'_>,
    lane: &LaneKey,
    changes: &EndpointChanges,
    now: Timestamp,
) -> Result<Option<Endpoint>, StoreError> {
    db.lock_account(&lane.account_id)?;
    let Some(mut endpoint) = find_with(db, &seal.key, lane)? else { return Ok(None) };
    let changes = changes.clone();
    endpoint.url = changes.url.unwrap_or(endpoint.url);
    endpoint.name = changes.name.unwrap_or(endpoint.name);
    endpoint.filter = changes.filter.unwrap_or(endpoint.filter);
    endpoint.headers = changes.headers.unwrap_or(endpoint.headers);
    endpoint.enabled = changes.enabled.unwrap_or(endpoint.enabled);
    endpoint.in_flight_max = changes.in_flight_max.unwrap_or(endpoint.in_flight_max);
    endpoint.rate_limit = changes.rate_limit.unwrap_or(endpoint.rate_limit);
    if changes.resume {
        endpoint.health = Health::default();
    }
    let headers = seal_headers(seal, lane, &endpoint.headers);
    let filter = write_filter(&endpoint.filter);
    let rate_limit = endpoint.rate_limit.map(|limit| limit.to_string());
    db.execute(
        UPDATE,
        params![
            endpoint.url.as_str(),
            endpoint.name.as_deref(),
            filter.as_deref(),
            headers.as_deref(),
            endpoint.enabled,
            endpoint.health.status.as_str(),
            endpoint.health.consecutive_failures,
            endpoint.health.failing_since,
            endpoint.health.unhealthy_since,
            endpoint.in_flight_max,
            rate_limit.as_deref(),
            now,
            lane.account_id.as_str(),
            lane.endpoint_id.as_str(),
        ],
    )?;
    db.tell(&Message::Waiting)?;
    find_with(db, &seal.key, lane)
}

/// Gives an endpoint a new secret; those before it sign until `old_expire_at`. `None` when there is no such endpoint.
pub(crate) fn rotate_secret(
    db: Db<'_>,
    seal: &AccountSeal<'_>,
    lane: &LaneKey,
    secret: &Secret<String>,
    now: Timestamp,
    old_expire_at: Timestamp,
) -> Result<Option<Endpoint>, StoreError> {
    db.lock_account(&lane.account_id)?;
    if db.execute(TOUCH, params![now, lane.account_id.as_str(), lane.endpoint_id.as_str()])? == 0 {
        return Ok(None);
    }
    let owner = SecretOwner::endpoint(lane);
    accounts::replace_secret(db, &owner, seal, secret, now, old_expire_at)?;
    find_with(db, &seal.key, lane)
}

/// Deletes an endpoint; what waits for it is cancelled, and so are its replays. `false` when there is none.
pub(crate) fn delete(db: Db<'_>, lane: &LaneKey, now: Timestamp) -> Result<bool, StoreError> {
    db.lock_account(&lane.account_id)?;
    let key = params![lane.account_id.as_str(), lane.endpoint_id.as_str()];
    replays::cancel_all(db, lane, now)?;
    cancel_waiting(db, &cancelled_insert(), lane, now)?;
    db.execute(DELETE_SECRETS, key)?;
    Ok(db.execute(DELETE, key)? > 0)
}

fn read(row: &Row, key: &DataKey) -> Result<Endpoint, StoreError> {
    let id: EndpointId = row.parsed(0, "id")?;
    let account_id: AccountId = row.parsed(1, "account_id")?;
    let lane = LaneKey { account_id, endpoint_id: id };
    let headers = match row.find_bytes(5, "headers_sealed")? {
        None => Vec::new(),
        Some(sealed) => {
            let plain = key.open("endpoints", &headers_context(&lane), sealed)?;
            serde_json::from_slice(&plain).map_err(|_| StoreError::Unsealable { table: "endpoints" })?
        }
    };
    Ok(Endpoint {
        url: row.text(2, "url")?.to_owned(),
        name: row.find_text(3, "name")?.map(str::to_owned),
        filter: read_filter(row, 4)?,
        headers,
        enabled: row.boolean(6, "enabled")?,
        health: read_health(row, 7)?,
        last_number: row.int(11, "last_number")?,
        version: row.int(12, "version")?,
        created_at: row.time(13, "created_at")?,
        updated_at: row.time(14, "updated_at")?,
        in_flight_max: row.find_int(15, "in_flight_max")?.map(|_| row.narrow(15, "in_flight_max")).transpose()?,
        rate_limit: row.find_text(16, "rate_limit")?.map(|_| row.parsed(16, "rate_limit")).transpose()?,
        id: lane.endpoint_id,
        account_id: lane.account_id,
    })
}

/// Reads the column `events`.
pub(crate) fn read_filter(row: &Row, index: usize) -> Result<EventFilter, StoreError> {
    let Some(text) = row.find_text(index, "events")? else { return Ok(EventFilter::All) };
    let types = |text: &str| {
        let words: Vec<String> = serde_json::from_str(text).ok()?;
        words.iter().map(|word| EventType::try_new(word).ok()).collect::<Option<_>>()
    };
    let types = types(text).ok_or_else(|| StoreError::Inconsistent {
        table: "endpoints",
        column: "events",
        id: row.text(0, "id").unwrap_or_default().to_owned(),
    })?;
    Ok(EventFilter::Only(types))
}

fn write_filter(filter: &EventFilter) -> Option<String> {
    match filter {
        EventFilter::All => None,
        EventFilter::Only(types) => Some(types.iter().map(EventType::as_str).collect::<serde_json::Value>().to_string()),
    }
}

/// Where an endpoint's headers belong, bound into their seal.
pub(crate) fn headers_context(lane: &LaneKey) -> String {
    format!("endpoints:{}/{}/headers", lane.account_id, lane.endpoint_id)
}

fn seal_headers(seal: &AccountSeal<'_>, lane: &LaneKey, headers: &[(String, String)]) -> Option<Vec<u8>> {
    if headers.is_empty() {
        return None;
    }
    let text = serde_json::to_vec(headers).unwrap_or_default();
    Some(seal.key.seal(seal.entropy, &headers_context(lane), &text))
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let mut all: Vec<String> = [COUNT, INSERT, UPDATE, TOUCH, DELETE_SECRETS, DELETE].map(str::to_owned).into();
    all.extend([BY_ID, PAGE].map(|rest| format!("{COLUMNS}{rest}")));
    all
}
