//! What receivers were told about somebody, in the order of time from the latest on.

use bellwire_domain::{AccountId, DeliveryId, Timestamp};

use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::rows::account;
use crate::rows::disclosure::StoredDisclosure;
use crate::seal::{DataKey, Keyring, Place};
use crate::sql::{Db, Row, params, select};

/// That a receiver was told something about a subject, or may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// When the attempt started.
    pub at: Timestamp,
    /// The delivery.
    pub delivery: DeliveryId,
    /// Which attempt of it, from 1.
    pub attempt: u32,
    /// The endpoint's id.
    pub endpoint: String,
    /// Its URL, as it was then.
    pub url: String,
    /// The event's id.
    pub event: String,
    /// The event's type.
    pub event_type: String,
    /// The contract's name.
    pub contract: String,
    /// Which fields of `data` went out, as JSON pointers; `None`: all of it.
    pub fields: Option<Vec<String>>,
    /// The SHA-256 of the body.
    pub digest: Vec<u8>,
    /// What came of the attempt.
    pub outcome: String,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
}

/// Which disclosures of an account.
#[derive(Debug, Clone)]
pub struct DisclosureQuery {
    /// The account.
    pub account_id: AccountId,
    /// About whom.
    pub subject: String,
    /// At this instant or later.
    pub since: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
}

const PAGE: &str = "FROM disclosures WHERE subject = $1 AND at >= $2 AND (at, delivery, attempt) < ($3, $4, $5) \
     ORDER BY at DESC, delivery DESC, attempt DESC LIMIT $6";

/// Where a page ends: the instant, the delivery and the attempt of its last row.
fn cursor(text: &str) -> Option<(i64, i64, i64)> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// A page, the latest first.
pub(super) fn list(
    db: Db<'_>,
    keyring: &Keyring,
    query: &DisclosureQuery,
    page: &PageRequest,
) -> Result<Page<Disclosure>, StoreError> {
    let Some(key) = account::find_key(db, keyring, &query.account_id)? else { return Ok(Page::default()) };
    let before = match page.after.as_deref().map(cursor) {
        None => (query.until.map_or(i64::MAX, Timestamp::as_micros), 0, 0),
        Some(Some(before)) => before,
        Some(None) => return Ok(Page::default()), // no page has ended so
    };
    let (subject, since) = (key.hash_subject(&query.subject), query.since.map_or(i64::MIN, Timestamp::as_micros));
    let cells = params![subject.as_bytes(), since, before.0, before.1, before.2, page.fetch()];
    let rows = db.query("disclosures", &select::<StoredDisclosure<'_>>(PAGE), cells)?;
    let found = rows.iter().map(|row| read(row, &key)).collect::<Result<Vec<_>, _>>()?;
    Ok(page.cut(found, |last| format!("{}-{}-{}", last.at.as_micros(), last.delivery.number(), last.attempt)))
}

fn read(row: &Row, key: &DataKey) -> Result<Disclosure, StoreError> {
    let stored: StoredDisclosure<'_> = row.read()?;
    let url = key.open_text(&Place::disclosed_url(stored.delivery, stored.attempt), stored.url_sealed)?;
    let broken = |_| StoreError::Inconsistent { table: "disclosures", column: "fields", id: stored.delivery.to_string() };
    Ok(Disclosure {
        at: stored.at,
        delivery: stored.delivery,
        attempt: stored.attempt,
        endpoint: stored.endpoint,
        url,
        event: stored.event,
        event_type: stored.event_type,
        contract: stored.contract,
        fields: stored.fields.as_deref().map(serde_json::from_str).transpose().map_err(broken)?,
        digest: stored.digest,
        outcome: stored.outcome,
        status: stored.status,
    })
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![select::<StoredDisclosure<'_>>(PAGE)]
}
