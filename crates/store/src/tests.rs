//! Every statement of the store, prepared on a migrated database.

use bellwire_domain::Timestamp;
use rusqlite::Connection;

use crate::queue::takeover::Holder;
use crate::schema::KNOWN_VERSION;
use crate::sql::{PostgresUrl, Session};
use crate::{postgres, queue, records, rows, sqlite};

/// A migrated PostgreSQL database of its own.
pub(crate) fn migrated() -> (Session, PostgresUrl) {
    let url: PostgresUrl = bellwire_testkit::postgres::Cluster::shared().database().parse().unwrap();
    (postgres::open::prepared(&url, Timestamp::from_secs(1_800_000_000)).unwrap(), url)
}

/// A migrated SQLite database in memory.
pub(crate) fn migrated_sqlite() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    sqlite::migrations::migrate(&mut connection, 0).unwrap();
    connection
}

/// Statements of the queue and its rows.
fn queue_statements() -> Vec<String> {
    let claims = [queue::claim::statements(), queue::health_book::statements(), queue::cancel::statements()];
    let others = [
        queue::replay::statements(),
        queue::retention::statements(),
        vec![queue::ids::STORED.sql()],
        queue::clock::statements(),
        queue::late::statements(),
        queue::order::statements(),
        queue::deletion::statements(),
        queue::clear_subjects::statements(),
        queue::erasure::statements(),
        queue::expiry::statements(),
        queue::renewal::statements(),
    ];
    claims.into_iter().chain(others).flatten().collect()
}

fn row_statements() -> Vec<String> {
    let named = [rows::account::statements(), rows::lane::statements(), rows::endpoint::statements()];
    let others =
        [rows::secret::statements(), rows::contract_key::statements(), rows::replay::statements(), rows::retention::statements()];
    let counts = [
        rows::activation::statements(),
        rows::lease::statements(),
        rows::heartbeat::statements(),
        rows::attempt::statements(),
        rows::meta::statements(),
        rows::rollup::statements(),
        rows::incident::statements(),
        rows::operator_notice::statements(),
        rows::bulk_retry::statements(),
        rows::key::statements(),
        rows::client::statements(),
        rows::event::statements(),
        rows::erasure::statements(),
        rows::hold::statements(),
    ];
    named.into_iter().chain(others).chain(counts).flatten().collect()
}

/// Every statement that may run on either database.
pub(crate) fn all_statements() -> Vec<String> {
    let shared = queue_statements().into_iter().chain(row_statements()).chain(records::statements());
    let shared = shared.chain(crate::audit::statements());
    shared.chain(sqlite::statements()).chain(crate::doctor::statements()).collect()
}

fn plan(connection: &Connection, text: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
    let count = statement.parameter_count();
    let rows = statement.query_map(rusqlite::params_from_iter(vec![0; count]), |row| row.get::<_, String>(3)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn every_statement_prepares_on_sqlite_and_binds_in_order() {
    let connection = migrated_sqlite();
    let [own, _] = crate::doctor::own_statements();
    let [listed, _] = records::own_statements();
    let [described, _] = records::description_statements();
    for text in all_statements().into_iter().chain(own).chain(listed).chain(described) {
        let statement = connection.prepare(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        for index in 1..=statement.parameter_count() {
            assert_eq!(statement.parameter_name(index), Some(format!("${index}").as_str()), "{text}");
        }
    }
}

/// What was missed is looked for event by event, so each look must be cheap however long the history is.
#[test]
fn the_log_finds_an_event_s_deliveries_by_their_index() {
    let connection = migrated_sqlite();
    for text in records::log_statements() {
        let steps = plan(&connection, &text);
        assert!(steps.iter().all(|step| !step.contains("TEMP B-TREE") && !step.starts_with("SCAN")), "{text}: {steps:?}");
        let by_event = |step: &String| step.contains("deliveries_by_event (event=?");
        assert_eq!(steps.iter().any(by_event), text.contains("EXISTS"), "{text}: {steps:?}");
    }
}

/// The plans of the statements that run per delivery or per round: each uses an index, none scans or sorts.
#[test]
fn hot_statements_use_their_indexes() {
    let connection = migrated_sqlite();
    let hot = sqlite::statements().into_iter().chain(queue::claim::statements()).chain(queue::health_book::statements());
    for text in hot.chain(queue::cancel::statements()) {
        let frees = queue::takeover::statements(&[Holder::This, Holder::Other]);
        if frees.contains(&text) {
            continue; // once per start, and once per stop
        }
        for step in plan(&connection, &text) {
            assert!(!step.contains("TEMP B-TREE"), "{text}: {step}");
            let is_small = matches!(step.as_str(), "SCAN w" | "SCAN waiting"); // the lanes in which something waits
            assert!(!step.starts_with("SCAN") || step.contains("INDEX queue_by_") || is_small, "{text}: {step}");
        }
    }
}

/// What is due about leases and muted endpoints is looked for on every beat: only what is due is read.
#[test]
fn what_is_due_of_endpoints_is_found_by_its_index() {
    let connection = migrated_sqlite();
    let indexes = ["endpoints_lease_due (lease_due<?", "endpoints_resumes_at (resumes_at<?"];
    for (text, index) in rows::lease::due_statements().iter().zip(indexes) {
        let steps = plan(&connection, text);
        assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
        assert!(steps.iter().all(|step| !step.starts_with("SCAN e")), "{steps:?}");
    }
}

/// Heartbeats are looked for on every beat: only what is due is read, and of its deliveries only the newest and the oldest few.
#[test]
fn due_heartbeats_and_what_was_sent_last_are_found_by_their_indexes() {
    let connection = migrated_sqlite();
    let indexes =
        ["endpoints_heartbeat_at (heartbeat_at>? AND heartbeat_at<?", "deliveries_by_lane (lane=?", "queue_by_lane (lane=?"];
    for (text, index) in rows::heartbeat::beat_statements().iter().zip(indexes) {
        let steps = plan(&connection, text);
        assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
        assert!(steps.iter().all(|step| !["SCAN e", "SCAN d", "SCAN q"].iter().any(|scan| step.ends_with(scan))), "{steps:?}");
    }
}

/// However many handshakes or heartbeats are due, one look reads the first few of them: nothing is sorted, and nothing else is read.
#[test]
fn a_look_at_what_is_due_is_as_short_as_it_is_asked_to_be() {
    let connection = migrated_sqlite();
    for (text, index) in [
        (rows::activation::due_statement(), "endpoints_activation_due (activation_due>? AND activation_due<?"),
        (rows::heartbeat::due_statement(), "endpoints_heartbeat_at (heartbeat_at>? AND heartbeat_at<?"),
    ] {
        let steps = plan(&connection, &text);
        assert!(steps.len() == 1 && steps[0].contains(index), "{text}: {steps:?}");
        assert!(text.ends_with("LIMIT $3"), "{text}");
    }
}

/// What is watched is read on every beat, however much is stored: each statement begins at an index and is cut.
#[test]
fn what_is_watched_is_found_by_its_index() {
    let connection = migrated_sqlite();
    let of_pages = records::standing::statements().into_iter().map(|(text, [index, _])| (text, index));
    for (text, index) in records::watching::statements().into_iter().chain(of_pages) {
        let steps = plan(&connection, &text);
        assert!(steps.iter().any(|step| step.contains(index)), "{text}: {steps:?}");
        let reads_table = |step: &String| {
            let scans = ["SCAN q", "SCAN f", "SCAN n", "SCAN e"]
                .iter()
                .any(|scan| *step == *scan || step.starts_with(&format!("{scan} ")));
            scans && !step.contains("INDEX")
        };
        assert!(!steps.iter().any(reads_table), "{text}: {steps:?}");
        assert!(text.contains("LIMIT"), "{text}");
    }
}

#[test]
fn both_databases_know_the_same_version() {
    let (session, url) = migrated();
    assert_eq!(postgres::migrations::check(&session, &url).unwrap(), KNOWN_VERSION);
    let header = sqlite::migrations::read_header(&migrated_sqlite()).unwrap();
    assert_eq!(header.version, KNOWN_VERSION);
}

/// The first page is as cheap as any: what is read for it is in the order of an index, or bounded beforehand.
#[test]
fn lists_of_deliveries_scan_nothing_and_sort_only_what_is_little() {
    let connection = migrated_sqlite();
    let [own, _] = records::own_statements();
    for text in records::list_statements().into_iter().chain(own) {
        let is_little = ["d.lane IN (SELECT", "d.event = ", "d.event IN (SELECT"].iter().any(|by| text.contains(by));
        // Between two ids, not far apart: how far, another statement has found out.
        let is_of_rows =
            text.contains(" JOIN events e ") && ["l.account_id = ", "l.endpoint_id = "].iter().any(|by| text.contains(by));
        for step in plan(&connection, &text) {
            assert!(!step.starts_with("SCAN"), "{text}: {step}");
            assert!(!step.contains("TEMP B-TREE") || is_little || is_of_rows, "{text}: {step}");
        }
    }
}

/// `docs/security.md` says of every column whether it can hold health data.
#[test]
fn every_column_is_in_the_table_of_the_security_page() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/security.md")).unwrap();
    let connection = migrated_sqlite();
    let columns = "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(columns).unwrap();
    let columns: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let is_named = |column: &str| page.contains(&format!("`{column}`"));
    let table_of = |column: &str| format!("{}.*", column.split('.').next().unwrap_or_default());
    let missing: Vec<&String> = columns.iter().filter(|column| !is_named(column) && !is_named(&table_of(column))).collect();
    assert!(missing.is_empty(), "say what they can hold: {missing:?}");
    let sealed = |column: &&String| column.ends_with("_sealed") && !is_named(column);
    assert!(!columns.iter().any(|column| sealed(&column)), "what is sealed is named for itself");
}
