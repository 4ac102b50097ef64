//! Incidents, as people see to them. Recording opens and resolves them.

use std::fmt::Write as _;

use bellwire_domain::{AccountId, EndpointId, IncidentId, IncidentState, Timestamp};

use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::rows::incident::{self, Incident, read_all, select_where};
use crate::sql::{Db, Param};

/// Which incidents.
#[derive(Debug, Clone, Default)]
pub struct IncidentQuery {
    /// Of this account.
    pub account_id: Option<AccountId>,
    /// Of this endpoint.
    pub endpoint_id: Option<EndpointId>,
    /// That stand so.
    pub state: Option<IncidentState>,
}

/// What somebody says of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncidentChange {
    /// They know.
    Acknowledge,
    /// It is over.
    Resolve,
}

/// The WHERE clause, with only the conditions that are asked for.
fn conditions<'q>(query: &'q IncidentQuery, page: &'q PageRequest) -> (String, Vec<Param<'q>>) {
    let mut sql = match query.state {
        None => "WHERE i.id > ''".to_owned(),
        Some(IncidentState::Open) => "WHERE i.resolved_at IS NULL AND i.acknowledged_at IS NULL".to_owned(),
        Some(IncidentState::Acknowledged) => "WHERE i.resolved_at IS NULL AND i.acknowledged_at IS NOT NULL".to_owned(),
        Some(IncidentState::Resolved) => "WHERE i.resolved_at IS NOT NULL".to_owned(),
    };
    let mut cells: Vec<Param<'_>> = Vec::new();
    let wanted: [(&str, Option<&str>); 3] = [
        ("i.failures > 0 AND i.account_id = ", query.account_id.as_ref().map(AccountId::as_str)),
        ("i.endpoint_id = ", query.endpoint_id.as_ref().map(EndpointId::as_str)),
        ("i.id < ", page.after.as_deref()),
    ];
    for (condition, value) in wanted {
        let Some(value) = value else { continue };
        cells.push(value.into());
        let _ = write!(sql, " AND {condition}${}", cells.len());
    }
    cells.push(Param::Int(page.fetch()));
    let _ = write!(sql, " ORDER BY i.id DESC LIMIT ${}", cells.len());
    (sql, cells)
}

/// A page of incidents, the latest first.
pub(super) fn list(db: Db<'_>, query: &IncidentQuery, page: &PageRequest) -> Result<Page<Incident>, StoreError> {
    let (conditions, cells) = conditions(query, page);
    let items = read_all(&db.query("incidents", &select_where(&conditions), &cells)?)?;
    Ok(page.cut(items, |incident| incident.id.to_string()))
}

pub(super) fn find(db: Db<'_>, id: &IncidentId) -> Result<Option<Incident>, StoreError> {
    incident::find(db, id)
}

/// Changes an incident, unless it is so already or is resolved; as it is then. `None`: there is none.
pub(super) fn change(
    db: Db<'_>,
    id: &IncidentId,
    change: IncidentChange,
    by: &str,
    now: Timestamp,
) -> Result<Option<Incident>, StoreError> {
    let Some(found) = incident::find(db, id)? else { return Ok(None) };
    crate::rows::account::lock(db, &found.lane.account_id)?; // nobody records anything of it meanwhile
    let Some(mut found) = incident::find(db, id)? else { return Ok(None) };
    let course = &mut found.course;
    match change {
        _ if course.resolved_at.is_some() => return Ok(Some(found)),
        IncidentChange::Acknowledge if course.acknowledged_at.is_some() => return Ok(Some(found)),
        IncidentChange::Acknowledge => {
            course.acknowledged_at = Some(now);
            found.acknowledged_by = Some(by.to_owned());
        }
        IncidentChange::Resolve => {
            course.resolved_at = Some(now);
            found.resolved_by = Some(by.to_owned());
        }
    }
    incident::put(db, &found)?;
    incident::count_unresolved(db, found.lane_ref)?;
    Ok(Some(found))
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let query =
        |state| IncidentQuery { account_id: AccountId::try_new("a").ok(), endpoint_id: EndpointId::try_new("e").ok(), state };
    let page = PageRequest { limit: 1, after: Some("inc_0".to_owned()) };
    let states = [None].into_iter().chain(IncidentState::ALL.iter().copied().map(Some));
    states.map(|state| select_where(&conditions(&query(state), &page).0)).collect()
}
