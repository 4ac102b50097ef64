//! What `verify` makes of requests whose values stand in unusual places.

use crate::common::{NOW, compile, header, render, secrets};
use bellwire_contract::{CapturedRequest, Contract, OutboundRequest, Verdict};

const NEW: &str = "the secret of today";
const OLD: &str = "the one of yesterday";

fn judge(contract: &Contract, request: &OutboundRequest, body: &[u8], known: &[&str]) -> Verdict {
    let captured = CapturedRequest { method: "POST", url: &request.url, headers: &request.headers, body };
    contract.verify(&captured, &secrets(known), NOW)
}

fn assert_genuine_and_only_so(contract: &Contract, request: &OutboundRequest) {
    assert_eq!(judge(contract, request, &request.body, &[NEW]), Verdict::Genuine, "{request:?}");
    assert!(matches!(judge(contract, request, &request.body, &[OLD]), Verdict::Rejected { .. }), "{request:?}");
}

fn signing(over: &str, body: &str) -> Contract {
    compile(&format!(
        "contract: t\ntitle: T\nevents: [{{ type: a.b, example: {{ id: x, n: 1, s: [{{ u: [7, 8] }}], o: {{ p: {{ q: 1 }} }} }} }}]\nrequest:\n  headers: {{ x-s: \"{{{{ signature.main }}}}\", x-amount: \"{{{{ event.data.n }}}}\" }}\n  body: {body}\nsignatures:\n  main: {{ hmac: sha256, over: \"{over}\" }}\n"
    ))
}

#[test]
fn a_field_of_the_data_is_signed_and_sent_as_a_field_of_its_own() {
    let data = r#"{"id":"o\u00e9","n":1.10,"s":[{"u":[7,8]}],"o":{"p":{"q":"deep"}}}"#;
    for (over, body) in [
        ("{{ event.data.id }}", r#"{ order: "{{ event.data.id }}" }"#),
        ("{{ event.data.id }}|{{ event.data.n }}", r#"{ order: "{{ event.data.id }}", n: "{{ event.data.n }}" }"#),
        (
            "{{ event.data.id ~ '-' ~ event.data.o.p.q }}{{ event.data.n }}",
            r#"{ a: { b: ["{{ event.data.id }}", "{{ event.data.n | string }}"], q: "{{ event.data.o.p.q }}" } }"#,
        ),
        (
            "{{ event.data.s[0].u[1] }}{{ event.data.o.p.q | upper }}",
            r#"{ u: "{{ event.data.s[0].u[1] }}", q: "{{ event.data.o.p.q }}" }"#,
        ),
        ("{{ event.data.o.p.q }}", r#"{ o: "{{ event.data.o }}", id: "{{ event.data.id }}" }"#),
        ("{{ event.data.n }}", r#"{ id: "{{ event.data.id }}" }"#),
        ("{{ event.data.id }}", r#"{ text: "order {{ event.data.id }}." }"#),
        ("{{ event.data.id }}:{{ event.data.o.p.q }}", r#"{ type: "{{ event.type }}", $merge: "{{ event.data }}" }"#),
        ("{{ event.data.o.p.q }}", r#"{ type: "{{ event.type }}", $merge: "{{ event.data.o }}" }"#),
        ("{{ event.data.id }}", r#"{ $form: { id: "{{ event.data.id }}" } }"#),
    ] {
        let contract = signing(over, body);
        let request = render(&contract, "a.b", data, &[NEW]);
        assert_genuine_and_only_so(&contract, &request);
    }
    let contract = signing("{{ event.data.id }}", r#"{ order: "{{ event.data.id }}" }"#);
    let request = render(&contract, "a.b", data, &[NEW]);
    let changed = String::from_utf8(request.body.to_vec()).unwrap().replace('o', "u");
    assert!(matches!(judge(&contract, &request, changed.as_bytes(), &[NEW]), Verdict::Rejected { .. }));
}

/// The second value is there only while two secrets are active, and stands in the header in whichever way its author writes that.
#[test]
fn a_header_with_a_tail_that_is_there_only_while_rotating_is_read() {
    for value in [
        "t={{ attempt.at | unix }},v1={{ signature.now }}{{ ',v2=' ~ signature.before if signature.before is defined else '' }}",
        "t={{ attempt.at | unix }},v1={{ signature.now }}{{ (',v2=' ~ signature.before) if signature.before is defined else '' }}",
        "t={{ attempt.at | unix }},v1={{ signature.now }}{{ '' if signature.before is not defined else ',v2=' ~ signature.before }}",
        "t={{ attempt.at | unix }},v1={{ signature.now ~ (',v2=' ~ signature.before if signature.before is defined else '') }}",
    ] {
        let contract = compile(&format!(
            "contract: t\ntitle: T\nevents: any\nrequest:\n  headers: {{ x-s: \"{value}\" }}\n  body: \"{{{{ event.data }}}}\"\nsignatures:\n  now: {{ hmac: sha256, over: \"{{{{ attempt.at | unix }}}}.{{{{ body }}}}\", secrets: newest }}\n  before: {{ hmac: sha256, over: \"{{{{ attempt.at | unix }}}}.{{{{ body }}}}\", secrets: previous }}\n"
        ));
        let alone = render(&contract, "a.b", "{}", &[NEW]);
        assert_eq!(header(&alone, "x-s").matches(",v").count(), 1, "{value}");
        assert_genuine_and_only_so(&contract, &alone);
        let rotating = render(&contract, "a.b", "{}", &[NEW, OLD]);
        assert_eq!(header(&rotating, "x-s").matches(",v").count(), 2, "{value}");
        for known in [&[NEW][..], &[OLD], &[NEW, OLD]] {
            assert_eq!(judge(&contract, &rotating, b"{}", known), Verdict::Genuine, "{value}: {known:?}");
            assert!(matches!(judge(&contract, &rotating, b"[]", known), Verdict::Rejected { .. }), "{value}: {known:?}");
        }
        assert!(matches!(judge(&contract, &rotating, b"{}", &["neither"]), Verdict::Rejected { .. }), "{value}");
    }
}

#[test]
fn of_two_headers_by_two_secrets_one_must_fit_and_one_that_signs_something_else_must_fit_too() {
    let source = r#"
contract: t
title: T
events: any
request:
  headers: { x-s: "{{ signature.now }}", "x-old?": "{{ signature.before }}", x-time: "{{ attempt.at | unix }}", x-t: "{{ signature.time }}" }
  body: "{{ event.data }}"
signatures:
  now: { hmac: sha256, over: "{{ body }}", secrets: newest }
  before: { hmac: sha256, over: "{{ body }}", secrets: previous }
  time: { hmac: sha256, over: "{{ header['x-time'] }}", join: "," }
"#;
    let contract = compile(source);
    let mut request = render(&contract, "a.b", "{}", &[NEW, OLD]);
    for known in [NEW, OLD] {
        assert_eq!(judge(&contract, &request, b"{}", &[known]), Verdict::Genuine, "{known}");
        assert!(matches!(judge(&contract, &request, b"[]", &[known]), Verdict::Rejected { .. }), "{known}");
    }
    request.headers.insert("x-time", "1715203666".parse().unwrap());
    assert!(matches!(judge(&contract, &request, b"{}", &[NEW]), Verdict::Rejected { .. }));
}

#[test]
fn a_contract_without_a_proof_is_unsigned_and_one_whose_proof_was_taken_off_is_not() {
    let unsigned = compile("contract: t\ntitle: T\nevents: any\nrequest: { body: \"{{ event.data }}\" }\n");
    let request = render(&unsigned, "a.b", "{}", &[]);
    assert_eq!(judge(&unsigned, &request, b"{}", &[]), Verdict::Unsigned);
    assert_eq!(judge(&unsigned, &request, b"{}", &[NEW]), Verdict::Unsigned);
    let optional = compile(
        "contract: t\ntitle: T\nevents: any\nsubscription: { secret: { from: consumer, required: false } }\nrequest: { headers: { \"x-s?\": \"{{ signature.s }}\" }, body: \"{{ event.data }}\" }\nsignatures: { s: { hmac: sha256, over: \"{{ body }}\" } }\n",
    );
    let request = render(&optional, "a.b", "{}", &[]);
    assert_eq!(judge(&optional, &request, b"{}", &[]), Verdict::Unsigned);
    assert!(matches!(judge(&optional, &request, b"{}", &[NEW]), Verdict::Rejected { .. }));
}
