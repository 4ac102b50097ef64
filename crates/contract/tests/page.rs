//! The pages on the language: every example on them compiles, alone or put into a small contract.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bellwire_contract::{CapturedRequest, Contract, Verdict};

use crate::common;

/// A file below `docs`.
fn docs(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../docs", path].iter().collect()
}

/// The page on the language and those beside it, each with its path.
fn pages() -> std::io::Result<Vec<(PathBuf, String)>> {
    let beside: Result<Vec<_>, _> = std::fs::read_dir(docs("contract"))?.collect();
    let paths = [docs("contract-language.md")].into_iter().chain(beside?.into_iter().map(|entry| entry.path()));
    paths.map(|path| Ok((path.clone(), std::fs::read_to_string(path)?))).collect()
}

/// What an example stands in; its own sections replace these.
const AROUND: &str = r#"contract: t
title: T
events:
  - type: "*"
    schema: { type: object }
    strict: false
    example: { order_id: ord_1, note: n, identifier: i, lines: [{ id: 1, sku: s, active: true }], amount: 1.10, shipped_at: "2025-01-15T10:30:00Z", id: x, "odd key": 1 }
request:
  headers:
    webhook-id: "{{ event.id }}"
    webhook-timestamp: "{{ attempt.at | unix }}"
  body: "{{ event.data }}"
signatures:
  main: { hmac: sha256, over: "{{ body }}" }
  previous: { hmac: sha256, over: "{{ body }}", secrets: previous }
"#;

/// The top-level sections of a YAML text, by key.
fn sections(text: &str) -> BTreeMap<String, String> {
    let mut sections: BTreeMap<String, String> = BTreeMap::new();
    let mut key = String::new();
    for line in text.lines() {
        if let Some((name, _)) = line.split_once(':').filter(|(name, _)| !name.starts_with([' ', '-', '#', '}'])) {
            name.clone_into(&mut key);
        }
        sections.entry(key.clone()).or_default().extend([line, "\n"]);
    }
    sections
}

/// The YAML examples of a page.
fn blocks(page: &str) -> impl Iterator<Item = &str> {
    page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next())
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["  ", line, "\n"]).collect()
}

#[test]
fn every_example_compiles() {
    let mut checked = 0;
    for (path, block) in pages().unwrap().iter().flat_map(|(path, text)| blocks(text).map(move |block| (path, block))) {
        let mut all = sections(AROUND);
        let own = sections(block);
        if own.contains_key("body") {
            all.insert("request".to_owned(), format!("request:\n{}", indented(block)));
        } else if own.contains_key("extension") || own.contains_key("parameter") {
            all.insert("request".to_owned(), format!("request:\n  body:\n{}", indented(&indented(block))));
        } else {
            all.extend(own);
        }
        let request = all.get_mut("request").unwrap();
        if !request.contains("body") {
            request.push_str("  body: \"{{ event.data }}\"\n");
        }
        if all["signatures"].contains("webhook-id") && !all["request"].contains("webhook-id") {
            all.insert("request".to_owned(), sections(AROUND)["request"].clone());
        }
        if !all["signatures"].contains("previous") && all["request"].contains("signature.previous") {
            all.insert("signatures".to_owned(), sections(AROUND)["signatures"].clone());
        }
        if all["request"].contains("private_key_jwt") {
            all.remove("signatures"); // keys of one kind sign everything
        }
        let source: String = all.into_values().collect();
        if let Err(error) = Contract::compile(&source, "page") {
            panic!("{}: {error}\n{source}", path.display());
        }
        checked += 1;
    }
    assert!(checked >= 36, "{checked}");
}

/// The recipes: each compiles, its requests are genuine during a rotation too, and nothing is said against it.
#[test]
fn every_recipe_loads_and_works() {
    let recipes = std::fs::read_to_string(docs("contract/recipes.md")).unwrap();
    let rows: Vec<&str> = recipes.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(rows.len() >= 18, "{}", rows.len());
    for row in rows {
        let row = row.replace("\\|", "\u{1}");
        let written = row.split('|').nth(2).unwrap().replace('\u{1}', "|");
        let mut request = String::new();
        let mut source = String::from("contract: t\ntitle: T\n");
        for part in written.split('`').skip(1).step_by(2).filter(|part| part.contains(": ")) {
            let own =
                ["headers: ", "query: ", "url: ", "body: ", "spacing: ", "variants: "].iter().any(|key| part.starts_with(key));
            let (whole, indent) = if own { (&mut request, "  ") } else { (&mut source, "") };
            whole.extend([indent, part, "\n"]);
        }
        if !request.lines().any(|line| line.starts_with("  body: ")) {
            request.push_str("  body: { data: \"{{ event.data }}\" }\n");
        }
        if !source.contains("events: ") {
            source.push_str("events: [{ type: order.created, example: { id: o, amount: 1.10 } }]\n");
        }
        source.extend(["request:\n", &request]);
        let contract = Contract::compile(&source, "page").unwrap_or_else(|error| panic!("{row}\n{error}\n{source}"));
        assert_eq!(contract.warnings("page"), Vec::new(), "{row}");
        let (new, old) = ("the secret of today", "the one of yesterday");
        for active in [&[new][..], &[new, old]] {
            let request = common::render(&contract, "order.created", r#"{"id":"o","amount":1.10}"#, active);
            let captured = CapturedRequest { method: "POST", url: &request.url, headers: &request.headers, body: &request.body };
            let verdict = contract.verify(&captured, &common::secrets(active), common::NOW);
            let is_signed = source.contains("signatures: ") || source.contains("{{ secret }}");
            assert_eq!(verdict == Verdict::Genuine, is_signed, "{row}: {verdict:?}");
        }
    }
}

/// The expressions and forms in the tables, which are no blocks.
#[test]
fn every_expression_in_a_table_compiles() {
    for (path, line) in pages()
        .unwrap()
        .iter()
        .flat_map(|(path, text)| text.lines().filter(|line| line.starts_with('|')).map(move |line| (path, line)))
    {
        let line = line.replace("\\|", "|");
        for rest in line.split("{{ ").skip(1) {
            let Some(expression) = rest.split(" }}").next() else { continue };
            if ["signature.", "'{{'", "header[", "endpoint.credentials.", "endpoint.options.", "key.id"]
                .iter()
                .any(|known| expression.contains(known))
            {
                continue;
            }
            let source = AROUND.replace("webhook-id:", &format!("x-it?: |-\n      {{{{ {expression} }}}}\n    webhook-id:"));
            let body_only = source.replace("title: T", "title: T\ndescription: x");
            if let Err(error) = Contract::compile(&body_only, "page") {
                let expected = ["is bytes, not text"];
                assert!(
                    expected.iter().any(|known| error.to_string().contains(known)),
                    "{}: {expression}: {error}",
                    path.display()
                );
            }
        }
    }
}
