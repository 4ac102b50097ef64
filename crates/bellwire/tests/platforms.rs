//! `docs/platforms.md` names contract keys, routes, flags and tests for what five documents promise: each of them exists.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "PATCH", "DELETE"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A row of a table: what is promised, by what, shown by what.
struct Row {
    promise: String,
    by: Vec<String>,
    shown_by: Vec<String>,
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// The rows of each section, with the contract that the section is about, if it is about one.
fn sections(page: &str) -> BTreeMap<String, (Option<String>, Vec<Row>)> {
    let mut sections = BTreeMap::new();
    for section in page.split("\n## ").skip(1) {
        let (title, rest) = section.split_once('\n').unwrap();
        let contract = rest.lines().find_map(|line| line.strip_prefix("Contract: `")?.strip_suffix("`."));
        let lines = rest.lines().filter(|line| line.starts_with("| ")).skip(2);
        let row = |line: &str| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
            let [promise, by, shown_by] = cells[..] else { panic!("not three cells: {line}") };
            Row { promise: promise.trim().to_owned(), by: quoted(by), shown_by: quoted(shown_by) }
        };
        sections.insert(title.to_owned(), (contract.map(ToOwned::to_owned), lines.map(row).collect()));
    }
    sections
}

/// What is nested below a key that starts at `at` in the text of a contract: the lines that are indented deeper, or what the
/// braces after it hold.
fn below(text: &str, at: usize, key: &str) -> String {
    let rest = &text[at + key.len() + 1..];
    let line = text[..at].rsplit('\n').next().unwrap_or_default();
    let first = rest.lines().next().unwrap_or_default();
    let value = first.trim_start();
    if value.starts_with('{') || line.contains('{') {
        return first.to_owned(); // a mapping in braces stands on one line
    }
    let depth = line.chars().take_while(|letter| *letter == ' ').count();
    let deeper = |line: &&str| {
        let indent = line.len() - line.trim_start().len();
        line.trim().is_empty() || line.trim_start().starts_with('#') || indent > depth || line.trim_start().starts_with("- ")
    };
    let mut found = format!("{first}\n");
    found.extend(rest.lines().skip(1).take_while(deeper).flat_map(|line| [line, "\n"]));
    found
}

/// Whether a dotted key stands in a contract, each step somewhere below the one before. In a list of mappings, one of them has
/// it.
fn stands(text: &str, steps: &[&str], at_top: bool) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let key = format!("{step}:");
    text.match_indices(&key).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let starts = if at_top {
            before.is_none_or(|letter| letter == '\n')
        } else {
            before.is_some_and(|letter| " {\"\n".contains(letter))
        };
        starts && stands(&below(text, at, step), rest, false)
    })
}

/// Whether a file of Rust has a test of this name.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().collect();
    let names_it = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with('('))
    };
    (1..lines.len()).any(|index| names_it(lines[index]) && ["#[test]", "#[tokio::test]"].contains(&lines[index - 1].trim()))
}

#[test]
fn every_key_route_flag_and_test_on_the_page_exists() {
    let document: Value = serde_json::from_str(&read("docs/openapi.json")).unwrap();
    let flags = read("docs/configuration.md");
    let mut wrong = Vec::new();
    let mut rows = 0;
    for (title, (contract, section)) in sections(&read("docs/platforms.md")) {
        let contract = contract.map(|name| read(&format!("contracts/{name}.yaml")));
        assert!(!section.is_empty(), "{title} has no table");
        for row in &section {
            rows += 1;
            if row.by.is_empty() || row.shown_by.is_empty() {
                wrong.push(format!("{title}: nothing stands for: {}", row.promise));
            }
            for by in &row.by {
                let exists = match by.split_once(' ') {
                    Some((method, path)) if METHODS.contains(&method) => {
                        document["paths"][path][method.to_ascii_lowercase()].is_object()
                    }
                    // `docs/configuration.md` has them all, with what each of them takes.
                    None if by.starts_with("--") => flags.contains(&format!("| `{}`, ", by.trim_start_matches('-'))),
                    _ => contract.as_ref().is_some_and(|text| stands(text, &by.split('.').collect::<Vec<_>>(), true)),
                };
                if !exists {
                    wrong.push(format!("{title}: there is no `{by}`"));
                }
            }
            for test in &row.shown_by {
                let found = test.split_once("::").is_some_and(|(file, name)| {
                    fs::read_to_string(root().join("crates").join(file)).is_ok_and(|source| has_test(&source, name))
                });
                if !found {
                    wrong.push(format!("{title}: there is no test `{test}`"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "docs/platforms.md:\n{}", wrong.join("\n"));
    assert!(rows > 110, "only {rows} rows were read");
}

#[test]
fn what_does_not_exist_is_noticed() {
    let noyo = read("contracts/noyo.yaml");
    for (key, expected) in [
        ("delivery.health.failed.then", true),
        ("delivery.timeout.then", false),
        ("request.headers.x-noyo-timestamp", true),
        ("request.headers.x-noyo", false),
        ("signatures.noyo.hmac", true),
        ("signatures.hmac.noyo", false),
        ("health", false),
        ("resources.difference.final", true),
        ("test_event.final", false),
    ] {
        assert_eq!(stands(&noyo, &key.split('.').collect::<Vec<_>>(), true), expected, "{key}");
    }
    let source = "#[test]\nfn one() {}\n\nfn two() {}\n#[tokio::test]\nasync fn three_and_more() {}\n";
    let names = ["one", "two", "three", "three_and_more"].map(|name| has_test(source, name));
    assert_eq!(names, [true, false, false, true]);
}
