//! Reading an account's log of events.

use bellwire_store::{Event, EventQuery, Page, PageRequest};

use crate::{AccountAccess, App, AppError};

impl App {
    /// A page of the log in `seq` order; the cursor is the last `seq`.
    pub async fn list_events(
        &self,
        access: &AccountAccess,
        query: EventQuery,
        page: PageRequest,
    ) -> Result<Page<Event>, AppError> {
        Ok(self.store().list_events(&access.account.id, query, page).await?)
    }
}
