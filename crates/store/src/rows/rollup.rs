//! `rollups`: attempts, counted by spans of time.
//!
//! A minute's rows lie together, so that a commit that counts attempts of many accounts writes few pages. A question about an
//! account or an endpoint looks into the index once for each span.

use std::collections::BTreeMap;
use std::time::Duration;

use bellwire_domain::rollup::{Figures, LatencyBin, Tally};
use bellwire_domain::{Span, Timestamp};

use crate::StoreError;
use crate::sql::{Db, Select, columns, params, table};

table! {
    /// Attempts that are counted together.
    pub(crate) struct RollupRow<'a> in "rollups" key {
        span: i64, number: i64, account: i64, lane: i64, class: &'a str, bin: i64
    } {
        attempts: i64,
        delivered: i64,
        failed: i64,
    }
}

columns! {
    /// A count, and the span that it belongs to.
    struct Counted of "rollups" {
        number: i64 = "r.number",
        class: String = "r.class",
        bin: i64 = "r.bin",
        attempts: i64 = "CAST(SUM(r.attempts) AS BIGINT)",
        delivered: i64 = "CAST(SUM(r.delivered) AS BIGINT)",
        failed: i64 = "CAST(SUM(r.failed) AS BIGINT)",
    }
}

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    All,
    Account(i64),
    Lane { account: i64, lane: i64 },
}

/// What stands behind an INSERT whose rows may be there already.
pub(crate) const COUNT_IN: &str = "ON CONFLICT (span, number, account, lane, class, bin) DO UPDATE SET \
     attempts = rollups.attempts + excluded.attempts, delivered = rollups.delivered + excluded.delivered, \
     failed = rollups.failed + excluded.failed";

/// The numbers are listed first, so that each is looked up by the index: those of other accounts lie between.
static COUNTED: Select<Counted> = Select::new(
    "FROM (WITH RECURSIVE asked (number) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT number + 1 FROM asked WHERE number < $2) \
     SELECT number FROM asked) a CROSS JOIN rollups r WHERE r.span = $3 AND r.number = a.number AND r.account = $4 \
     AND r.lane >= $5 AND r.lane <= $6 GROUP BY r.number, r.class, r.bin",
);

/// What a row counts, as the column `span` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// A minute that no hour has counted yet.
    Minute = 0,
    Hour = 1,
    Day = 2,
    /// A minute that its hour has counted, kept to be looked at.
    PastMinute = 3,
}

impl Counts {
    pub(crate) const fn code(self) -> i64 {
        self as i64
    }

    const fn span(self) -> Span {
        match self {
            Self::Minute | Self::PastMinute => Span::Minute,
            Self::Hour => Span::Hour,
            Self::Day => Span::Day,
        }
    }

    /// Which rows a question by such spans adds up.
    const fn of(by: Span) -> &'static [Self] {
        match by {
            Span::Minute => &[Self::Minute, Self::PastMinute],
            Span::Hour => &[Self::Minute, Self::Hour],
            Span::Day => &[Self::Minute, Self::Hour, Self::Day],
        }
    }
}

columns! {
    /// The spans that there are rows of.
    struct Range of "rollups" {
        first: Option<i64> = "(SELECT MIN(r.number) FROM rollups r WHERE r.span = $1)",
        last: Option<i64> = "(SELECT MAX(r.number) FROM rollups r WHERE r.span = $1)",
    }
}

static RANGE: Select<Range> = Select::new("");

/// What attempts from the span numbered `first` to the one numbered `last` came to, by span.
pub(crate) fn read(
    db: Db<'_>,
    subject: Subject,
    by: Span,
    (first, last): (i64, i64),
) -> Result<Vec<(Timestamp, Figures)>, StoreError> {
    let mut found: BTreeMap<i64, Figures> = BTreeMap::new();
    for counts in Counts::of(by).iter().copied() {
        let range = RANGE.find(db, params![counts.code()])?;
        let Some(Range { first: Some(oldest), last: Some(latest) }) = range else { continue };
        let per = counts.span().per(by);
        let (first, last) = ((first * per).max(oldest), (last * per + per - 1).min(latest));
        if first > last {
            continue;
        }
        let (account, low, high) = lanes(subject, counts);
        for counted in COUNTED.list(db, params![first, last, counts.code(), account, low, high])? {
            let tally = Tally { attempts: counted.attempts, delivered: counted.delivered, failed: counted.failed };
            let figures = found.entry(counted.number.div_euclid(per)).or_default();
            figures.count(&counted.class, LatencyBin::from_number(counted.bin), tally);
        }
    }
    Ok(found.into_iter().map(|(number, figures)| (by.start(number), figures)).collect())
}

/// Which account, and which of its lanes: an account has no minutes of its own before its hours are counted.
const fn lanes(subject: Subject, counts: Counts) -> (i64, i64, i64) {
    match (subject, counts) {
        (Subject::All, _) => (0, 0, i64::MAX),
        (Subject::Account(account), Counts::Minute) => (account, 1, i64::MAX),
        (Subject::Account(account), Counts::Hour | Counts::Day | Counts::PastMinute) => (account, 0, 0),
        (Subject::Lane { account, lane }, _) => (account, lane, lane),
    }
}

/// For how long minutes are the only ones that count their attempts.
const UNFOLDED: Duration = Duration::from_secs(2 * 60 * 60);
/// Rows of one span that a step of folding moves, about.
const STEP: i64 = 2_000;

/// What becomes of rows of a kind that are older than this.
struct Fold {
    from: Counts,
    age: Duration,
    /// The kinds that count them from then on.
    into: &'static [Counts],
    /// Whether their account's own rows are made with them.
    of_accounts: bool,
}

const FOLDS: [Fold; 4] = [
    Fold { from: Counts::Minute, age: UNFOLDED, into: &[Counts::Hour, Counts::PastMinute], of_accounts: true },
    Fold { from: Counts::PastMinute, age: Span::Minute.kept(), into: &[], of_accounts: false },
    Fold { from: Counts::Hour, age: Span::Hour.kept(), into: &[Counts::Day], of_accounts: false },
    Fold { from: Counts::Day, age: Span::Day.kept(), into: &[], of_accounts: false },
];

/// Steps of several nodes come one after the other.
const LOCK: &str = "UPDATE retention SET kept_since = kept_since";
const OLDEST: &str = "SELECT number FROM rollups WHERE span = $1 AND number < $2 ORDER BY number LIMIT 1";
const STEP_END: &str =
    "SELECT account FROM rollups WHERE span = $1 AND number = $2 ORDER BY account, lane, class, bin LIMIT 1 OFFSET $3";
const REMOVE: &str = "DELETE FROM rollups WHERE span = $1 AND number = $2 AND account <= $3";

/// Counts rows of a span into those of another, each under its lane.
fn fold_lanes() -> String {
    fold_into("r.lane", "", ", r.lane")
}

/// The same, under their account.
fn fold_accounts() -> String {
    fold_into("CAST(0 AS BIGINT)", " AND r.account > 0", "")
}

fn fold_into(lane: &str, condition: &str, group: &str) -> String {
    format!(
        "INSERT INTO rollups (span, number, account, lane, class, bin, attempts, delivered, failed) \
         SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), r.account, {lane}, r.class, r.bin, CAST(SUM(r.attempts) AS BIGINT), \
         CAST(SUM(r.delivered) AS BIGINT), CAST(SUM(r.failed) AS BIGINT) FROM rollups r \
         WHERE r.span = $3 AND r.number = $4 AND r.account <= $5{condition} GROUP BY r.account, r.class, r.bin{group} {COUNT_IN}"
    )
}

/// Moves some of what is old into longer spans, and forgets the oldest; `false`: nothing is old any more.
pub(crate) fn fold(db: Db<'_>, now: Timestamp) -> Result<bool, StoreError> {
    db.execute(LOCK, params![])?;
    for Fold { from: counts, age, into, of_accounts } in FOLDS {
        let (code, kept_from) = (counts.code(), counts.span().number(now.minus(age)));
        let Some(row) = db.find("rollups", OLDEST, params![code, kept_from])? else { continue };
        let number: i64 = row.value("number")?;
        let end = db.find("rollups", STEP_END, params![code, number, STEP])?;
        let last: i64 = end.map_or(Ok(i64::MAX), |row| row.value("account"))?;
        for into in into.iter().copied() {
            let longer = number.div_euclid(counts.span().per(into.span()));
            let cells = params![into.code(), longer, code, number, last];
            db.execute(&fold_lanes(), cells)?;
            if of_accounts {
                db.execute(&fold_accounts(), cells)?;
            }
        }
        db.execute(REMOVE, params![code, number, last])?;
        return Ok(true);
    }
    Ok(false)
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let fixed = [LOCK, OLDEST, STEP_END, REMOVE].map(str::to_owned);
    fixed.into_iter().chain([RANGE.sql(), COUNTED.sql(), fold_lanes(), fold_accounts()]).collect()
}
