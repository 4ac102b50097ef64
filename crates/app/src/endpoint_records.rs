//! What the audit log says of endpoints: what was changed, and nothing that may be secret.

use bellwire_domain::{AuditAction, AuditDetail, AuditEntry, Secret};
use bellwire_store::{EndpointChanges, NewEndpoint};
use serde_json::{Map, Value};

use crate::AccountAccess;

/// A record of a new endpoint.
pub(crate) fn created_entry(access: &AccountAccess, new: &NewEndpoint) -> AuditEntry {
    let entry = access.entry(AuditAction::EndpointCreated).to(new.id.as_str());
    let entry = entry.with("receiver", AuditDetail::Text(receiver(&new.url)));
    with_credentials(entry, new.credentials.as_ref())
}

/// Where an endpoint's requests go, without what may be secret in its URL.
fn receiver(url: &str) -> String {
    url::Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

/// A record of a change, with what was changed and not to what: headers and URLs hold secrets.
pub(crate) fn described(entry: AuditEntry, changes: &EndpointChanges) -> AuditEntry {
    let fields = [
        ("url", changes.url.is_some()),
        ("name", changes.name.is_some()),
        ("events", changes.filter.is_some() || changes.filter_change.is_some()),
        ("headers", changes.headers.is_some()),
        ("in_flight_max", changes.in_flight_max.is_some()),
        ("rate_limit", changes.rate_limit.is_some()),
        ("payload", changes.payload.is_some()),
        ("keep_answers", changes.keep_answers.is_some()),
        ("options", changes.options.is_some()),
        ("credentials", changes.credentials.is_some()),
        ("expires_at", changes.lease.is_some()),
        ("health", changes.resume || changes.activate),
    ];
    let touched = fields.iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| (*name).to_owned()).collect();
    let entry = entry.with("changed", AuditDetail::Texts(touched));
    let entry = with_credentials(entry, changes.credentials.as_ref().and_then(Option::as_ref));
    let entry = match changes.enabled {
        Some(enabled) => entry.with("enabled", AuditDetail::Text(enabled.to_string())),
        None => entry,
    };
    match &changes.url {
        Some(url) => entry.with("receiver", AuditDetail::Text(receiver(url))),
        None => entry,
    }
}

/// A record with the names of the credentials that an endpoint has from then on.
fn with_credentials(entry: AuditEntry, credentials: Option<&Secret<String>>) -> AuditEntry {
    let given: Option<Map<String, Value>> = credentials.and_then(|given| serde_json::from_str(given.expose()).ok());
    match given {
        Some(given) => entry.with("credentials", AuditDetail::Texts(given.into_iter().map(|(name, _)| name).collect())),
        None => entry,
    }
}
