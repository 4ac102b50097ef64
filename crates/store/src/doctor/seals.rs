//! Opens everything that is sealed, where the master key is known. Values are streamed: a store may hold more than fits in
//! memory.

use std::collections::HashMap;
use std::sync::Arc;

use bellwire_domain::{AccountId, BulkRetryId, ClientId, DeliveryId, ErasureId, EventId, ResourceId};

use super::examination::Check;
use crate::StoreError;
use crate::audit::keys::store_key;
use crate::queue::adoption;
use crate::rows::{endpoint, key};
use crate::seal::{DataKey, Keyring, Place, SubjectHash};
use crate::sql::{Db, Row, columns, select};

const NO_KEY: &str = "the master key is not given";

columns! {
    /// An account's data key.
    struct SealedKey<'r> of "accounts" {
        account: AccountId = "id",
        sealed: &'r [u8] = "data_key_sealed",
    }
}

columns! {
    struct SealedRetry<'r> of "bulk_retries" {
        id: BulkRetryId = "id",
        sealed: &'r [u8] = "reason_sealed",
    }
}

columns! {
    struct SealedContractKey<'r> of "contract_keys" {
        contract: &'r str = "contract",
        kind: &'r str = "kind",
        ordinal: i64 = "ordinal",
        sealed: &'r [u8] = "key_sealed",
    }
}

columns! {
    struct SealedSecret<'r> of "secrets" {
        account: AccountId = "account_id",
        endpoint: &'r str = "endpoint_id",
        ordinal: i64 = "ordinal",
        sealed: &'r [u8] = "secret_sealed",
    }
}

columns! {
    struct SealedClient<'r> of "clients" {
        account: AccountId = "account_id",
        id: ClientId = "id",
        sealed: &'r [u8] = "keys_sealed",
    }
}

columns! {
    struct SealedHeaders<'r> of "endpoints" {
        account: AccountId = "account_id",
        endpoint: &'r str = "id",
        sealed: &'r [u8] = "headers_sealed",
    }
}

columns! {
    struct SealedCredentials<'r> of "endpoints" {
        account: AccountId = "account_id",
        endpoint: &'r str = "id",
        sealed: &'r [u8] = "credentials_sealed",
    }
}

columns! {
    struct SealedActivation<'r> of "endpoints" {
        account: AccountId = "account_id",
        endpoint: &'r str = "id",
        sealed: &'r [u8] = "activation_sealed",
    }
}

columns! {
    struct SealedPayload<'r> of "events" {
        account: AccountId = "COALESCE(a.id, 'unknown')",
        event: EventId = "e.id",
        length: usize = "e.payload_length",
        sealed: &'r [u8] = "e.payload_sealed",
    }
}

columns! {
    struct SealedDocument<'r> of "resources" {
        account: AccountId = "account_id",
        kind: &'r str = "kind",
        id: ResourceId = "id",
        sealed: &'r [u8] = "document_sealed",
    }
}

columns! {
    struct SealedAnswer<'r> of "attempts" {
        account: AccountId = "COALESCE(a.id, 'unknown')",
        delivery: DeliveryId = "t.delivery_id",
        number: u32 = "t.number",
        sealed: &'r [u8] = "t.response_sealed",
    }
}

columns! {
    struct SealedUrl<'r> of "disclosures" {
        account: AccountId = "COALESCE(a.id, 'unknown')",
        delivery: DeliveryId = "d.delivery",
        attempt: u32 = "d.attempt",
        sealed: &'r [u8] = "d.url_sealed",
    }
}

columns! {
    struct SealedReason<'r> of "erasures" {
        account: AccountId = "account_id",
        id: ErasureId = "id",
        sealed: &'r [u8] = "reason_sealed",
    }
}

columns! {
    struct SealedHold<'r> of "holds" {
        account: AccountId = "account_id",
        subject: &'r [u8] = "subject",
        sealed: &'r [u8] = "subject_sealed",
    }
}

/// A sealed value as it was found.
struct Found<'r> {
    account: AccountId,
    place: Place,
    sealed: &'r [u8],
    /// How many bytes it has, opened, where the row says that.
    length: Option<usize>,
}

/// One kind of sealed value.
struct Definition {
    name: &'static str,
    promise: &'static str,
    table: &'static str,
    select: fn() -> String,
    read: for<'r> fn(&'r Row) -> Result<Found<'r>, StoreError>,
}

const ALL: &[Definition] = &[
    Definition {
        name: "sealed.secrets",
        promise: "every secret opens in its place",
        table: "secrets",
        select: || select::<SealedSecret<'_>>("FROM secrets"),
        read: |row| {
            let SealedSecret { account, endpoint, ordinal, sealed } = row.read()?;
            Ok(Found { place: Place::secret(&account, endpoint, ordinal), account, sealed, length: None })
        },
    },
    Definition {
        name: "sealed.clients",
        promise: "the keys of every client open in their place",
        table: "clients",
        select: || select::<SealedClient<'_>>("FROM clients"),
        read: |row| {
            let SealedClient { account, id, sealed } = row.read()?;
            Ok(Found { place: Place::client(&account, &id), account, sealed, length: None })
        },
    },
    Definition {
        name: "sealed.headers",
        promise: "the headers of every endpoint open in their place",
        table: "endpoints",
        select: || select::<SealedHeaders<'_>>("FROM endpoints WHERE headers_sealed IS NOT NULL"),
        read: |row| {
            let SealedHeaders { account, endpoint, sealed } = row.read()?;
            Ok(Found { place: Place::headers(&account, endpoint), account, sealed, length: None })
        },
    },
    Definition {
        name: "sealed.credentials",
        promise: "the credentials of every endpoint open in their place",
        table: "endpoints",
        select: || select::<SealedCredentials<'_>>("FROM endpoints WHERE credentials_sealed IS NOT NULL"),
        read: |row| {
            let SealedCredentials { account, endpoint, sealed } = row.read()?;
            Ok(Found { place: Place::credentials(&account, endpoint), account, sealed, length: None })
        },
    },
    Definition {
        name: "sealed.activations",
        promise: "how the activation of every endpoint stands opens in its place",
        table: "endpoints",
        select: || select::<SealedActivation<'_>>("FROM endpoints WHERE activation_sealed IS NOT NULL"),
        read: |row| {
            let SealedActivation { account, endpoint, sealed } = row.read()?;
            Ok(Found { place: Place::activation(&account, endpoint), account, sealed, length: None })
        },
    },
    Definition {
        name: "sealed.payloads",
        promise: "every payload opens in its place, and is as long as its event says",
        table: "events",
        select: || {
            select::<SealedPayload<'_>>("FROM events e LEFT JOIN accounts a ON a.ref = e.account WHERE e.payload_length >= 0")
        },
        read: |row| {
            let SealedPayload { account, event, length, sealed } = row.read()?;
            Ok(Found { place: Place::payload(&account, &event), account, sealed, length: Some(length) })
        },
    },
    Definition {
        name: "sealed.documents",
        promise: "the document of every resource opens in its place",
        table: "resources",
        select: || select::<SealedDocument<'_>>("FROM resources"),
        read: |row| {
            let SealedDocument { account, kind, id, sealed } = row.read()?;
            Ok(Found { place: Place::document(&account, kind, &id), account, sealed, length: None })
        },
    },
    Definition {
        name: "sealed.answers",
        promise: "every answer that was kept opens in its place",
        table: "attempts",
        select: || {
            let rest = "FROM attempts t LEFT JOIN accounts a ON a.ref = t.account WHERE t.response_sealed IS NOT NULL";
            select::<SealedAnswer<'_>>(rest)
        },
        read: |row| {
            let SealedAnswer { account, delivery, number, sealed } = row.read()?;
            Ok(Found { place: Place::response(delivery, number), account, sealed, length: None })
        },
    },
    Definition {
        name: "sealed.disclosures",
        promise: "the URL of every disclosure opens in its place",
        table: "disclosures",
        select: || select::<SealedUrl<'_>>("FROM disclosures d LEFT JOIN accounts a ON a.ref = d.account"),
        read: |row| {
            let SealedUrl { account, delivery, attempt, sealed } = row.read()?;
            Ok(Found { place: Place::disclosed_url(delivery, attempt), account, sealed, length: None })
        },
    },
    Definition {
        name: "sealed.erasures",
        promise: "why an erasure was asked for opens in its place",
        table: "erasures",
        select: || select::<SealedReason<'_>>("FROM erasures"),
        read: |row| {
            let SealedReason { account, id, sealed } = row.read()?;
            Ok(Found { place: Place::erasure_reason(&id), account, sealed, length: None })
        },
    },
    Definition {
        name: "sealed.holds",
        promise: "the subject of every hold opens in its place",
        table: "holds",
        select: || select::<SealedHold<'_>>("FROM holds"),
        read: |row| {
            let SealedHold { account, subject, sealed } = row.read()?;
            let name = SubjectHash::read(subject).map(|subject| subject.to_string()).unwrap_or_default();
            Ok(Found { place: Place::hold(&account, &name, "subject"), account, sealed, length: None })
        },
    },
];

const ALL_ENDPOINTS: &str = "FROM endpoints p";
const SEALED_ENDPOINTS: &str = "FROM endpoints p WHERE p.config_sealed IS NOT NULL";

const API_KEYS: &str = "sealed.api_keys";
const API_KEYS_PROMISE: &str = "what every API key may do is what was written";

/// An API key's seal opens nothing: it is compared.
fn check_api_keys(db: Db<'_>, keyring: &Keyring) -> Result<Check, StoreError> {
    let mut check = Check::new(API_KEYS, API_KEYS_PROMISE);
    let Some(store_key) = store_key(db, keyring)? else { return Ok(check) };
    for key in key::all(db, &store_key)? {
        check.counted += 1;
        if !key.is_genuine {
            check.violate(format!("key {}", key.id));
        }
    }
    Ok(check)
}

const REASONS: &str = "sealed.bulk_retries";
const REASONS_PROMISE: &str = "why deliveries were retried together opens in its place";

/// These are sealed under the store's own key: a bulk retry may be of all accounts.
fn check_reasons(db: Db<'_>, keyring: &Keyring) -> Result<Check, StoreError> {
    let mut check = Check::new(REASONS, REASONS_PROMISE);
    let Some(store_key) = store_key(db, keyring)? else { return Ok(check) };
    let sealed = "FROM bulk_retries WHERE reason_sealed IS NOT NULL";
    db.for_each("bulk_retries", &select::<SealedRetry<'_>>(sealed), &mut |row| {
        let SealedRetry { id, sealed } = row.read()?;
        check.counted += 1;
        if store_key.open(&Place::bulk_retry_reason(&id), sealed).is_err() {
            check.violate(format!("bulk retry {id}"));
        }
        Ok(())
    })?;
    Ok(check)
}

const CONTRACT_KEYS: &str = "sealed.contract_keys";
const CONTRACT_KEYS_PROMISE: &str = "every key of a contract opens in its place";

/// These are sealed under the store's own key too: they are no account's.
fn check_contract_keys(db: Db<'_>, keyring: &Keyring) -> Result<Check, StoreError> {
    let mut check = Check::new(CONTRACT_KEYS, CONTRACT_KEYS_PROMISE);
    let Some(store_key) = store_key(db, keyring)? else { return Ok(check) };
    db.for_each("contract_keys", &select::<SealedContractKey<'_>>("FROM contract_keys"), &mut |row| {
        let SealedContractKey { contract, kind, ordinal, sealed } = row.read()?;
        check.counted += 1;
        if store_key.open(&Place::contract_key(contract, kind, ordinal), sealed).is_err() {
            check.violate(format!("key {ordinal} ({kind}) of contract {contract}"));
        }
        Ok(())
    })?;
    Ok(check)
}

const ENDPOINTS: &str = "sealed.endpoints";
const ENDPOINTS_PROMISE: &str = "every endpoint is sent to as it was stored";

/// What decides where and how an endpoint is sent to is sealed, and compared with what its columns say.
fn check_endpoints(db: Db<'_>, keys: &HashMap<AccountId, Arc<DataKey>>) -> Result<Check, StoreError> {
    let mut check = Check::new(ENDPOINTS, ENDPOINTS_PROMISE);
    // A store that was only migrated may have some without a seal.
    let rest = if adoption::is_done(db)? { ALL_ENDPOINTS } else { SEALED_ENDPOINTS };
    db.for_each("endpoints", &endpoint::select_sealed(rest), &mut |row| {
        check.counted += 1;
        if let Err(error) = endpoint::check(row, |account| keys.get(account).map(Arc::as_ref)) {
            check.violate(error.to_string());
        }
        Ok(())
    })?;
    Ok(check)
}

/// All checks of this kind; marked as skipped without a keyring.
pub(super) fn check(db: Db<'_>, keyring: Option<&Keyring>) -> Result<Vec<Check>, StoreError> {
    let mut keys_check = Check::new("sealed.keys", "the data key of every account opens under the master key");
    let Some(keyring) = keyring else {
        let skipped = |definition: &Definition| Check::new(definition.name, definition.promise);
        let own = [
            (API_KEYS, API_KEYS_PROMISE),
            (ENDPOINTS, ENDPOINTS_PROMISE),
            (REASONS, REASONS_PROMISE),
            (CONTRACT_KEYS, CONTRACT_KEYS_PROMISE),
        ];
        let own = own.map(|(name, promise)| Check::new(name, promise));
        let all = [keys_check].into_iter().chain(own).chain(ALL.iter().map(skipped));
        return Ok(all.map(|check| Check { skipped: Some(NO_KEY), ..check }).collect());
    };
    let mut keys = HashMap::new();
    db.for_each("accounts", &select::<SealedKey<'_>>("FROM accounts"), &mut |row| {
        let SealedKey { account, sealed } = row.read()?;
        keys_check.counted += 1;
        match keyring.open_key(&account, sealed) {
            Ok(key) => drop(keys.insert(account, key)),
            Err(_) => keys_check.violate(format!("account {account}")),
        }
        Ok(())
    })?;
    let mut checks = vec![
        keys_check,
        check_api_keys(db, keyring)?,
        check_endpoints(db, &keys)?,
        check_reasons(db, keyring)?,
        check_contract_keys(db, keyring)?,
    ];
    for definition in ALL {
        checks.push(open_all(db, definition, &keys)?);
    }
    Ok(checks)
}

fn open_all(db: Db<'_>, definition: &Definition, keys: &HashMap<AccountId, Arc<DataKey>>) -> Result<Check, StoreError> {
    let mut check = Check::new(definition.name, definition.promise);
    db.for_each(definition.table, &(definition.select)(), &mut |row| {
        let Found { account, place, sealed, length } = (definition.read)(row)?;
        check.counted += 1;
        let opened = keys.get(&account).and_then(|key| key.open(&place, sealed).ok());
        let is_whole = |plain: Vec<u8>| length.is_none_or(|length| length == plain.len());
        if !opened.is_some_and(is_whole) {
            check.violate(place.to_string());
        }
        Ok(())
    })?;
    Ok(check)
}

#[cfg(test)]
pub(super) fn statements() -> impl Iterator<Item = String> {
    let endpoints = [ALL_ENDPOINTS, SEALED_ENDPOINTS].map(endpoint::select_sealed);
    ALL.iter().map(|definition| (definition.select)()).chain(endpoints)
}
