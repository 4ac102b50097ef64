//! Reading an account's log of events.

use bellwire_domain::{EventFilter, EventId};
use bellwire_store::{Arrival, Event, EventQuery, Found, Page, PageRequest};

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

    /// One event of the log.
    pub async fn get_event(&self, access: &AccountAccess, id: &str) -> Result<Event, AppError> {
        let not_found = || AppError::NotFound(Resource::Event);
        let id = EventId::try_new(id).map_err(|_| not_found())?;
        self.records().find_event(&access.account.id, &id).await?.ok_or_else(not_found)
    }

    /// A page of the log in `seq` order; the cursor is the last `seq` examined. Events that an endpoint has not chosen do not
    /// count as undelivered there.
    pub async fn list_events(
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
