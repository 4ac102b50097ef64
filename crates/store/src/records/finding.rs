//! Finding an event or an endpoint by what somebody has of it, whichever account it is of.
//!
//! Both are named within their account, so their accounts are gone through, as far as is little work.

use bellwire_domain::{AccountId, EndpointId, EventId, mask_query};

use crate::StoreError;
use crate::rows::lane::LaneKey;
use crate::sql::{Db, Select, columns, params};

/// What has an id, or a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// An event.
    Event(AccountId, EventId),
    /// An endpoint.
    Endpoint(LaneKey),
}

columns! {
    struct Owner of "accounts" {
        account_id: AccountId = "a.id",
    }
}

columns! {
    struct FoundEndpoint of "endpoints" {
        account_id: AccountId = "p.account_id",
        endpoint_id: EndpointId = "p.id",
    }
}

/// One look into an index for each account. PostgreSQL would turn a join around, and read all of the index.
static EVENT: Select<Owner> = Select::new(
    "FROM (SELECT ref, id FROM accounts ORDER BY ref LIMIT 20000) a \
     WHERE (SELECT e.place FROM events e WHERE e.account = a.ref AND e.id = $1) IS NOT NULL LIMIT 1",
);
static ENDPOINT: Select<FoundEndpoint> =
    Select::new("FROM lanes l JOIN endpoints p ON p.lane = l.ref WHERE l.endpoint_id = $1 ORDER BY l.ref LIMIT 1");
static URL: Select<FoundEndpoint> = Select::new(
    "FROM (SELECT account_id, id, url FROM endpoints ORDER BY account_id, id LIMIT 20000) p WHERE p.url = $1 LIMIT 1",
);

/// The first event or endpoint with this id, or the first endpoint with this URL. The values in
/// a URL's query are not compared: they are sealed.
pub(super) fn find(db: Db<'_>, wanted: &str) -> Result<Option<Found>, StoreError> {
    if let (Ok(event_id), Some(owner)) = (EventId::try_new(wanted), EVENT.find(db, params![wanted])?) {
        return Ok(Some(Found::Event(owner.account_id, event_id)));
    }
    let by_id = ENDPOINT.find(db, params![wanted])?;
    let found = if by_id.is_some() { by_id } else { URL.find(db, params![mask_query(wanted).as_str()])? };
    let lane = |found: FoundEndpoint| LaneKey { account_id: found.account_id, endpoint_id: found.endpoint_id };
    Ok(found.map(|found| Found::Endpoint(lane(found))))
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![EVENT.sql(), ENDPOINT.sql(), URL.sql()]
}
