//! `endpoints`: the URLs that an account has registered.

use bellwire_domain::{
    AccountId, EndpointId, EventFilter, EventType, Gate, Health, HealthStatus, PayloadChoice, RateLimit, Recipient, Secret,
    Timestamp, mask_query,
};

use super::endpoint_config::{SealedConfig, digest};
use super::lane::LaneKey;
use crate::StoreError;
use crate::seal::{AccountSeal, DataKey, Place};
use crate::sql::{Db, Insert, Row, Select, columns, params, select, table, write_filter};

/// A stored endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Its account.
    pub account_id: AccountId,
    /// Its URL, as registered. Its column holds it without the values of its query.
    pub url: String,
    /// A name for people.
    pub name: Option<String>,
    /// Which events it gets.
    pub filter: EventFilter,
    /// Headers sent with every delivery, in order.
    pub headers: Vec<(String, String)>,
    /// Whether new events make deliveries for it.
    pub enabled: bool,
    /// Requests in flight at once that it takes; `None`: the process's default.
    pub in_flight_max: Option<u32>,
    /// Requests in a span of time that it takes; `None`: any number.
    pub rate_limit: Option<RateLimit>,
    /// How much of an event's data it chose to be sent; `None`: what its contract gives.
    pub payload: Option<PayloadChoice>,
    /// Whether its answers are kept, where the contract keeps any.
    pub keep_answers: bool,
    /// What it has chosen of its contract's options, as a JSON object; `None`: nothing.
    pub options: Option<String>,
    /// Its credentials, as a JSON object of texts; `None`: it has none.
    pub credentials: Option<Secret<String>>,
    /// When its lease ends: nothing is sent from then on; `None`: never.
    pub expires_at: Option<Timestamp>,
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
    /// Its lane's number in the store.
    pub(crate) lane: i64,
    /// When something has to be done about its lease.
    pub(crate) lease_due: Option<Timestamp>,
}

table! {
    /// An endpoint, all of it.
    pub(crate) struct EndpointRow<'a> in "endpoints" key { account_id: &'a str, id: &'a str } {
        lane: i64,
        url: &'a str,
        name: Option<&'a str>,
        /// Event types as a JSON list; NULL: all.
        events: Option<&'a str>,
        headers_sealed: Option<&'a [u8]>,
        /// What decides where and how is sent; NULL: of a store that has not been opened since.
        config_sealed: Option<&'a [u8]>,
        enabled: bool,
        in_flight_max: Option<u32>,
        /// Such as `10/s`.
        rate_limit: Option<&'a str>,
        /// `full`, `ids` or a JSON list of pointers; NULL: what its contract gives.
        payload: Option<&'a str>,
        keep_answers: bool,
        /// What it has chosen, as a JSON object.
        options: Option<&'a str>,
        /// A JSON object of texts.
        credentials_sealed: Option<&'a [u8]>,
        expires_at: Option<Timestamp>,
        lease_due: Option<Timestamp>,
        health: &'a str,
        consecutive_failures: u32,
        failing_since: Option<Timestamp>,
        unhealthy_since: Option<Timestamp>,
        resumes_at: Option<Timestamp>,
        last_number: i64,
        version: i64,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

columns! {
    /// A stored endpoint without its health; its URL, headers and credentials still sealed.
    struct EndpointColumns<'r> of "endpoints" {
        id: EndpointId = "p.id",
        account_id: AccountId = "p.account_id",
        url: String = "p.url",
        name: Option<String> = "p.name",
        filter: EventFilter = "p.events",
        headers_sealed: Option<&'r [u8]> = "p.headers_sealed",
        config_sealed: Option<&'r [u8]> = "p.config_sealed",
        enabled: bool = "p.enabled",
        in_flight_max: Option<u32> = "p.in_flight_max",
        rate_limit: Option<RateLimit> = "p.rate_limit",
        payload: Option<PayloadChoice> = "p.payload",
        keep_answers: bool = "p.keep_answers",
        options: Option<String> = "p.options",
        credentials_sealed: Option<&'r [u8]> = "p.credentials_sealed",
        expires_at: Option<Timestamp> = "p.expires_at",
        lease_due: Option<Timestamp> = "p.lease_due",
        last_number: i64 = "p.last_number",
        version: i64 = "p.version",
        created_at: Timestamp = "p.created_at",
        updated_at: Timestamp = "p.updated_at",
        lane: i64 = "p.lane",
    }
}

impl Endpoint {
    /// The names of its credentials, in their order. Their values are shown to nobody.
    pub fn credential_names(&self) -> Vec<String> {
        let given: Option<serde_json::Map<String, serde_json::Value>> =
            self.credentials.as_ref().and_then(|given| serde_json::from_str(given.expose()).ok());
        given.map(|given| given.into_iter().map(|(name, _)| name).collect()).unwrap_or_default()
    }
}

impl EndpointColumns<'_> {
    fn lane_key(&self) -> LaneKey {
        LaneKey { account_id: self.account_id.clone(), endpoint_id: self.id.clone() }
    }

    /// What the columns say that is also sealed.
    fn readable(&self) -> SealedConfig {
        SealedConfig {
            url: self.url.clone(),
            events: write_filter(&self.filter),
            headers: self.headers_sealed.map(digest),
            enabled: self.enabled,
            in_flight_max: self.in_flight_max,
            rate_limit: self.rate_limit.map(|limit| limit.to_string()),
            payload: self.payload.as_ref().map(crate::sql::write_payload),
            keep_answers: self.keep_answers,
            options: self.options.clone(),
            credentials: self.credentials_sealed.map(digest),
            expires_at: self.expires_at.map(Timestamp::as_micros),
        }
    }

    /// What was sealed with the row; `None`: it does not open, or the row says something else.
    fn opened(&self, key: &DataKey) -> Option<SealedConfig> {
        let sealed = SealedConfig::open(key, &self.lane_key(), self.config_sealed?)?;
        sealed.agrees_with(&self.readable()).then_some(sealed)
    }

    fn altered(&self) -> StoreError {
        StoreError::Altered { account_id: self.account_id.clone(), endpoint_id: self.id.clone() }
    }
}

columns! {
    /// An endpoint's health.
    pub(crate) struct HealthColumns of "endpoints" {
        status: HealthStatus = "p.health",
        consecutive_failures: u32 = "p.consecutive_failures",
        failing_since: Option<Timestamp> = "p.failing_since",
        unhealthy_since: Option<Timestamp> = "p.unhealthy_since",
        resumes_at: Option<Timestamp> = "p.resumes_at",
    }
}

impl From<HealthColumns> for Health {
    fn from(columns: HealthColumns) -> Self {
        let HealthColumns { status, consecutive_failures, failing_since, unhealthy_since, resumes_at } = columns;
        Self { status, consecutive_failures, failing_since, unhealthy_since, resumes_at }
    }
}

columns! {
    /// What decides whether an endpoint is sent to.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct GateColumns of "endpoints" {
        enabled: bool = "p.enabled",
        health: HealthStatus = "p.health",
    }
}

impl From<GateColumns> for Gate {
    fn from(columns: GateColumns) -> Self {
        Self { enabled: columns.enabled, health: columns.health }
    }
}

columns! {
    /// An endpoint's name within its account's lanes.
    pub(crate) struct EndpointName of "endpoints" {
        account_id: AccountId = "p.account_id",
        id: EndpointId = "p.id",
    }
}

impl From<EndpointName> for LaneKey {
    fn from(name: EndpointName) -> Self {
        Self { account_id: name.account_id, endpoint_id: name.id }
    }
}

columns! {
    /// What fan-out has to know of an endpoint.
    pub(crate) struct RecipientColumns of "endpoints" {
        pub(crate) id: EndpointId = "p.id",
        pub(crate) version: i64 = "p.version",
        pub(crate) lane: i64 = "p.lane",
        filter: EventFilter = "p.events",
        enabled: bool = "p.enabled",
        health: HealthStatus = "p.health",
        is_unproven: bool = "p.unproven",
        pub(crate) options: Option<String> = "p.options",
        last_number: i64 = "p.last_number",
    }
}

impl From<RecipientColumns> for Recipient {
    fn from(columns: RecipientColumns) -> Self {
        let RecipientColumns { id, filter, enabled, health, is_unproven, last_number, .. } = columns;
        Self { id, filter, gate: Gate { enabled, health }, is_unproven, last_number }
    }
}

/// In SQL: the health of endpoint `p` lets deliveries be attempted. Made from the words of
/// [`HealthStatus::allows_attempts`].
pub(crate) fn allows_attempts() -> String {
    let words = HealthStatus::ALL.iter().filter(|status| status.allows_attempts());
    let words: Vec<String> = words.map(|status| format!("'{status}'")).collect();
    format!("p.health IN ({})", words.join(", "))
}

/// In SQL: endpoint `p` takes some of what waits unclaimed in its lane, as [`Gate::admission`] decides: anything when it is
/// enabled, and test events alone when it is not.
pub(crate) fn admits_some() -> String {
    format!(
        "{} AND (p.enabled = 1 OR EXISTS (SELECT 1 FROM queue t WHERE t.lane = p.lane AND t.lane > 0 AND t.origin = 'test' \
         AND t.wake_at IS NULL AND t.claim IS NULL))",
        allows_attempts()
    )
}

const BY_ID: &str = "FROM endpoints p WHERE p.account_id = $1 AND p.id = $2";
static PAGE: Select<EndpointName> =
    Select::new("FROM endpoints p WHERE (p.account_id, p.id) > ($1, $2) ORDER BY p.account_id, p.id LIMIT $3");
const SEAL: &str = "UPDATE endpoints SET url = $1, config_sealed = $2 WHERE account_id = $3 AND id = $4";
pub(crate) const UPDATE_NUMBER: &str = "UPDATE endpoints SET last_number = $1 WHERE account_id = $2 AND id = $3";

pub(crate) fn find(db: Db<'_>, key: &DataKey, lane: &LaneKey) -> Result<Option<Endpoint>, StoreError> {
    let sql = select::<(EndpointColumns<'_>, HealthColumns)>(BY_ID);
    let row = db.find("endpoints", &sql, params![lane.account_id.as_str(), lane.endpoint_id.as_str()])?;
    row.map(|row| read(&row, key)).transpose()
}

/// The names of all endpoints, in their order, from the first one after `after` on.
pub(crate) fn list_names(db: Db<'_>, after: (&str, &str), limit: u32) -> Result<Vec<LaneKey>, StoreError> {
    let names = PAGE.list(db, params![after.0, after.1, i64::from(limit)])?;
    Ok(names.into_iter().map(LaneKey::from).collect())
}

/// The text of a query for whole endpoints.
pub(crate) fn select_where(rest: &str) -> String {
    select::<(EndpointColumns<'_>, HealthColumns)>(rest)
}

/// Reads a row of [`select_where`].
pub(crate) fn read(row: &Row, key: &DataKey) -> Result<Endpoint, StoreError> {
    let (columns, health): (EndpointColumns<'_>, HealthColumns) = row.read()?;
    let Some(sealed) = columns.opened(key) else {
        return Err(columns.altered());
    };
    let headers = match columns.headers_sealed {
        None => Vec::new(),
        Some(sealed) => {
            let place = Place::headers(&columns.account_id, columns.id.as_str());
            serde_json::from_slice(&key.open(&place, sealed)?).map_err(|_| place.unsealable())?
        }
    };
    let credentials = match columns.credentials_sealed {
        None => None,
        Some(sealed) => {
            let place = Place::credentials(&columns.account_id, columns.id.as_str());
            Some(Secret::new(String::from_utf8(key.open(&place, sealed)?).map_err(|_| place.unsealable())?))
        }
    };
    Ok(Endpoint {
        id: columns.id,
        account_id: columns.account_id,
        url: sealed.url,
        name: columns.name,
        filter: columns.filter,
        headers,
        enabled: columns.enabled,
        in_flight_max: columns.in_flight_max,
        rate_limit: columns.rate_limit,
        payload: columns.payload,
        keep_answers: columns.keep_answers,
        options: columns.options,
        credentials,
        expires_at: columns.expires_at,
        health: health.into(),
        last_number: columns.last_number,
        version: columns.version,
        created_at: columns.created_at,
        updated_at: columns.updated_at,
        lane: columns.lane,
        lease_due: columns.lease_due,
    })
}

/// The text of a query for what [`check`] looks at.
pub(crate) fn select_sealed(rest: &str) -> String {
    select::<EndpointColumns<'_>>(rest)
}

/// Refuses a row of [`select_sealed`] that does not say what was sealed with it under its account's key.
pub(crate) fn check<'k>(row: &Row, key_of: impl FnOnce(&AccountId) -> Option<&'k DataKey>) -> Result<(), StoreError> {
    let columns: EndpointColumns<'_> = row.read()?;
    let opened = key_of(&columns.account_id).and_then(|key| columns.opened(key));
    opened.map(drop).ok_or_else(|| columns.altered())
}

/// Seals an endpoint as its columns say that it is, and masks its URL, unless that is done; whether it was not.
pub(crate) fn seal(db: Db<'_>, seal: &AccountSeal<'_>, lane: &LaneKey) -> Result<bool, StoreError> {
    let key = params![lane.account_id.as_str(), lane.endpoint_id.as_str()];
    let Some(row) = db.find("endpoints", &select_sealed(BY_ID), key)? else { return Ok(false) };
    let columns: EndpointColumns<'_> = row.read()?;
    if columns.config_sealed.is_some() {
        return Ok(false);
    }
    let sealed = columns.readable().seal(seal, lane);
    let url = mask_query(&columns.url);
    db.execute(SEAL, params![url.as_str(), &sealed[..], lane.account_id.as_str(), lane.endpoint_id.as_str()])?;
    Ok(true)
}

/// Hands the row of an endpoint to `write`.
fn with_row<T>(seal: &AccountSeal<'_>, endpoint: &Endpoint, write: impl FnOnce(EndpointRow<'_>) -> T) -> T {
    let headers_sealed = seal_headers(seal, endpoint);
    let credentials_sealed = seal_credentials(seal, endpoint);
    let config = SealedConfig {
        url: endpoint.url.clone(),
        events: write_filter(&endpoint.filter),
        headers: headers_sealed.as_deref().map(digest),
        enabled: endpoint.enabled,
        in_flight_max: endpoint.in_flight_max,
        rate_limit: endpoint.rate_limit.map(|limit| limit.to_string()),
        payload: endpoint.payload.as_ref().map(crate::sql::write_payload),
        keep_answers: endpoint.keep_answers,
        options: endpoint.options.clone(),
        credentials: credentials_sealed.as_deref().map(digest),
        expires_at: endpoint.expires_at.map(Timestamp::as_micros),
    };
    let lane = LaneKey { account_id: endpoint.account_id.clone(), endpoint_id: endpoint.id.clone() };
    let config_sealed = config.seal(seal, &lane);
    write(EndpointRow {
        account_id: endpoint.account_id.as_str(),
        id: endpoint.id.as_str(),
        lane: endpoint.lane,
        url: &mask_query(&endpoint.url),
        name: endpoint.name.as_deref(),
        events: config.events.as_deref(),
        headers_sealed: headers_sealed.as_deref(),
        config_sealed: Some(&config_sealed),
        enabled: endpoint.enabled,
        in_flight_max: endpoint.in_flight_max,
        rate_limit: config.rate_limit.as_deref(),
        payload: config.payload.as_deref(),
        keep_answers: endpoint.keep_answers,
        options: endpoint.options.as_deref(),
        credentials_sealed: credentials_sealed.as_deref(),
        expires_at: endpoint.expires_at,
        lease_due: endpoint.lease_due,
        health: endpoint.health.status.as_str(),
        consecutive_failures: endpoint.health.consecutive_failures,
        failing_since: endpoint.health.failing_since,
        unhealthy_since: endpoint.health.unhealthy_since,
        resumes_at: endpoint.health.resumes_at,
        last_number: endpoint.last_number,
        version: endpoint.version,
        created_at: endpoint.created_at,
        updated_at: endpoint.updated_at,
    })
}

fn seal_headers(seal: &AccountSeal<'_>, endpoint: &Endpoint) -> Option<Vec<u8>> {
    if endpoint.headers.is_empty() {
        return None;
    }
    let text = serde_json::to_vec(&endpoint.headers).unwrap_or_default(); // pairs of texts cannot fail
    Some(seal.key.seal(seal.entropy, &Place::headers(&endpoint.account_id, endpoint.id.as_str()), &text))
}

fn seal_credentials(seal: &AccountSeal<'_>, endpoint: &Endpoint) -> Option<Vec<u8>> {
    let credentials = endpoint.credentials.as_ref()?;
    let place = Place::credentials(&endpoint.account_id, endpoint.id.as_str());
    Some(seal.key.seal(seal.entropy, &place, credentials.expose().as_bytes()))
}

/// Stores a new endpoint.
pub(crate) fn insert(db: Db<'_>, seal: &AccountSeal<'_>, endpoint: &Endpoint) -> Result<(), StoreError> {
    with_row(seal, endpoint, |row| Insert::put(db, row, "")).map(drop)
}

/// Writes all of an endpoint that was read in the same transaction.
pub(crate) fn replace(db: Db<'_>, seal: &AccountSeal<'_>, endpoint: &Endpoint) -> Result<(), StoreError> {
    with_row(seal, endpoint, |row| Insert::replace(db, row)).map(drop)
}

/// The types that a filter names, for a column that is compared as text.
pub(crate) fn types_between_commas(filter: &EventFilter) -> Option<String> {
    match filter {
        EventFilter::All => None,
        EventFilter::Only(types) => Some(types.iter().map(EventType::as_str).fold(",".to_owned(), |text, one| text + one + ",")),
    }
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![
        select_where(BY_ID),
        Insert::one::<EndpointRow<'_>>(""),
        Insert::replacement::<EndpointRow<'_>>(),
        UPDATE_NUMBER.to_owned(),
        PAGE.sql(),
        select_sealed(BY_ID),
        SEAL.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// The database and the domain give one answer for every endpoint, with and without a test event that waits.
    #[test]
    fn sql_admits_what_the_gate_admits() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE queue (lane INTEGER, origin TEXT, wake_at INTEGER, claim TEXT); \
                 CREATE TABLE endpoints (lane INTEGER, enabled INTEGER, health TEXT)",
            )
            .unwrap();
        let sql = format!("SELECT COUNT(*) FROM endpoints p WHERE {}", admits_some());
        for health in HealthStatus::ALL.iter().copied() {
            for (enabled, waiting) in [(true, None), (false, None), (true, Some("test")), (false, Some("test"))] {
                connection
                    .execute_batch("DELETE FROM queue; DELETE FROM endpoints; INSERT INTO queue VALUES (1, NULL, NULL, NULL)")
                    .unwrap();
                connection
                    .execute("INSERT INTO endpoints VALUES (1, $1, $2)", rusqlite::params![enabled, health.as_str()])
                    .unwrap();
                if let Some(origin) = waiting {
                    connection.execute("INSERT INTO queue VALUES (1, $1, NULL, NULL)", [origin]).unwrap();
                }
                let found: i64 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
                let gate = Gate { enabled, health };
                let expected = gate.admits(false) || (waiting.is_some() && gate.admits(true));
                assert_eq!(found == 1, expected, "{gate:?} {waiting:?}");
            }
        }
    }
}
