//! Telling the operator what happens here: as events of an account of its own, delivered like any others.
//!
//! The store writes a notice with whatever it tells of. Publishing one under its own id and then removing it can be done by
//! several nodes at once, and again after a crash: the event is there once.

use bellwire_domain::{AccountId, DeliveryId, RetentionPeriods};
use bellwire_store::{ANSWERED, StoredNotice};
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::accounts::AccountInput;
use crate::author::Author;
use crate::{AccountAccess, App, AppError, Conflict, EventInput, Scope};

/// The types of the events that tell the operator something. `audit.checkpoint`, `delivery.answered`, `endpoint.expiring` and `endpoint.expired` are more, where
/// the contract has them.
pub const OPERATOR_EVENTS: [&str; 6] =
    ["endpoint.unhealthy", "endpoint.failed", "endpoint.disabled", "endpoint.recovered", "delivery.failed", "account.backlog"];

/// The contract of the operator's account, where it is made by [`App::open_operator_account`].
const CONTRACT: &str = "standard-webhooks";
/// Notices published together.
const STEP: u32 = 100;

/// Why the operator's account cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OperatorAccountError {
    /// Its contract does not know an event.
    #[error(
        "the contract `{contract}` of the account `{account}` has no event `{event}`; the operator's account needs one that has"
    )]
    NoSuchEvent {
        /// The account.
        account: String,
        /// Its contract.
        contract: String,
        /// The event.
        event: &'static str,
    },
    /// It cannot be made or read.
    #[error("the operator's account: {0}")]
    App(#[from] AppError),
}

impl App {
    /// The account whose events tell the operator something: made where there is none, under the contract that takes any event.
    ///
    /// # Errors
    /// Its contract does not know the events, or it cannot be made.
    pub async fn open_operator_account(&self, id: &AccountId) -> Result<AccountAccess, OperatorAccountError> {
        if self.find_account(id).await.map_err(AppError::from)?.is_none() {
            let input = AccountInput {
                id: id.as_str(),
                contract: CONTRACT,
                contract_version: None,
                name: Some("Operations".to_owned()),
                secret: None,
                sandbox: false,
                entitlements: Vec::new(),
                retention: RetentionPeriods::default(),
            };
            self.put_account(&Scope::of_process(Author::node()), input).await?;
        }
        let access = self.own_account(id).await?;
        let contract = access.contract()?;
        let missing = OPERATOR_EVENTS.into_iter().find(|word| contract.event(word).is_none());
        match missing {
            None => Ok(access),
            Some(event) => {
                Err(OperatorAccountError::NoSuchEvent { account: id.to_string(), contract: contract.name().to_owned(), event })
            }
        }
    }

    /// Publishes some of what the operator is still to be told: how many. None are left when it is 0.
    ///
    /// # Errors
    /// The account is gone, has too many live deliveries, or the store failed: the notices stay.
    pub async fn tell_operator(&self, id: &AccountId) -> Result<usize, AppError> {
        let notices = self.records().oldest_notices(STEP).await?;
        if notices.is_empty() {
            return Ok(0);
        }
        let access = self.own_account(id).await?;
        let contract = access.contract()?;
        for notice in &notices {
            // Some came later than some accounts' contracts: who cannot be told of them finds them in the API.
            if contract.event(&notice.event_type).is_none() {
                self.records().remove_notices(vec![notice.id.clone()]).await?;
                continue;
            }
            let data = if notice.event_type == ANSWERED { self.with_body(&notice.data).await? } else { notice.data.clone() };
            match self.publish(&access, &[event(notice, data)]).await {
                // What is told once in an hour may have been told already, with the number it had then.
                Ok(_) | Err(AppError::Conflict(Conflict::EventExists { .. })) => {}
                Err(error) => return Err(error),
            }
            self.records().remove_notices(vec![notice.id.clone()]).await?;
        }
        Ok(notices.len())
    }

    /// What is told of an answer, with its body, which is kept with the attempt. There is none where it was dropped or erased, and it is
    /// withheld where the event names whom it is about: what is erased there would stay here.
    async fn with_body(&self, data: &str) -> Result<String, AppError> {
        let Ok(mut told) = serde_json::from_str::<Map<String, Value>>(data) else { return Ok(data.to_owned()) };
        let mut body = Value::Null;
        if told.get("body_withheld") == Some(&Value::Bool(false))
            && let Some(id) = told.get("delivery").and_then(Value::as_str).and_then(|id| id.parse::<DeliveryId>().ok())
            && let Some((_, attempts)) = self.records().find_delivery(id).await?
        {
            let number = told.get("attempt").and_then(Value::as_u64);
            let attempt = attempts.into_iter().find(|attempt| Some(u64::from(attempt.number)) == number);
            let response = attempt.and_then(|attempt| attempt.response);
            body = response.map_or(Value::Null, |bytes| String::from_utf8_lossy(&bytes).into_owned().into());
        }
        told.insert("body".to_owned(), body);
        Ok(Value::Object(told).to_string())
    }
}

fn event(notice: &StoredNotice, data: String) -> EventInput<'_> {
    EventInput {
        pointer: String::new(),
        event_type: notice.event_type.as_str().into(),
        data: Bytes::from(data),
        id: Some(notice.id.as_str().into()),
        occurred_at: Some(notice.at),
        subjects: Vec::new(),
        redeliver: false,
    }
}
