//! Sessions, and the links that open one.

use bellwire_domain::{AccountId, KeyId, Role, Timestamp};

use crate::StoreError;
use crate::rows::account;
use crate::rows::session::{PortalLink, PortalLinkRow, Session, SessionRow};
use crate::sql::{Db, Insert, Select, params};

/// A session lasts no longer than the key that it was opened with.
static BY_HASH: Select<Session> = Select::new(
    "FROM sessions s WHERE s.hash = $1 AND s.expires_at > $2 AND (s.key_id IS NULL OR EXISTS \
     (SELECT 1 FROM api_keys k WHERE k.id = s.key_id AND (k.expires_at IS NULL OR k.expires_at > $2)))",
);
static LINK: Select<PortalLink> = Select::new("FROM portal_links WHERE hash = $1 AND expires_at > $2");
const END: &str = "DELETE FROM sessions WHERE hash = $1";
const USE: &str = "DELETE FROM portal_links WHERE hash = $1";
const END_EXPIRED: &str = "DELETE FROM sessions WHERE expires_at <= $1";
const DROP_EXPIRED: &str = "DELETE FROM portal_links WHERE expires_at <= $1";
const END_OF_KEY: &str = "DELETE FROM sessions WHERE key_id = $1";

pub(super) fn find(db: Db<'_>, hash: &[u8; 32], now: Timestamp) -> Result<Option<Session>, StoreError> {
    BY_HASH.find(db, params![&hash[..], now])
}

/// Stores a session, and removes those that have expired.
pub(super) fn create(db: Db<'_>, session: &Session, hash: &[u8; 32], now: Timestamp) -> Result<(), StoreError> {
    db.execute(END_EXPIRED, params![now])?;
    let row = SessionRow {
        hash,
        role: session.role.as_str(),
        account_id: session.account_id.as_ref().map(AccountId::as_str),
        key_id: session.key_id.as_ref().map(KeyId::as_str),
        person: session.person.as_deref(),
        read_only: session.read_only,
        created_at: session.created_at,
        expires_at: session.expires_at,
    };
    Insert::put(db, row, "").map(drop)
}

pub(super) fn end(db: Db<'_>, hash: &[u8; 32]) -> Result<(), StoreError> {
    db.execute(END, params![&hash[..]]).map(drop)
}

/// Ends what a key has opened, because another takes its place.
pub(super) fn end_of_key(db: Db<'_>, id: &KeyId) -> Result<(), StoreError> {
    db.execute(END_OF_KEY, params![id.as_str()]).map(drop)
}

/// Stores a link, and removes those that have expired. `false`: there is no such account.
pub(super) fn create_link(db: Db<'_>, link: &PortalLink, hash: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
    db.execute(DROP_EXPIRED, params![now])?;
    if let Some(id) = &link.account_id
        && account::find(db, id)?.is_none_or(|account| account.deleting_since.is_some())
    {
        return Ok(false);
    }
    let row = PortalLinkRow {
        hash,
        account_id: link.account_id.as_ref().map(AccountId::as_str),
        read_only: link.read_only,
        path: link.path.as_deref(),
        created_at: link.created_at,
        expires_at: link.expires_at,
    };
    Insert::put(db, row, "").map(|_| true)
}

/// Opens a session by a link, which works no more after that. `None`: it never did, or does not any more.
pub(super) fn open_link(
    db: Db<'_>,
    link_hash: &[u8; 32],
    session_hash: &[u8; 32],
    session_end: Timestamp,
    now: Timestamp,
) -> Result<Option<PortalLink>, StoreError> {
    let Some(link) = LINK.find(db, params![&link_hash[..], now])? else { return Ok(None) };
    // Two nodes may have read it; one of them deletes it.
    if db.execute(USE, params![&link_hash[..]])? == 0 {
        return Ok(None);
    }
    let session = Session {
        role: if link.account_id.is_some() { Role::Consumer } else { Role::Admin },
        account_id: link.account_id.clone(),
        key_id: None,
        person: link.account_id.is_none().then(|| "operator".to_owned()),
        read_only: link.read_only,
        created_at: now,
        expires_at: session_end,
    };
    create(db, &session, session_hash, now)?;
    Ok(Some(link))
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let fixed = [END, USE, END_EXPIRED, DROP_EXPIRED, END_OF_KEY].map(str::to_owned);
    let inserts = [Insert::one::<SessionRow<'_>>(""), Insert::one::<PortalLinkRow<'_>>("")];
    fixed
        .into_iter()
        .chain(inserts)
        .chain(crate::rows::session::statements().map(str::to_owned))
        .chain([BY_HASH.sql(), LINK.sql()])
        .collect()
}
