//! The plan's reading and writing on PostgreSQL: one statement for all accounts with their endpoints, one for all ids offered
//! again, one for all that is written. The accounts are locked already, so that nobody else gives out a `seq` or a `number`.

use std::collections::BTreeSet;

use bellwire_domain::AccountId;

use super::{EVENT_COLUMNS, Plan, PlannedAccount, PublishStatements, QUEUE_COLUMNS, read_endpoint, read_known};
use crate::StoreError;
use crate::driver::{Column, Kind, Param, Row, Set, params, unnest_from};
use crate::postgres::{Bound, Session, Step};
use crate::publish::Publication;

/// Each account with all its endpoints; one without has a row all the same.
const SELECT_ACCOUNTS: &str = "SELECT p.id, p.version, p.events, p.enabled, p.health, p.last_number, p.lane, \
     a.id, a.version, a.last_seq, a.pending, a.created_at, a.ref FROM accounts a \
     LEFT JOIN endpoints p ON p.account_id = ANY(ARRAY[a.id]) WHERE a.id = ANY($1) ORDER BY a.id, p.id";
const SELECT_EXISTING: &str = "SELECT e.id, e.place, e.deliveries, e.fingerprint, e.occurred_at, a.id FROM \
     UNNEST($1::text[], $2::text[]) t (account_id, id) JOIN accounts a ON a.id = ANY(ARRAY[t.account_id]) \
     CROSS JOIN LATERAL (SELECT id, place, deliveries, fingerprint, occurred_at FROM events \
     WHERE account = a.ref AND id = t.id LIMIT 1) e";

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

/// What the publications need to know: their accounts, and, where publishers chose ids, the events that have them.
pub(in crate::publish) fn reads<'j>(session: &Session, publications: &[&'j Publication]) -> Result<Vec<Bound<'j>>, StoreError> {
    if publications.is_empty() {
        return Ok(Vec::new());
    }
    let ids: BTreeSet<&AccountId> = publications.iter().map(|publication| &publication.account_id).collect();
    let ids: Vec<Param<'_>> = ids.into_iter().map(|id| id.as_str().into()).collect();
    let mut reads = vec![session.bind("accounts", SELECT_ACCOUNTS, &[(&[Kind::Text], &ids)], &[])?];
    let mut wanted: Vec<Param<'_>> = Vec::new();
    for publication in publications {
        for sealed in publication.events.iter().filter(|sealed| sealed.event.id_chosen) {
            wanted.extend_from_slice(params![publication.account_id.as_str(), sealed.event.id.as_str()]);
        }
    }
    if !wanted.is_empty() {
        reads.push(session.bind("events", SELECT_EXISTING, &[(&[Kind::Text; 2], &wanted)], &[])?);
    }
    Ok(reads)
}

impl Plan<'_> {
    /// Keeps what [`reads`] answered.
    pub(in crate::publish) fn keep(&mut self, publications: &[&Publication], read: &[Vec<Row>]) -> Result<(), StoreError> {
        self.accounts.extend(publications.iter().map(|publication| (publication.account_id.clone(), None)));
        let mut read = read.iter();
        for row in read.next().into_iter().flatten() {
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
                planned.endpoints.push(read_endpoint(row)?);
            }
        }
        for row in read.next().into_iter().flatten() {
            let key = (row.parsed(5, "account_id")?, row.parsed(0, "id")?);
            self.known.insert(key, read_known(row)?);
        }
        Ok(())
    }

    /// Writes it, and takes the step `then` on the same way.
    pub(in crate::publish) fn write_set(
        &self,
        session: &Session,
        statements: &PublishStatements,
        claim_token: &str,
        then: Option<Step<'_>>,
    ) -> Result<(), StoreError> {
        let (mut counters, mut numbers): (Vec<Param<'_>>, Vec<Param<'_>>) = (Vec::new(), Vec::new());
        for account in self.accounts.values().flatten() {
            if account.changed {
                counters.extend_from_slice(params![account.reference, account.last_seq, account.pending]);
            }
            for endpoint in account.endpoints.iter().filter(|endpoint| endpoint.changed) {
                numbers.extend_from_slice(params![endpoint.lane, endpoint.last_number]);
            }
        }
        let (events, subjects) = self.event_rows();
        let mut writes = Vec::with_capacity(2);
        // Without a counter every event was there already.
        if !counters.is_empty() {
            let (event_kinds, queue_kinds) = (EVENT_COLUMNS.map(|(_, kind)| kind), QUEUE_COLUMNS.map(|(_, kind)| kind));
            let queue = self.queue_rows(claim_token);
            let sets: [Set<'_, '_>; 4] =
                [(&event_kinds, &events), (&queue_kinds, &queue), (&NUMBER_KINDS, &numbers), (&COUNTER_KINDS, &counters)];
            writes.push(session.bind("events", &write_all(), &sets, &[])?);
        }
        if !subjects.is_empty() {
            writes.push(statements.subjects.bind(session, &subjects)?);
        }
        session.pipeline(writes.iter().map(Step::Run).chain(then)).map(drop)
    }
}

#[cfg(test)]
pub(crate) fn set_statements() -> [String; 3] {
    [SELECT_ACCOUNTS.to_owned(), SELECT_EXISTING.to_owned(), write_all()]
}
