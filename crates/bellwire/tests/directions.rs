//! The crates' directions, as `ARCHITECTURE.md` draws them: an edge that is not in the table needs a decision first.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::process::Command;

/// Each crate and the workspace's crates that it may use.
const EDGES: &[(&str, &[&str])] = &[
    ("bellwire-domain", &[]),
    ("bellwire-contract", &["bellwire-domain"]),
    ("bellwire-store", &["bellwire-domain"]),
    ("bellwire-egress", &["bellwire-domain"]),
    ("bellwire-engine", &["bellwire-contract", "bellwire-domain", "bellwire-egress", "bellwire-store"]),
    ("bellwire-app", &["bellwire-contract", "bellwire-domain", "bellwire-store"]),
    ("bellwire-api", &["bellwire-app", "bellwire-contract", "bellwire-domain", "bellwire-store"]),
    (
        "bellwire",
        &[
            "bellwire-api",
            "bellwire-app",
            "bellwire-contract",
            "bellwire-domain",
            "bellwire-egress",
            "bellwire-engine",
            "bellwire-store",
        ],
    ),
    ("bellwire-testkit", &["bellwire-domain"]),
    ("bellwire-bench", &["bellwire-contract", "bellwire-domain", "bellwire-testkit"]),
];

/// What a pure crate has no use for.
const IMPURE: &[&str] =
    &["tokio", "hyper", "axum", "rusqlite", "getrandom", "rand", "parking_lot", "tracing", "metrics", "reqwest"];

fn packages() -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// What a package needs outside its tests.
fn dependencies(package: &serde_json::Value) -> BTreeSet<String> {
    let all = package["dependencies"].as_array().unwrap().iter();
    all.filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn crates_use_only_what_stands_before_them() {
    let packages = packages();
    assert_eq!(packages.len(), EDGES.len(), "a crate is missing from the table");
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let allowed = EDGES.iter().find(|(of, _)| *of == name).unwrap_or_else(|| panic!("{name} is not in the table")).1;
        for used in dependencies(package).iter().filter(|used| used.starts_with("bellwire")) {
            assert!(allowed.contains(&used.as_str()), "{name} must not use {used}");
        }
    }
}

#[test]
fn the_pure_crates_know_no_io() {
    for package in
        packages().iter().filter(|package| ["bellwire-domain", "bellwire-contract"].contains(&package["name"].as_str().unwrap()))
    {
        for used in dependencies(package) {
            assert!(!IMPURE.contains(&used.as_str()), "{} must not use {used}", package["name"]);
        }
    }
}

/// Examples in the API's documentation show a real contract.
fn is_example(line: &str) -> bool {
    line.contains("example") || line.contains("\"contract\": \"") || line.contains("\"name\": \"")
}

#[test]
fn no_rust_code_knows_a_platform_by_name() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let names = ["develop-health", "b.well", "silver", "noyo", "novamed"];
    let mut folders = vec![root];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let is_tests = path.file_name().is_some_and(|name| name == "tests" || name == "shipped.rs");
            if path.is_dir() && !is_tests {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_tests {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                read += 1;
                let is_code = |line: &str| !line.trim_start().starts_with("//") && !is_example(line);
                for (number, line) in code.lines().enumerate().filter(|(_, line)| is_code(line)) {
                    let found = names.iter().find(|name| line.contains(&format!("\"{name}\"")));
                    assert!(found.is_none(), "{}:{}: {}", path.display(), number + 1, line.trim());
                }
            }
        }
    }
    assert!(read > 50, "only {read} files were read");
}
