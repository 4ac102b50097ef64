//! Advancing replays, step by step.
//!
//! A replay is a row with a cursor in its account's log. Each step is one transaction: it looks at the next events, makes new
//! deliveries with new numbers for those that are wanted, and moves the cursor past all of them. So a replay that is interrupted
//! goes on where it was, and sends no event twice. Its deliveries wait unclaimed in their lane like any backlog.
//!
//! A step adds deliveries only while few of the endpoint are live: what is published meanwhile queues behind those few, not
//! behind everything that is replayed. And the replays of one account add so many per second, so that they leave others their
//! pace.

use std::collections::{HashMap, HashSet};

use bellwire_domain::{DeliveryState, EventFilter, EventType, PastEvent, ReplayId, ReplayState, Timestamp};

use super::context::WriteContext;
use super::order;
use crate::StoreError;
use crate::rows::account;
use crate::rows::endpoint::UPDATE_NUMBER;
use crate::rows::event::{event_place, place_seq, removal};
use crate::rows::lane::{LaneKey, LaneRefs};
use crate::rows::queued::{InOrder, Origin, QueuedRow, WAITS};
use crate::rows::replay::{self, Replay, select_where};
use crate::sql::{ColumnGroup, Db, Insert, Param, Select, columns, params};

/// Events looked at in one step.
const STEP_EVENTS_MAX: i64 = 500;
/// Deliveries that one step makes: what is published meanwhile waits for a commit of no more than these.
const STEP_CREATED_MAX: usize = 100;
/// Live deliveries of an endpoint at which a replay waits until there are fewer.
const ENDPOINT_LIVE_MAX: i64 = 2_000;

/// What one step of a replay did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayStep {
    /// The replay.
    pub replay: ReplayId,
    /// Whether it moved on; `false`: it waits until fewer deliveries are live.
    pub advanced: bool,
    /// Deliveries that the step made.
    pub created: usize,
    /// The lane that they wait in.
    pub lane: LaneKey,
}

columns! {
    /// What a replay has to know of its endpoint `p` and its account `a`.
    pub(crate) struct ReplayTarget of "endpoints" {
        account: i64 = "a.ref",
        lane: i64 = "p.lane",
        filter: EventFilter = "p.events",
        last_number: i64 = "p.last_number",
        pub(crate) last_seq: i64 = "a.last_seq",
        pending: i64 = "a.pending",
    }
}

impl ReplayTarget {
    /// Where an event of its account stands.
    pub(crate) const fn place(&self, seq: i64) -> i64 {
        event_place(self.account, seq)
    }

    /// Where the log of its account ends.
    pub(crate) const fn log_end(&self) -> i64 {
        event_place(self.account + 1, 0)
    }

    const fn refs(&self) -> LaneRefs {
        LaneRefs { account: self.account, lane: self.lane }
    }
}

columns! {
    /// An event of the log, and how its latest ended delivery to the endpoint ended.
    struct Looked of "events" {
        place: i64 = "e.place",
        event_type: EventType = "e.type",
        is_test: bool = "e.is_test",
        payload_length: i64 = "e.payload_length",
        created_at: Timestamp = "e.created_at",
        latest: Option<DeliveryState> = "(SELECT d.state FROM deliveries d WHERE d.event = e.place AND d.lane = $1 \
             ORDER BY d.ended_at DESC, d.number DESC LIMIT 1)",
        about: Option<i64> = "(SELECT CAST(1 AS BIGINT) FROM subjects s WHERE s.event = e.place LIMIT 1)",
    }
}

columns! {
    /// An event whose deliveries are in an order.
    struct OrderedEvent of "events" {
        place: i64 = "e.place",
        key: i64 = "e.order_key",
    }
}

const NEXT_RUNNING: &str = "WHERE l.state = 'running' AND l.id > $1 ORDER BY l.id LIMIT 1";
static TARGET: Select<ReplayTarget> =
    Select::new("FROM endpoints p JOIN accounts a ON a.id = p.account_id WHERE p.account_id = $1 AND p.id = $2");
static EVENTS: Select<Looked> = Select::new("FROM events e WHERE e.place > $2 AND e.place <= $3 ORDER BY e.place LIMIT $4");
/// Of the events of a range, those whose deliveries are in an order.
static ORDERS: Select<OrderedEvent> =
    Select::new("FROM events e WHERE e.place > $1 AND e.place <= $2 AND e.order_key IS NOT NULL");
const LIVE: &str = "SELECT event FROM queue WHERE lane = $1 AND lane > 0 LIMIT $2";
const ADVANCE: &str = "UPDATE replays SET cursor_seq = $1, examined = examined + $2, created = created + $3, state = $4, \
     ended_at = $5 WHERE account_id = $6 AND endpoint_id = $7 AND id = $8";
const CANCEL_ALL: &str = "UPDATE replays SET state = 'cancelled', ended_at = $1 \
     WHERE account_id = $2 AND endpoint_id = $3 AND state = 'running'";

/// What a replay of this endpoint has to know; `None` when there is no such endpoint.
pub(crate) fn find_target(db: Db<'_>, lane: &LaneKey) -> Result<Option<ReplayTarget>, StoreError> {
    TARGET.find(db, params![lane.account_id.as_str(), lane.endpoint_id.as_str()])
}

/// Stops all replays of an endpoint that is about to go.
pub(crate) fn cancel_all(db: Db<'_>, lane: &LaneKey, now: Timestamp) -> Result<(), StoreError> {
    db.execute(CANCEL_ALL, params![now, lane.account_id.as_str(), lane.endpoint_id.as_str()]).map(drop)
}

/// One step of the running replay that comes after `after` in the order of ids; `None` when there is none.
pub(crate) fn advance(db: Db<'_>, context: &WriteContext, after: Option<&ReplayId>) -> Result<Option<ReplayStep>, StoreError> {
    let (after, now) = (after.map_or("", ReplayId::as_str), context.clock.now());
    let Some(row) = db.find("replays", &select_where(NEXT_RUNNING), params![after])? else { return Ok(None) };
    let mut replay = replay::read(&row)?;
    if account::lock(db, &replay.lane.account_id)? {
        // Another node may have advanced it meanwhile, or ended it.
        match replay::find(db, &replay.lane, &replay.id)? {
            Some(now) if now.state == ReplayState::Running => replay = now,
            _ => return Ok(Some(ReplayStep { replay: replay.id, advanced: true, created: 0, lane: replay.lane })),
        }
    }
    let step = |advanced, created| ReplayStep { replay: replay.id.clone(), advanced, created, lane: replay.lane.clone() };
    let Some(target) = find_target(db, &replay.lane)? else {
        cancel_all(db, &replay.lane, now)?;
        return Ok(Some(step(true, 0)));
    };
    let live = find_live(db, target.refs())?;
    let count = i64::try_from(live.len()).unwrap_or(i64::MAX);
    let room = (ENDPOINT_LIVE_MAX - count).min(context.account_backlog_max.saturating_sub(target.pending));
    let room = usize::try_from(room).unwrap_or(0).min(STEP_CREATED_MAX);
    let room = room.min(context.replay_pace.room(&replay.lane.account_id, now));
    if room == 0 {
        return Ok(Some(step(false, 0)));
    }
    let found = look(db, &replay, &target, &live, room)?;
    enqueue(db, context, &replay, &target, &found.wanted)?;
    move_on(db, &replay, &found, now)?;
    context.replay_pace.add(&replay.lane.account_id, found.wanted.len(), now);
    Ok(Some(step(true, found.wanted.len())))
}

/// What a step found in the log.
struct Found {
    /// Events to be sent again, and whether each has subjects.
    wanted: Vec<(i64, bool)>,
    /// Events in the replay's range of time.
    examined: i64,
    /// Everything up to this `seq` has been looked at.
    looked_at: i64,
}

/// Looks at the next events, until `room` of them are wanted.
fn look(db: Db<'_>, replay: &Replay, target: &ReplayTarget, live: &HashSet<i64>, room: usize) -> Result<Found, StoreError> {
    let (after, last) = (target.place(replay.range.cursor_seq), target.place(replay.range.last_seq));
    let events = EVENTS.list(db, params![target.lane, after, last, STEP_EVENTS_MAX])?;
    let mut found = Found { wanted: Vec::new(), examined: 0, looked_at: replay.range.cursor_seq };
    for event in &events {
        if found.wanted.len() == room {
            return Ok(found);
        }
        found.looked_at = place_seq(event.place);
        if event.created_at < replay.since || replay.until.is_some_and(|until| until <= event.created_at) {
            continue;
        }
        found.examined += 1;
        let past = PastEvent {
            is_test: event.is_test,
            matches: target.filter.matches(&event.event_type),
            is_live: live.contains(&found.looked_at),
            latest: event.latest,
        };
        if removal(event.payload_length).is_none() && past.is_wanted(&replay.cases) {
            found.wanted.push((found.looked_at, event.about.is_some()));
        }
    }
    Ok(found)
}

/// Events that a preview looks at before it says "at least".
const PREVIEW_EVENTS_MAX: i64 = 10 * STEP_EVENTS_MAX;

/// How many deliveries a replay would make now, and whether it has looked at all events.
pub(crate) fn preview(db: Db<'_>, replay: &mut Replay, target: &ReplayTarget) -> Result<(usize, bool), StoreError> {
    let live = find_live(db, target.refs())?;
    let (mut wanted, mut looked) = (0, 0);
    while replay.range.cursor_seq < replay.range.last_seq {
        if looked >= PREVIEW_EVENTS_MAX {
            return Ok((wanted, false));
        }
        let before = replay.range.cursor_seq;
        let found = look(db, replay, target, &live, usize::MAX)?;
        wanted += found.wanted.len();
        // Retention may have left nothing up to the end.
        replay.range.cursor_seq = if found.looked_at == before { replay.range.last_seq } else { found.looked_at };
        looked += STEP_EVENTS_MAX;
    }
    Ok((wanted, true))
}

/// Writes down how far the replay has come.
fn move_on(db: Db<'_>, replay: &Replay, found: &Found, now: Timestamp) -> Result<(), StoreError> {
    let (range, state) = replay.range.advance(found.looked_at);
    let created = i64::try_from(found.wanted.len()).unwrap_or(i64::MAX);
    let ended_at = (state == ReplayState::Done).then_some(now);
    let (account_id, endpoint_id) = (replay.lane.account_id.as_str(), replay.lane.endpoint_id.as_str());
    let id = replay.id.as_str();
    let cells = params![range.cursor_seq, found.examined, created, state.as_str(), ended_at, account_id, endpoint_id, id];
    db.execute(ADVANCE, cells).map(drop)
}

/// The events with a live delivery for the endpoint; as many as make a replay wait, at most.
fn find_live(db: Db<'_>, refs: LaneRefs) -> Result<HashSet<i64>, StoreError> {
    let rows = db.query("queue", LIVE, params![refs.lane, ENDPOINT_LIVE_MAX])?;
    rows.iter().map(|row| row.value("event").map(place_seq)).collect()
}

/// The orders that the deliveries of a step are in.
#[derive(Default)]
struct Orders {
    /// By the place of the event.
    keys: HashMap<i64, i64>,
    /// Those of which a delivery is alive.
    live: HashSet<InOrder>,
}

/// Looks for the orders of events, which ascend.
fn orders(db: Db<'_>, target: &ReplayTarget, events: &[(i64, bool)]) -> Result<Orders, StoreError> {
    let (Some((first, _)), Some((last, _))) = (events.first(), events.last()) else { return Ok(Orders::default()) };
    let found = ORDERS.list(db, params![target.place(*first) - 1, target.place(*last)])?;
    let live = order::live_of(db, found.iter().map(|event| (target.lane, event.key)).collect())?;
    Ok(Orders { keys: found.into_iter().map(|event| (event.place, event.key)).collect(), live })
}

/// Makes the deliveries of a step.
fn enqueue(
    db: Db<'_>,
    context: &WriteContext,
    replay: &Replay,
    target: &ReplayTarget,
    events: &[(i64, bool)],
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let (now, origin) = (context.clock.now(), Origin::Replayed(replay.id.clone()));
    let mut orders = orders(db, target, events)?;
    let mut number = target.last_number;
    let mut cells: Vec<Param<'_>> = Vec::new();
    for (event_seq, has_subjects) in events {
        number += 1;
        let place = target.place(*event_seq);
        let order_key = orders.keys.get(&place).copied();
        let row = QueuedRow {
            id: context.delivery_ids.draw(now),
            lane: target.lane,
            number,
            event: place,
            attempts: 0,
            created_at: now,
            due_at: now,
            wake_at: order_key.filter(|key| !orders.live.insert((target.lane, *key))).map(|_| WAITS),
            claim: None,
            origin: &origin,
            about: has_subjects.then_some(true),
            order_key,
        };
        row.bind(&mut cells);
    }
    Insert::of::<QueuedRow<'_>>().run(db, &cells)?;
    let (account_id, endpoint_id) = (&replay.lane.account_id, &replay.lane.endpoint_id);
    db.execute(UPDATE_NUMBER, params![number, account_id.as_str(), endpoint_id.as_str()])?;
    account::add_pending(db, account_id, number - target.last_number)
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let fixed = [LIVE, ADVANCE, CANCEL_ALL].map(str::to_owned);
    fixed.into_iter().chain([select_where(NEXT_RUNNING), TARGET.sql(), EVENTS.sql(), ORDERS.sql()]).collect()
}
