//! Every row once, on little of everything. The bench itself refuses a row with a delivery that is lost, doubled or signed wrong, so here is
//! looked at what it reports: that each row is there, and that none failed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::process::Command;

use serde_json::Value;

/// Runs the bench with so little of everything, and more as `arguments` say; what it reports.
fn bench(arguments: &[&str]) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("results.json");
    let ran = Command::new(env!("CARGO_BIN_EXE_bellwire-bench"))
        .args(["--deliveries", "300", "--producers", "8", "--tries", "1", "--json"])
        .arg(&json)
        .args(arguments)
        .output() // it loses patience by itself
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(ran.status.success(), "{}\n{}", text(&ran.stdout), text(&ran.stderr));
    (serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap(), text(&ran.stdout))
}

/// How many there are below a name.
fn count(results: &Value, name: &str) -> usize {
    results[name].as_array().unwrap().len()
}

#[test]
fn every_row_on_an_empty_store() {
    let (results, table) = bench(&["--body", "500,2048,20480"]);
    let rows = |size: usize| count(&results["sizes"][size], "measurements");
    assert_eq!((rows(0), rows(1), rows(2)), (9, 3, 3), "{table}");
    assert_eq!(results["failures"], Value::Array(Vec::new()));
    for row in ["one event per POST, one endpoint", "1000 accounts in turn", "one of an account's 1000 endpoints"] {
        assert!(table.contains(row), "{row}: {table}");
    }
}

#[test]
fn every_condition_of_the_store() {
    let conditions =
        ["--history", "300", "--endpoints", "200", "--subscriptions", "50", "--filters", "20", "--dead", "--waiting", "300"];
    let (results, table) = bench(&[&["--only", "none", "--body", "500", "--pages", "300"][..], &conditions].concat());
    assert_eq!(count(&results, "growth"), 7, "{table}");
    assert!(results["waiting"].is_object() && results["pages"].is_object(), "{table}");
}

#[test]
fn a_platforms_day() {
    let (results, table) = bench(&["--only", "none", "--body", "500", "--day"]);
    assert_eq!((count(&results["day"], "direct"), count(&results["day"], "rows")), (2, 2), "{table}");
}

#[test]
fn over_tls() {
    let (results, table) = bench(&["--only", "none", "--body", "500", "--tls"]);
    assert_eq!(count(&results, "tls"), 4, "{table}");
}

#[test]
fn every_row_over_postgres() {
    let (results, table) = bench(&["--only", "none", "--body", "500", "--postgres", "--queue-size", "600"]);
    assert_eq!((count(&results, "postgres"), count(&results, "fleets")), (4, 2), "{table}");
    assert!(results["queue_sizes"].is_object(), "{table}");
}

#[test]
fn every_attack_of_a_neighbour() {
    let (results, table) = bench(&["--neighbours", "--body", "500"]);
    assert_eq!(count(&results, "hostile"), 6, "{table}");
}
