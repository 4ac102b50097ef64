//! Lists of deliveries by filter.
//!
//! A delivery is in the queue while it lives and in the history when it has ended; a list merges the two, newest first. A page is
//! little work whatever is asked for. Some filters are found by an index, in the order of ids. Under the others so many rows at most are
//! looked at, and the page ends where that was: with fewer items, and a cursor to go on from.

use std::cmp::Reverse;
use std::fmt::Write as _;

use bellwire_domain::{AccountId, DeliveryId, DeliveryState, EndpointId, EventId, EventType, OutcomeKind, Timestamp};

use super::deliveries::{Delivery, Ended, FROM_HISTORY, FROM_QUEUE, Live, read_ended, read_live};
use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::seal::SubjectHash;
use crate::sql::{Db, Param, Select, columns, params, select};

/// Which deliveries: those that all of it holds for.
#[derive(Debug, Clone, Default)]
pub struct DeliveryQuery {
    /// Of this account.
    pub account_id: Option<AccountId>,
    /// Of this endpoint.
    pub endpoint_id: Option<EndpointId>,
    /// Of this event; only together with its account.
    pub event_id: Option<EventId>,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Of an event of this type.
    pub event_type: Option<EventType>,
    /// Whose last attempt came to this.
    pub outcome: Option<OutcomeKind>,
    /// Whose last attempt was answered with this status.
    pub status: Option<u16>,
    /// With so many attempts at least.
    pub attempts_min: Option<u32>,
    /// Made at or after this instant, by the time in the id, to the millisecond.
    pub since: Option<Timestamp>,
    /// Made before this instant.
    pub until: Option<Timestamp>,
    /// Of an event about this subject.
    pub subject: Option<SubjectHash>,
}

/// Rows of the queue, and of the history, that a page looks at when it leaves some out.
pub(crate) const LOOK_MAX: i64 = 2_000;
/// Live deliveries of an account up to which all of them are looked at, endpoint by endpoint.
const PENDING_MAX: i64 = 20_000;
/// Events about one subject up to which their deliveries are looked up.
const SUBJECT_EVENTS_MAX: i64 = 500;

columns! {
    /// What finding an account's deliveries needs to know of it.
    struct Owner of "accounts" {
        number: i64 = "a.ref",
        pending: i64 = "a.pending",
    }
}

static OWNER: Select<Owner> = Select::new("FROM accounts a WHERE a.id = $1");
const LANE: &str = "SELECT ref FROM lanes WHERE account_id = $1 AND endpoint_id = $2";
const LANES: &str = "SELECT ref FROM lanes WHERE endpoint_id = $1 ORDER BY ref LIMIT 2";
const EVENT: &str = "SELECT place FROM events WHERE account = $1 AND id = $2";
const SUBJECT_END: &str = "SELECT event FROM subjects WHERE subject = $1 AND event >= 0 ORDER BY event LIMIT 1 OFFSET $2";

/// The lanes of an account, before and after its id. PostgreSQL would not take rows for values to look up, and read the whole index.
const LANES_AS_ROWS: [&str; 2] = ["d.lane > 0 AND d.lane IN (SELECT ref FROM lanes WHERE account_id = ", ")"];
const LANES_AS_ARRAY: [&str; 2] = ["d.lane > 0 AND d.lane = ANY(ARRAY(SELECT ref FROM lanes WHERE account_id = ", "))"];

/// Whose lane an endpoint is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// No endpoint is asked for.
    Any,
    One(i64),
    /// Several accounts have such an endpoint.
    Several,
}

/// What a query names, as the store numbers it, and between which ids it looks.
struct Named<'q> {
    query: &'q DeliveryQuery,
    owner: Option<Owner>,
    lane: Lane,
    event: Option<i64>,
    /// Whether the events about the subject are few enough to go by them.
    is_by_subject: bool,
    is_shared: bool,
    from: i64,
    before: i64,
}

impl<'q> Named<'q> {
    /// `None`: there is no such account, endpoint or event, and so no such delivery.
    fn find(db: Db<'_>, query: &'q DeliveryQuery, after: Option<DeliveryId>) -> Result<Option<Self>, StoreError> {
        let account_id = query.account_id.as_ref().map(AccountId::as_str);
        let owner = account_id.map(|id| OWNER.find(db, params![id])).transpose()?;
        let Some(owner) = owner.map_or(Some(None), |found| found.map(Some)) else { return Ok(None) };
        let lane = match (query.endpoint_id.as_ref().map(EndpointId::as_str), account_id) {
            (None, _) => Lane::Any,
            (Some(endpoint), account) => {
                let rows = match account {
                    Some(account) => db.query("lanes", LANE, params![account, endpoint])?,
                    None => db.query("lanes", LANES, params![endpoint])?,
                };
                match rows.as_slice() {
                    [] => return Ok(None),
                    [one] => Lane::One(one.value("ref")?),
                    _ => Lane::Several,
                }
            }
        };
        let event = match (&query.event_id, &owner) {
            (Some(id), Some(owner)) => match db.find("events", EVENT, params![owner.number, id.as_str()])? {
                Some(row) => Some(row.value("place")?),
                None => return Ok(None),
            },
            _ => None,
        };
        let is_by_subject = match &query.subject {
            Some(subject) => db.find("subjects", SUBJECT_END, params![subject.as_bytes(), SUBJECT_EVENTS_MAX])?.is_none(),
            None => false,
        };
        let first_at = |at: Timestamp| DeliveryId::after(DeliveryId::default(), at).number();
        let before = [after.map(DeliveryId::number), query.until.map(first_at)].into_iter().flatten().min();
        let (from, before) = (query.since.map_or(0, first_at), before.unwrap_or(i64::MAX));
        Ok(Some(Self { query, owner, lane, event, is_by_subject, is_shared: db.is_shared(), from, before }))
    }

    /// The last id that is looked at; `None`: all there are.
    fn look_end(&self, db: Db<'_>, wants_live: bool, wants_ended: bool) -> Result<Option<i64>, StoreError> {
        let (live, ended) = (wants_live.then(|| self.live()), wants_ended.then(|| self.ended()));
        let mut end = None;
        for text in [live, ended].into_iter().flatten().filter_map(|asked| asked.look_end()) {
            let last = db.find("deliveries", &text.sql, &text.cells)?.map(|row| row.value("id")).transpose()?;
            end = end.max(last);
        }
        Ok(end)
    }

    /// How the queue is asked.
    fn live(&self) -> Asked<'_> {
        let mut asked = Asked::new(FROM_QUEUE, "FROM queue d ");
        let account_id = self.query.account_id.as_ref().map(AccountId::as_str);
        match (self.lane, &self.owner) {
            (Lane::One(lane), _) => asked.by("d.lane > 0 AND d.lane = ", lane, ""),
            (_, Some(owner)) if owner.pending <= PENDING_MAX => {
                let [before, after] = if self.is_shared { LANES_AS_ARRAY } else { LANES_AS_ROWS };
                asked.by(before, account_id, after);
                asked.is_small = true;
                asked.id = "d.id + 0"; // not to be found, or brought into order, by the index of all ids
            }
            (_, Some(_)) => asked.also("l.account_id = ", account_id, ""),
            (Lane::Any | Lane::Several, None) => {}
        }
        asked.between(self.from, self.before);
        if let Some(event) = self.event {
            asked.also("d.event = ", event, "");
        }
        if let Some(outcome) = self.query.outcome {
            asked.also(&format!("{} = ", last("outcome")), outcome.as_str(), "");
        }
        if let Some(status) = self.query.status {
            asked.also(&format!("{} = ", last("status")), status, "");
        }
        self.common(&mut asked, false);
        asked
    }

    /// How the history is asked.
    fn ended(&self) -> Asked<'_> {
        let mut asked = Asked::new(FROM_HISTORY, "FROM deliveries d ");
        let query = self.query;
        let state = query.state.map(DeliveryState::as_str);
        let is_rare = query.state.is_some_and(|state| state != DeliveryState::Delivered);
        let mut is_found_by_state = false;
        match (self.event, self.lane, &self.owner) {
            (Some(event), lane, _) => {
                asked.by("d.event = ", event, "");
                if let Lane::One(lane) = lane {
                    asked.by("d.lane = ", lane, "");
                }
                asked.is_small = true;
            }
            (None, lane, _) if self.is_by_subject => {
                let subject = query.subject.as_ref().map(SubjectHash::as_bytes);
                asked.by("d.event IN (SELECT event FROM subjects WHERE event >= 0 AND subject = ", subject, ")");
                if let Lane::One(lane) = lane {
                    asked.also("d.lane = ", lane, "");
                }
                asked.is_small = true;
            }
            (None, Lane::One(lane), _) => asked.by("d.lane = ", lane, ""),
            (None, _, Some(owner)) => {
                asked.by("d.account = ", owner.number, if is_rare { " AND d.state <> 'delivered'" } else { "" });
            }
            (None, _, None) if is_rare => {
                asked.by("d.state = ", state, " AND d.state <> 'delivered'");
                is_found_by_state = true;
            }
            (None, _, None) => {}
        }
        asked.between(self.from, self.before);
        if let Some(state) = state.filter(|_| !is_found_by_state) {
            // An expression and no column: the index by state, with the rows of all accounts, is not for this.
            asked.also("d.state || '' = ", state, "");
        }
        // One that was cancelled has no attempt in its row.
        let of_last = |column: &str| format!("CASE WHEN d.outcome IS NULL THEN {} ELSE d.{column} END = ", last(column));
        if let Some(outcome) = query.outcome {
            asked.also(&of_last("outcome"), outcome.as_str(), "");
        }
        if let Some(status) = query.status {
            asked.also(&of_last("status"), status, "");
        }
        self.common(&mut asked, self.is_by_subject && self.event.is_none());
        asked
    }

    /// What is asked of both.
    fn common<'a>(&'a self, asked: &mut Asked<'a>, is_by_subject: bool) {
        let query = self.query;
        if let (Lane::Several, Some(endpoint)) = (self.lane, &query.endpoint_id) {
            asked.also("l.endpoint_id = ", endpoint.as_str(), "");
        }
        if let Some(event_type) = &query.event_type {
            asked.also("e.type = ", event_type.as_str(), "");
        }
        if let Some(attempts) = query.attempts_min {
            asked.also("d.attempts >= ", attempts, "");
        }
        if let Some(subject) = query.subject.as_ref().filter(|_| !is_by_subject) {
            let about = "(SELECT s.event FROM subjects s WHERE s.event = d.event AND s.subject = ";
            asked.also(about, subject.as_bytes(), ") IS NOT NULL");
        }
    }
}

/// Of the last attempt, where it did not end its delivery. A value and not `EXISTS`, which PostgreSQL makes a join of, with plans that
/// read all attempts.
fn last(column: &str) -> String {
    format!("(SELECT t.{column} FROM earlier_attempts t WHERE t.delivery_id = d.id AND t.number = d.attempts)")
}

/// A question to one of the two tables, in the making: first what an index finds, then what is left out of that.
struct Asked<'a> {
    from_joined: &'static str,
    from: &'static str,
    by: Text<'a>,
    also: Vec<(String, Param<'a>, &'static str)>,
    /// What the index finds is little.
    is_small: bool,
    /// How the id is written.
    id: &'static str,
}

/// Conditions with their parameters.
#[derive(Clone, Default)]
struct Text<'a> {
    sql: String,
    cells: Vec<Param<'a>>,
}

impl<'a> Text<'a> {
    fn and(&mut self, before: &str, value: impl Into<Param<'a>>, after: &str) {
        self.sql.push_str(if self.cells.is_empty() { "WHERE " } else { " AND " });
        self.put(before, value);
        self.sql.push_str(after);
    }

    fn put(&mut self, before: &str, value: impl Into<Param<'a>>) {
        self.cells.push(value.into());
        let _ = write!(self.sql, "{before}${}", self.cells.len());
    }
}

impl<'a> Asked<'a> {
    fn new(from_joined: &'static str, from: &'static str) -> Self {
        Self { from_joined, from, by: Text::default(), also: Vec::new(), is_small: false, id: "d.id" }
    }

    fn by(&mut self, before: &str, value: impl Into<Param<'a>>, after: &str) {
        self.by.and(before, value, after);
    }

    fn between(&mut self, from: i64, before: i64) {
        let id = self.id;
        self.by(&format!("{id} >= "), from, "");
        self.by(&format!("{id} < "), before, "");
    }

    fn also(&mut self, before: &str, value: impl Into<Param<'a>>, after: &'static str) {
        self.also.push((before.to_owned(), value.into(), after));
    }

    /// The last id that is looked at, if more rows than that may have to be left out.
    fn look_end(&self) -> Option<Text<'a>> {
        if self.also.is_empty() || self.is_small {
            return None;
        }
        let mut text = self.by.clone();
        text.put(" ORDER BY d.id DESC LIMIT 1 OFFSET ", LOOK_MAX - 1);
        Some(Text { sql: format!("SELECT d.id {}{}", self.from, text.sql), ..text })
    }

    /// The rows.
    fn rows(&self, fetch: i64) -> Text<'a> {
        let mut text = self.by.clone();
        for (before, value, after) in &self.also {
            text.and(before, *value, after);
        }
        text.put(&format!(" ORDER BY {} DESC LIMIT ", self.id), fetch);
        Text { sql: format!("{}{}", self.from_joined, text.sql), ..text }
    }
}

/// A page of deliveries, newest first; the cursor is the last id looked at. A page with fewer items than asked for is the last only
/// when it has no cursor.
pub(super) fn list(db: Db<'_>, query: &DeliveryQuery, page: &PageRequest) -> Result<Page<Delivery>, StoreError> {
    let after = match page.after.as_deref().map(DeliveryId::try_new) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Ok(Page::default()), // no page has ended with such an id
    };
    let Some(mut named) = Named::find(db, query, after)? else { return Ok(Page::default()) };
    let wants_live = query.state.is_none_or(|state| state == DeliveryState::Pending);
    let wants_ended = query.state.is_none_or(|state| state != DeliveryState::Pending);
    let looked_to = named.look_end(db, wants_live, wants_ended)?;
    named.from = looked_to.map_or(named.from, |end| named.from.max(end));
    let mut items = Vec::new();
    if wants_live {
        let text = named.live().rows(page.fetch());
        let rows = db.query("queue", &select::<Live>(&text.sql), &text.cells)?;
        items.extend(rows.iter().map(read_live).collect::<Result<Vec<_>, _>>()?);
    }
    if wants_ended {
        let text = named.ended().rows(page.fetch());
        let rows = db.query("deliveries", &select::<Ended>(&text.sql), &text.cells)?;
        items.extend(rows.iter().map(read_ended).collect::<Result<Vec<_>, _>>()?);
    }
    items.sort_by_key(|delivery| Reverse(delivery.id));
    items.truncate(usize::try_from(page.fetch()).unwrap_or(usize::MAX));
    let mut found = page.cut(items, |delivery| delivery.id.to_string());
    let looked_to = looked_to.and_then(DeliveryId::from_number);
    found.next = found.next.or_else(|| looked_to.map(|id| id.to_string()));
    Ok(found)
}

/// Every shape that a question has: on either database, on SQLite, on PostgreSQL.
#[cfg(test)]
pub(super) fn statements() -> [Vec<String>; 3] {
    let either = [LANE, LANES, EVENT, SUBJECT_END, OWNER.text()].map(str::to_owned);
    let mut all = [Vec::from(either), Vec::new(), Vec::new()];
    let rest = DeliveryQuery {
        account_id: AccountId::try_new("a").ok(),
        endpoint_id: EndpointId::try_new("e").ok(),
        event_type: EventType::try_new("t").ok(),
        outcome: Some(OutcomeKind::Tls),
        status: Some(500),
        attempts_min: Some(2),
        subject: SubjectHash::parse("sub_abababababababababababababababab"),
        ..DeliveryQuery::default()
    };
    for query in [DeliveryQuery::default(), rest.clone(), DeliveryQuery { state: Some(DeliveryState::Failed), ..rest }] {
        for (pending, lane) in [
            (None, Lane::Any),
            (None, Lane::One(1)),
            (None, Lane::Several),
            (Some(0), Lane::Any),
            (Some(PENDING_MAX + 1), Lane::Any),
            (Some(0), Lane::One(1)),
        ] {
            for (event, is_by_subject) in [(None, false), (None, true), (Some(1), false)] {
                for is_shared in [false, true] {
                    let owner = pending.map(|pending| Owner { number: 1, pending });
                    let named = Named { query: &query, owner, lane, event, is_by_subject, is_shared, from: 0, before: i64::MAX };
                    let (live, ended) = (named.live(), named.ended());
                    let ends = [&live, &ended].into_iter().filter_map(|asked| asked.look_end().map(|text| text.sql));
                    let rows = [select::<Live>(&live.rows(1).sql), select::<Ended>(&ended.rows(1).sql)];
                    for text in ends.chain(rows) {
                        let own = [LANES_AS_ROWS, LANES_AS_ARRAY].iter().position(|[before, _]| text.contains(before));
                        all[own.map_or(0, |own| own + 1)].push(text);
                    }
                }
            }
        }
    }
    for texts in &mut all {
        texts.sort();
        texts.dedup();
    }
    all
}
