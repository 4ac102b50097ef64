//! Handshakes: what is due, who tries it, and what comes of it.
//!
//! An endpoint whose contract wants a handshake is `pending` until one has ended well. The engine takes what is due, sends its requests,
//! and writes down here what came of them. A handshake that another one has replaced meanwhile (the URL was changed) changes nothing:
//! its token is not the endpoint's any more.

use bellwire_domain::{
    AuditAction, AuditActor, AuditDetail, AuditEntry, AuditOrigin, AuditVia, Health, HealthStatus, RateLimit, Secret, Timestamp,
};

use super::config::{self, EndpointConfig};
use super::context::WriteContext;
use super::notice::Notice;
use crate::StoreError;
use crate::audit::append;
use crate::rows::account;
use crate::rows::activation::{self, Activation, draw_token};
use crate::rows::endpoint::{self, Endpoint};
use crate::rows::lane::LaneKey;
use crate::rows::secret::{self, SecretOwner};
use crate::seal::AccountSeal;
use crate::sql::Db;

/// A handshake that this process tries.
#[derive(Debug, Clone)]
pub struct TakenActivation {
    /// The endpoint, its account and their secrets.
    pub config: EndpointConfig,
    /// The handshake's token.
    pub token: Secret<String>,
    /// Tries in a row that failed.
    pub failures: u32,
}

/// What came of a handshake.
#[derive(Debug, Clone)]
pub enum ActivationEnd {
    /// Every answer was as it has to be.
    Accepted {
        /// The endpoint's secret, as the receiver has chosen it.
        secret: Option<Secret<String>>,
        /// Its rate limit, likewise.
        rate_limit: Option<RateLimit>,
        /// Whether that is enough; otherwise the receiver calls back.
        is_enough: bool,
        /// When the next handshake begins.
        next_at: Option<Timestamp>,
    },
    /// An answer was something else, or there was none.
    Refused {
        /// Why, in a few words.
        reason: String,
        /// When it is tried again; `None`: not by itself.
        next_at: Option<Timestamp>,
    },
    /// It was not tried.
    PutOff {
        /// When it is due again.
        until: Timestamp,
    },
}

/// Takes a handshake that is due; `None`: somebody else has it, or the account is being deleted.
pub(crate) fn take(
    db: Db<'_>,
    context: &WriteContext,
    lane: &LaneKey,
    until: Timestamp,
) -> Result<Option<TakenActivation>, StoreError> {
    account::lock(db, &lane.account_id)?;
    let now = context.clock.now();
    if !activation::take(db, lane, now, until)? {
        return Ok(None);
    }
    let Some(config) = config::find(db, &context.keyring, lane, now)? else { return Ok(None) };
    let key = context.keyring.open_key(&lane.account_id, &config.account.data_key_sealed)?;
    let Some(mut stands) = activation::find(db, &key, lane)? else { return Ok(None) };
    if config.account.deleting_since.is_some() {
        return Ok(None);
    }
    if stands.activated_at.is_some() && stands.failures == 0 {
        stands.token = draw_token(&*context.entropy);
        activation::set(db, &AccountSeal { key, entropy: &*context.entropy }, lane, &stands)?;
    }
    Ok(Some(TakenActivation { config, token: stands.token, failures: stands.failures }))
}

/// What is written by, an endpoint, and its handshake, while that has this token.
fn find<'c>(
    db: Db<'_>,
    context: &'c WriteContext,
    lane: &LaneKey,
    token: &str,
) -> Result<Option<(AccountSeal<'c>, Endpoint, Activation)>, StoreError> {
    account::lock(db, &lane.account_id)?;
    let Some(key) = account::find_key(db, &context.keyring, &lane.account_id)? else { return Ok(None) };
    let seal = AccountSeal { key, entropy: &*context.entropy };
    let found = endpoint::find(db, &seal.key, lane)?.zip(activation::find(db, &seal.key, lane)?);
    let current = found.filter(|(_, stands)| stands.token.expose() == token);
    Ok(current.map(|(endpoint, stands)| (seal, endpoint, stands)))
}

/// Writes down what came of a handshake: the endpoint as it is now; `None`: it was replaced by another meanwhile, or the endpoint is gone.
pub(crate) fn finish(
    db: Db<'_>,
    context: &WriteContext,
    lane: &LaneKey,
    token: &Secret<String>,
    end: ActivationEnd,
) -> Result<Option<Endpoint>, StoreError> {
    let Some((seal, endpoint, mut stands)) = find(db, context, lane, token.expose())? else { return Ok(None) };
    if endpoint.health.status == HealthStatus::Expired {
        return Ok(Some(endpoint)); // its lease has ended meanwhile, and the handshake with it
    }
    let now = context.clock.now();
    stands.tried_at = Some(now);
    let endpoint = match end {
        ActivationEnd::PutOff { until } => {
            stands.due_at = Some(until);
            endpoint
        }
        ActivationEnd::Refused { reason, next_at } => {
            stands.failures = stands.failures.saturating_add(1);
            (stands.due_at, stands.failure) = (next_at, Some(reason));
            // One that has to prove itself again and does not is pending again.
            if next_at.is_none() && endpoint.health.status != HealthStatus::Pending {
                set_health(db, context, &seal, (endpoint, Health::pending()), now)?
            } else {
                endpoint
            }
        }
        ActivationEnd::Accepted { secret, rate_limit, is_enough, next_at } => {
            (stands.failures, stands.failure) = (0, None);
            if let Some(secret) = &secret {
                give_secret(db, &seal, lane, secret, now)?;
            }
            let is_new = secret.is_some() || (rate_limit.is_some() && rate_limit != endpoint.rate_limit);
            let endpoint = Endpoint { rate_limit: rate_limit.or(endpoint.rate_limit), ..endpoint };
            let was_pending = endpoint.health.status == HealthStatus::Pending;
            if is_enough {
                (stands.due_at, stands.activated_at, stands.is_unproven) = (next_at, Some(now), false);
            } else {
                // The receiver's turn. One that was active before stays so, and one that has called back already says when.
                stands.due_at = if was_pending { None } else { next_at.or(stands.due_at) };
            }
            if is_enough && was_pending {
                set_health(db, context, &seal, (endpoint, Health::default()), now)?
            } else if is_new {
                change(db, &seal, endpoint, now)?
            } else {
                endpoint
            }
        }
    };
    activation::set(db, &seal, lane, &stands)?;
    Ok(Some(endpoint))
}

/// The receiver calls back: the endpoint that has this token is active from now on. `None`: no endpoint waits for it.
pub(crate) fn confirm(
    db: Db<'_>,
    context: &WriteContext,
    lane: &LaneKey,
    token: &str,
    next_at: Option<Timestamp>,
) -> Result<Option<Endpoint>, StoreError> {
    let Some((seal, endpoint, stands)) = find(db, context, lane, token)? else { return Ok(None) };
    let now = context.clock.now();
    let stands =
        Activation { failures: 0, failure: None, due_at: next_at, activated_at: Some(now), is_unproven: false, ..stands };
    activation::set(db, &seal, lane, &stands)?;
    match endpoint.health.status {
        HealthStatus::Pending => set_health(db, context, &seal, (endpoint, Health::default()), now).map(Some),
        // It called twice, or too late.
        HealthStatus::Active | HealthStatus::Unhealthy | HealthStatus::Failed | HealthStatus::Expired => Ok(Some(endpoint)),
    }
}

/// Its secret, unless it has the same one already.
fn give_secret(
    db: Db<'_>,
    seal: &AccountSeal<'_>,
    lane: &LaneKey,
    given: &Secret<String>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let owner = SecretOwner::endpoint(lane);
    let active = secret::active(db, owner, &seal.key, now)?;
    let is_known = active.first().is_some_and(|newest| newest.secret.expose() == given.expose());
    if is_known { Ok(()) } else { secret::replace(db, owner, seal, given, now, now) }
}

fn change(db: Db<'_>, seal: &AccountSeal<'_>, endpoint: Endpoint, now: Timestamp) -> Result<Endpoint, StoreError> {
    let endpoint = Endpoint { version: endpoint.version + 1, updated_at: now, ..endpoint };
    endpoint::replace(db, seal, &endpoint)?;
    Notice::Waiting.tell(db)?;
    Ok(endpoint)
}

/// Gives an endpoint another health, and records that.
fn set_health(
    db: Db<'_>,
    context: &WriteContext,
    seal: &AccountSeal<'_>,
    (endpoint, health): (Endpoint, Health),
    now: Timestamp,
) -> Result<Endpoint, StoreError> {
    let endpoint = change(db, seal, Endpoint { health, ..endpoint }, now)?;
    append::append(db, &context.audit, &*context.entropy, now, &[record(&endpoint)])?;
    Ok(endpoint)
}

fn record(endpoint: &Endpoint) -> AuditEntry {
    let origin = AuditOrigin { via: AuditVia::Node, address: None };
    let entry = AuditEntry::new(AuditActor::Node, origin, AuditAction::EndpointChanged).in_account(&endpoint.account_id);
    let entry = entry.to(endpoint.id.as_str()).with("changed", AuditDetail::Texts(vec!["health".to_owned()]));
    entry.with("health", AuditDetail::Text(endpoint.health.status.to_string()))
}
