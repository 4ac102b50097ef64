//! What a valid contract is warned of.

mod common;

use common::compile;

const EXAMPLE: &str = r#"{"s":"a","r":"b","n":1,"list":[{"lines":[1]}]}"#;

fn warnings(body: &str) -> Vec<String> {
    let source = format!("contract: t\ntitle: T\nevents: [{{ type: \"*\", example: {EXAMPLE} }}]\nrequest:\n  body: {body}\n");
    compile(&source).warnings("t.yaml").iter().map(ToString::to_string).collect()
}

#[test]
fn a_template_that_can_make_far_more_than_its_input_is_warned_of_with_its_place() {
    for (body, expected) in [
        ("{ a: \"{{ event.data.s | replace('a', event.data.r) }}\" }", "t.yaml:5:15: request.body: `replace` with a value"),
        ("{ a: \"{{ event.data.s | list | join(event.data.r) }}\" }", "t.yaml:5:15: request.body: `join` with a value"),
        ("{ a: \"{{ event.data.list | batch(event.data.n) }}\" }", "t.yaml:5:15: request.body: `batch` with a value"),
        (
            "{ $each: \"{{ event.data.list }}\", a: { $each: \"{{ event.data.list }}\", $then: 1 } }",
            "request.body: a loop in a loop",
        ),
        ("{ $each: \"{{ event.data.list }}\", a: \"{{ event.data }}\" }", "request.body: a loop that repeats all of the data"),
    ] {
        let found = warnings(body);
        assert!(found.len() == 1 && found.iter().all(|warning| warning.contains(expected)), "{body}: {found:?}");
    }
    for body in [
        "\"{{ event.data }}\"",
        "{ a: \"{{ event.data.s | replace('a', '') | upper }}\", b: \"{{ event.data.list | map(attribute='lines') | join(d=', ') }}\" }",
        "{ $each: \"{{ event.data.list }}\", a: { $each: \"{{ item.lines }}\", $as: line, $then: \"{{ line }}\" }, s: \"{{ event.data.s }}\" }",
    ] {
        assert_eq!(warnings(body), Vec::<String>::new(), "{body}");
    }
}

#[test]
fn no_contract_that_comes_with_bellwire_is_warned_of() {
    for contract in bellwire_contract::Contracts::shipped().unwrap().iter() {
        assert_eq!(contract.warnings("t.yaml"), Vec::new(), "{}", contract.name());
    }
}
