use super::*;
use crate::diagnostic::Report;
use crate::filters::FilterName;
use crate::variables::Builtin;
use crate::{Contracts, yaml};

#[test]
fn the_committed_copy_is_fresh_and_fits_every_shipped_contract() {
    let text = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
    let copy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract.schema.json");
    if std::env::var_os("BELLWIRE_UPDATE").is_some() {
        std::fs::write(&copy, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&copy).unwrap_or_default();
    assert!(committed == text, "docs/contract.schema.json is stale: run the tests with BELLWIRE_UPDATE=1");
    let schema = bellwire_schema::Schema::compile(&json_schema()).unwrap();
    for contract in Contracts::shipped().unwrap().iter() {
        let tree = yaml::parse(contract.source(), &mut Report::new("t")).unwrap();
        let value: Value = serde_json::from_str(&tree.to_json()).unwrap();
        assert_eq!(schema.errors(&value), [], "{}", contract.name());
    }
}

/// Shows every key that some mapping of the language may have, with its schema.
fn visit_keys(schema: &Value, visitor: &mut dyn FnMut(&str, &Value)) {
    if let Some(Value::Object(properties)) = schema.get("properties") {
        properties.iter().for_each(|(name, value)| visitor(name, value));
    }
    match schema {
        Value::Object(members) => members.values().for_each(|inner| visit_keys(inner, visitor)),
        Value::Array(items) => items.iter().for_each(|inner| visit_keys(inner, visitor)),
        _ => {}
    }
}

/// The page on the language and those beside it, one after another.
fn language_pages() -> String {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut paths = vec![docs.join("contract-language.md")];
    paths.extend(std::fs::read_dir(docs.join("contract")).unwrap().map(|entry| entry.unwrap().path()));
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn every_key_of_the_language_is_described_and_on_the_page() {
    let page = language_pages();
    let mut keys = 0;
    visit_keys(&json_schema(), &mut |name, value| {
        keys += 1;
        let name = name.trim_end_matches('?');
        assert!(page.contains(&format!("`{name}`")) || page.contains(&format!("{name}: ")), "`{name}` is not documented");
        let described = value.get("description").and_then(Value::as_str).is_some_and(|text| text.ends_with('.'));
        let is_input = value.get("$ref").is_some_and(|target| target == "#/$defs/tree") || value.get("minimum").is_some();
        assert!(described || is_input, "`{name}` has no description");
    });
    assert!(keys > 100, "only {keys} keys were found");
    for name in FilterName::WORDS {
        assert!(page.contains(&format!("`{name}`")), "the filter `{name}` is not documented");
    }
    for name in Builtin::WORDS {
        assert!(page.contains(&format!("`{name}`")), "the value `{name}` is not documented");
    }
}
