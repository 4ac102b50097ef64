//! Recording: one statement for all deliveries of a group that end, one for those that go on.
//!
//! The statement that ends deliveries takes them from the queue where they are still held, and writes only those into the history
//! and the accounts' counters. It answers which they were, and the health of their endpoints.

use std::collections::HashSet;
use std::sync::Arc;

use bellwire_domain::{Decision, Timestamp};

use crate::StoreError;
use crate::queue::context::WriteContext;
use crate::queue::health_book::{EndpointState, HealthBook};
use crate::queue::incident_book::IncidentBook;
use crate::queue::late;
use crate::queue::lease::Claimant;
use crate::queue::order::OrderBook;
use crate::queue::outcome::{RecordJob, Recording, SealedOutcome};
use crate::queue::rollup_book::{self, RollupBook};
use crate::rows::attempt::AttemptRow;
use crate::rows::delivery::EndedRow;
use crate::rows::disclosure::Disclosing;
use crate::rows::operator_notice;
use crate::sql::{
    Bound, ColumnGroup, Columns, Db, Insert, Kind, Param, Row, Session, TableRow, columns, names, params, select, unnest,
};

columns! {
    /// A delivery that was held, and the attempts before the one that is recorded.
    struct Held of "queue" {
        id: i64 = "m.id",
        attempts: u32 = "m.attempts",
    }
}

/// What the statements answer: endpoints, each once, and deliveries that were held.
type Answer = (Option<EndpointState>, Option<Held>);

/// After a part `moved` with what was held: that, and the health of its endpoints.
fn answer() -> String {
    let endpoints = select::<EndpointState>("");
    let nulls = |count: usize| vec!["NULL"; count].join(", ");
    let (of_endpoint, of_held) = (nulls(<EndpointState as Columns<'_>>::COUNT), nulls(<Held as Columns<'_>>::COUNT));
    let held = select::<Held>("FROM moved m").replacen("SELECT ", "", 1);
    format!(
        "{endpoints}, {of_held} FROM (SELECT DISTINCT lane FROM moved) l JOIN endpoints p ON p.lane = ANY(ARRAY[l.lane]) \
         UNION ALL SELECT {of_endpoint}, {held}"
    )
}

/// The outcomes after which deliveries go on.
fn reschedule() -> String {
    format!(
        "WITH moved AS (UPDATE queue q SET attempts = t.attempts + 1, due_at = t.due_at, wake_at = t.due_at, claim = NULL \
         FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[]) t (id, attempts, due_at) WHERE q.id = ANY(ARRAY[t.id]) \
         AND q.claim = $4 AND q.attempts = t.attempts RETURNING q.id, t.attempts, q.lane) {}",
        answer()
    )
}

/// The outcomes that end deliveries: first the history's columns, then the token.
fn end() -> String {
    let table = EndedRow::table();
    let list = names(&table.columns);
    let own: Vec<String> = table.columns.iter().map(|(name, _)| format!("t.{name}")).collect();
    format!(
        "WITH taken AS (DELETE FROM queue q USING {rows} t ({list}) WHERE q.id = ANY(ARRAY[t.id]) AND q.claim = ${token} \
         AND q.attempts = t.attempts - 1 RETURNING {own}), \
         ended AS (INSERT INTO {name} ({list}) SELECT {list} FROM taken), \
         moved AS (SELECT id, attempts - 1 AS attempts, account, lane FROM taken), \
         counted AS (UPDATE accounts a SET pending = a.pending - c.found \
         FROM (SELECT account, COUNT(*) AS found FROM moved GROUP BY account) c WHERE a.ref = ANY(ARRAY[c.account])) {answer}",
        rows = unnest(table.columns.iter().map(|(_, kind)| *kind)),
        token = table.columns.len() + 1,
        own = own.join(", "),
        name = table.name,
        answer = answer(),
    )
}

/// Records a group, whose accounts are locked already.
pub(super) struct Recorder<'j> {
    context: &'j WriteContext,
    now: Timestamp,
    claimant: Arc<Claimant>,
    all: Vec<SealedOutcome<'j>>,
}

impl<'j> Recorder<'j> {
    pub(super) fn new(context: &'j WriteContext, jobs: &'j [RecordJob]) -> Self {
        let all = jobs.iter().flat_map(RecordJob::sealed).collect();
        Self { context, now: context.clock.now(), claimant: context.lease.current(), all }
    }

    /// What was held under an earlier token may be held anew, and is another's outcome then.
    fn is_own(&self, sealed: &SealedOutcome<'_>) -> bool {
        sealed.outcome.delivery.epoch == self.claimant.epoch
    }

    /// The statements that move deliveries on in the queue, and count their attempts as if all were still held.
    pub(super) fn moves(&self, session: &Session) -> Result<Vec<Bound<'_>>, StoreError> {
        let (mut ended, mut again): (Vec<Param<'_>>, Vec<Param<'_>>) = (Vec::new(), Vec::new());
        let mut offered = HashSet::with_capacity(self.all.len());
        let mut rollups = RollupBook::new(self.now, &self.claimant);
        for sealed in self.all.iter().filter(|sealed| self.is_own(sealed)) {
            if !offered.insert(sealed.key()) {
                continue; // held twice, and the first outcome counts
            }
            rollups.count(sealed.outcome, 1);
            let delivery = &sealed.outcome.delivery;
            match (sealed.ended_as(), &sealed.outcome.decision) {
                (Some(state), _) => sealed.ended_row(state, self.now).bind(&mut ended),
                (None, Decision::Retry { due_at }) => {
                    again.extend_from_slice(params![delivery.id, delivery.attempts, *due_at]);
                }
                (None, Decision::Delivered | Decision::Failed { .. }) => {}
            }
        }
        let mut disclosed: Vec<Param<'_>> = Vec::new();
        self.all.iter().for_each(|sealed| sealed.disclose(&mut disclosed));
        let token = params![self.claimant.token.as_str()];
        let mut moves = Vec::with_capacity(4);
        if !ended.is_empty() {
            let kinds: Vec<Kind> = EndedRow::table().columns.iter().map(|(_, kind)| *kind).collect();
            moves.push(session.bind("queue", &end(), &[(&kinds, &ended)], token)?);
        }
        if !again.is_empty() {
            moves.push(session.bind("queue", &reschedule(), &[(&[Kind::Int; 3], &again)], token)?);
        }
        moves.extend(rollups.bind(session)?);
        if !disclosed.is_empty() {
            moves.push(Disclosing::new().bind(session, &disclosed)?);
        }
        Ok(moves)
    }

    /// Writes the rest, by what the moves answered; whether an endpoint's health has changed as well.
    pub(super) fn finish(&self, session: &Session, answers: &[Vec<Row>]) -> Result<(Vec<Recording>, bool), StoreError> {
        let (mut held, mut health) = (HashSet::with_capacity(self.all.len()), HealthBook::default());
        let (mut incidents, mut rollups) = (IncidentBook::default(), RollupBook::new(self.now, &self.claimant));
        let (mut offered, mut notices) = (HashSet::with_capacity(self.all.len()), Vec::new());
        for row in answers.iter().flatten() {
            let (endpoint, delivery): Answer = row.read()?;
            if let Some(endpoint) = endpoint {
                health.add(endpoint);
            }
            held.extend(delivery.map(|delivery| (delivery.id, delivery.attempts)));
        }
        let db = Db::Postgres(session);
        let (mut recordings, mut order) = (Vec::with_capacity(self.all.len()), OrderBook::default());
        let mut earlier: Vec<Param<'_>> = Vec::new();
        for sealed in &self.all {
            let was_counted = self.is_own(sealed) && offered.insert(sealed.key());
            if !(self.is_own(sealed) && held.remove(&sealed.key())) {
                let is_stored = late::record_late(db, sealed, self.now)?;
                rollups.count(sealed.outcome, i64::from(is_stored) - i64::from(was_counted));
                notices.extend(sealed.late_notice(self.context, self.now).filter(|_| is_stored));
                recordings.push(if is_stored { Recording::Stored(None) } else { Recording::Lost });
                continue;
            }
            order.observe(sealed.outcome);
            if sealed.ended_as().is_none() {
                sealed.attempt_row().bind(&mut earlier);
            }
            notices.extend(sealed.notices(self.context, self.now));
            if let Some(has_incidents) = health.has_incidents(sealed.outcome) {
                incidents.observe(sealed.outcome, has_incidents);
            }
            recordings.push(Recording::Stored(health.observe(sealed.outcome)));
        }
        if !earlier.is_empty() {
            Insert::of::<AttemptRow<'_>>().run(db, &earlier)?;
        }
        order.write(db, self.now)?;
        rollups.write(db, &rollup_book::counting())?;
        incidents.write(db, &*self.context.clock, &*self.context.entropy)?;
        notices.extend(health.notices(self.context, self.now));
        operator_notice::put(db, &notices)?;
        Ok((recordings, health.write(db, self.now)?))
    }
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let sets = [Insert::of::<AttemptRow<'_>>(), rollup_book::counting(), operator_notice::insertion()];
    let [_, disclosing] = Disclosing::new().texts();
    [end(), reschedule(), disclosing].into_iter().chain(sets.map(|insert| insert.set_sql().to_owned())).collect()
}
