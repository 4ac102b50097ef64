//! What an endpoint would get: its choice, held against what the account's log has seen last.

use bellwire_contract::{EventValues, FilteredEvent};
use bellwire_domain::{EventId, EventType, Timestamp};
use bellwire_store::{EventQuery, PageRequest};
use serde_json::{Map, Value};

use crate::error::no_faults;
use crate::{AccountAccess, App, AppError};

/// The events that are looked at.
const LOOK: u32 = 50;

/// What of an endpoint's choice is tried; `None`: as it is.
#[derive(Debug, Clone, Default)]
pub struct PreviewInput {
    /// The event types; `Some(None)`: all.
    pub events: Option<Option<Vec<String>>>,
    /// Options of its contract that change, as in an update; `Some(None)`: no choice at all.
    pub options: Option<Option<Map<String, Value>>>,
}

/// An event of the log, and whether it would go to the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewedEvent {
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Whether the endpoint would get it.
    pub matches: bool,
}

impl App {
    /// The account's last events, newest first, and which of them would go to an endpoint. Test events, and those whose data was removed,
    /// are left out. Nothing is changed or sent.
    pub async fn preview_endpoint(
        &self,
        access: &AccountAccess,
        id: &str,
        wanted: PreviewInput,
    ) -> Result<Vec<PreviewedEvent>, AppError> {
        let endpoint = self.get_endpoint(access, id).await?;
        let rules = self.endpoint_rules(access)?;
        let mut faults = Vec::new();
        let types = wanted.events.map_or(endpoint.filter.clone(), |events| rules.check_events(events.as_deref(), &mut faults));
        let options = match wanted.options {
            Some(options) => rules.check_options(endpoint.options.as_deref(), options, &mut faults),
            None => endpoint.options.clone(),
        };
        no_faults(faults)?;
        let account = &access.account.id;
        let query = EventQuery { after_seq: self.records().last_seq(account).await? - i64::from(LOOK), ..EventQuery::default() };
        let page = PageRequest { limit: LOOK, after: None };
        let events = self.records().list_events(account, query, page).await?.items;
        let contract = rules.contract;
        let judged = events.into_iter().rev().filter(|event| event.removed.is_none() && !event.is_test).map(|event| {
            let data = std::str::from_utf8(&event.data).unwrap_or("null"); // JSON, which is UTF-8
            let (id, event_type) = (event.id.as_str(), &event.event_type);
            let facts = FilteredEvent { id, event_type, occurred_at: event.occurred_at, data, is_test: false };
            let matches = types.matches(event_type) && contract.wants(facts, options.as_deref(), &EventValues::default());
            PreviewedEvent { matches, id: event.id, event_type: event.event_type, occurred_at: event.occurred_at }
        });
        Ok(judged.collect())
    }
}
