//! The plan's reading and writing on PostgreSQL: one statement for all accounts, one for all their endpoints, one for all ids.
//! The accounts are locked already, so that nobody else gives out a `seq` or a `number` of theirs.

use std::collections::{BTreeSet, HashMap};

use bellwire_domain::AccountId;

use super::{Plan, PlannedEndpoint, read_account, read_endpoint, read_known};
use crate::StoreError;
use crate::driver::{Kind, Param, params};
use crate::postgres::Session;
use crate::publish::Publication;

const SELECT_ACCOUNTS: &str = "SELECT id, version, last_seq, pending, created_at FROM accounts WHERE id = ANY($1)";
const SELECT_ENDPOINTS: &str = "SELECT id, version, events, enabled, health, last_number, account_id FROM endpoints \
     WHERE account_id = ANY($1) ORDER BY account_id, id";
const SELECT_EXISTING: &str = "SELECT e.id, e.seq, e.deliveries, e.fingerprint, e.occurred_at, e.account_id FROM \
     UNNEST($1::text[], $2::text[]) t (account_id, id) JOIN events e ON e.account_id = t.account_id AND e.id = t.id";
const UPDATE_COUNTERS: &str = "UPDATE accounts SET last_seq = t.last_seq, pending = t.pending \
     FROM UNNEST($1::text[], $2::bigint[], $3::bigint[]) t (account_id, last_seq, pending) WHERE id = t.account_id";
const UPDATE_NUMBERS: &str = "UPDATE endpoints p SET last_number = t.last_number \
     FROM UNNEST($1::text[], $2::text[], $3::bigint[]) t (account_id, id, last_number) \
     WHERE p.account_id = t.account_id AND p.id = t.id";

impl Plan<'_> {
    /// Reads what the publications need.
    pub(in crate::publish) fn load_set(&mut self, session: &Session, publications: &[&Publication]) -> Result<(), StoreError> {
        let ids: BTreeSet<&AccountId> = publications.iter().map(|publication| &publication.account_id).collect();
        let cells: Vec<Param<'_>> = ids.iter().map(|id| id.as_str().into()).collect();
        let set = (&[Kind::Text][..], &cells[..]);
        let mut endpoints: HashMap<AccountId, Vec<PlannedEndpoint>> = HashMap::new();
        for row in session.query_set("endpoints", SELECT_ENDPOINTS, set, &[])? {
            endpoints.entry(row.parsed(6, "account_id")?).or_default().push(read_endpoint(&row)?);
        }
        self.accounts.extend(ids.into_iter().map(|id| (id.clone(), None)));
        for row in session.query_set("accounts", SELECT_ACCOUNTS, set, &[])? {
            let id: AccountId = row.parsed(0, "id")?;
            let endpoints = endpoints.remove(&id).unwrap_or_default();
            self.accounts.insert(id, Some(read_account(&row, endpoints)?));
        }
        self.load_existing_set(session, publications)
    }

    fn load_existing_set(&mut self, session: &Session, publications: &[&Publication]) -> Result<(), StoreError> {
        let mut wanted: Vec<Param<'_>> = Vec::new();
        for publication in publications {
            for sealed in publication.events.iter().filter(|sealed| sealed.event.id_chosen) {
                wanted.extend_from_slice(params![publication.account_id.as_str(), sealed.event.id.as_str()]);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        for row in session.query_set("events", SELECT_EXISTING, (&[Kind::Text, Kind::Text], &wanted), &[])? {
            let key = (row.parsed(5, "account_id")?, row.parsed(0, "id")?);
            self.known.insert(key, read_known(&row)?);
        }
        Ok(())
    }

    pub(super) fn write_counters_set(&self, session: &Session) -> Result<(), StoreError> {
        let (mut counters, mut numbers): (Vec<Param<'_>>, Vec<Param<'_>>) = (Vec::new(), Vec::new());
        for (account_id, account) in &self.accounts {
            let Some(account) = account else { continue };
            if account.changed {
                counters.extend_from_slice(params![account_id.as_str(), account.last_seq, account.pending]);
            }
            for endpoint in account.endpoints.iter().filter(|endpoint| endpoint.changed) {
                numbers.extend_from_slice(params![account_id.as_str(), endpoint.id.as_str(), endpoint.last_number]);
            }
        }
        if !counters.is_empty() {
            session.execute_set(UPDATE_COUNTERS, &[Kind::Text, Kind::Int, Kind::Int], &counters, &[])?;
        }
        if !numbers.is_empty() {
            session.execute_set(UPDATE_NUMBERS, &[Kind::Text, Kind::Text, Kind::Int], &numbers, &[])?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) const SET_STATEMENTS: [&str; 5] =
    [SELECT_ACCOUNTS, SELECT_ENDPOINTS, SELECT_EXISTING, UPDATE_COUNTERS, UPDATE_NUMBERS];
