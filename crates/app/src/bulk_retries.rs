//! Retries of many deliveries at once: those that a filter names, as they are when it is asked for.

use bellwire_domain::{AuditAction, AuditDetail, AuditEntry, BulkRetryId, DeliveryState};
use bellwire_store::{BulkRetry, BulkRetryStep, DeliveryQuery, Matched, NewBulkRetry, Page, PageRequest, StartBulkRetryError};

use crate::error::no_faults;
use crate::{Actor, App, AppError, Conflict, DeliveryFilter, Fault, Operation, Resource, Scope};

/// In which states deliveries are retried together. What has arrived is sent again by a replay.
pub const BULK_RETRY_STATES: [DeliveryState; 3] = [DeliveryState::Failed, DeliveryState::Cancelled, DeliveryState::Pending];

impl App {
    /// How many deliveries a retry of them would concern now.
    pub async fn preview_bulk_retry(&self, actor: &Actor, filter: DeliveryFilter<'_>) -> Result<Matched, AppError> {
        let scope = self.permit(actor, Operation::DeliveryRetry)?;
        let (state, faults) = wanted_state(&filter);
        no_faults(faults)?;
        self.count_matched(self.delivery_query(&scope, filter).await?, state).await
    }

    /// Starts a retry of those deliveries, whose reason is kept with it. It runs in the background.
    pub async fn start_bulk_retry(
        &self,
        actor: &Actor,
        filter: DeliveryFilter<'_>,
        reason: Option<&str>,
    ) -> Result<BulkRetry, AppError> {
        let scope = self.permit(actor, Operation::DeliveryRetry)?;
        let (state, mut faults) = wanted_state(&filter);
        let reason = reason.map(str::trim).unwrap_or_default();
        faults.extend(self.reason_faults(reason, "why they are sent again: it is kept with the retry"));
        no_faults(faults)?;
        let query = self.delivery_query(&scope, filter).await?;
        let query = query.ok_or_else(|| AppError::invalid("/filter", "names an endpoint or an event that does not exist"))?;
        let matched = self.count_matched(Some(query.clone()), state).await?;
        let id = BulkRetryId::draw(self.clock().now(), self.entropy().bytes());
        let entry = scope.entry(AuditAction::BulkRetryStarted).to(id.as_str());
        let entry = AuditEntry { account: query.account_id.clone(), ..entry };
        let entry = entry.with("reason", AuditDetail::Personal(reason.to_owned()));
        let entry = entry.with("matched", AuditDetail::Number(matched.count.unsigned_abs()));
        let new = NewBulkRetry {
            id,
            query,
            state,
            reason: reason.to_owned(),
            asked_by: actor.identity.as_str().to_owned(),
            running_max: self.limits().bulk_retries_running_max,
        };
        self.records().audited(entry).start_bulk_retry(new, matched).await.map_err(|error| match error {
            StartBulkRetryError::TooMany { max } => Conflict::BulkRetryLimit { max }.into(),
            StartBulkRetryError::Store(error) => error.into(),
        })
    }

    async fn count_matched(&self, query: Option<DeliveryQuery>, state: DeliveryState) -> Result<Matched, AppError> {
        let Some(query) = query else { return Ok(Matched { count: 0, is_exact: true }) };
        Ok(self.records().count_deliveries(DeliveryQuery { state: Some(state), ..query }).await?)
    }

    /// A page of them, the latest first. A consumer sees its own account's.
    pub async fn list_bulk_retries(&self, scope: &Scope, page: PageRequest) -> Result<Page<BulkRetry>, AppError> {
        Ok(self.records().list_bulk_retries(scope.only.clone(), page).await?)
    }

    /// One of them, and how far it has come.
    pub async fn get_bulk_retry(&self, scope: &Scope, id: &str) -> Result<BulkRetry, AppError> {
        let not_found = || AppError::NotFound(Resource::BulkRetry);
        let id = BulkRetryId::try_new(id).map_err(|_| not_found())?;
        let found = self.records().find_bulk_retry(&id).await?;
        let is_theirs = |found: &BulkRetry| match &found.query.account_id {
            Some(account) => scope.includes(account),
            None => scope.only.is_none(),
        };
        found.filter(is_theirs).ok_or_else(not_found)
    }

    /// Stops one; what it has sent again stays so. One that has ended does not change.
    pub async fn cancel_bulk_retry(&self, actor: &Actor, id: &str) -> Result<BulkRetry, AppError> {
        let scope = self.permit(actor, Operation::DeliveryRetry)?;
        let found = self.get_bulk_retry(&scope, id).await?;
        let entry = scope.entry(AuditAction::BulkRetryCancelled).to(found.id.as_str());
        let entry = AuditEntry { account: found.query.account_id, ..entry };
        self.records().audited(entry).cancel_bulk_retry(&found.id).await?.ok_or(AppError::NotFound(Resource::BulkRetry))
    }

    /// Takes one step of the running one after `after`, for the process itself. `None`: there is none.
    pub async fn advance_bulk_retry(&self, after: Option<&BulkRetryId>) -> Result<Option<BulkRetryStep>, AppError> {
        Ok(self.records().advance_bulk_retry(after).await?)
    }

    /// Waits until one has been started here.
    pub async fn bulk_retry_started(&self) {
        self.records().bulk_retry_started().await;
    }
}

/// The state that a filter asks for; failed ones, if it asks for none.
fn wanted_state(filter: &DeliveryFilter<'_>) -> (DeliveryState, Vec<Fault>) {
    let state = filter.state.unwrap_or(DeliveryState::Failed);
    let words = BULK_RETRY_STATES.map(DeliveryState::as_str).join(", ");
    let expected = || format!("must be one of {words}: what has been delivered is sent again by a replay of its endpoint");
    let faults = if BULK_RETRY_STATES.contains(&state) { Vec::new() } else { vec![Fault::new("/filter/state", expected())] };
    (state, faults)
}
