//! Writing a plan: one statement for everything but the subjects.

use crate::StoreError;
use crate::queue::plan::Plan;
use crate::rows::event::EventRow;
use crate::rows::operator_notice;
use crate::rows::queued::QueuedRow;
use crate::rows::subject::SubjectRow;
use crate::sql::{Bound, Insert, Kind, Param, Session, Set, TableRow, names, params, unnest_from};

/// Of an endpoint: its lane and its last number. Of an account: its number and its counters.
const NUMBER_KINDS: [Kind; 2] = [Kind::Int; 2];
const COUNTER_KINDS: [Kind; 3] = [Kind::Int; 3];

fn kinds<'a, R: TableRow<'a>>() -> Vec<Kind> {
    R::table().columns.iter().map(|(_, kind)| *kind).collect()
}

/// New events and deliveries, and the counters they came from.
fn write_all() -> String {
    let mut first = 1;
    let mut rows = |kinds: &[Kind]| {
        first += kinds.len();
        unnest_from(first - kinds.len(), kinds.iter().copied())
    };
    let insert = |name: &str, columns: &str, rows: String| format!("INSERT INTO {name} ({columns}) SELECT * FROM {rows}");
    let (events, queue) = (EventRow::table(), QueuedRow::table());
    let events = insert(events.name, &names(&events.columns), rows(&kinds::<EventRow<'_>>()));
    let queue = insert(queue.name, &names(&queue.columns), rows(&kinds::<QueuedRow<'_>>()));
    let numbers = format!(
        "UPDATE endpoints p SET last_number = t.last_number FROM {} t (lane, last_number) \
         WHERE p.lane = ANY(ARRAY[t.lane])",
        rows(&NUMBER_KINDS)
    );
    let counters = format!(
        "UPDATE accounts SET last_seq = t.last_seq, pending = t.pending FROM {} t (account, last_seq, pending) \
         WHERE ref = ANY(ARRAY[t.account])",
        rows(&COUNTER_KINDS)
    );
    format!("WITH events_made AS ({events}), queued AS ({queue}), numbered AS ({numbers}) {counters}")
}

/// The statements that write a plan.
pub(super) fn writes<'p>(session: &Session, plan: &'p Plan<'_>) -> Result<Vec<Bound<'p>>, StoreError> {
    let mut writes = Vec::with_capacity(2);
    if !plan.is_empty() {
        let (mut counters, mut numbers): (Vec<Param<'_>>, Vec<Param<'_>>) = (Vec::new(), Vec::new());
        for (account, log) in plan.changed_accounts() {
            counters.extend_from_slice(params![account, log.last_seq, log.pending]);
        }
        for (lane, _, endpoint) in plan.changed_endpoints() {
            numbers.extend_from_slice(params![lane, endpoint.last_number]);
        }
        let (events, queue) = (plan.event_cells(), plan.queue_cells());
        let (event_kinds, queue_kinds) = (kinds::<EventRow<'_>>(), kinds::<QueuedRow<'_>>());
        let sets: [Set<'_, '_>; 4] =
            [(&event_kinds, &events), (&queue_kinds, &queue), (&NUMBER_KINDS, &numbers), (&COUNTER_KINDS, &counters)];
        writes.push(session.bind("events", &write_all(), &sets, &[])?);
    }
    let subjects = plan.subject_cells();
    if !subjects.is_empty() {
        writes.push(Insert::of::<SubjectRow<'_>>().bind(session, &subjects)?);
    }
    if !plan.notices().is_empty() {
        writes.push(operator_notice::insertion().bind(session, &operator_notice::cells(plan.notices()))?);
    }
    Ok(writes)
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![write_all(), Insert::of::<SubjectRow<'_>>().set_sql().to_owned()]
}
