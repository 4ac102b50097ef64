//! `bellwire demo` shows the whole, and shows it working.

use crate::harness::{bellwire, run, shipped};

#[test]
fn every_event_of_every_contract_arrives_verified() {
    let run = run(bellwire().arg("demo"));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{}", run.stdout);
    for name in ["b.well", "develop-health", "novamed", "noyo", "silver", "standard-webhooks"] {
        let rows: Vec<Vec<&str>> = run
            .stdout
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|cells| cells.first() == Some(&name))
            .collect();
        let contract = shipped(name);
        let shown: Vec<&str> = rows.iter().map(|cells| cells[1]).collect();
        for event in contract.events() {
            assert!(shown.contains(&event.event_type.as_str()), "{name}: {} is not shown in\n{}", event.event_type, run.stdout);
        }
        assert!(!rows.is_empty(), "{name} is not shown in\n{}", run.stdout);
        assert!(rows.iter().all(|cells| cells[2] == "delivered" && cells.last() == Some(&"yes")), "{}", run.stdout);
    }
}
