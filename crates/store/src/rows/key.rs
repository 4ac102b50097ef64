//! `api_keys`: a key is 32 random bytes. Only its SHA-256 is stored, which is enough for a secret nobody chose.

use bellwire_domain::{AccountId, KeyId, Role, Timestamp};

use crate::sql::{columns, table};

columns! {
    /// A stored key, without the key itself.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ApiKey of "api_keys" {
        /// Its id.
        pub id: KeyId = "id",
        /// What it may do.
        pub role: Role = "role",
        /// The one account it is for.
        pub account_id: Option<AccountId> = "account_id",
        /// When it was made.
        pub created_at: Timestamp = "created_at",
        /// When it stops working.
        pub expires_at: Option<Timestamp> = "expires_at",
    }
}

table! {
    /// A key.
    pub(crate) struct KeyRow<'a> in "api_keys" key { id: &'a str } {
        role: &'a str,
        account_id: Option<&'a str>,
        hash: &'a [u8],
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
    }
}
