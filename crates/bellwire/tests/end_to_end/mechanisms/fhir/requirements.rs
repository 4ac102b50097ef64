//! The table of requirements: each test that it names exists and says so itself, and no test shows what the table does not have as met.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn read(path: &str) -> String {
    std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

/// The tests of a Python file, with the numbers that stand over each.
fn tests(source: &str) -> BTreeMap<String, BTreeSet<u32>> {
    let (mut found, mut numbers) = (BTreeMap::new(), BTreeSet::new());
    for line in source.lines() {
        if let Some(listed) = line.strip_prefix("@requirement(").and_then(|rest| rest.strip_suffix(')')) {
            numbers = listed.split(',').map(|number| number.trim().parse().unwrap()).collect();
        } else if let Some(rest) = line.strip_prefix("def test_") {
            let name = rest.split('(').next().unwrap();
            found.insert(format!("test_{name}"), std::mem::take(&mut numbers));
        }
    }
    found
}

#[test]
fn the_table_of_requirements_and_the_tests_say_the_same() {
    let mut python = tests(&read("tests/fhir/test_subscriptions.py"));
    python.extend(tests(&read("tests/fhir/test_r5.py")));
    let rust = include_str!("../fhir.rs");
    let page = read("docs/fhir-requirements.md");
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(2);
    let mut met = BTreeSet::new();
    let mut numbers = Vec::new();
    for row in rows {
        let [number, _, how]: [&str; 3] = row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap();
        let number: u32 = number.parse().unwrap();
        numbers.push(number);
        if let Some(test) = how.strip_prefix("met: ") {
            let test = test.trim_matches('`');
            let shows = python.get(test).map_or_else(|| rust.contains(&format!("fn {test}(")), |shown| shown.contains(&number));
            assert!(shows, "{number}: `{test}` does not show it");
            met.insert(number);
        } else {
            assert!(how.starts_with("not met: ") || how.starts_with("not for us: "), "{number}: {how}");
        }
    }
    assert_eq!(numbers, (2..=139).collect::<Vec<_>>());
    for (test, shown) in &python {
        assert!(!shown.is_empty() && shown.is_subset(&met), "{test} shows what the table does not have as met: {shown:?}");
    }
}
