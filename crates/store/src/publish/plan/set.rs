//! The plan's reading and writing on PostgreSQL: one statement for all accounts with their endpoints, one for all ids offered
//! again, one for all that is written. The accounts are locked already, so that nobody else gives out a `seq` or a `number`.

use std::collections::BTreeSet;

use bellwire_domain::AccountId;

use super::{EVENT_COLUMNS, Plan, PlannedAccount, QUEUE_COLUMNS, read_endpoint, read_known};
use crate::StoreError;
use crate::driver::{Column, Kind, Param, params, unnest_from};
use crate::postgres::Session;
use crate::publish::Publication;

/// Each account with all its endpoints; one without has a row all the same.
const SELECT_ACCOUNTS: &str = "SELECT p.id, p.version, p.events, p.enabled, p.health, p.last_number, p.lane, \
     a.id, a.version, a.last_seq, a.pending, a.created_at, a.ref FROM accounts a \
     LEFT JOIN endpoints p ON p.account_id = ANY(ARRAY[a.id]) WHERE a.id = ANY($1) ORDER BY a.id, p.id";
const SELECT_EXISTING: &str = "SELECT e.id, e.place, e.deliveries, e.fingerprint, e.occurred_at, a.id FROM \
     UNNEST($1::text[], $2::text[]) t (account_id, id) JOIN accounts a ON a.id = ANY(ARRAY[t.account_id]) \
     JOIN events e ON e.account = ANY(ARRAY[a.ref]) AND e.id = ANY(ARRAY[t.id])";

const COUNTER_KINDS: [Kind; 3] = [Kind::Int; 3];
const NUMBER_KINDS: [Kind; 2] = [Kind::Int; 2];

/// Everything that a group of publications writes, but for subjects.
fn write_all() -> String {
    let names = |columns: &[Column]| columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let kinds = |columns: &[Column]| columns.iter().map(|(_, kind)| *kind).collect::<Vec<_>>();
    let mut first = 1;
    let mut rows = |kinds: Vec<Kind>| {
        let count = kinds.len();
        first += count;
        unnest_from(first - count, kinds.into_iter())
    };
    let events = format!("INSERT INTO events ({}) SELECT * FROM {}", names(&EVENT_COLUMNS), rows(kinds(&EVENT_COLUMNS)));
    let queue = format!("INSERT INTO queue ({}) SELECT * FROM {}", names(&QUEUE_COLUMNS), rows(kinds(&QUEUE_COLUMNS)));
    let numbers = format!(
        "UPDATE endpoints p SET last_number = t.last_number FROM {} t (lane, last_number) \
         WHERE p.lane = ANY(ARRAY[t.lane])",
        rows(NUMBER_KINDS.into())
    );
    let counters = format!(
        "UPDATE accounts SET last_seq = t.last_seq, pending = t.pending FROM {} t (account, last_seq, pending) \
         WHERE ref = ANY(ARRAY[t.account])",
        rows(COUNTER_KINDS.into())
    );
    format!("WITH events_made AS ({events}), queued AS ({queue}), numbered AS ({numbers}) {counters}")
}

impl Plan<'_> {
    /// Reads what the publications need.
    pub(in crate::publish) fn load_set(&mut self, session: &Session, publications: &[&Publication]) -> Result<(), StoreError> {
        let ids: BTreeSet<&AccountId> = publications.iter().map(|publication| &publication.account_id).collect();
        let cells: Vec<Param<'_>> = ids.iter().map(|id| id.as_str().into()).collect();
        let set = (&[Kind::Text][..], &cells[..]);
        self.accounts.extend(ids.into_iter().map(|id| (id.clone(), None)));
        for row in session.query_set("accounts", SELECT_ACCOUNTS, set, &[])? {
            let account = self.accounts.entry(row.parsed(7, "account_id")?).or_default();
            let planned = match account {
                Some(planned) => planned,
                None => account.insert(PlannedAccount {
                    reference: row.int(12, "ref")?,
                    version: row.int(8, "version")?,
                    last_seq: row.int(9, "last_seq")?,
                    pending: row.int(10, "pending")?,
                    created_at: row.time(11, "created_at")?,
                    changed: false,
                    endpoints: Vec::new(),
                }),
            };
            if row.find_text(0, "endpoint_id")?.is_some() {
                planned.endpoints.push(read_endpoint(&row)?);
            }
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

    /// Writes everything but subjects.
    pub(super) fn write_set(&self, session: &Session, events: &[Param<'_>], queue: &[Param<'_>]) -> Result<(), StoreError> {
        let (mut counters, mut numbers): (Vec<Param<'_>>, Vec<Param<'_>>) = (Vec::new(), Vec::new());
        for account in self.accounts.values().flatten() {
            if account.changed {
                counters.extend_from_slice(params![account.reference, account.last_seq, account.pending]);
            }
            for endpoint in account.endpoints.iter().filter(|endpoint| endpoint.changed) {
                numbers.extend_from_slice(params![endpoint.lane, endpoint.last_number]);
            }
        }
        if counters.is_empty() {
            return Ok(()); // every event was there already
        }
        let (event_kinds, queue_kinds) = (EVENT_COLUMNS.map(|(_, kind)| kind), QUEUE_COLUMNS.map(|(_, kind)| kind));
        let sets = [(&event_kinds[..], events), (&queue_kinds, queue), (&NUMBER_KINDS, &numbers), (&COUNTER_KINDS, &counters)];
        session.execute_sets(&write_all(), &sets)
    }
}

#[cfg(test)]
pub(crate) fn set_statements() -> [String; 3] {
    [SELECT_ACCOUNTS.to_owned(), SELECT_EXISTING.to_owned(), write_all()]
}
