//! The language, feature by feature: a body or a contract, and what comes out of it.

use crate::common::{self, DATA, NOW, body, compile, header, render, secrets, try_render, with_body, with_input};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bellwire_contract::{AttemptInput, CapturedRequest, Contract, DeliveryInput, RenderInput, Verdict};
use bellwire_domain::DeliveryId;
use bellwire_domain::trace::SpanIds;
use proptest::prelude::*;

#[test]
fn bodies() {
    for (tree, expected) in [
        ("\"{{ event.data }}\"", DATA),
        ("{ a: \"{{ event.data.amount }}\" }", r#"{"a":1.10}"#),
        (
            "{ a: \"{{ event.data.big }}\", b: \"{{ event.data['id'] }}\" }",
            r#"{"a":123456789012345678901234567890,"b":"o\u00e9"}"#,
        ),
        ("{ a: \"{{ event.data.list[0].n }}\", b: \"{{ event.data.nested }}\" }", r#"{"a":1e2,"b":{"x":{"y":-0.0}}}"#),
        ("{ a: \"id {{ event.data.id }} {{ event.data.amount }}\" }", "{\"a\":\"id oé 1.10\"}"),
        ("{ a: \"{{ event.data.amount | string }}\", b: \"{{ event.data.flag | string }}\" }", r#"{"a":"1.10","b":"true"}"#),
        ("{ a: \"{{ event.data.amount if event.data.flag else 0 }}\" }", r#"{"a":1.10}"#),
        (
            "{ a: \"{{ event.data.nope | default('x') }}\", b: \"{{ event.data.nope | default(event.data.nested) }}\" }",
            r#"{"a":"x","b":{"x":{"y":-0.0}}}"#,
        ),
        (
            "{ \"a?\": \"{{ event.data.nope }}\", \"b?\": \"{{ event.data.none }}\", \"c?\": \"{{ event.data.nope.deep | upper }}\", d: 1 }",
            r#"{"d":1}"#,
        ),
        (
            "{ a: \"{{ event.data.none }}\", b: null, c: 1.50, d: yes, e: \"1\" }",
            r#"{"a":null,"b":null,"c":1.50,"d":"yes","e":"1"}"#,
        ),
        ("{ \"a??\": 1, $$ref: 2 }", r#"{"a?":1,"$ref":2}"#),
        ("[ 1, { $when: \"{{ event.data.flag }}\", b: 2 }, { $when: \"{{ event.data.nope }}\", c: 3 } ]", r#"[1,{"b":2}]"#),
        (
            "{ a: { $when: \"{{ event.is_test }}\", $then: 1, $else: 2 }, b: { $when: \"{{ event.is_test }}\", $then: 1 } }",
            r#"{"a":2}"#,
        ),
        (
            "[ { $each: \"{{ event.data.list }}\", name: \"{{ item.sku }}\", at: \"{{ index }}\", n: \"{{ item.n }}\" } ]",
            r#"[{"name":"a","at":0,"n":1e2},{"name":"b","at":1,"n":2}]"#,
        ),
        (
            "{ a: { $each: \"{{ event.data.list }}\", $as: line, $when: \"{{ line.sku == 'b' }}\", $then: \"{{ line }}\" } }",
            r#"{"a":[{"sku":"b","n":2}]}"#,
        ),
        (
            "[ 0, { $each: \"{{ [[1, 2], [], [3]] }}\", $as: inner, $when: \"{{ inner }}\", $then: { $each: \"{{ inner }}\", $then: \"{{ item }}\" } } ]",
            "[0,1,2,3]",
        ),
        ("{ \"a?\": { $each: \"{{ event.data.empty }}\", $then: 1 }, b: \"{{ event.data.empty }}\" }", r#"{"b":[]}"#),
        (
            "{ \"a?\": \"{{ event.data.empty }}\", \"b?\": \"{{ event.data.list | selectattr('n', 'none') | list }}\", \"c?\": \"{{ {} }}\", \"d?\": [], \"e?\": \"\" }",
            r#"{"e":""}"#,
        ),
        (
            "{ $let: { kind: \"{{ event.type | upper }}\", twice: \"{{ kind ~ kind }}\" }, a: \"{{ twice }}\", b: { c: \"{{ kind }}\" } }",
            r#"{"a":"A.BA.B","b":{"c":"A.B"}}"#,
        ),
        (
            "[ { $each: \"{{ event.data.list }}\", $let: { sku: \"{{ item.sku }}\" }, $when: \"{{ sku != 'a' }}\", n: \"{{ sku ~ index }}\" } ]",
            r#"[{"n":"b1"}]"#,
        ),
        (
            "[ { $let: { all: \"{{ event.data.list }}\" }, $then: { $each: \"{{ all }}\", $then: \"{{ item.n }}\" } }, { $let: { no: \"{{ event.data.none.none }}\" }, $when: \"{{ no is undefined }}\", \"no?\": \"{{ no }}\", x: \"{{ no | default(1) }}\" } ]",
            r#"[1e2,2,{"x":1}]"#,
        ),
        // No name stands in a mapping twice: what is merged in gives way.
        ("{ $merge: \"{{ event.data.nested }}\", \"x?\": \"{{ event.data.none }}\" }", "{}"),
        ("{ x: 1, $merge: \"{{ {'x': 2, 'y': 3, 'z': 4} }}\", z: 5 }", r#"{"x":1,"y":3,"z":5}"#),
        ("{ a: \"{{ 'abc' | md5 | hex }}\" }", r#"{"a":"900150983cd24fb0d6963f7d28e17f72"}"#),
        ("{ type: \"{{ event.type }}\", $merge: \"{{ event.data.nested }}\", z: 1 }", r#"{"type":"a.b","x":{"y":-0.0},"z":1}"#),
        (
            "{ a: \"{{ event.data.list | length }}\", b: \"{{ event.data.list | map(attribute='sku') | join('+') }}\" }",
            r#"{"a":2,"b":"a+b"}"#,
        ),
        ("{ a: \"{{ event.data.time | unix }}\", b: \"{{ event.type | replace('.', '-') }}\" }", r#"{"a":1736933400,"b":"a-b"}"#),
        ("{ a: \"{{ event.data | json }}\" }", ""),
        ("{ a: \"{{ {'k': event.data.list[1], 'l': [event.seq, true]} }}\" }", r#"{"a":{"k":{"sku":"b","n":2},"l":[42,true]}}"#),
        ("{ a: \"{{ '{{' }}\" }", r#"{"a":"{{"}"#),
    ] {
        let request = render(&with_body(tree), "a.b", DATA, &[]);
        if expected.is_empty() {
            let value: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(value["a"].as_str().unwrap(), DATA);
        } else {
            assert_eq!(body(&request), expected, "{tree}");
        }
    }
}

#[test]
fn other_forms_of_body() {
    for (form, expected, content_type) in [
        (
            "{ $form: { type: \"{{ event.type }}\", payload: \"{{ event.data }}\", \"x?\": \"{{ event.data.nope }}\" } }",
            "type=a.b&payload=%7B%22n%22%3A1%7D",
            Some("application/x-www-form-urlencoded"),
        ),
        (
            "{ $text: \"<e id='{{ event.id | xml }}'/>\" }",
            "<e id='3573d31d-15ab-42a3-aece-8f1e3a5c986f'/>",
            Some("text/plain; charset=utf-8"),
        ),
        ("{ $empty: true }", "", None),
        ("{ $json: { a: \"{{ event.data.n }}\" } }", "{\"a\":1}", Some("application/json")),
    ] {
        let request = render(&with_body(form), "a.b", r#"{"n":1}"#, &[]);
        assert_eq!(body(&request), expected, "{form}");
        assert_eq!(request.headers.get("content-type").map(|value| value.to_str().unwrap()), content_type, "{form}");
    }
}

#[test]
fn every_value_and_filter() {
    let contract = compile(
        r#"
contract: t
title: T
events:
  - { type: a.b, title: Ab, description: D, fields: { code: 7, kind: { split: Order } }, example: {} }
request:
  method: PUT
  url: "{{ endpoint.url | url_origin }}/base/{{ event.fields.kind.split | lower }}"
  query: { id: "{{ event.seq }}", "no?": "{{ account.name }}" }
  spacing: spaced
  headers:
    content-type: application/cloudevents+json
    user-agent: Custom/1
    x-many: ["{{ event.type }}", two]
    x-none?: "{{ account.name }}"
    x-digest: "{{ body | sha256 | base64 }}"
    x-line: "{{ request.method }} {{ request.path }}?{{ request.query }} {{ request.host }} {{ request.url }}"
    x-http: "{{ attempt.at | http_date }}"
  body:
    event: ["{{ event.title }}", "{{ event.description }}", "{{ event.seq }}", "{{ event.is_test }}", "{{ event.fields.code }}"]
    time: ["{{ attempt.at | unix }}", "{{ attempt.at | unix_ms }}", "{{ attempt.at | rfc3339 }}", "{{ attempt.at | rfc3339(digits=3) }}", "{{ attempt.at | rfc3339(zone='offset', digits=6) }}", "{{ attempt.at | unix | string }}"]
    ids: ["{{ attempt.number }}", "{{ delivery.id }}", "{{ delivery.number }}", "{{ endpoint.id }}", "{{ endpoint.name }}", "{{ account.id | upper }}"]
    text: ["{{ 'a?b' | base64 }}", "{{ 'a?b~~~' | base64url }}", "{{ 'ab' | hex }}", "{{ 'a b&c' | urlencode }}", "{{ 'abc' | crc32 }}", "{{ 'abc' | sha1 | hex | upper }}"]
    url: ["{{ endpoint.url | url_scheme }}", "{{ endpoint.url | url_host }}", "{{ endpoint.url | url_port }}", "{{ endpoint.url | url_path }}", "{{ endpoint.url | url_query }}", "{{ endpoint.url | url_target }}"]
    nonce: "{{ attempt.nonce | length }}"
"#,
    );
    let request = render(&contract, "a.b", "{}", &[]);
    assert_eq!(request.method, http::Method::PUT);
    assert_eq!(request.url, "https://client.example.com/base/order?id=42");
    let expected = concat!(
        r#"{"event": ["Ab", "D", 42, false, 7], "#,
        r#""time": [1715203665, 1715203665039, "2024-05-08T21:27:45Z", "2024-05-08T21:27:45.039Z", "2024-05-08T21:27:45.039587+00:00", "1715203665"], "#,
        r#""ids": [2, "dlv_1", 9, "ep_1", "main", "550E8400-E29B-41D4-A716-446655440000"], "#,
        r#""text": ["YT9i", "YT9ifn5-", "6162", "a%20b%26c", 891568578, "A9993E364706816ABA3E25717850C26C9CD0D89D"], "#,
        r#""url": ["https", "client.example.com", "443", "/hooks", "tenant=7", "/hooks?tenant=7"], "nonce": 32}"#,
    );
    assert_eq!(body(&request), expected);
    assert_eq!(
        header(&request, "x-line"),
        "PUT /base/order?id=42 client.example.com https://client.example.com/base/order?id=42"
    );
    assert_eq!(header(&request, "x-http"), "Wed, 08 May 2024 21:27:45 GMT");
    assert_eq!((header(&request, "content-type"), header(&request, "user-agent")), ("application/cloudevents+json", "Custom/1"));
    let many: Vec<_> = request.headers.get_all("x-many").iter().collect();
    assert_eq!(many, ["a.b", "two"]);
    assert!(!request.headers.contains_key("x-none") && !request.headers.contains_key("x-own"));
}

#[test]
fn names_of_headers_keep_the_spelling_of_the_contract_and_of_the_endpoint() {
    let contract = compile(
        r#"
contract: t
title: T
events: [{ type: a.b, title: Ab, example: {} }]
request:
  custom_headers: true
  headers: { apiKey: k, X-Webhook-Secret: s, x-lower: l, "X-None?": "{{ account.name }}" }
  body: "{{ event.data }}"
"#,
    );
    let request = render(&contract, "a.b", "{}", &[]);
    let names: Vec<&str> = request.headers.keys().map(|name| request.spelled(name)).collect();
    assert_eq!(names, ["apiKey", "X-Webhook-Secret", "x-lower", "Content-Type", "User-Agent", "X-Own"]);
}

/// However a URL comes about, what is said of it is what the wire says.
#[test]
fn the_url_that_a_contract_sees_is_the_one_on_the_wire() {
    let contract = compile(
        r#"
contract: t
title: T
events: [{ type: a.b, title: Ab, example: {} }]
request:
  url: "{{ endpoint.url | url_origin | upper }}:443/a/../b é?q=é#part"
  headers: { x-line: "{{ request.path }} {{ request.query }} {{ request.url | url_target }} {{ request.url }}" }
  body: "{{ event.data }}"
"#,
    );
    let request = render(&contract, "a.b", "{}", &[]);
    assert_eq!(request.url, "https://client.example.com/b%20%C3%A9?q=%C3%A9");
    assert_eq!(header(&request, "x-line"), format!("/b%20%C3%A9 q=%C3%A9 /b%20%C3%A9?q=%C3%A9 {}", request.url));
}

/// Signature headers as published contracts have them: the header, the signature, and the value expected over `{}` at [`NOW`].
#[test]
fn without_a_join_a_signature_is_one_value_that_both_sides_of_a_rotation_know() {
    let signed = |signature: &str| {
        let contract = compile(&format!(
            "contract: t\ntitle: T\nevents: any\nrequest:\n  headers: {{ x-hub-signature-256: \"sha256={{{{ signature.main }}}}\" }}\n  body: \"{{{{ event.data }}}}\"\nsignatures:\n  main: {{ hmac: sha256, over: \"{{{{ body }}}}\"{signature} }}\n"
        ));
        let value = |secrets: &[&str]| header(&render(&contract, "a.b", "{}", secrets), "x-hub-signature-256").to_owned();
        (value(&["new", "old"]), value(&["new"]), value(&["old"]))
    };
    let (both, new, old) = signed("");
    assert_eq!(both, old, "until the overlap ends, the old secret signs");
    assert_ne!(new, old);
    let (both, new, old) = signed(", join: \",\"");
    assert_eq!(both, format!("{new},{}", old.trim_start_matches("sha256=")));
    assert_eq!(signed(", secrets: newest").0, new);
}

#[test]
fn the_length_of_bytes_counts_bytes() {
    let contract = compile(&format!(
        "contract: t\ntitle: T\nevents: [{{ type: \"*\", example: {DATA} }}]\nrequest:\n  headers:\n    x-a: \"{{{{ body | length }}}}\"\n    x-b: \"{{{{ (body | length) * 2 if body | length > 3 else 0 }}}}\"\n    x-c: \"{{{{ body | sha256 | length }}}} {{{{ (body | sha256 | length) / 1 }}}}\"\n    x-d: \"{{{{ event.data.id | length }}}}\"\n  body: {{ $text: \"é!\" }}\n"
    ));
    let request = render(&contract, "a.b", DATA, &[]);
    for (name, expected) in [("x-a", "3"), ("x-b", "0"), ("x-c", "32 32.0"), ("x-d", "2")] {
        assert_eq!(header(&request, name), expected, "{name}");
    }
}

#[test]
fn signatures_of_many_shapes_are_made_and_verified() {
    let hex_mac = |key: &[u8], text: &str| {
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    };
    let at = "1715203665";
    let cases: Vec<(&str, &str, String)> = vec![
        ("sha256={{ signature.s }}", "{ hmac: sha256, over: \"{{ body }}\" }", format!("sha256={}", hex_mac(b"74657374", "{}"))),
        (
            "t={{ attempt.at | unix }},v1={{ signature.s }}",
            "{ hmac: sha256, over: \"{{ attempt.at | unix }}.{{ body }}\" }",
            format!("t={at},v1={}", hex_mac(b"74657374", &format!("{at}.{{}}"))),
        ),
        (
            "{{ signature.s }}",
            "{ hmac: sha256, key: hex, over: \"v0:{{ attempt.at | unix }}:{{ body }}\", prefix: v0= }",
            format!("v0={}", hex_mac(b"test", &format!("v0:{at}:{{}}"))),
        ),
        (
            "{{ signature.s }}",
            "{ hmac: sha256, key: { suffix: '&' }, over: \"{{ body | base64 }}\", encode: HEX }",
            hex_mac(b"74657374&", "e30=").to_uppercase(),
        ),
        (
            "{{ signature.s }}",
            "{ hmac: sha256, over: \"{{ event.id }}.{{ body }}\" }",
            hex_mac(b"74657374", &format!("{}.{{}}", common::EVENT_ID)),
        ),
        (
            "{{ signature.s }}",
            "{ hmac: sha256, over: \"{{ header['x-line'] }}\\n{{ header['x-digest'] }}\" }",
            hex_mac(b"74657374", "POST /hooks?tenant=7\nRBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="),
        ),
    ];
    for (value, signature, expected) in cases {
        let contract = compile(&format!(
            "contract: t\ntitle: T\nevents: any\nrequest:\n  headers:\n    x-s: \"{value}\"\n    x-t: \"{{{{ attempt.at | unix }}}}\"\n    x-id: \"{{{{ event.id }}}}\"\n    x-line: \"{{{{ request.method }}}} {{{{ request.path }}}}?{{{{ request.query }}}}\"\n    x-digest: \"{{{{ body | sha256 | base64 }}}}\"\n  body: \"{{{{ event.data }}}}\"\nsignatures:\n  s: {signature}\n"
        ));
        let request = render(&contract, "a.b", "{}", &["74657374"]);
        assert_eq!(header(&request, "x-s"), expected, "{signature}");
        let judge = |body: &[u8], secret: &str| {
            let captured = CapturedRequest { method: "POST", url: "/hooks?tenant=7", headers: &request.headers, body };
            contract.verify(&captured, &secrets(&[secret]), NOW)
        };
        assert_eq!(judge(b"{}", "74657374"), Verdict::Genuine, "{signature}");
        assert!(matches!(judge(b"[]", "74657374"), Verdict::Rejected { .. }), "{signature}: body");
        assert!(matches!(judge(b"{}", "74657375"), Verdict::Rejected { .. }), "{signature}: secret");
        let both = render(&contract, "a.b", "{}", &["74657374", "00"]);
        let captured = CapturedRequest { method: "POST", url: "/hooks?tenant=7", headers: &both.headers, body: b"{}" };
        assert_eq!(contract.verify(&captured, &secrets(&["00"]), NOW), Verdict::Genuine, "{signature}: second secret");
    }
}

#[test]
fn a_signature_inside_the_body() {
    let contract = compile(
        r#"
contract: t
title: T
events: [{ type: a.b, example: { n: 1 } }]
request:
  body: { id: "{{ event.id }}", data: "{{ event.data }}", signature: "{{ signature.s }}" }
signatures:
  s: { hash: sha256, over: "{{ event.id }}|{{ event.data.n }}|{{ secret }}" }
"#,
    );
    let request = render(&contract, "a.b", r#"{"n":1.10}"#, &["k"]);
    let expected = {
        use sha2::Digest;
        hex::encode(sha2::Sha256::digest(format!("{}|1.10|k", common::EVENT_ID)))
    };
    assert!(body(&request).ends_with(&format!(r#""data":{{"n":1.10}},"signature":"{expected}"}}"#)), "{}", body(&request));
    let judge = |body: &str| {
        let captured = CapturedRequest { method: "POST", url: "/", headers: &request.headers, body: body.as_bytes() };
        contract.verify(&captured, &secrets(&["k"]), NOW)
    };
    assert_eq!(judge(body(&request)), Verdict::Genuine);
    assert!(matches!(judge(&body(&request).replace("1.10", "1.11")), Verdict::Rejected { .. }));
}

#[test]
fn optional_signatures_and_basic() {
    let contract = compile(
        r#"
contract: t
title: T
events: [{ type: a.b, example: { n: 1 } }]
subscription: { secret: { from: consumer, required: false } }
request:
  headers:
    x-s?: "{{ signature.s }}"
    x-old?: "{{ signature.old }}"
    authorization?: "Basic {{ ('user:' ~ secret) | base64 }}"
  body: "{{ event.data }}"
signatures:
  s: { hmac: sha512, over: "{{ body }}", encode: base64url, secrets: newest }
  old: { hmac: sha1, over: "{{ body }}", secrets: previous }
"#,
    );
    let none = render(&contract, "a.b", "{}", &[]);
    assert!(["x-s", "x-old", "authorization"].iter().all(|name| !none.headers.contains_key(*name)));
    let one = render(&contract, "a.b", "{}", &["k"]);
    assert!(one.headers.contains_key("x-s") && !one.headers.contains_key("x-old"));
    assert_eq!(header(&one, "authorization"), "Basic dXNlcjpr");
    let two = render(&contract, "a.b", "{}", &["k", "j"]);
    assert_eq!(header(&two, "x-old").len(), 40);
    let required = compile(&contract.source().replace("required: false", "required: true"));
    assert!(try_render(&required, "a.b", "{}", &[]).is_err());
}

/// What rotation means for a secret that is sent as it is: the contract says which one goes out.
#[test]
fn a_plain_secret_is_the_newest_the_oldest_or_all_of_them() {
    let contract = compile(
        r#"
contract: t
title: T
events: [{ type: a.b, example: { n: 1 } }]
request:
  headers:
    x-key: "{{ secret }}"
    x-newest: "{{ signature.newest }}"
    x-oldest: "Key {{ signature.oldest }}"
    x-all: "{{ signature.all }}"
    x-old?: "{{ signature.previous }}"
    x-token: "{{ signature.token }}"
    x-tokens: "{{ signature.tokens }}"
  body: "{{ event.data }}"
signatures:
  newest: { plain: "{{ secret }}" }
  oldest: { plain: "{{ secret }}", secrets: oldest }
  all: { plain: "k={{ secret }}", secrets: all, join: "; " }
  previous: { plain: "{{ secret }}", secrets: previous }
  token: { jwt: { claims: { iat: "{{ attempt.at | unix }}" } } }
  tokens: { jwt: { claims: { iat: "{{ attempt.at | unix }}" } }, secrets: all, join: " " }
"#,
    );
    let judge = |request: &bellwire_contract::OutboundRequest, known: &str| {
        let captured = CapturedRequest { method: "POST", url: &request.url, headers: &request.headers, body: &request.body };
        contract.verify(&captured, &secrets(&[known]), NOW)
    };
    let one = render(&contract, "a.b", "{}", &["only"]);
    let shown = ["x-key", "x-newest", "x-oldest", "x-all"].map(|name| header(&one, name));
    assert_eq!(shown, ["only", "only", "Key only", "k=only"]);
    assert!(!one.headers.contains_key("x-old"));
    assert_eq!(judge(&one, "only"), Verdict::Genuine);
    assert!(matches!(judge(&one, "other"), Verdict::Rejected { .. }));
    let three = render(&contract, "a.b", "{}", &["new", "mid", "old"]);
    let shown = ["x-key", "x-newest", "x-oldest", "x-all", "x-old"].map(|name| header(&three, name));
    assert_eq!(shown, ["new", "new", "Key old", "k=new; k=mid; k=old", "mid"]);
    assert_eq!(header(&three, "x-tokens").split(' ').count(), 3);
    assert_eq!(header(&three, "x-tokens").split(' ').next(), Some(header(&three, "x-token")));
    contract.check_secret("no\nbreak").unwrap_err();
}

/// The `typ` of a token is `JWT`, or what the contract writes; neither stands in it twice.
#[test]
fn a_token_has_each_member_of_its_header_once() {
    for (header, expected) in
        [("{ kid: a }", r#"{"alg":"HS256","typ":"JWT","kid":"a"}"#), ("{ typ: at+jwt }", r#"{"alg":"HS256","typ":"at+jwt"}"#)]
    {
        let source = format!(
            "contract: t\ntitle: T\nevents: any\nrequest: {{ headers: {{ x-t: \"{{{{ signature.t }}}}\" }}, body: {{}} }}\nsignatures: {{ t: {{ jwt: {{ header: {header}, claims: {{ iat: \"{{{{ attempt.at | unix }}}}\" }} }} }} }}\n"
        );
        let request = render(&compile(&source), "a.b", "{}", &["secret"]);
        let token = request.headers["x-t"].to_str().unwrap();
        let decoded = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        assert_eq!(String::from_utf8(decoded).unwrap(), expected);
    }
}

#[test]
fn one_event_changes_the_request() {
    let contract = compile(
        r#"
contract: t
title: T
events:
  - { type: a.created, example: { id: 1 } }
  - type: a.deleted
    example: { id: 1 }
    request:
      method: DELETE
      url: "{{ endpoint.url | url_origin }}/a/{{ event.data.id }}"
      headers: { x-kind: deleted }
      body: { $empty: true }
request:
  headers: { x-kind: other, x-s: "{{ signature.s }}" }
  body: "{{ event.data }}"
signatures: { s: { hmac: sha256, over: "{{ request.method }}{{ body }}" } }
"#,
    );
    let deleted = render(&contract, "a.deleted", r#"{"id":5}"#, &["k"]);
    assert_eq!((deleted.method.as_str(), deleted.url.as_str(), body(&deleted)), ("DELETE", "https://client.example.com/a/5", ""));
    assert_eq!(header(&deleted, "x-kind"), "deleted");
    let captured = CapturedRequest { method: "DELETE", url: &deleted.url, headers: &deleted.headers, body: b"" };
    assert_eq!(contract.verify(&captured, &secrets(&["k"]), NOW), Verdict::Genuine);
    assert_eq!(header(&render(&contract, "a.created", "{}", &["k"]), "x-kind"), "other");
}

#[test]
fn what_cannot_be_rendered_says_where_and_leaks_nothing() {
    let contract = compile(
        "contract: t\ntitle: T\nevents: [{ type: a.b, example: { p: { n: x } } }]\nrequest:\n  headers: { x-n: \"{{ event.data.p.n }}\" }\n  body: { a: { b: \"{{ event.data.p.n }}\" } }\n",
    );
    let missing = try_render(&contract, "a.b", r#"{"p":{}}"#, &[]).unwrap_err();
    assert_eq!((missing.path.as_str(), missing.line), ("request.headers.x-n", 5));
    let split = try_render(&contract, "a.b", r#"{"p":{"n":"Jane\r\nx-evil: 1"}}"#, &[]).unwrap_err();
    assert!(!split.to_string().contains("Jane"), "{split}");
    for expression in [
        "event.data.n + event.data.n2",
        "event.data.n | int",
        "event.data.n | unix",
        "event.data.n | url_host",
        "event.data.n.m.o",
    ] {
        let source = format!(
            "contract: t\ntitle: T\nevents: [{{ type: a.b, example: {{ n: 1, n2: 2 }} }}]\nrequest: {{ body: {{ a: \"{{{{ {expression} }}}}\" }} }}\n"
        );
        let Ok(contract) = Contract::compile(&source, "t.yaml") else { continue };
        let error = try_render(&contract, "a.b", r#"{"n":"Jane","n2":5}"#, &[]).unwrap_err();
        assert!(!error.to_string().contains("Jane"), "{error}");
    }
    for data in ["", "{", "\u{feff}{}", "{} {}"] {
        assert!(try_render(&contract, "a.b", data, &[]).is_err(), "{data:?}");
    }
    let outside = Contract::compile(
        "contract: t\ntitle: T\nevents: any\nrequest: { url: \"https://evil.example/\", body: { $empty: true } }\n",
        "t.yaml",
    );
    assert!(outside.unwrap_err().to_string().contains("leaves the endpoint's host"));
}

fn raw_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?",
        "\"([a-zé ]|\\\\u00e9|\\\\n|\\\\\"|\\\\\\\\|\\\\/){0,8}\"",
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            (proptest::collection::vec(inner.clone(), 0..5), "[ \n]{0,2}")
                .prop_map(|(items, space)| format!("[{space}{}]", items.join(&format!("{space},")))),
            (proptest::collection::vec(("[a-z]{1,3}", inner), 0..5), "[ \t]{0,2}").prop_map(|(members, space)| {
                let members: Vec<String> = members.into_iter().map(|(key, value)| format!("\"{key}\"{space}:{value}")).collect();
                format!("{{{space}{}}}", members.join(&format!(",{space}")))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn posted_bytes_are_never_touched(value in raw_json()) {
        let data = format!("{{\"v\":{value},\"w\":1}}");
        let request = render(&with_body("{ whole: \"{{ event.data }}\", \"part?\": \"{{ event.data.v }}\" }"), "a.b", &data, &[]);
        let bare: String = value.split_whitespace().collect();
        let is_left_out = ["null", "[]", "{}"].contains(&bare.as_str());
        let part = if is_left_out { String::new() } else { format!(",\"part\":{value}") };
        prop_assert_eq!(body(&request), format!("{{\"whole\":{data}{part}}}"));
    }

    #[test]
    fn values_that_pass_the_library_mean_the_same(value in raw_json()) {
        let data = format!("{{\"v\":{value}}}");
        let request = render(&with_body("{ \"a?\": \"{{ event.data.v if true else 1 }}\" }"), "a.b", &data, &[]);
        if !["null", "[]", "{}"].contains(&value.split_whitespace().collect::<String>().as_str()) {
            let sent: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            prop_assert_eq!(&sent["a"], &serde_json::from_str::<serde_json::Value>(&value).unwrap());
        }
    }

    #[test]
    fn any_captured_request_is_judged_without_a_panic(name in "[a-z-]{1,10}", value in "[ -~]{0,60}", text in "\\PC{0,60}") {
        for contract in ["noyo", "develop-health", "b.well"] {
            let contract = common::shipped(contract);
            let mut headers = http::HeaderMap::new();
            let names = [name.as_str(), "x-noyo-signature", "x-noyo-timestamp", "x-webhook-secret", "webhook-signature", "webhook-id", "webhook-timestamp"];
            for name in names {
                headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
            }
            let captured = CapturedRequest { method: "POST", url: "/", headers: &headers, body: text.as_bytes() };
            let genuine = contract.verify(&captured, &secrets(&["whsec_c2VjcmV0"]), NOW) == Verdict::Genuine;
            prop_assert!(!genuine);
        }
    }
}

#[test]
fn a_delivery_has_an_id_as_the_contract_writes_it_and_the_same_on_every_attempt() {
    let of = |ids: &str| {
        let source =
            format!("contract: t\ntitle: T\nevents: any\n{ids}request: {{ body: {{ id: \"{{{{ delivery.id }}}}\" }} }}\n");
        let contract = compile(&source);
        let again = body(&render(&contract, "x", "{}", &[])).to_owned();
        assert_eq!(body(&render(&contract, "x", "{}", &[])), again);
        serde_json::from_str::<serde_json::Value>(&again).unwrap()["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(of(""), "dlv_1");
    let uuid = of("ids: { delivery: uuid }\n");
    assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{uuid}");
    let prefixed = of("ids: { delivery: msg_ }\n");
    assert!(prefixed.starts_with("msg_") && prefixed.len() == 30, "{prefixed}");
}

#[test]
fn an_attempt_hands_on_the_trace_of_its_own_span() {
    let contract = compile(
        "contract: t\ntitle: T\nevents: any\nrequest: { headers: { traceparent: \"{{ attempt.traceparent }}\" }, body: {} }\n",
    );
    let of = |delivery: &str, number: u32| {
        let request = with_input("x", "{}", &[], |input| {
            let delivery = DeliveryInput { id: delivery, ..input.delivery };
            contract.render(&RenderInput { delivery, attempt: AttemptInput { number, ..input.attempt }, ..*input }).unwrap()
        });
        header(&request, "traceparent").to_owned()
    };
    let id = DeliveryId::from_number(41).unwrap();
    let SpanIds { trace, span } = SpanIds::of_attempt(id, 2);
    assert_eq!(of(&id.to_string(), 2), format!("00-{}-{}-01", hex::encode(trace), hex::encode(span)));
    assert_eq!(of(&id.to_string(), 2), of(&id.to_string(), 2));
    assert_ne!(of(&id.to_string(), 2), of(&id.to_string(), 3));
    assert_eq!(of("other", 1), "00-000102030405060708090a0b0c0d0e0f-1011121314151617-01", "what is no delivery has a trace, too");
}
