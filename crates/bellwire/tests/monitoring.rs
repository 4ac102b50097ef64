//! What watches a server from outside: the alert rules and the dashboard say what the table of metrics knows, promtool takes them, and
//! the code counts under no other name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails, and says where"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bellwire_api::metric::{Kind, METRICS, Metric, markdown_table};
use proc_macro2::{TokenStream, TokenTree};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs promtool in the folder of the rules; `scripts/setup` fetches it.
#[track_caller]
fn promtool(arguments: &[&str]) {
    let run = Command::new("promtool").args(arguments).current_dir(root().join("ops/prometheus")).output();
    let run = run.expect("promtool is not on the PATH; scripts/setup fetches it into .tools/bin");
    let said = [run.stdout, run.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(run.status.success(), "promtool {arguments:?}\n{said}");
}

/// The names by which a query may ask for a metric.
fn names(metric: &Metric) -> Vec<String> {
    match metric.kind {
        Kind::Counter | Kind::Gauge => vec![metric.name.to_owned()],
        Kind::Histogram => ["bucket", "sum", "count"].map(|part| format!("{}_{part}", metric.name)).into(),
    }
}

/// A word of a query, and the text in braces behind it.
fn asked(query: &str) -> Vec<(&str, Option<&str>)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find("bellwire") {
        let word = &rest[start..];
        let word = &word[..word.find(|c| !is_part(c)).unwrap_or(word.len())];
        rest = &rest[start + word.len()..];
        let braces = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(inside, _)| inside);
        found.push((word, braces));
    }
    found
}

/// What a query asks for that no series has; `recorded` are names that rules make.
fn unknown(query: &str, recorded: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (word, braces) in asked(query) {
        let is_of_query = recorded.contains(word) || word == "bellwire"; // the name of a job
        let metric = METRICS.iter().find(|metric| names(metric).iter().any(|name| name == word));
        let Some(metric) = metric else {
            if !is_of_query {
                wrong.push(word.to_owned());
            }
            continue;
        };
        for matcher in braces.into_iter().flat_map(|braces| braces.split(", ").flat_map(|part| part.split(','))) {
            let (label, value) = matcher.split_once(['=', '!']).unwrap_or_else(|| panic!("{matcher} in {query}"));
            let value = value.trim_start_matches(['=', '~']).trim_matches('"');
            if label == "le" && metric.kind == Kind::Histogram {
                continue;
            }
            let known = metric.labels.iter().find(|known| known.name == label);
            let words = known.and_then(|known| known.values.words());
            let is_known = known.is_some() && words.is_none_or(|words| value.split('|').all(|value| words.contains(&value)));
            if !is_known {
                wrong.push(format!("{word}{{{matcher}}}"));
            }
        }
    }
    for (by, _) in query.match_indices("by (") {
        let labels = query[by + 4..].split_once(')').unwrap().0;
        let of_series = |label: &str| METRICS.iter().any(|metric| metric.labels.iter().any(|known| known.name == label));
        let others = labels.split(", ").filter(|label| !of_series(label) && !["le", "instance", "class"].contains(label));
        wrong.extend(others.map(|label| format!("by ({label})")));
    }
    wrong
}

/// The rules, as far as they are read here: names of alerts and records with their queries and links.
struct Rule {
    alert: Option<String>,
    record: Option<String>,
    query: String,
    runbook: Option<String>,
    summary: Option<String>,
}

fn rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for line in read("ops/prometheus/alerts.yaml").lines() {
        let text = line.trim();
        let is_comment = text.starts_with('#');
        let (key, value) = text.split_once(": ").unwrap_or((text, ""));
        let value = value.trim_matches('"').to_owned();
        match key {
            _ if is_comment => {}
            "- alert" => rules.push(Rule { alert: Some(value), ..empty() }),
            "- record" => rules.push(Rule { record: Some(value), ..empty() }),
            "runbook_url" => rules.last_mut().unwrap().runbook = Some(value),
            "summary" => rules.last_mut().unwrap().summary = Some(value),
            "- name" | "groups:" | "rules:" | "interval" | "for" | "labels" | "annotations:" | "" => {}
            "expr" if value == "|" => {}
            "expr" => rules.last_mut().unwrap().query = value,
            _ => rules.last_mut().unwrap().query.extend([text, " "]),
        }
    }
    rules
}

const fn empty() -> Rule {
    Rule { alert: None, record: None, query: String::new(), runbook: None, summary: None }
}

#[test]
fn promtool_takes_the_rules_and_each_fires_and_does_not() {
    promtool(&["check", "rules", "alerts.yaml"]);
    promtool(&["test", "rules", "alerts_test.yaml"]);
    let tests = read("ops/prometheus/alerts_test.yaml");
    for alert in rules().into_iter().filter_map(|rule| rule.alert) {
        let cases: Vec<_> = tests.split(&format!("alertname: {alert}\n")).skip(1).collect();
        let fires = cases.iter().filter(|case| case.trim_start().starts_with("exp_alerts:\n")).count();
        assert!(fires > 0 && cases.len() > fires, "{alert} fires in {fires} of {} cases", cases.len());
    }
}

#[test]
fn rules_ask_for_what_there_is_and_lead_to_what_to_do() {
    let rules = rules();
    assert!(rules.len() > 15, "{}", rules.len());
    let recorded: BTreeSet<String> = rules.iter().filter_map(|rule| rule.record.clone()).collect();
    let runbook = read("docs/alerts.md");
    for rule in &rules {
        assert!(!asked(&rule.query).is_empty() || rule.query.contains("up{"), "{:?} asks for nothing", rule.alert);
        assert_eq!(unknown(&rule.query, &recorded), Vec::<String>::new(), "{}", rule.query);
        let Some(alert) = &rule.alert else { continue };
        assert!(rule.summary.is_some(), "{alert} has no summary");
        let link = rule.runbook.as_ref().unwrap_or_else(|| panic!("{alert} leads nowhere"));
        let anchor = link.strip_prefix("docs/alerts.md#").unwrap_or_else(|| panic!("{link}"));
        let headings = runbook.lines().filter_map(|line| line.strip_prefix("## "));
        assert_eq!(headings.filter(|heading| heading.to_lowercase() == anchor).count(), 1, "{link}");
        assert!(runbook.contains(alert.as_str()), "{alert} is not in docs/alerts.md");
    }
}

#[test]
fn the_dashboard_asks_for_what_there_is_and_prometheus_can_read_it() {
    let dashboard: Value = serde_json::from_str(&read("ops/grafana/bellwire.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!((8..=16).contains(&panels.len()), "few panels");
    let mut queries = Vec::new();
    for panel in panels {
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{} says nothing", panel["title"]);
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{} has no unit", panel["title"]);
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty());
        queries.extend(targets.iter().map(|target| target["expr"].as_str().unwrap()));
    }
    for query in &queries {
        assert_eq!(unknown(query, &BTreeSet::new()), Vec::<String>::new(), "{query}");
    }
    // promtool reads queries as rules.
    let rule = |(number, query): (usize, &&str)| format!("  - record: panel:{number}\n    expr: {}\n", Value::from(*query));
    let all: String = queries.iter().enumerate().map(rule).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("groups:\n- name: panels\n  rules:\n{all}")).unwrap();
    promtool(&["check", "rules", file.path().to_str().unwrap()]);
}

#[test]
fn what_no_series_has_is_found_in_queries() {
    let none = BTreeSet::new();
    for good in [
        r#"sum(rate(bellwire_end_to_end_seconds_bucket{le="300"}[5m]))"#,
        r#"max by (state) (bellwire_queue_deliveries{state!="held"})"#,
        r#"up{job="bellwire"} == 0"#,
        r#"sum(rate(bellwire_api_requests_total{status=~"5.."}[5m]))"#,
    ] {
        assert_eq!(unknown(good, &none), Vec::<String>::new(), "{good}");
    }
    for wrong in [
        "bellwire_oldest_due",
        "rate(bellwire_end_to_end_seconds[5m])",
        r#"bellwire_queue_deliveries{state="heldd"}"#,
        r#"bellwire_queue_deliveries{account="a"}"#,
        "sum by (account) (bellwire_queue_deliveries)",
        "bellwire:not_recorded",
    ] {
        assert_eq!(unknown(wrong, &none).len(), 1, "{wrong}");
    }
}

/// Every name that the code counts under, with its labels.
fn counted() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let is_test = path.file_name().is_some_and(|name| name == "tests" || name == "tests.rs");
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
                let tokens: TokenStream =
                    fs::read_to_string(&path).unwrap().parse().unwrap_or_else(|_| panic!("{}", path.display()));
                look(tokens, &mut found);
            }
        }
    }
    found
}

fn look(tokens: TokenStream, found: &mut BTreeMap<String, BTreeSet<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let macro_name = index.checked_sub(2).map(|before| tokens[before].to_string()).unwrap_or_default();
        let is_macro = index > 0 && tokens[index - 1].to_string() == "!";
        if is_macro && ["counter", "gauge", "histogram"].contains(&macro_name.as_str()) {
            note(group.stream(), found);
        }
        look(group.stream(), found);
    }
}

fn note(arguments: TokenStream, found: &mut BTreeMap<String, BTreeSet<String>>) {
    let arguments: Vec<String> = arguments.into_iter().map(|token| token.to_string()).collect();
    let Some(name) = arguments.first().filter(|first| first.starts_with('"')) else { return };
    let arrows = arguments.windows(3).filter(|words| words[1] == "=" && words[2] == ">");
    let labels = arrows.map(|words| words[0].trim_matches('"').to_owned());
    found.entry(name.trim_matches('"').to_owned()).or_default().extend(labels);
}

#[test]
fn the_code_counts_under_the_names_and_labels_of_the_table() {
    let of_table = METRICS.iter().map(|metric| {
        let labels = metric.labels.iter().map(|label| label.name.to_owned()).collect();
        (metric.name.to_owned(), labels)
    });
    assert_eq!(counted(), of_table.collect::<BTreeMap<_, BTreeSet<_>>>());
}

const BEGIN: &str = "<!-- made from the table in crates/api/src/metric/table.rs -->\n\n";

/// With `BELLWIRE_REGENERATE=1` in the environment this writes the table instead.
#[test]
fn the_page_of_metrics_has_every_metric() {
    let page = read("docs/metrics.md");
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let after = rest.find("\n\n").map_or("", |end| &rest[end + 1..]);
    let current = format!("{before}{BEGIN}{}{after}", markdown_table());
    if std::env::vars_os().any(|(name, _)| name == "BELLWIRE_REGENERATE") {
        fs::write(root().join("docs/metrics.md"), &current).unwrap();
    }
    let is_current = read("docs/metrics.md") == current;
    assert!(
        is_current,
        "docs/metrics.md is stale; write it anew with: BELLWIRE_REGENERATE=1 cargo test -p bellwire --test monitoring"
    );
}
