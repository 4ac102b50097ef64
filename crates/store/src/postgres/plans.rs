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

use super::Session;
use super::migrations::tests::migrated;

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
    rows.iter().map(|row| row.text(0, "line").unwrap().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Steps that read an index from one end to the other.
fn unconditional(plan: &str) -> Vec<&str> {
    let lines: Vec<&str> = plan.lines().collect();
    let is_scan = |line: &str| line.contains("Index Scan using") || line.contains("Index Only Scan using");
    let bare = |index: &usize| !lines.get(index + 1).is_some_and(|next| next.trim_start().starts_with("Index Cond:"));
    let scans = (0..lines.len()).filter(|index| is_scan(lines[*index]));
    scans.filter(bare).map(|index| lines[index]).collect()
}

#[test]
fn no_statement_over_a_group_goes_through_it_once_per_row() {
    let (session, _) = migrated();
    for vacuum in ["", "VACUUM ANALYZE"] {
        session.batch(vacuum).unwrap();
        for statement in super::set_statements() {
            let plan = plan(&session, &statement);
            assert!(repeated(&steps(&plan)).is_empty(), "{vacuum} {statement}\n{plan}");
            assert!(unconditional(&plan).is_empty(), "{vacuum} {statement}\n{plan}");
        }
    }
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
    assert!(!unconditional(&plan_of("q.id = t.id")).is_empty(), "{}", plan_of("q.id = t.id"));
    assert!(unconditional(&plan_of("q.id = ANY(ARRAY[t.id])")).is_empty());
}
