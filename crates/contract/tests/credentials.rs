//! Secret values of endpoints: what a contract may say of them, what may be given, and where they go.

#![allow(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use bellwire_contract::{Contract, EndpointInput, RenderInput};
use serde_json::{Value, json};

use crate::common::{compile, header, with_input};

fn source(credentials: &str, request: &str) -> String {
    format!(
        "contract: t\ntitle: T\nevents: any\nsubscription:\n{credentials}request:\n  body: \"{{{{ event.data }}}}\"\n{request}"
    )
}

const BASIC: &str = "  credentials:\n    user: { type: string, required: true, minLength: 2 }\n    password: { type: string }\n";

#[test]
fn a_contract_is_refused_that_says_of_credentials_what_cannot_be() {
    let many: String = (0..17).fold(String::new(), |text, index| text + &format!("    c{index}: {{ type: string }}\n"));
    for (credentials, request, expected) in [
        ("  credentials: { a b: { type: string } }\n", "", "is not the name of a credential"),
        ("  credentials: { a: { type: integer } }\n", "", "a credential is text"),
        ("  credentials: { a: { type: string, default: hunter2 } }\n", "", "a credential has no default"),
        ("  credentials: { a: { type: string, pattern: '^[A-Z]{3}$' } }\n", "", "no value of this credential could be guessed"),
        (BASIC, "  headers: { x-a: \"{{ endpoint.credentials.passwort }}\" }\n", "there is no credential `passwort`"),
        (BASIC, "  headers: { x-a: \"{{ endpoint.credentials | json }}\" }\n", "credentials are used one by one"),
        (BASIC, "  headers: { x-a: \"{{ endpoint.credentials.password }}\" }\n", "has no value"),
        (&format!("{BASIC}  filter: \"{{{{ endpoint.credentials.user == 'a' }}}}\"\n"), "", "before there is a request"),
        (
            "  url: any\n",
            "  headers: { x-a: \"{{ endpoint.credentials.user }}\" }\n",
            "declare it under `subscription.credentials`",
        ),
        (&format!("  credentials:\n{many}"), "", "more than 16 credentials"),
    ] {
        let error = Contract::compile(&source(credentials, request), "t.yaml").unwrap_err().to_string();
        assert!(error.contains(expected), "{credentials}{request}: {error}");
    }
}

#[test]
fn what_is_given_is_checked_and_never_repeated() {
    let contract = compile(&source(BASIC, ""));
    let wrong = |given: Value| {
        let found = contract.check_credentials(given.as_object().unwrap());
        found.into_iter().map(|error| format!("{} {}", error.pointer, error.message)).collect::<Vec<_>>()
    };
    assert!(wrong(json!({ "user": "hunter2" })).is_empty());
    assert_eq!(wrong(json!({ "password": "hunter2" })), ["/user under this contract every endpoint has this: give a value"]);
    for (given, place) in [
        (json!({ "user": "x" }), "/user "),
        (json!({ "user": 17 }), "/user a credential is text"),
        (json!({ "user": "ok", "pass": "hunter2" }), "/pass the contract has no such credential"),
        (json!({ "user": "ok", "password": "hunter2".repeat(4_000) }), " at most 16 KiB in all"),
    ] {
        let found = wrong(given).join("; ");
        assert!(found.starts_with(place) && !found.contains("hunter2"), "{found}");
    }
}

#[test]
fn requests_are_made_with_them() {
    let contract = compile(&source(
        BASIC,
        "  query: { \"token?\": \"{{ endpoint.credentials.password }}\" }\n  headers:\n    authorization: \"Basic {{ (endpoint.credentials.user ~ ':' ~ endpoint.credentials.password | default('')) | base64 }}\"\n",
    ));
    assert_eq!(contract.credentials().iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["user", "password"]);
    let rendered = |credentials| {
        with_input("any", "{}", &[], |input| {
            let endpoint = EndpointInput { credentials: Some(credentials), ..input.endpoint };
            contract.render(&RenderInput { endpoint, ..*input }).unwrap()
        })
    };
    let request = rendered(r#"{"user":"Aladdin","password":"open sesame"}"#);
    assert_eq!(header(&request, "authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert!(request.url.ends_with("token=open+sesame"), "{}", request.url);
    assert_eq!(header(&rendered(r#"{"user":"Aladdin"}"#), "authorization"), "Basic QWxhZGRpbjo=");
}
