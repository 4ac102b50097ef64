//! Endpoints: the URLs that an account has registered.

use std::time::Duration;

use bellwire_domain::{
    AccountId, EndpointId, EventFilter, FilterChange, Health, HealthStatus, Lease, PayloadChoice, RateLimit, Secret, Timestamp,
    Unchanged,
};

use crate::StoreError;
use crate::audit::effect::Effect;
use crate::page::{Page, PageRequest};
use crate::queue::cancel::cancel_waiting;
use crate::queue::notice::Notice;
use crate::queue::replay;
use crate::records::resources::Precondition;
use crate::rows::activation::{self, Activation};
use crate::rows::endpoint::{self, Endpoint, select_where};
use crate::rows::lane::{self, LaneKey};
use crate::rows::secret::{self, SecretOwner};
use crate::rows::{account, heartbeat, incident};
use crate::seal::{AccountSeal, Keyring};
use crate::sql::{Db, Select, columns, params};

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
    /// How much of an event's data it chose to be sent.
    pub payload: Option<PayloadChoice>,
    /// Whether its answers are kept.
    pub keep_answers: bool,
    /// What it has chosen of its contract's options, as a JSON object.
    pub options: Option<String>,
    /// Its credentials, as a JSON object of texts.
    pub credentials: Option<Secret<String>>,
    /// Its lease; `None`: it is sent to for ever.
    pub lease: Option<Lease>,
    /// After how long without a request it gets a heartbeat; `None`: it has none.
    pub heartbeat: Option<Duration>,
    /// The health it starts with. Where that is pending, a handshake begins at once.
    pub health: HealthStatus,
    /// Its own secret, where the contract has one per endpoint.
    pub secret: Option<Secret<String>>,
}

/// Why something that is limited was not stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LimitedError {
    /// There are as many already.
    #[error("the limit of {max} is reached")]
    Reached {
        /// The limit.
        max: u32,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LimitedError {
    /// Whether one more than `before` is still within `max`.
    pub(super) fn check(before: i64, max: u32) -> Result<(), Self> {
        if before < i64::from(max) { Ok(()) } else { Err(Self::Reached { max }) }
    }
}

/// Why an endpoint of which something is expected was neither changed nor deleted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExpectedError {
    /// It has another version than those that are expected.
    #[error("the endpoint has version {version}, which is not expected")]
    Other {
        /// The version that is stored.
        version: i64,
    },
    /// What it has chosen stays as it is.
    #[error("what the endpoint has chosen stays as it is")]
    Unchanged(Unchanged),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
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
    /// What is added to the events that it gets, and taken from them.
    pub filter_change: Option<FilterChange>,
    /// Headers sent with every delivery.
    pub headers: Option<Vec<(String, String)>>,
    /// Whether new events make deliveries for it.
    pub enabled: Option<bool>,
    /// Requests in flight at once that it takes, or no limit of its own.
    pub in_flight_max: Option<Option<u32>>,
    /// Requests in a span of time that it takes, or any number.
    pub rate_limit: Option<Option<RateLimit>>,
    /// How much of an event's data it chose to be sent, or what its contract gives.
    pub payload: Option<Option<PayloadChoice>>,
    /// Whether its answers are kept.
    pub keep_answers: Option<bool>,
    /// What it has chosen of its contract's options, as a JSON object, or nothing.
    pub options: Option<Option<String>>,
    /// Its credentials, as a JSON object of texts, or none.
    pub credentials: Option<Option<Secret<String>>>,
    /// Its lease, or none. Where the one before has ended, the endpoint is healthy again, if [that may be](Self::revive).
    pub lease: Option<Option<Lease>>,
    /// Whether a lease that has ended is renewed; otherwise nothing changes that.
    pub revive: bool,
    /// After how long without a request it gets a heartbeat, or that it has none.
    pub heartbeat: Option<Option<Duration>>,
    /// Health back to active.
    pub resume: bool,
    /// Pending until a handshake, which begins at once, has ended well.
    pub activate: bool,
}

columns! {
    /// What one or several endpoints have chosen.
    struct Chosen of "endpoints" {
        options: Option<String> = "DISTINCT p.options",
    }
}

columns! {
    /// An endpoint by its name.
    struct Named of "endpoints" {
        id: EndpointId = "p.id",
    }
}

columns! {
    /// Which version of itself an endpoint is.
    struct Versioned of "endpoints" {
        version: i64 = "p.version",
    }
}

static VERSION: Select<Versioned> = Select::new("FROM endpoints p WHERE p.account_id = $1 AND p.id = $2");
static NAMED: Select<Named> = Select::new("FROM endpoints p WHERE p.account_id = $1 AND p.name = $2 ORDER BY p.id LIMIT 1");
const PAGE: &str = "FROM endpoints p WHERE p.account_id = $1 AND p.id > $2 ORDER BY p.id LIMIT $3";
static CHOICES: Select<Chosen> = Select::new("FROM endpoints p WHERE p.account_id = $1");
const COUNT: &str = "SELECT COUNT(*) FROM endpoints WHERE account_id = $1";
const DELETE: &str = "DELETE FROM endpoints WHERE account_id = $1 AND id = $2";

pub(super) fn find(db: Db<'_>, keyring: &Keyring, lane: &LaneKey) -> Result<Option<Endpoint>, StoreError> {
    let Some(key) = account::find_key(db, keyring, &lane.account_id)? else { return Ok(None) };
    endpoint::find(db, &key, lane)
}

pub(super) fn list(
    db: Db<'_>,
    keyring: &Keyring,
    account_id: &AccountId,
    page: &PageRequest,
) -> Result<Page<Endpoint>, StoreError> {
    let Some(key) = account::find_key(db, keyring, account_id)? else { return Ok(Page::default()) };
    let after = page.after.as_deref().unwrap_or("");
    let rows = db.query("endpoints", &select_where(PAGE), params![account_id.as_str(), after, page.fetch()])?;
    let items = rows.iter().map(|row| endpoint::read(row, &key)).collect::<Result<Vec<_>, _>>()?;
    Ok(page.cut(items, |endpoint| endpoint.id.to_string()))
}

/// What an account's endpoints have chosen of their contract's options, each choice once.
pub(super) fn choices(db: Db<'_>, account_id: &AccountId) -> Result<Vec<Option<String>>, StoreError> {
    let chosen = CHOICES.list(db, params![account_id.as_str()])?;
    Ok(chosen.into_iter().map(|chosen| chosen.options).collect())
}

/// An endpoint that was put under a name.
#[derive(Debug)]
pub enum NamedEndpoint {
    /// No other had the name.
    Created(Box<Endpoint>),
    /// This one has it, and nothing was stored.
    Known(EndpointId),
}

impl Effect for NamedEndpoint {
    fn happened(&self) -> bool {
        matches!(self, Self::Created(_))
    }
}

/// The id of the first endpoint of an account that has a name.
pub(super) fn find_named(db: Db<'_>, account_id: &AccountId, name: &str) -> Result<Option<EndpointId>, StoreError> {
    Ok(NAMED.find(db, params![account_id.as_str(), name])?.map(|named| named.id))
}

/// Stores a new endpoint unless another has its name; `None` when its account is gone.
pub(super) fn create_named(
    db: Db<'_>,
    seal: &AccountSeal<'_>,
    new: NewEndpoint,
    account_max: u32,
    now: Timestamp,
) -> Result<Option<NamedEndpoint>, LimitedError> {
    account::lock(db, &new.account_id)?;
    if let Some(known) = find_named(db, &new.account_id, new.name.as_deref().unwrap_or_default())? {
        return Ok(Some(NamedEndpoint::Known(known)));
    }
    let created = create(db, seal, new, account_max, now)?;
    Ok(created.map(|endpoint| NamedEndpoint::Created(Box::new(endpoint))))
}

/// Stores a new endpoint, one of `account_max` at most; `None` when its account is gone.
pub(super) fn create(
    db: Db<'_>,
    seal: &AccountSeal<'_>,
    new: NewEndpoint,
    account_max: u32,
    now: Timestamp,
) -> Result<Option<Endpoint>, LimitedError> {
    account::lock(db, &new.account_id)?;
    LimitedError::check(db.get("endpoints", COUNT, params![new.account_id.as_str()])?.value("count")?, account_max)?;
    let key = LaneKey { account_id: new.account_id.clone(), endpoint_id: new.id.clone() };
    let Some(refs) = lane::add(db, &key)? else { return Ok(None) };
    let endpoint = Endpoint {
        id: new.id,
        account_id: new.account_id,
        url: new.url,
        name: new.name,
        filter: new.filter,
        headers: new.headers,
        enabled: new.enabled,
        in_flight_max: new.in_flight_max,
        rate_limit: new.rate_limit,
        payload: new.payload,
        keep_answers: new.keep_answers,
        options: new.options,
        credentials: new.credentials,
        expires_at: new.lease.map(|lease| lease.expires_at),
        health: Health { status: new.health, ..Health::default() },
        last_number: 0,
        version: 1,
        created_at: now,
        updated_at: now,
        lane: refs.lane,
        lease_due: new.lease.map(|lease| lease.due_at()),
    };
    endpoint::insert(db, seal, &endpoint)?;
    if new.heartbeat.is_some() {
        heartbeat::set(db, &key, new.heartbeat, now)?;
    }
    if new.health == HealthStatus::Pending {
        activation::set(db, seal, &key, &Activation::begin(seal.entropy, now, true))?;
    }
    if let Some(first_secret) = &new.secret {
        secret::replace(db, SecretOwner::endpoint(&key), seal, first_secret, now, now)?;
    }
    Ok(Some(endpoint))
}

/// Changes an endpoint of which something may be expected; `None` when there is none.
pub(super) fn update(
    db: Db<'_>,
    seal: &AccountSeal<'_>,
    lane: &LaneKey,
    (changes, expected): (EndpointChanges, &Precondition),
    now: Timestamp,
) -> Result<Option<Endpoint>, ExpectedError> {
    account::lock(db, &lane.account_id)?;
    let Some(stored) = endpoint::find(db, &seal.key, lane)? else { return Ok(None) };
    if !expected.holds(Some(stored.version)) {
        return Err(ExpectedError::Other { version: stored.version });
    }
    let filter = changes.filter.unwrap_or(stored.filter);
    let filter = match &changes.filter_change {
        None => filter,
        Some(change) => filter.changed(change).map_err(ExpectedError::Unchanged)?,
    };
    let was_pending = stored.health.status == HealthStatus::Pending;
    let has_expired = stored.health.status == HealthStatus::Expired;
    // A lease that has ended is over, whatever else is asked for, unless it is renewed.
    let lease = changes.lease.filter(|_| changes.revive || !has_expired);
    let stays_expired = has_expired && lease.is_none();
    let activate = changes.activate && !stays_expired;
    let endpoint = Endpoint {
        url: changes.url.unwrap_or(stored.url),
        name: changes.name.unwrap_or(stored.name),
        filter,
        headers: changes.headers.unwrap_or(stored.headers),
        enabled: changes.enabled.unwrap_or(stored.enabled),
        in_flight_max: changes.in_flight_max.unwrap_or(stored.in_flight_max),
        rate_limit: changes.rate_limit.unwrap_or(stored.rate_limit),
        payload: changes.payload.unwrap_or(stored.payload),
        keep_answers: changes.keep_answers.unwrap_or(stored.keep_answers),
        options: changes.options.unwrap_or(stored.options),
        credentials: changes.credentials.unwrap_or(stored.credentials),
        expires_at: lease.map_or(stored.expires_at, |lease| lease.map(|lease| lease.expires_at)),
        lease_due: lease.map_or(stored.lease_due, |lease| lease.map(|lease| lease.due_at())),
        health: match (activate, changes.resume || has_expired) {
            _ if stays_expired => stored.health,
            (true, _) => Health::pending(),
            (false, true) => Health::default(),
            (false, false) => stored.health,
        },
        version: stored.version + 1,
        updated_at: now,
        ..stored
    };
    endpoint::replace(db, seal, &endpoint)?;
    if let Some(period) = changes.heartbeat {
        heartbeat::set(db, lane, period, now)?;
    }
    if lease.is_some() {
        incident::end_of_lease(db, endpoint.lane, incident::BY_RENEWAL, now)?;
    }
    if activate {
        let before = if was_pending { activation::find(db, &seal.key, lane)? } else { None };
        let is_unproven = before.is_some_and(|before| before.is_unproven);
        activation::set(db, seal, lane, &Activation::begin(seal.entropy, now, is_unproven))?;
    } else if changes.resume && was_pending {
        activation::clear(db, lane)?;
    }
    Notice::Waiting.tell(db)?;
    Ok(Some(endpoint))
}

/// Gives an endpoint a new secret. `None` when there is no such endpoint.
pub(super) fn rotate_secret(
    db: Db<'_>,
    seal: &AccountSeal<'_>,
    lane: &LaneKey,
    rotation: &Rotation,
    now: Timestamp,
) -> Result<Option<Endpoint>, LimitedError> {
    account::lock(db, &lane.account_id)?;
    let Some(stored) = endpoint::find(db, &seal.key, lane)? else { return Ok(None) };
    let endpoint = Endpoint { version: stored.version + 1, updated_at: now, ..stored };
    endpoint::replace(db, seal, &endpoint)?;
    secret::replace(db, SecretOwner::endpoint(lane), seal, &rotation.secret, now, rotation.old_expire_at)?;
    rotation.check(db, SecretOwner::endpoint(lane), now)?;
    Ok(Some(endpoint))
}

/// A secret that takes the place of others.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The new secret.
    pub secret: Secret<String>,
    /// Those before it sign until then.
    pub old_expire_at: Timestamp,
    /// So many may sign at once, the new one among them.
    pub active_max: u32,
}

impl Rotation {
    /// Whether there are still no more than there may be, once the new one is stored.
    pub(super) fn check(&self, db: Db<'_>, owner: SecretOwner<'_>, now: Timestamp) -> Result<(), LimitedError> {
        LimitedError::check(secret::count_active(db, owner, now)? - 1, self.active_max)
    }
}

/// Deletes an endpoint of which something may be expected; what waits for it is cancelled, and so are its replays. `false` when there is
/// none.
pub(super) fn delete(db: Db<'_>, lane: &LaneKey, expected: &Precondition, now: Timestamp) -> Result<bool, ExpectedError> {
    account::lock(db, &lane.account_id)?;
    if *expected != Precondition::Any {
        let stored = VERSION.find(db, params![lane.account_id.as_str(), lane.endpoint_id.as_str()])?;
        let Some(Versioned { version }) = stored else { return Ok(false) };
        if !expected.holds(Some(version)) {
            return Err(ExpectedError::Other { version });
        }
    }
    replay::cancel_all(db, lane, now)?;
    cancel_waiting(db, lane, now)?;
    if let Some(refs) = lane::find(db, lane)? {
        incident::end_of_lane(db, refs.lane, incident::BY_DELETION, now)?;
    }
    secret::delete(db, lane)?;
    Ok(db.execute(DELETE, params![lane.account_id.as_str(), lane.endpoint_id.as_str()])? > 0)
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![select_where(PAGE), VERSION.sql(), NAMED.sql(), CHOICES.sql(), COUNT.to_owned(), DELETE.to_owned()]
}
