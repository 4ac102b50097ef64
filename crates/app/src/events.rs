//! Reading an account's log of events.

use bellwire_domain::{AuditAction, EventFilter, EventId, Timestamp};
use bellwire_store::{Arrival, Event, EventQuery, Found, Page, PageRequest};
use bytes::Bytes;

use crate::audit::reading;
use crate::{AccountAccess, App, AppError, Resource, Scope};

/// Only events that were delivered, or only those that were not.
#[derive(Debug, Clone, Copy)]
pub struct ArrivalInput<'a> {
    /// Whether they were delivered.
    pub delivered: bool,
    /// To this endpoint; `None`: to any endpoint of the account.
    pub endpoint: Option<&'a str>,
}

impl App {
    /// The `seq` of the last event that was accepted before an instant; 0: there is none. Events are numbered as they are accepted, so it
    /// is found by halving, in as many looks as the log's length has binary digits.
    pub async fn last_seq_before(&self, access: &AccountAccess, at: Timestamp) -> Result<i64, AppError> {
        let (mut before, mut after) = (0, self.last_seq(access).await? + 1);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            let wanted = EventQuery { after_seq: middle - 1, ..EventQuery::default() };
            let found = self.list_event_heads(access, wanted, None, PageRequest { limit: 1, after: None }).await?;
            match found.items.first() {
                Some(event) if event.created_at < at => before = event.seq.max(middle),
                _ => after = middle,
            }
        }
        Ok(before)
    }

    /// The `seq` of an account's last event; 0: it has none.
    pub async fn last_seq(&self, access: &AccountAccess) -> Result<i64, AppError> {
        Ok(self.records().last_seq(&access.account().id).await?)
    }

    /// The first event or endpoint with this id, of whichever account, or the first endpoint with this URL: for who sees all accounts.
    pub async fn find_anywhere(&self, scope: &Scope, wanted: &str) -> Result<Option<Found>, AppError> {
        if scope.only.is_some() {
            return Ok(None);
        }
        Ok(self.records().find_anywhere(wanted).await?)
    }

    /// One event of the log with its payload. That it was read is recorded before it is shown; who may not see it gets none.
    pub async fn get_event(&self, access: &AccountAccess, id: &str) -> Result<Event, AppError> {
        if !access.shows_contents {
            return self.get_event_head(access, id).await;
        }
        let event = self.find_event(access, id).await?;
        self.records().note(reading(access.entry(AuditAction::PayloadsRead), std::slice::from_ref(&event.id))).await?;
        Ok(event)
    }

    /// One event of the log, without its payload.
    pub async fn get_event_head(&self, access: &AccountAccess, id: &str) -> Result<Event, AppError> {
        self.find_event(access, id).await.map(without_payload)
    }

    pub(crate) async fn find_event(&self, access: &AccountAccess, id: &str) -> Result<Event, AppError> {
        let not_found = || AppError::NotFound(Resource::Event);
        let id = EventId::try_new(id).map_err(|_| not_found())?;
        self.records().find_event(&access.account.id, &id).await?.ok_or_else(not_found)
    }

    /// A page of the log in `seq` order with the payloads. That they were read is recorded before they are shown; who may not see them
    /// gets none.
    pub async fn list_events(
        &self,
        access: &AccountAccess,
        query: EventQuery,
        arrival: Option<ArrivalInput<'_>>,
        page: PageRequest,
    ) -> Result<Page<Event>, AppError> {
        if !access.shows_contents {
            return self.list_event_heads(access, query, arrival, page).await;
        }
        let found = self.find_events(access, query, arrival, page).await?;
        if !found.items.is_empty() {
            let ids: Vec<&EventId> = found.items.iter().map(|event| &event.id).collect();
            self.records().note(reading(access.entry(AuditAction::PayloadsRead), &ids)).await?;
        }
        Ok(found)
    }

    /// The same without the payloads.
    pub async fn list_event_heads(
        &self,
        access: &AccountAccess,
        query: EventQuery,
        arrival: Option<ArrivalInput<'_>>,
        page: PageRequest,
    ) -> Result<Page<Event>, AppError> {
        let Page { items, next } = self.find_events(access, query, arrival, page).await?;
        Ok(Page { items: items.into_iter().map(without_payload).collect(), next })
    }

    /// A page of the log in `seq` order; the cursor is the last `seq` examined. Events that an endpoint has not chosen do not
    /// count as undelivered there.
    async fn find_events(
        &self,
        access: &AccountAccess,
        query: EventQuery,
        arrival: Option<ArrivalInput<'_>>,
        page: PageRequest,
    ) -> Result<Page<Event>, AppError> {
        let arrival = match arrival {
            None => None,
            Some(ArrivalInput { delivered, endpoint: None }) => {
                Some(Arrival { delivered, endpoint_id: None, wanted: EventFilter::All })
            }
            Some(ArrivalInput { delivered, endpoint: Some(id) }) => {
                let endpoint = self.get_endpoint(access, id).await?;
                let wanted = if delivered { EventFilter::All } else { endpoint.filter };
                Some(Arrival { delivered, endpoint_id: Some(endpoint.id), wanted })
            }
        };
        Ok(self.records().list_events(&access.account.id, EventQuery { arrival, ..query }, page).await?)
    }
}

/// What stands for a payload that is not shown: the data of an event is JSON everywhere.
const NO_PAYLOAD: &[u8] = b"null";

fn without_payload(event: Event) -> Event {
    Event { data: Bytes::from_static(NO_PAYLOAD), ..event }
}
