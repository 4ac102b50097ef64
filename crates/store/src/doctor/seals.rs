//! Opens everything that is sealed, where the master key is known. Values are streamed: a store may hold more than fits in
//! memory.

use std::collections::HashMap;
use std::sync::Arc;

use bellwire_domain::{AccountId, EndpointId, EventId, ResourceId};

use super::Check;
use crate::StoreError;
use crate::accounts::secret_context;
use crate::driver::{Db, Row};
use crate::endpoints::headers_context;
use crate::handoff::LaneKey;
use crate::outcomes::response_context;
use crate::publish::payload_context;
use crate::resources::document_context;
use crate::seal::{DataKey, Keyring};

const NO_KEY: &str = "the master key is not given";

/// One kind of sealed value. Its statement answers the account, the sealed value, and what its place is made of.
pub(super) struct Definition {
    name: &'static str,
    promise: &'static str,
    table: &'static str,
    pub(super) select: &'static str,
    context: fn(&AccountId, &Row) -> Result<String, StoreError>,
    /// The column of that statement that says how many bytes the value has, opened.
    length: Option<usize>,
}

pub(super) const ALL: &[Definition] = &[
    Definition {
        name: "sealed.secrets",
        promise: "every secret opens in its place",
        table: "secrets",
        select: "SELECT account_id, secret_sealed, endpoint_id, ordinal FROM secrets",
        context: |account, row| Ok(secret_context(account, row.text(2, "endpoint_id")?, row.int(3, "ordinal")?)),
        length: None,
    },
    Definition {
        name: "sealed.headers",
        promise: "the headers of every endpoint open in their place",
        table: "endpoints",
        select: "SELECT account_id, headers_sealed, id FROM endpoints WHERE headers_sealed IS NOT NULL",
        context: |account, row| {
            let endpoint_id: EndpointId = row.parsed(2, "id")?;
            Ok(headers_context(&LaneKey { account_id: account.clone(), endpoint_id }))
        },
        length: None,
    },
    Definition {
        name: "sealed.payloads",
        promise: "every payload opens in its place, and is as long as its event says",
        table: "events",
        select: "SELECT COALESCE(a.id, 'unknown'), e.payload_sealed, e.id, e.payload_length FROM events e \
             LEFT JOIN accounts a ON a.ref = e.account",
        context: |account, row| Ok(payload_context(account, &row.parsed::<EventId>(2, "id")?)),
        length: Some(3),
    },
    Definition {
        name: "sealed.documents",
        promise: "the document of every resource opens in its place",
        table: "resources",
        select: "SELECT account_id, document_sealed, kind, id FROM resources",
        context: |account, row| Ok(document_context(account, row.text(2, "kind")?, &row.parsed::<ResourceId>(3, "id")?)),
        length: None,
    },
    Definition {
        name: "sealed.answers",
        promise: "every answer that was kept opens in its place",
        table: "attempts",
        select: "SELECT COALESCE(a.id, 'unknown'), t.response_sealed, t.delivery_id, t.number FROM attempts t \
             LEFT JOIN accounts a ON a.ref = t.account WHERE t.response_sealed IS NOT NULL",
        context: |_, row| Ok(response_context(row.delivery_id(2, "delivery_id")?, row.narrow(3, "number")?)),
        length: None,
    },
];

const DATA_KEYS: &str = "SELECT id, data_key_sealed FROM accounts";

/// All checks of this kind; noted as skipped without a keyring.
pub(super) fn check(db: Db<'_>, keyring: Option<&Keyring>) -> Result<Vec<Check>, StoreError> {
    let mut keys_check = Check::new("sealed.keys", "the data key of every account opens under the master key");
    let Some(keyring) = keyring else {
        let skipped = |definition: &Definition| Check::new(definition.name, definition.promise);
        let all = [keys_check].into_iter().chain(ALL.iter().map(skipped));
        return Ok(all.map(|check| Check { skipped: Some(NO_KEY), ..check }).collect());
    };
    let mut keys = HashMap::new();
    db.for_each("accounts", DATA_KEYS, &mut |row| {
        let account: AccountId = row.parsed(0, "id")?;
        keys_check.counted += 1;
        match keyring.unwrap(&account, row.bytes(1, "data_key_sealed")?) {
            Ok(key) => drop(keys.insert(account, key)),
            Err(_) => keys_check.violate(format!("account {account}")),
        }
        Ok(())
    })?;
    let mut checks = vec![keys_check];
    for definition in ALL {
        checks.push(open_all(db, definition, &keys)?);
    }
    Ok(checks)
}

fn open_all(db: Db<'_>, definition: &Definition, keys: &HashMap<AccountId, Arc<DataKey>>) -> Result<Check, StoreError> {
    let mut check = Check::new(definition.name, definition.promise);
    db.for_each(definition.table, definition.select, &mut |row| {
        let account: AccountId = row.parsed(0, "account_id")?;
        let context = (definition.context)(&account, row)?;
        check.counted += 1;
        let opened = keys.get(&account).map(|key| key.open(definition.table, &context, row.bytes(1, "sealed")?));
        let length: Option<usize> = definition.length.map(|column| row.narrow(column, "length")).transpose()?;
        if !opened.is_some_and(|opened| opened.is_ok_and(|plain| length.is_none_or(|length| length == plain.len()))) {
            check.violate(context);
        }
        Ok(())
    })?;
    Ok(check)
}
