//! API keys on the wire.

mod create;
mod delete;
mod list;

use bellwire_domain::{AccountId, Role};
use bellwire_http::Api;
use bellwire_store::ApiKey;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(create::create, list::list)).routes(routes!(delete::delete))
}

/// An API key.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
struct KeyAnswer {
    /// Its id.
    id: String,
    /// What it may do: `admin`, `publisher`, `consumer` or `auditor`.
    role: &'static str,
    /// The account that a consumer's key is for.
    account: Option<String>,
    /// What people call it.
    name: Option<String>,
    /// The beginning of the key, to tell it from others; null: it was configured.
    prefix: Option<String>,
    /// The only accounts that a publisher's key is for; empty: all.
    accounts: Vec<String>,
    /// The one contract whose accounts a publisher's key is for.
    contract: Option<String>,
    /// Whether a publisher's key reads no documents.
    write_only: bool,
    /// When it was last used, to the minute.
    last_used_at: Option<String>,
    /// Whether what it may do is what was written. A key that was changed in the database lets nobody in.
    genuine: bool,
    /// When it was created.
    created_at: String,
    /// When it stops working.
    expires: Option<String>,
    /// The key itself, shown only when it is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl KeyAnswer {
    fn sample() -> Self {
        Self {
            id: "key_01jhmqzxw8e2s0v9d1c3b5a7n9".to_owned(),
            role: Role::Consumer.as_str(),
            account: Some("clinic-7".to_owned()),
            name: Some("Intake".to_owned()),
            prefix: Some("bwk_5f0c1d2e".to_owned()),
            accounts: Vec::new(),
            contract: None,
            write_only: false,
            last_used_at: Some("2025-01-15T11:02:00.000000Z".to_owned()),
            genuine: true,
            created_at: "2025-01-15T10:30:00.000000Z".to_owned(),
            expires: None,
            key: None,
        }
    }

    fn show(key: &ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            role: key.role.as_str(),
            account: key.account_id.as_ref().map(AccountId::to_string),
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            accounts: key.bounds.accounts.iter().cloned().collect(),
            contract: key.bounds.contract.clone(),
            write_only: key.bounds.write_only,
            last_used_at: key.last_used_at.map(|at| at.to_string()),
            genuine: key.is_genuine,
            created_at: key.created_at.to_string(),
            expires: key.expires_at.map(|end| end.to_string()),
            key: None,
        }
    }
}
