//! What a valid contract is warned of.

use crate::common::compile;

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

fn signed(request: &str, signatures: &str) -> Vec<String> {
    let source = format!(
        "contract: t\ntitle: T\nevents: [{{ type: \"*\", example: {EXAMPLE} }}]\nrequest: {request}\nsignatures: {signatures}\n"
    );
    compile(&source).warnings("t.yaml").iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_signed_but_sent_nowhere_is_warned_of() {
    let header = r#"{ headers: { x-s: "{{ signature.m }}" }, body: { s: "{{ event.data.s }}" } }"#;
    for (request, over, expected) in [
        (header, "{{ attempt.at | unix }}.{{ body }}", "t.yaml:5:41: signatures.m.over: `attempt.at` is signed but not sent"),
        (header, "{{ event.data.r }}", "`event.data` is signed but not sent"),
        (header, "{{ event.id ~ body }}", "`event.id` is signed but not sent"),
        (header, "always", "signatures.m.over: this signs the same text in each request"),
    ] {
        let found = signed(request, &format!("{{ m: {{ hmac: sha256, over: \"{over}\" }} }}"));
        assert!(found.len() == 1 && found[0].contains(expected), "{over}: {found:?}");
    }
    for (request, over) in [
        (header, "{{ event.data.s }}{{ endpoint.id }}{{ request.url }}"),
        (
            r#"{ headers: { x-s: "t={{ attempt.at | unix_ms }},v={{ signature.m }}" }, body: "{{ event.data }}" }"#,
            "{{ attempt.at | unix }}.{{ event.data.r }}",
        ),
        (
            r#"{ headers: { x-t: "{{ attempt.at | unix }}", x-s: "{{ signature.m }}" }, body: "{{ event.data }}" }"#,
            "{{ header['x-t'] }}",
        ),
        (r#"{ query: { s: "{{ signature.m }}", id: "{{ event.id }}" }, body: "{{ event.data }}" }"#, "{{ event.id }}"),
    ] {
        assert_eq!(signed(request, &format!("{{ m: {{ hmac: sha256, over: \"{over}\" }} }}")), Vec::<String>::new(), "{over}");
    }
    let token = r#"{ t: { jwt: { claims: { iat: "{{ attempt.at | unix }}", mac: "{{ signature.m }}" } } }, m: { hmac: sha256, over: "{{ attempt.at | unix }}" } }"#;
    assert_eq!(signed(r#"{ headers: { x-s: "{{ signature.t }}" }, body: "{{ event.data }}" }"#, token), Vec::<String>::new());
}

#[test]
fn a_signature_that_nothing_uses_is_warned_of() {
    let found = signed(r#"{ body: "{{ event.data }}" }"#, r#"{ my-sig: { hmac: sha256, over: "{{ body }}" } }"#);
    assert_eq!(
        found,
        [
            "t.yaml:5:23: signatures.my-sig: nothing uses this signature; write `{{ signature['my-sig'] }}` into a header, or remove it"
        ]
    );
}

#[test]
fn a_signature_that_only_a_handshake_knows_is_used() {
    for activation in [
        "{ steps: [{ accept: \"{{ answer.body == signature.m }}\" }] }",
        "{ steps: [{ request: { headers: { x-s: \"{{ signature.m }}\" } } }] }",
    ] {
        let request = format!("{{ body: \"{{{{ event.data }}}}\" }}\nactivation: {activation}");
        let found = signed(&request, r#"{ m: { hmac: sha256, over: "{{ activation.token }}" } }"#);
        assert_eq!(found, Vec::<String>::new(), "{activation}");
    }
}

/// One has a reason: a client made from NovaMed's guide as it stands uses its placeholder of 12 characters.
#[test]
fn no_contract_that_comes_with_bellwire_is_warned_of_but_novamed_for_its_short_secrets() {
    for contract in bellwire_contract::Contracts::shipped().unwrap().iter() {
        let found: Vec<String> = contract.warnings("t.yaml").iter().map(ToString::to_string).collect();
        if contract.name() == "novamed" {
            let expected = "subscription.secret.length_min: secrets of 12 characters are accepted, which can be guessed (";
            assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
        } else {
            assert_eq!(found, Vec::<String>::new(), "{}", contract.name());
        }
    }
}

fn with_secret(rules: &str) -> Result<bellwire_contract::Contract, String> {
    let source = format!(
        "contract: t\ntitle: T\nevents: any\nsubscription:\n  secret: {{ from: consumer{rules} }}\nrequest:\n  headers: {{ x-key: \"{{{{ secret }}}}\" }}\n  body: \"{{{{ event.data }}}}\"\n"
    );
    bellwire_contract::Contract::compile(&source, "t.yaml").map_err(|error| error.to_string())
}

#[test]
fn a_new_secret_has_16_characters_unless_the_contract_says_why_it_may_have_fewer() {
    let plain = with_secret("").unwrap();
    assert!(plain.check_secret("123456789012345").unwrap_err().contains("16 to 1024 characters"));
    plain.check_secret("1234567890123456").unwrap();
    plain.check_known_secret("k").unwrap();
    assert!(plain.check_known_secret("").is_err() && plain.check_known_secret("a\nb").is_err());
    let lower = with_secret(", length_min: 6, length_reason: that is what the guide prints").unwrap();
    lower.check_secret("hunter").unwrap();
    lower.check_secret("hunte").unwrap_err();
    let found: Vec<String> = lower.warnings("t.yaml").iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "t.yaml:5:41: subscription.secret.length_min: secrets of 6 characters are accepted, which can be guessed (that is what the guide prints); ask for longer ones where you can"
        ]
    );
    assert_eq!(with_secret(", length_min: 40").unwrap().warnings("t.yaml"), Vec::new());
}

#[test]
fn the_secret_of_a_contracts_own_examples_is_warned_of_when_it_is_short() {
    let short = with_secret(", length_min: 4, length_max: 8, length_reason: a keypad").unwrap();
    let found: Vec<String> = short.warnings("t.yaml").iter().map(ToString::to_string).collect();
    assert!(found.iter().any(|warning| warning.contains("draws, and shows in examples, have 8 characters")), "{found:?}");
}

#[test]
fn a_lower_floor_without_a_reason_is_refused_with_the_fix() {
    for (rules, expected) in [
        (
            ", length_min: 12",
            "t.yaml:5:41: subscription.secret.length_min: a secret of fewer than 16 characters can be guessed; write at least 16, or why it must be fewer beside it: `length_reason: …`",
        ),
        (", length_min: 12, length_reason: ' '", "can be guessed"),
        (
            ", length_max: 12",
            "t.yaml:5:41: subscription.secret.length_min: larger than `length_max`; it is 16 unless given; to allow fewer, write a lower `length_min`",
        ),
        (", length_min: 20, length_max: 18", "larger than `length_max`"),
        (
            ", format: { encoding: hex, bytes_max: 4 }",
            "no secret in this `format` has 16 characters; raise `bytes_max`; to allow fewer",
        ),
        (
            ", length_min: 16, length_reason: why not",
            "subscription.secret.length_reason: `length_min` is not below 16; leave the reason out",
        ),
    ] {
        let refused = with_secret(rules).unwrap_err();
        assert!(refused.contains(expected) && refused.lines().count() == 1, "{rules}: {refused}");
    }
}
