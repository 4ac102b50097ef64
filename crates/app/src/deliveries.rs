//! Deliveries: read them, and retry them by hand.

use bellwire_domain::{AuditAction, AuditDetail, DeliveryId, EndpointId, EventId};
use bellwire_store::{Attempt, Delivery, DeliveryQuery, Page, PageRequest, RetryResult, SubjectHash};

use crate::{AccountAccess, App, AppError, Conflict, DeliveryFilter, Resource, Scope};

/// A delivery with all its attempts.
pub type DeliveryWithAttempts = (Delivery, Vec<Attempt>);

impl App {
    /// A page of deliveries, newest first. A consumer sees its own account's.
    pub async fn list_deliveries(
        &self,
        scope: &Scope,
        filter: DeliveryFilter<'_>,
        page: PageRequest,
    ) -> Result<Page<Delivery>, AppError> {
        let Some(query) = self.delivery_query(scope, filter).await? else { return Ok(Page::default()) };
        Ok(self.records().list_deliveries(query, page).await?)
    }

    /// What the store is asked for under a filter. `None`: it names an id that nothing has.
    pub(crate) async fn delivery_query(
        &self,
        scope: &Scope,
        filter: DeliveryFilter<'_>,
    ) -> Result<Option<DeliveryQuery>, AppError> {
        let account_id = self.asked_account(scope, filter.account).await?;
        let endpoint_id = match filter.endpoint.map(EndpointId::try_new) {
            None => None,
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => return Ok(None), // no endpoint has such an id
        };
        let event_id = match filter.event.map(EventId::try_new) {
            None => None,
            Some(Ok(_)) if account_id.is_none() => {
                return Err(AppError::invalid("/event", "ids of events are unique within an account: name the account too"));
            }
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => return Ok(None), // no event has such an id
        };
        let subject = match (filter.subject, &account_id) {
            (None, _) => None,
            (Some(_), None) => {
                return Err(AppError::invalid("/subject", "a subject is looked up within an account: name the account too"));
            }
            (Some(subject), Some(account_id)) => match SubjectHash::parse(subject) {
                Some(hash) => Some(hash), // of a stored filter
                None => self.records().hash_subject(account_id, subject).await?,
            },
        };
        Ok(Some(DeliveryQuery {
            account_id,
            endpoint_id,
            event_id,
            state: filter.state,
            event_type: filter.event_type,
            outcome: filter.outcome,
            status: filter.status,
            attempts_min: filter.attempts_min,
            since: filter.since,
            until: filter.until,
            subject,
        }))
    }

    /// The delivery of any account that has been due for longest. Of very many live ones, the first made are looked at.
    pub async fn oldest_due_delivery(&self, scope: &Scope) -> Result<Option<Delivery>, AppError> {
        let found = self.records().oldest_due_delivery().await?;
        Ok(found.filter(|delivery| scope.includes(&delivery.account_id)))
    }

    /// One delivery with its attempts and what was answered to them. That the answers were read is recorded before they are shown; who
    /// may not see them gets none.
    pub async fn get_delivery(&self, scope: &Scope, id: &str) -> Result<DeliveryWithAttempts, AppError> {
        let (delivery, attempts) = self.find_delivery(scope, id).await?;
        if !scope.shows_contents {
            return Ok((delivery, without_answers(attempts)));
        }
        let read: Vec<u32> = attempts.iter().filter(|found| found.response.is_some()).map(|found| found.number).collect();
        if !read.is_empty() {
            let entry = scope.entry(AuditAction::AnswersRead).in_account(&delivery.account_id).to(id);
            self.records().note(entry.with("attempts", AuditDetail::Texts(read.iter().map(u32::to_string).collect()))).await?;
        }
        Ok((delivery, attempts))
    }

    /// One delivery with its attempts, without what was answered to them.
    pub async fn get_delivery_head(&self, scope: &Scope, id: &str) -> Result<DeliveryWithAttempts, AppError> {
        let (delivery, attempts) = self.find_delivery(scope, id).await?;
        Ok((delivery, without_answers(attempts)))
    }

    async fn find_delivery(&self, scope: &Scope, id: &str) -> Result<DeliveryWithAttempts, AppError> {
        let not_found = || AppError::NotFound(Resource::Delivery);
        let id = DeliveryId::try_new(id).map_err(|_| not_found())?;
        let found = self.records().find_delivery(id).await?;
        found.filter(|(delivery, _)| scope.includes(&delivery.account_id)).ok_or_else(not_found)
    }

    /// Makes a delivery due now, whether it waits or has ended.
    pub async fn retry_delivery(&self, scope: &Scope, id: &str) -> Result<DeliveryWithAttempts, AppError> {
        self.make_due(scope, id).await?;
        self.get_delivery(scope, id).await
    }

    /// The same with a delivery of one account, shown without what was answered to its attempts.
    pub async fn retry_account_delivery(&self, access: &AccountAccess, id: &str) -> Result<DeliveryWithAttempts, AppError> {
        let scope = access.scope();
        self.make_due(&scope, id).await?;
        self.get_delivery_head(&scope, id).await
    }

    async fn make_due(&self, scope: &Scope, id: &str) -> Result<(), AppError> {
        let (delivery, _) = self.get_delivery_head(scope, id).await?;
        let entry = scope.entry(AuditAction::DeliveryRetried).in_account(&delivery.account_id).to(id);
        match self.records().audited(entry).retry_delivery(delivery.id).await? {
            RetryResult::Due(_) => Ok(()),
            RetryResult::InFlight => Err(Conflict::DeliveryInFlight.into()),
            RetryResult::DataRemoved => Err(Conflict::DataRemoved.into()),
            RetryResult::EndpointGone => Err(Conflict::EndpointDeleted.into()),
            RetryResult::NotFound => Err(AppError::NotFound(Resource::Delivery)),
        }
    }
}

fn without_answers(attempts: Vec<Attempt>) -> Vec<Attempt> {
    attempts.into_iter().map(|attempt| Attempt { response: None, ..attempt }).collect()
}
