//! Accounts on the wire.

mod data_key;
mod delete;
mod get;
mod list;
mod portal;
mod put;
mod secrets;

use std::time::Duration;

use bellwire_app::ShownSecret;
use bellwire_domain::RetentionPeriods;
use bellwire_http::Api;
use bellwire_store::{Account, Deletion};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(put::put, get::get, delete::delete))
        .routes(routes!(secrets::rotate))
        .routes(routes!(data_key::renew))
        .routes(routes!(portal::open, portal::close))
}

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
struct AccountAnswer {
    /// Its id, chosen by the operator.
    id: String,
    /// The name of its contract.
    contract: String,
    /// The version of the contract that it is pinned to; null: it follows the contract's default.
    contract_version: Option<String>,
    /// A name for people.
    name: Option<String>,
    /// Whether it is a sandbox.
    sandbox: bool,
    /// Event types granted beyond what the contract gives everyone.
    entitlements: Vec<String>,
    /// How many days what is its own is kept.
    retention: RetentionAnswer,
    /// When it was created.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
    /// The account's secret. Shown when it is generated or rotated; later only if the contract allows reading it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Where secrets are private keys: the public half of the newest, as PEM. The private one is never shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    /// Which of all that there have been the one that is shown is: 1 is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_version: Option<i64>,
    /// How far its deletion is. Only in an account that is being deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleting: Option<DeletionAnswer>,
}

/// How many days what is an account's is kept, by class; null: as long as everybody's.
#[derive(Serialize, ToSchema)]
#[schema(as = Retention)]
pub(super) struct RetentionAnswer {
    /// Events with their deliveries and attempts.
    history: Option<u64>,
    /// Payloads of events.
    payloads: Option<u64>,
    /// Answers of receivers.
    answers: Option<u64>,
    /// What receivers were told about somebody.
    disclosures: Option<u64>,
}

impl RetentionAnswer {
    pub(super) fn show(periods: RetentionPeriods) -> Self {
        let days = |period: Option<Duration>| period.map(|period| period.as_secs() / 86_400);
        let RetentionPeriods { history, payloads, answers, disclosures } = periods;
        Self { history: days(history), payloads: days(payloads), answers: days(answers), disclosures: days(disclosures) }
    }
}

/// How far the deletion of an account is.
#[derive(Serialize, ToSchema)]
#[schema(as = Deletion)]
struct DeletionAnswer {
    /// When it was asked for.
    since: String,
    /// Events left.
    events_left: i64,
    /// Live deliveries left.
    live_deliveries_left: i64,
}

impl DeletionAnswer {
    fn sample() -> Self {
        Self { since: "2025-01-16T08:00:00.000000Z".to_owned(), events_left: 480_000, live_deliveries_left: 500_000 }
    }

    fn show(left: &Deletion) -> Self {
        Self { since: left.since.to_string(), events_left: left.events, live_deliveries_left: left.live_deliveries }
    }
}

impl AccountAnswer {
    fn sample() -> Self {
        Self {
            id: "clinic-7".to_owned(),
            contract: "noyo".to_owned(),
            contract_version: None,
            name: Some("Clinic 7".to_owned()),
            sandbox: false,
            entitlements: Vec::new(),
            retention: RetentionAnswer { history: None, payloads: Some(30), answers: Some(7), disclosures: None },
            created_at: "2025-01-15T10:30:00.000000Z".to_owned(),
            updated_at: "2025-01-16T08:00:00.000000Z".to_owned(),
            secret: None,
            public_key: None,
            secret_version: None,
            deleting: None,
        }
    }

    fn show(account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            contract: account.contract.clone(),
            contract_version: account.contract_version.clone(),
            name: account.name.clone(),
            sandbox: account.sandbox,
            entitlements: account.entitlements.iter().cloned().collect(),
            retention: RetentionAnswer::show(account.retention()),
            created_at: account.created_at.to_string(),
            updated_at: account.updated_at.to_string(),
            secret: None,
            public_key: None,
            secret_version: None,
            deleting: None,
        }
    }

    fn with_secret(self, secret: Option<&ShownSecret>) -> Self {
        let text = secret.and_then(ShownSecret::text).map(|secret| secret.expose().clone());
        let public_key = secret.and_then(ShownSecret::key).map(|key| key.pem.clone());
        Self { secret: text, public_key, secret_version: secret.and_then(ShownSecret::version), ..self }
    }
}
