//! How the server runs the statements over whole groups: what is made for a group is gone through once, never once per row of it.
//!
//! Plans are made without a look at the group's size, and every join is a nested loop. Where its inner side is the group itself
//! (what an array or an earlier part of the statement holds), a group of a thousand costs a million steps. The inner side has to
//! be a look into an index.
//!
//! That must not depend on what the server believes of its tables. It has often seen the queue empty when it vacuumed, and to read
//! all of an empty table through its index, in the index's order, looks cheaper than to look up ten rows: a plan that is kept when
//! the queue holds a million. So the statements over groups join by `column = ANY(ARRAY[value])` and not by `column = value`. The
//! index serves both; but from the first no order follows that a merge could use, and so nobody reads an index for its order.
//!
//! For the same reason any index that has a column anywhere costs as little as one that begins with it. So none of the queue's has
//! its key in a later place, but for one that only statements over a lane can use.

use std::collections::HashMap;

use crate::sql::{Db, Select, Session, columns, params};
use crate::tests::{all_statements, migrated};

/// A line of a plan that names a step, and how far it is indented.
struct Step<'p> {
    depth: usize,
    text: &'p str,
}

fn steps<'p>(plan: &'p str) -> Vec<Step<'p>> {
    let step = |(index, line): (usize, &'p str)| {
        let text = line.trim_start();
        let depth = line.len() - text.len();
        text.strip_prefix("->  ").or_else(|| (index == 0).then_some(text)).map(|text| Step { depth, text })
    };
    plan.lines().enumerate().filter_map(step).collect()
}

/// Steps on the inner side of a nested loop that go through all of what the statement itself made.
fn repeated<'p>(steps: &[Step<'p>]) -> Vec<&'p str> {
    let mut found = Vec::new();
    for (index, outer) in steps.iter().enumerate().filter(|(_, step)| step.text.starts_with("Nested Loop")) {
        let below: Vec<&Step<'_>> = steps[index + 1..].iter().take_while(|step| step.depth > outer.depth).collect();
        let depth = below.iter().map(|step| step.depth).min();
        let inner = below.iter().filter(|step| Some(step.depth) == depth).nth(1);
        let from_inner = below.iter().skip_while(|step| inner.is_some_and(|inner| !std::ptr::eq(**step, *inner)));
        let whole = ["CTE Scan", "Function Scan", "Seq Scan", "Materialize"];
        found.extend(from_inner.map(|step| step.text).filter(|text| whole.iter().any(|scan| text.starts_with(scan))));
    }
    found
}

/// The plan that every run of the statement has.
fn plan(session: &Session, statement: &str) -> String {
    let count = session.prepare(statement).unwrap().params().len();
    let nulls = if count == 0 { String::new() } else { format!("({})", vec!["NULL"; count].join(", ")) };
    session.batch(&format!("PREPARE planned AS {statement}")).unwrap();
    let rows = session.query("plan", &format!("EXPLAIN EXECUTE planned{nulls}"), &[]).unwrap();
    session.batch("DEALLOCATE planned").unwrap();
    rows.iter().map(|row| row.value::<String>("line").unwrap()).collect::<Vec<_>>().join("\n")
}

columns! {
    /// An index, and its first column.
    struct FirstColumn of "pg_index" {
        index: String = "c.relname::text",
        column: String = "a.attname::text",
    }
}

static FIRST_COLUMNS: Select<FirstColumn> = Select::new(
    "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]",
);

/// The first column of each index.
fn first_columns(session: &Session) -> HashMap<String, String> {
    let first = FIRST_COLUMNS.list(Db::Postgres(session), params![]).unwrap();
    first.into_iter().map(|FirstColumn { index, column }| (index, column)).collect()
}

/// Steps by an index, with their conditions.
fn by_index(plan: &str) -> Vec<(&str, Option<&str>)> {
    let lines: Vec<&str> = plan.lines().collect();
    let scans = lines.iter().enumerate().filter_map(|(at, line)| {
        // Of either direction: `Index Scan Backward using …`.
        let is_scan = line.contains("Index Scan") || line.contains("Index Only Scan");
        let (_, after) = line.split_once(" using ").or_else(|| line.split_once("Bitmap Index Scan on ")).filter(|_| is_scan)?;
        let conditions = lines.get(at + 1).and_then(|next| next.trim_start().strip_prefix("Index Cond: "));
        Some((after.split_whitespace().next()?, conditions))
    });
    scans.collect()
}

/// Indexes that are read from one end to the other in the order they have.
fn read_whole(plan: &str) -> Vec<&str> {
    by_index(plan).into_iter().filter(|(_, conditions)| conditions.is_none()).map(|(index, _)| index).collect()
}

/// Indexes that are read from one end to the other to find something: the conditions leave their first column free.
fn searched_whole<'p>(plan: &'p str, first_columns: &HashMap<String, String>) -> Vec<&'p str> {
    let names = |conditions: &str, column: &String| {
        conditions.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == column)
    };
    let is_free = |(index, conditions): &(&str, Option<&str>)| {
        conditions.is_some_and(|conditions| first_columns.get(*index).is_none_or(|column| !names(conditions, column)))
    };
    by_index(plan).into_iter().filter(is_free).map(|(index, _)| index).collect()
}

/// As a store is that has just been made, and as one is whose tables were empty when they were vacuumed.
const STATES: [&str; 2] = ["", "VACUUM ANALYZE"];

#[test]
fn no_statement_over_a_group_goes_through_it_once_per_row() {
    let (session, _) = migrated();
    for state in STATES {
        session.batch(state).unwrap();
        for statement in crate::postgres::set_statements() {
            let plan = plan(&session, &statement);
            assert!(repeated(&steps(&plan)).is_empty(), "{state} {statement}\n{plan}");
            assert!(read_whole(&plan).is_empty(), "{state} {statement}\n{plan}");
        }
    }
}

#[test]
fn what_a_statement_looks_up_it_finds_by_the_first_column_of_an_index() {
    let (session, _) = migrated();
    let first_columns = first_columns(&session);
    // Those of `doctor` look at whole tables, and are planned otherwise.
    let of_doctor = crate::doctor::statements();
    for state in STATES {
        session.batch(state).unwrap();
        let [_, listed] = crate::records::own_statements();
        let all = crate::postgres::set_statements().into_iter().chain(all_statements()).chain(listed);
        for statement in all.filter(|statement| !of_doctor.contains(statement)) {
            let plan = plan(&session, &statement);
            assert!(searched_whole(&plan, &first_columns).is_empty(), "{state} {statement}\n{plan}");
        }
    }
}

#[test]
fn a_lane_s_deliveries_are_found_by_its_index() {
    let (session, _) = migrated();
    let [_, listed] = crate::records::own_statements();
    let all = all_statements().into_iter().chain(listed);
    let of_lanes: Vec<String> = all.filter(|text| text.contains("lane > 0") && text.contains("queue")).collect();
    assert_eq!(of_lanes.len(), 24, "{of_lanes:#?}");
    for state in STATES {
        session.batch(state).unwrap();
        for statement in &of_lanes {
            let plan = plan(&session, statement);
            assert!(by_index(&plan).iter().any(|(index, _)| *index == "queue_by_lane"), "{state} {statement}\n{plan}");
        }
    }
}

#[test]
fn what_is_watched_is_found_by_its_index() {
    let (session, _) = migrated();
    for state in STATES {
        session.batch(state).unwrap();
        let of_pages = crate::records::standing::statements().into_iter().map(|(text, [_, index])| (text, index));
        for (statement, index) in crate::records::watching::statements().into_iter().chain(of_pages) {
            let plan = plan(&session, &statement);
            assert!(by_index(&plan).iter().any(|(used, _)| used.starts_with(index)), "{state} {statement}\n{plan}");
            assert!(!plan.contains("Seq Scan"), "{state} {statement}\n{plan}");
        }
    }
}

#[test]
fn an_index_that_is_searched_from_end_to_end_is_found() {
    let (session, _) = migrated();
    session.batch("CREATE INDEX queue_by_number ON queue (number, id)").unwrap();
    session.batch("VACUUM ANALYZE queue").unwrap();
    let plan = plan(&session, "DELETE FROM queue WHERE id = ANY($1)");
    assert_eq!(searched_whole(&plan, &first_columns(&session)), ["queue_by_number"], "{plan}");
}

#[test]
fn a_group_that_is_joined_with_itself_is_found() {
    let (session, _) = migrated();
    let joined = "WITH taken AS (DELETE FROM queue WHERE id = ANY($1) RETURNING id) \
         SELECT t.id FROM UNNEST($1::bigint[]) t (id) JOIN taken ON taken.id = t.id";
    let plan = plan(&session, joined);
    assert!(!repeated(&steps(&plan)).is_empty(), "{plan}");
}

#[test]
fn a_table_that_is_read_whole_because_it_was_empty_is_found() {
    let (session, _) = migrated();
    session.batch("VACUUM ANALYZE queue").unwrap();
    let joined = |condition| format!("DELETE FROM queue q USING UNNEST($1::bigint[]) t (id) WHERE {condition}");
    let plan_of = |condition| plan(&session, &joined(condition));
    assert!(!read_whole(&plan_of("q.id = t.id")).is_empty(), "{}", plan_of("q.id = t.id"));
    assert!(read_whole(&plan_of("q.id = ANY(ARRAY[t.id])")).is_empty());
}
