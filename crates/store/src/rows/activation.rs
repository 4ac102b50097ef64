//! How an endpoint's activation stands: columns of `endpoints` that a change of the endpoint leaves alone.
//!
//! A handshake is due at an instant. Whoever tries it moves that instant on first, so that nobody else does meanwhile, and so that it is
//! tried again if they die. Its token names it: what comes of a try is written down only while the token is still the same.

use bellwire_domain::{Entropy, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::due::{DueEndpoints, Look};
use super::endpoint::EndpointName;
use super::lane::LaneKey;
use crate::StoreError;
use crate::seal::{AccountSeal, DataKey, Place};
use crate::sql::{Db, Select, columns, params, select};

/// Where an endpoint's activation stands.
#[derive(Debug, Clone)]
pub struct Activation {
    /// The token of its handshake.
    pub token: Secret<String>,
    /// Tries in a row that failed.
    pub failures: u32,
    /// When the handshake is tried next; `None`: it is not.
    pub due_at: Option<Timestamp>,
    /// When it was last tried.
    pub tried_at: Option<Timestamp>,
    /// Why the last try failed; `None`: it did not.
    pub failure: Option<String>,
    /// When the last handshake ended well.
    pub activated_at: Option<Timestamp>,
    /// Whether the endpoint has never been active: events make no deliveries for it.
    pub is_unproven: bool,
}

/// What is sealed of it. Times are microseconds since 1970.
#[derive(Serialize, Deserialize)]
struct Sealed {
    token: String,
    tried_at: Option<i64>,
    failure: Option<String>,
    activated_at: Option<i64>,
}

columns! {
    struct DueAt of "endpoints" {
        at: Option<Timestamp> = "p.activation_due",
    }
}

columns! {
    struct StoredActivation<'r> of "endpoints" {
        due_at: Option<Timestamp> = "p.activation_due",
        failures: u32 = "p.activation_failures",
        is_unproven: bool = "p.unproven",
        sealed: &'r [u8] = "p.activation_sealed",
    }
}

const FIND: &str = "FROM endpoints p WHERE p.account_id = $1 AND p.id = $2 AND p.activation_sealed IS NOT NULL";
const SET: &str = "UPDATE endpoints SET activation_due = $1, activation_failures = $2, activation_hash = $3, activation_sealed = $4, \
     unproven = $5 WHERE account_id = $6 AND id = $7";
const CLEAR: &str = "UPDATE endpoints SET activation_due = NULL, activation_hash = NULL, unproven = 0 WHERE account_id = $1 AND id = $2 \
     AND activation_sealed IS NOT NULL";
/// Takes what is due, unless somebody else has.
const TAKE: &str = "UPDATE endpoints SET activation_due = $1 WHERE account_id = $2 AND id = $3 AND activation_due <= $4";
/// Keeps what is taken, while it is the same handshake.
const KEEP: &str = "UPDATE endpoints SET activation_due = $1 WHERE account_id = $2 AND id = $3 AND activation_hash = $4 \
     AND activation_due IS NOT NULL";
/// In the order of the index, from an instant on.
static DUE: Select<(EndpointName, DueAt)> = Select::new(
    "FROM endpoints p WHERE p.activation_due > $1 AND p.activation_due <= $2 AND p.enabled = 1 ORDER BY p.activation_due, p.account_id, p.id \
     LIMIT $3",
);
static BY_HASH: Select<EndpointName> = Select::new("FROM endpoints p WHERE p.activation_hash = $1");

/// A token that nobody guesses: 64 hexadecimal digits.
pub(crate) fn draw_token(entropy: &dyn Entropy) -> Secret<String> {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    Secret::new(hex::encode(bytes))
}

/// By what a token is found. It has 256 random bits, so a plain digest says nothing of it.
pub(crate) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

impl Activation {
    /// A handshake that begins, due at once.
    pub(crate) fn begin(entropy: &dyn Entropy, now: Timestamp, is_unproven: bool) -> Self {
        let token = draw_token(entropy);
        Self { token, failures: 0, due_at: Some(now), tried_at: None, failure: None, activated_at: None, is_unproven }
    }
}

/// How an endpoint's activation stands; `None`: it never had one.
pub(crate) fn find(db: Db<'_>, key: &DataKey, lane: &LaneKey) -> Result<Option<Activation>, StoreError> {
    let sql = select::<StoredActivation<'_>>(FIND);
    let Some(row) = db.find("endpoints", &sql, params![lane.account_id.as_str(), lane.endpoint_id.as_str()])? else {
        return Ok(None);
    };
    let StoredActivation { due_at, failures, is_unproven, sealed } = row.read()?;
    let place = place(lane);
    let Sealed { token, tried_at, failure, activated_at } =
        serde_json::from_slice(&key.open(&place, sealed)?).map_err(|_| place.unsealable())?;
    let instant = |micros: Option<i64>| micros.map(Timestamp::from_micros);
    let (tried_at, activated_at) = (instant(tried_at), instant(activated_at));
    Ok(Some(Activation { token: Secret::new(token), failures, due_at, tried_at, failure, activated_at, is_unproven }))
}

/// Stores it.
pub(crate) fn set(db: Db<'_>, seal: &AccountSeal<'_>, lane: &LaneKey, activation: &Activation) -> Result<(), StoreError> {
    let micros = |instant: Option<Timestamp>| instant.map(Timestamp::as_micros);
    let sealed = Sealed {
        token: activation.token.expose().clone(),
        tried_at: micros(activation.tried_at),
        failure: activation.failure.clone(),
        activated_at: micros(activation.activated_at),
    };
    let text = serde_json::to_vec(&sealed).unwrap_or_default(); // texts and numbers cannot fail
    let sealed = seal.key.seal(seal.entropy, &place(lane), &text);
    let hash = hash(activation.token.expose());
    let (account, endpoint) = (lane.account_id.as_str(), lane.endpoint_id.as_str());
    let stands =
        params![activation.due_at, activation.failures, &hash[..], &sealed[..], activation.is_unproven, account, endpoint];
    db.execute(SET, stands)?;
    Ok(())
}

/// Ends a handshake that nobody asks for any more; its token confirms nothing.
pub(crate) fn clear(db: Db<'_>, lane: &LaneKey) -> Result<(), StoreError> {
    db.execute(CLEAR, params![lane.account_id.as_str(), lane.endpoint_id.as_str()]).map(drop)
}

/// Handshakes that are due.
pub(crate) fn due(db: Db<'_>, look: Look) -> Result<DueEndpoints, StoreError> {
    look.read(db, &DUE, |due| due.at)
}

/// Takes a handshake that is due until `until`; `false`: somebody else has it.
pub(crate) fn take(db: Db<'_>, lane: &LaneKey, now: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
    let changed = db.execute(TAKE, params![until, lane.account_id.as_str(), lane.endpoint_id.as_str(), now])?;
    Ok(changed > 0)
}

/// Keeps a handshake that was taken; `false`: it has ended, or another has begun.
pub(crate) fn keep(db: Db<'_>, lane: &LaneKey, token: &str, until: Timestamp) -> Result<bool, StoreError> {
    let hash = hash(token);
    let changed = db.execute(KEEP, params![until, lane.account_id.as_str(), lane.endpoint_id.as_str(), &hash[..]])?;
    Ok(changed > 0)
}

/// The endpoint whose handshake has this token.
pub(crate) fn find_by_token(db: Db<'_>, token: &str) -> Result<Option<LaneKey>, StoreError> {
    let hash = hash(token);
    Ok(BY_HASH.find(db, params![&hash[..]])?.map(LaneKey::from))
}

fn place(lane: &LaneKey) -> Place {
    Place::activation(&lane.account_id, lane.endpoint_id.as_str())
}

/// What is looked for again and again.
#[cfg(test)]
pub(crate) fn due_statement() -> String {
    DUE.sql()
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let fixed = [SET, CLEAR, TAKE, KEEP].map(str::to_owned);
    fixed.into_iter().chain([select::<StoredActivation<'_>>(FIND), DUE.sql(), BY_HASH.sql()]).collect()
}
