//! `sessions` and `portal_links`: who is signed in to the pages, and links that sign somebody in once. Each is known by 32 random
//! bytes, of which only the SHA-256 is stored.

use bellwire_domain::{AccountId, KeyId, Role, Timestamp};

use crate::StoreError;
use crate::sql::{Db, columns, params, table};

columns! {
    /// Somebody who is signed in.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Session of "sessions" {
        /// What it may do.
        pub role: Role = "s.role",
        /// The one account it is for.
        pub account_id: Option<AccountId> = "s.account_id",
        /// The key that signed in. Without the key, the session is gone too.
        pub key_id: Option<KeyId> = "s.key_id",
        /// Who the identity provider says it is.
        pub person: Option<String> = "s.person",
        /// Whether it changes nothing.
        pub read_only: bool = "s.read_only",
        /// When it began.
        pub created_at: Timestamp = "s.created_at",
        /// When it ends.
        pub expires_at: Timestamp = "s.expires_at",
    }
}

columns! {
    /// A link that opens a session, once.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct PortalLink of "portal_links" {
        /// The one account; `None`: the operator's, for all.
        pub account_id: Option<AccountId> = "account_id",
        /// Whether the session changes nothing.
        pub read_only: bool = "read_only",
        /// The page that it opens; `None`: the account's.
        pub path: Option<String> = "path",
        /// When it was made.
        pub created_at: Timestamp = "created_at",
        /// When it stops working.
        pub expires_at: Timestamp = "expires_at",
    }
}

table! {
    /// A session.
    pub(crate) struct SessionRow<'a> in "sessions" key { hash: &'a [u8] } {
        role: &'a str,
        account_id: Option<&'a str>,
        key_id: Option<&'a str>,
        person: Option<&'a str>,
        read_only: bool,
        created_at: Timestamp,
        expires_at: Timestamp,
    }
}

table! {
    /// A link.
    pub(crate) struct PortalLinkRow<'a> in "portal_links" key { hash: &'a [u8] } {
        account_id: Option<&'a str>,
        read_only: bool,
        path: Option<&'a str>,
        created_at: Timestamp,
        expires_at: Timestamp,
    }
}

const END_OF_ACCOUNT: &str = "DELETE FROM sessions WHERE account_id = $1";
const DROP_OF_ACCOUNT: &str = "DELETE FROM portal_links WHERE account_id = $1";

/// Ends an account's own sessions and drops its links: how many of both.
pub(crate) fn end_of_account(db: Db<'_>, id: &AccountId) -> Result<usize, StoreError> {
    let ended = db.execute(END_OF_ACCOUNT, params![id.as_str()])?;
    let dropped = db.execute(DROP_OF_ACCOUNT, params![id.as_str()])?;
    Ok(ended + dropped)
}

#[cfg(test)]
pub(crate) fn statements() -> [&'static str; 2] {
    [END_OF_ACCOUNT, DROP_OF_ACCOUNT]
}
