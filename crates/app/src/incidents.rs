//! Incidents: what fails, told once for each cause.

use bellwire_domain::{AuditAction, AuditDetail, EndpointId, IncidentId, IncidentState};
use bellwire_store::{Incident, IncidentChange, IncidentQuery, Page, PageRequest};

use crate::{Actor, App, AppError, Conflict, Operation, Resource, Scope};

/// Which incidents.
#[derive(Debug, Clone, Default)]
pub struct IncidentFilter<'a> {
    /// Of this account.
    pub account: Option<&'a str>,
    /// Of this endpoint.
    pub endpoint: Option<&'a str>,
    /// That stand so.
    pub state: Option<IncidentState>,
}

impl App {
    /// A page of incidents, the latest first. A consumer sees its own account's.
    pub async fn list_incidents(
        &self,
        scope: &Scope,
        filter: IncidentFilter<'_>,
        page: PageRequest,
    ) -> Result<Page<Incident>, AppError> {
        let account_id = self.asked_account(scope, filter.account).await?;
        let endpoint_id = match filter.endpoint.map(EndpointId::try_new) {
            None => None,
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => return Ok(Page::default()), // no endpoint has such an id
        };
        let query = IncidentQuery { account_id, endpoint_id, state: filter.state };
        Ok(self.records().list_incidents(query, page).await?)
    }

    /// One incident.
    pub async fn get_incident(&self, scope: &Scope, id: &str) -> Result<Incident, AppError> {
        let not_found = || AppError::NotFound(Resource::Incident);
        let id = IncidentId::try_new(id).map_err(|_| not_found())?;
        let found = self.records().find_incident(id).await?;
        found.filter(|incident| scope.includes(&incident.lane.account_id)).ok_or_else(not_found)
    }

    /// Says that the caller knows of an incident, or that it is over. Saying it again changes nothing.
    pub async fn change_incident(&self, actor: &Actor, id: &str, change: IncidentChange) -> Result<Incident, AppError> {
        let scope = self.permit(actor, Operation::IncidentChange)?;
        let found = self.get_incident(&scope, id).await?;
        let not_found = || AppError::NotFound(Resource::Incident);
        let by = actor.identity.as_str().to_owned();
        let word = match change {
            IncidentChange::Acknowledge => "acknowledged",
            IncidentChange::Resolve => "resolved",
        };
        let entry = scope.entry(AuditAction::IncidentChanged).in_account(&found.lane.account_id).to(found.id.as_str());
        let entry = entry.with("change", AuditDetail::Text(word.to_owned()));
        let changed = self.records().audited(entry).change_incident(found.id, change, by).await?.ok_or_else(not_found)?;
        if change == IncidentChange::Acknowledge && changed.state() == IncidentState::Resolved {
            return Err(Conflict::IncidentResolved.into());
        }
        Ok(changed)
    }
}
