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
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    for contract in Contracts::shipped().unwrap().iter() {
        let tree = yaml::parse(contract.source(), &mut Report::new("t")).unwrap();
        let value: Value = serde_json::from_str(&tree.to_json()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", contract.name());
    }
}

#[test]
fn every_key_of_the_language_is_in_the_schema_and_on_the_page() {
    let schema = json_schema();
    let page = include_str!("../../../../docs/contract-language.md");
    let names =
        |pointer: &str| -> Vec<String> { schema.pointer(pointer).and_then(Value::as_object).unwrap().keys().cloned().collect() };
    for part in [
        "event",
        "test_event",
        "resource",
        "resource_event",
        "condition",
        "published",
        "published_authentication",
        "published_route",
        "published_answer",
        "published_errors",
        "subscription",
        "secret",
        "request",
        "signature",
        "delivery",
        "retry/oneOf/1",
    ] {
        for key in names(&format!("/$defs/{part}/properties")) {
            assert!(page.contains(&format!("`{key}`")), "`{key}` of {part} is not documented");
        }
    }
    for name in FilterName::WORDS {
        assert!(page.contains(&format!("`{name}`")), "the filter `{name}` is not documented");
    }
    for name in Builtin::WORDS {
        assert!(page.contains(&format!("`{name}`")), "the value `{name}` is not documented");
    }
}
