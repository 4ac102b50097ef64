//! The code that a contract is turned into for its receivers. That it judges rightly is shown where it is run, by the end-to-end tests;
//! here it is how it reads, and what cannot be turned into code.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use bellwire_contract::{CodeLanguage, Contract, Contracts};

use crate::common;

#[test]
fn each_language_reads_as_somebody_would_write_it() {
    for language in CodeLanguage::ALL {
        let code = common::shipped("standard-webhooks").verification_code(*language).unwrap();
        insta::assert_snapshot!(language.as_str(), code.text);
    }
}

#[test]
fn every_shipped_contract_has_code_in_every_language_and_says_what_it_cannot_tell() {
    let shipped = Contracts::shipped().unwrap();
    for contract in shipped.iter() {
        for language in CodeLanguage::ALL {
            let code = contract.verification_code(*language).unwrap_or_else(|error| panic!("{error}"));
            let unsigned = ["silver", "novamed"].contains(&contract.name());
            let what = format!("{} in {language}", contract.name());
            assert_eq!(code.tells_changed_body, !unsigned, "{what}");
            assert_eq!(code.tells_old, !unsigned, "{what}");
            assert_eq!(code.text.contains("Requests carry no time"), unsigned, "{what}");
            assert_eq!(code.text.contains("Nothing protects the body"), unsigned, "{what}");
            assert_eq!(contract.verification_code(*language).unwrap(), code, "{what}: the same each time");
        }
    }
}

/// Refused with the key that cannot be said, never turned into code that judges wrongly.
#[test]
fn what_cannot_be_said_in_code_is_refused_with_its_key() {
    let hmac = r#"signatures: { s: { hmac: sha256, over: "{{ body }}" } }"#;
    let signed = |request: &str, over: &str| format!("request: {request}\nsignatures: {{ s: {{ hmac: sha256, over: {over} }} }}");
    let header = r#"{ headers: { x-s: "{{ signature.s }}" }, body: { id: "{{ event.id }}", data: "{{ event.data }}", ok: "{{ event.is_test }}" } }"#;
    let cases = [
        ("request: { body: \"{{ event.data }}\" }".to_owned(), "request: nothing in a request proves where it comes from"),
        (signed(header, r#""{{ body | crc32 }}""#), "request.headers.x-s: `body|crc32` cannot be translated"),
        (signed(header, r#""{{ body if event.is_test else 'a' }}""#), "request.headers.x-s: `body if event.is_test else\"a\"` cannot be translated"),
        (signed(header, r#"'{{ "a\n" ~ body }}'"#), "request.headers.x-s: `\"an\"~body` cannot be translated"),
        (signed(header, r#""{{ event.data.n }}""#), "request.headers.x-s: a receiver does not know `event.data`"),
        (signed(header, r#""{{ event.is_test }}""#), "request.headers.x-s: `event.is_test` is signed as the body spells it, and not every parser keeps that"),
        (signed(header, r#""{{ event.seq }}.{{ body }}""#), "request.headers.x-s: a receiver does not know `event.seq`"),
        (
            signed(r#"{ headers: { x-s: ["{{ signature.s }}", "b"] }, body: { $empty: true } }"#, r#""{{ request.path }}""#),
            "request.headers.x-s: the code reads one value of a header, and this has several",
        ),
        (
            format!("request: {{ query: {{ sign: \"{{{{ signature.s }}}}\" }}, body: \"{{{{ event.data }}}}\" }}\n{hmac}"),
            "request.query.sign: the code does not read the query",
        ),
        (
            format!("request: {{ body: {{ $form: {{ sign: \"{{{{ secret }}}}\" }} }} }}\n{hmac}"),
            "request.body: the code reads bodies of JSON, and this has a proof in another one",
        ),
        (
            "request: { headers: { x-t: \"{{ signature.t }}\" }, body: \"{{ event.data }}\" }\nsignatures: { t: { jwt: { claims: { iat: \"{{ attempt.at | unix }}\" } }, join: \" \", secrets: all } }".to_owned(),
            "signatures.t: the code takes one token, and this has one for each secret",
        ),
        (
            "events: [{ type: a.b, example: {} }, { type: c.d, example: {}, request: { headers: { x-s: \"v2={{ signature.s }}\" } } }]\nrequest: { headers: { x-s: \"{{ signature.s }}\" }, body: \"{{ event.data }}\" }\n".to_owned() + hmac,
            "events.c.d.request: requests of this event are verified in another way than those of the others",
        ),
    ];
    for (source, wanted) in cases {
        let events = if source.starts_with("events") { "" } else { "events: [{ type: a.b, example: { n: 1 } }]\n" };
        let source = format!("contract: t\ntitle: T\n{events}{source}\n");
        let contract = Contract::compile(&source, "t.yaml").unwrap_or_else(|error| panic!("{error}\n{source}"));
        for language in CodeLanguage::ALL {
            match contract.verification_code(*language) {
                Ok(code) => panic!("{source}\n{}", code.text),
                Err(error) => assert_eq!(error.to_string(), format!("no verification code for the contract `t`: {wanted}")),
            }
        }
    }
}

#[test]
fn what_a_contract_says_stays_text_in_the_code() {
    let title = r#"A "quoted" ?> title \u000a */ with #{1} and ${2}"#;
    let source = format!(
        "contract: t\ntitle: '{title}'\nevents: any\nrequest: {{ headers: {{ x-s: '\"#{{1}}${{2}}$x`\\{{{{ secret }}}}' }}, body: \"{{{{ event.data }}}}\" }}\n"
    );
    let contract = Contract::compile(&source, "t.yaml").unwrap_or_else(|error| panic!("{error}"));
    let text = |language| contract.verification_code(language).unwrap().text;
    for language in CodeLanguage::ALL {
        let text = text(*language);
        let comment = text.lines().filter(|line| line.contains("quoted")).collect::<Vec<_>>();
        assert!(comment.iter().all(|line| line.starts_with("//") || line.starts_with('#')), "{comment:?}");
        assert!(text.contains("the secret is empty"), "{text}");
        assert!(!text.contains("?>") && !text.contains(r"\u000a"), "{text}");
    }
    assert!(text(CodeLanguage::Ruby).contains(r#""\"\#{1}${2}$x`\\""#), "{}", text(CodeLanguage::Ruby));
    assert!(text(CodeLanguage::Php).contains(r##""\"#{1}\${2}\$x`\\""##), "{}", text(CodeLanguage::Php));
    assert!(text(CodeLanguage::Node).contains(r##""\"#{1}${2}$x`\\""##), "{}", text(CodeLanguage::Node));
}
