//! `disclosures`: what receivers were told about somebody. A row says so for each attempt that may have reached a receiver, and for each
//! subject of its event. Rows stay when the payload, the event and the endpoint are gone.

use bellwire_domain::{DeliveryId, Timestamp};

use crate::StoreError;
use crate::sql::{Bound, ColumnGroup, Db, Kind, Param, Session, TableRow, columns, names, table, unnest};

table! {
    /// A disclosure. Whom it is about is found by the event's place when it is written.
    pub(crate) struct DisclosureRow<'a> in "disclosures"
        key { subject: &'a [u8], at: Timestamp, delivery: DeliveryId, attempt: u32 }
    {
        account: i64,
        endpoint: &'a str,
        url_sealed: &'a [u8],
        event: &'a str,
        event_type: &'a str as "type",
        contract: &'a str,
        /// Pointers into `data`, as a JSON list; NULL: all of it.
        fields: Option<&'a str>,
        digest: &'a [u8],
        outcome: &'a str,
        status: Option<u16>,
    }
}

columns! {
    /// A stored disclosure.
    pub(crate) struct StoredDisclosure<'r> of "disclosures" {
        pub(crate) at: Timestamp = "at",
        pub(crate) delivery: DeliveryId = "delivery",
        pub(crate) attempt: u32 = "attempt",
        pub(crate) endpoint: String = "endpoint",
        pub(crate) url_sealed: &'r [u8] = "url_sealed",
        pub(crate) event: String = "event",
        pub(crate) event_type: String = "type",
        pub(crate) contract: String = "contract",
        pub(crate) fields: Option<String> = "fields",
        pub(crate) digest: Vec<u8> = "digest",
        pub(crate) outcome: String = "outcome",
        pub(crate) status: Option<u16> = "status",
    }
}

/// More subjects than an event has. The limit keeps PostgreSQL from reading all there are, and looking for each in the group.
const SUBJECTS_MAX: i64 = 10_000;

/// INSERTs of attempts, once for each subject of their event. Its cells: those of [`DisclosureRow`] but the first, and the event's
/// place.
pub(crate) struct Disclosing {
    kinds: Vec<Kind>,
    row_sql: String,
    set_sql: String,
}

impl Disclosing {
    pub(crate) fn new() -> Self {
        let mut told = DisclosureRow::table().columns;
        let into = names(&told);
        told.remove(0);
        let count = told.len();
        let kinds: Vec<Kind> = told.iter().map(|(_, kind)| *kind).chain([Kind::Int]).collect();
        let places: Vec<String> = (1..=count).map(|place| format!("${place}")).collect();
        let own: Vec<String> = told.iter().map(|(name, _)| format!("t.{name}")).collect();
        let row_sql = format!(
            "INSERT INTO disclosures ({into}) SELECT s.subject, {} FROM subjects s WHERE s.event = ${} ON CONFLICT DO NOTHING",
            places.join(", "),
            count + 1
        );
        let set_sql = format!(
            "INSERT INTO disclosures ({into}) SELECT s.subject, {} FROM {} t ({}, place) \
             CROSS JOIN LATERAL (SELECT subject FROM subjects WHERE event = t.place ORDER BY event LIMIT {SUBJECTS_MAX}) s \
             ON CONFLICT DO NOTHING",
            own.join(", "),
            unnest(kinds.iter().copied()),
            names(&told),
        );
        Self { kinds, row_sql, set_sql }
    }

    /// Adds the cells of one attempt on the event at `place`.
    pub(crate) fn add<'a>(cells: &mut Vec<Param<'a>>, told: DisclosureRow<'a>, place: i64) {
        let mut row = Vec::new();
        told.bind(&mut row);
        cells.extend(row.into_iter().skip(1));
        cells.push(place.into());
    }

    /// Writes them down row by row, on SQLite.
    pub(crate) fn run(&self, db: Db<'_>, cells: &[Param<'_>]) -> Result<(), StoreError> {
        if cells.is_empty() {
            return Ok(());
        }
        let mut statement = db.prepare(&self.row_sql)?;
        cells.chunks_exact(self.kinds.len()).try_for_each(|row| statement.execute(row).map(drop))
    }

    /// The same on PostgreSQL, to be sent with other statements.
    pub(crate) fn bind<'a>(&self, session: &Session, cells: &[Param<'a>]) -> Result<Bound<'a>, StoreError> {
        session.bind("disclosures", &self.set_sql, &[(&self.kinds, cells)], &[])
    }

    /// The texts: for a row, and on PostgreSQL.
    #[cfg(test)]
    pub(crate) fn texts(&self) -> [String; 2] {
        [self.row_sql.clone(), self.set_sql.clone()]
    }
}
