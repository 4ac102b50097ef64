//! How deliveries go: figures by spans of time, incidents, and what the operator is told.

use bellwire_domain::{AccountId, EndpointId, Figures, IncidentId, Span, Timestamp};

use super::Records;
use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::records::description::{self, StoreDescription};
use crate::records::incidents::{self, IncidentChange, IncidentQuery};
use crate::records::rollups::{self, FiguresOfSpan, FiguresQuery};
use crate::records::standing::{self, AccountStanding};
use crate::records::watching::{self, StoreWatch};
use crate::rows::incident::Incident;
use crate::rows::operator_notice::{self, StoredNotice};

impl Records {
    /// Looks at the whole store once more, beginning with what the look before has left. It costs the same however much is stored.
    pub async fn watch(&self, before: StoreWatch) -> Result<StoreWatch, StoreError> {
        let now = self.access.now();
        self.access.read(move |db| watching::look(db, before, now)).await
    }

    /// What attempts came to, by spans of time.
    pub async fn read_figures(&self, query: FiguresQuery) -> Result<Vec<FiguresOfSpan>, StoreError> {
        self.access.read(move |db| rollups::read(db, &query)).await
    }

    /// The same for each of these endpoints of an account: for the rows of a page.
    pub async fn read_endpoint_figures(
        &self,
        account_id: &AccountId,
        endpoints: Vec<EndpointId>,
        (since, until): (Timestamp, Timestamp),
        by: Span,
    ) -> Result<Vec<Vec<(Timestamp, Figures)>>, StoreError> {
        let account_id = account_id.clone();
        let read = move |db: crate::sql::Db<'_>| {
            let query = |endpoint_id| FiguresQuery {
                account_id: Some(account_id.clone()),
                endpoint_id: Some(endpoint_id),
                since,
                until,
                by,
            };
            endpoints.iter().map(|id| rollups::read(db, &query(id.clone()))).collect()
        };
        self.access.read(read).await
    }

    /// What the store is, and who shares it.
    pub async fn describe(&self) -> Result<StoreDescription, StoreError> {
        let token = self.access.context.lease.current().token.clone();
        self.access.read(move |db| description::read(db, &token)).await
    }

    /// How each of these accounts stands: for the rows of a page.
    pub async fn account_standings(&self, ids: Vec<AccountId>) -> Result<Vec<AccountStanding>, StoreError> {
        self.access.read(move |db| standing::accounts(db, &ids)).await
    }

    /// How many deliveries each of these endpoints of an account has that have not ended, at most
    /// [`STANDING_WAITING_MAX`](crate::STANDING_WAITING_MAX) each: for the rows of a page.
    pub async fn live_deliveries(&self, account_id: &AccountId, endpoints: Vec<EndpointId>) -> Result<Vec<i64>, StoreError> {
        let account_id = account_id.clone();
        self.access.read(move |db| standing::live_deliveries(db, &account_id, &endpoints)).await
    }

    /// A page of incidents, the latest first.
    pub async fn list_incidents(&self, query: IncidentQuery, page: PageRequest) -> Result<Page<Incident>, StoreError> {
        self.access.read(move |db| incidents::list(db, &query, &page)).await
    }

    /// One incident.
    pub async fn find_incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        self.access.read(move |db| incidents::find(db, &id)).await
    }

    /// Notes that somebody knows of an incident, or says that it is over. One that is resolved stays as it is. `None`: there is
    /// none.
    pub async fn change_incident(
        &self,
        id: IncidentId,
        change: IncidentChange,
        by: String,
    ) -> Result<Option<Incident>, StoreError> {
        let now = self.access.now();
        self.access.act(self.entry(), move |db| incidents::change(db, &id, change, &by, now)).await
    }

    /// The first of what the operator is still to be told.
    pub async fn oldest_notices(&self, limit: u32) -> Result<Vec<StoredNotice>, StoreError> {
        self.access.read(move |db| operator_notice::oldest(db, limit.into())).await
    }

    /// Forgets what the operator has been told.
    pub async fn remove_notices(&self, ids: Vec<String>) -> Result<(), StoreError> {
        self.access.write(move |db| ids.iter().try_for_each(|id| operator_notice::remove(db, id))).await
    }
}
