//! Contracts that are wrong, each with what is said about it: the snapshot is the table to read.

use bellwire_contract::Contract;
use proptest::prelude::*;

use crate::common;

const BASE: &str = r#"contract: t
title: T
events:
  - type: a.b
    title: A
    example: { id: x, n: 1 }
request:
  headers:
    x-id: "{{ event.id }}"
    x-signature: "{{ signature.main }}"
  body: { data: "{{ event.data }}" }
signatures:
  main: { hmac: sha256, over: "{{ body }}" }
delivery:
  retry: { schedule: [1m] }
"#;

/// What is replaced in [`BASE`], and by what; every line is one wrong contract.
const CASES: &[(&str, &str, &str)] = &[
    ("unknown key", "delivery:", "delivry:"),
    ("answers that are told of several events", "delivery:", "delivery:\n  answers: relay\n  batch: { max: 2 }"),
    ("order beside batches", "delivery:", "delivery:\n  order: endpoint\n  batch: { max: 2 }"),
    ("order by a word", "delivery:", "delivery:\n  order: customer"),
    ("order by text around a value", "delivery:", "delivery:\n  order: { by: \"of {{ event.data.id }}\" }"),
    ("order by what is not the event's", "delivery:", "delivery:\n  order: { by: \"{{ endpoint.options.x }}\" }"),
    ("order that waits for nothing", "delivery:", "delivery:\n  order: { wait: 0s, then: go }"),
    ("heartbeat without a time", "delivery:", "heartbeat: { type: beat }\ndelivery:"),
    ("heartbeat that is never idle", "delivery:", "heartbeat: { every: 0s }\ndelivery:"),
    ("unknown key inside", "title: A", "titel: A"),
    ("unknown key of a signature", "over:", "overr:"),
    ("missing title", "title: T\n", ""),
    ("title with what cannot be seen", "title: T", "title: \"T\\u202E\""),
    ("title of an event with what cannot be seen", "title: A", "title: \"A\\u200B\""),
    ("missing type", "type: a.b\n    title", "title"),
    ("bad contract name", "contract: t", "contract: My Contract"),
    ("duplicate key", "title: T", "title: T\ntitle: U"),
    ("tag", "title: T", "title: !!str T"),
    ("not YAML", "title: T", "title: [T"),
    ("tab", "  - type: a.b", "\t- type: a.b"),
    ("second document", "contract: t", "---\na: 1\n---\ncontract: t"),
    ("bad event type", "type: a.b", "type: \"a b\""),
    ("event twice", "  - type: a.b\n", "  - type: a.b\n  - type: a.b\n"),
    ("condition beside text", "  retry: { schedule: [1m] }", "  success: \"it is {{ answer.status }}\""),
    ("condition over what is no answer", "  retry: { schedule: [1m] }", "  stop: \"{{ event.id == 'x' }}\""),
    ("unknown part of an answer", "  retry: { schedule: [1m] }", "  stop: \"{{ answer.state == 400 }}\""),
    ("header of an answer in upper case", "  retry: { schedule: [1m] }", "  stop: \"{{ answer.header['X-Stop'] is defined }}\""),
    ("any header of an answer", "  retry: { schedule: [1m] }", "  stop: \"{{ 'x-stop' in answer.header }}\""),
    ("pattern that is none", "  retry: { schedule: [1m] }", "  success: \"{{ answer.body | matches('(') }}\""),
    ("unknown variable", "{{ event.id }}", "{{ evnt.id }}"),
    ("unknown field", "{{ event.id }}", "{{ event.idd }}"),
    ("root alone", "{{ event.id }}", "{{ event }}"),
    ("inside of a text", "{{ event.id }}", "{{ event.id.x }}"),
    ("unknown filter", "{{ event.id }}", "{{ event.occurred_at | unixx }}"),
    ("unknown test", "{{ event.id }}", "{{ event.id if event.id is fine else '' }}"),
    ("unknown function", "{{ event.id }}", "{{ now() }}"),
    ("syntax", "{{ event.id }}", "{{ event.id | }}"),
    ("unclosed", "{{ event.id }}", "{{ event.id"),
    ("block", "{{ event.id }}", "{% if event.id %}x"),
    ("unknown header", "{{ body }}", "{{ header['x-time'] }}.{{ body }}"),
    ("unknown signature", "{{ signature.main }}", "{{ signature.mian }}"),
    ("circle", "{{ body }}", "{{ header['x-signature'] }}"),
    ("time without format", "{{ event.id }}", "{{ event.occurred_at }}"),
    ("format of no time", "{{ event.id }}", "{{ event.seq | unix }}"),
    ("digits", "{{ event.id }}", "{{ attempt.at | rfc3339(digits=9) }}"),
    ("bytes in a text", "\"{{ event.data }}\"", "\"{{ body | sha256 }}\""),
    ("raw bytes in JSON", "\"{{ event.data }}\"", "\"{{ event.id | sha256 }}\""),
    ("data that is not there", "\"{{ event.data }}\"", "\"{{ event.data.nope }}\""),
    ("directive", "{ data: \"{{ event.data }}\" }", "{ $wen: x }"),
    ("when without value", "{ data: \"{{ event.data }}\" }", "{ a: { $when: \"{{ event.is_test }}\" } }"),
    ("each over no list", "{ data: \"{{ event.data }}\" }", "{ a: { $each: \"{{ event.data.id }}\", $then: 1 } }"),
    ("name without a value", "{ data: \"{{ event.data }}\" }", "{ a: { $let: { kind: \"{{ event.type }}\" } } }"),
    ("name that is none", "{ data: \"{{ event.data }}\" }", "{ $let: { Kind: \"{{ event.type }}\" }, a: 1 }"),
    ("name of a text", "{ data: \"{{ event.data }}\" }", "{ $let: { kind: \"is {{ event.type }}\" }, a: 1 }"),
    ("name of nothing", "{ data: \"{{ event.data }}\" }", "{ $let: [kind], a: 1 }"),
    (
        "name before it is given",
        "{ data: \"{{ event.data }}\" }",
        "{ $let: { a: \"{{ b }}\", b: \"{{ event.type }}\" }, c: \"{{ a }}\" }",
    ),
    (
        "more names than anybody needs",
        "{ data: \"{{ event.data }}\" }",
        "{ $let: { a: \"{{ 1 }}\", b: \"{{ 1 }}\", c: \"{{ 1 }}\", d: \"{{ 1 }}\", e: \"{{ 1 }}\", f: \"{{ 1 }}\", g: \"{{ 1 }}\", h: \"{{ 1 }}\", i: \"{{ 1 }}\", j: \"{{ 1 }}\", k: \"{{ 1 }}\", l: \"{{ 1 }}\", m: \"{{ 1 }}\", n: \"{{ 1 }}\", o: \"{{ 1 }}\", p: \"{{ 1 }}\", q: \"{{ 1 }}\" }, x: 1 }",
    ),
    ("name of a time", "{ data: \"{{ event.data }}\" }", "{ $let: { at: \"{{ attempt.at | unixx }}\" }, c: \"{{ at }}\" }"),
    ("two bodies", "{ data: \"{{ event.data }}\" }", "{ $form: { a: b }, $empty: true }"),
    ("text body", "{ data: \"{{ event.data }}\" }", "hello"),
    ("no body", "  body: { data: \"{{ event.data }}\" }\n", ""),
    ("connection header", "x-id:", "host:"),
    ("no header name", "x-id:", "\"x id\":"),
    ("hash", "hmac: sha256", "hmac: md5"),
    ("no algorithm", "hmac: sha256, ", ""),
    ("two algorithms", "hmac: sha256", "hmac: sha256, plain: \"{{ secret }}\""),
    ("plain without a secret", "hmac: sha256, over: \"{{ body }}\"", "plain: \"{{ event.id }}\""),
    ("plain with a key", "hmac: sha256, over: \"{{ body }}\"", "plain: \"{{ secret }}\", key: hex, encode: hex"),
    ("hash with a key", "hmac: sha256", "hash: sha256, key: hex"),
    ("token with a signed text", "hmac: sha256, over: \"{{ body }}\"", "jwt: { claims: { iat: 1 } }, over: x, encode: hex"),
    ("token without claims", "hmac: sha256, over: \"{{ body }}\"", "jwt: { alg: HS256 }"),
    ("unknown encoding of a key", "hmac: sha256", "hmac: sha256, key: { as: base32, stripp: x }"),
    ("backoff of another form", "schedule: [1m]", "step: 1m, retries: 2, backoff: exponential"),
    ("encoding", "over: \"{{ body }}\"", "over: \"{{ body }}\", encode: base46"),
    ("duration", "schedule: [1m]", "schedule: [1m, 5]"),
    ("schedule", "schedule: [1m]", "schedule: [40d]"),
    ("retry word", "retry: { schedule: [1m] }", "retry: never"),
    ("retry forms mixed", "schedule: [1m]", "schedule: [1m], retries: 3"),
    ("retries do not fit", "schedule: [1m]", "retries: 10, within: 1m, first: 1m"),
    ("success", "  retry:", "  success: 2x\n  retry:"),
    ("timeout", "  retry:", "  timeout: 1h\n  retry:"),
    ("health", "  retry:", "  health: { failed: { after_unhealthy_for: 7d } }\n  retry:"),
    ("schema", "title: A", "title: A\n    schema: { type: objekt }"),
    ("remote schema", "title: A", "title: A\n    schema: { $ref: \"https://example.com/s.json\" }"),
    ("example against schema", "title: A", "title: A\n    schema: { type: object, properties: { id: { type: integer } } }"),
    ("declared_only without schema", "title: T", "title: T\ndata: declared_only"),
    (
        "conditions that exclude each other",
        "  retry:",
        "  health: { unhealthy: { after_failures: 1 }, failed: { after_unhealthy_for: 7d, after_failures: 2 } }\n  retry:",
    ),
    ("within of nothing", "  retry:", "  health: { failed: { within: 1h } }\n  retry:"),
    (
        "within that is too short",
        "  retry:",
        "  health: { failed: { after_failures: 2, within: 1h, after_failing_for: 2h } }\n  retry:",
    ),
    ("muted for no time", "  retry:", "  health: { failed: { after_failures: 2, then: { mute: 0s } } }\n  retry:"),
    ("muted for some time", "  retry:", "  health: { failed: { after_failures: 2, then: { mut: 1h } } }\n  retry:"),
    ("failures of no kind", "  retry:", "  health: { on: [sometimes] }\n  retry:"),
    ("lease of no time", "delivery:", "subscription: { lease: { default: 0s } }\ndelivery:"),
    ("lease longer than the longest", "delivery:", "subscription: { lease: { default: 30d, max: 7d } }\ndelivery:"),
    ("warning longer than a lease", "delivery:", "subscription: { lease: { default: 7d, warn: 7d } }\ndelivery:"),
    ("secret source", "delivery:", "subscription: { secret: { from: nowhere } }\ndelivery:"),
    ("choice", "delivery:", "subscription: { url: http }\ndelivery:"),
    ("flag", "delivery:", "subscription: { enabled: perhaps }\ndelivery:"),
    ("payload that is no choice", "delivery:", "subscription: { payload: { allow: [] } }\ndelivery:"),
    ("payload without allow", "delivery:", "subscription: { payload: { default: full } }\ndelivery:"),
    ("unknown level", "delivery:", "subscription: { payload: { allow: [all] } }\ndelivery:"),
    ("ids that are not listed", "delivery:", "subscription: { payload: { allow: [full, ids] } }\ndelivery:"),
    ("ids that nobody can choose", "delivery:", "subscription: { payload: { allow: [full], ids: [/id] } }\ndelivery:"),
    ("no pointer", "delivery:", "subscription: { payload: { allow: [ids], ids: [id] } }\ndelivery:"),
    ("fields alone", "delivery:", "subscription: { payload: { allow: [fields] } }\ndelivery:"),
    ("default that is not allowed", "delivery:", "subscription: { payload: { allow: [full], default: ids } }\ndelivery:"),
    (
        "a field that ids lack",
        "  body: { data: \"{{ event.data }}\" }\n",
        "  body: { n: \"{{ event.data.n }}\" }\nsubscription: { payload: { allow: [full, ids], ids: [/id] } }\n",
    ),
    (
        "a field that an endpoint need not name",
        "  body: { data: \"{{ event.data }}\" }\n",
        "  body: { n: \"{{ event.data.n }}\" }\nsubscription: { payload: { allow: [full, fields] } }\n",
    ),
    ("id format", "delivery:", "ids: { event: evt }\ndelivery:"),
    ("resources as a list", "delivery:", "resources: []\ndelivery:"),
    ("kind", "delivery:", "resources: { My Order: { state: s, states: [a], events: [] } }\ndelivery:"),
    ("resource without state", "delivery:", "resources: { o: { states: [a], events: [] } }\ndelivery:"),
    ("resource without states", "delivery:", "resources: { o: { state: s, states: [], events: [] } }\ndelivery:"),
    ("state twice", "delivery:", "resources: { o: { state: s, states: [a, a], events: [] } }\ndelivery:"),
    ("unknown state", "delivery:", "resources: { o: { state: s, states: [open, closed], final: closd, events: [] } }\ndelivery:"),
    (
        "transition from nowhere",
        "delivery:",
        "resources: { o: { state: s, states: [a], transitions: { b: a }, events: [] } }\ndelivery:",
    ),
    (
        "transitions as a list",
        "delivery:",
        "resources: { o: { state: s, states: [a], transitions: [a], events: [] } }\ndelivery:",
    ),
    ("no field", "delivery:", "resources: { o: { state: a..b, states: [a], events: [] } }\ndelivery:"),
    ("unknown key of a resource", "delivery:", "resources: { o: { state: s, states: [a], events: [], finals: a } }\ndelivery:"),
    ("rule without when", "delivery:", "resources: { o: { state: s, states: [a], events: [{ type: a.b }] } }\ndelivery:"),
    (
        "unlisted event",
        "delivery:",
        "resources: { o: { state: s, states: [a], events: [{ type: a.c, when: created }] } }\ndelivery:",
    ),
    (
        "unknown trigger",
        "delivery:",
        "resources: { o: { state: s, states: [a], events: [{ type: a.b, when: creatd }] } }\ndelivery:",
    ),
    (
        "two triggers in one",
        "delivery:",
        "resources: { o: { state: s, states: [a], events: [{ type: a.b, when: { grew: x, changed: x } }] } }\ndelivery:",
    ),
    ("no trigger", "delivery:", "resources: { o: { state: s, states: [a], events: [{ type: a.b, when: [] }] } }\ndelivery:"),
    (
        "each item of nothing",
        "delivery:",
        "resources: { o: { state: s, states: [a], events: [{ type: a.b, when: created, each_item: true }] } }\ndelivery:",
    ),
    (
        "one id for several",
        "delivery:",
        "resources: { o: { state: s, states: [a], events: [{ type: a.b, when: { grew: x }, each_item: true, id: x }] } }\ndelivery:",
    ),
    (
        "condition without field",
        "delivery:",
        "resources: { o: { state: s, states: [a], events: [{ type: a.b, when: created, where: { equals: 1 } }] } }\ndelivery:",
    ),
    (
        "request in a resource",
        "delivery:",
        "resources: { o: { state: s, states: [a], events: [{ type: a.b, when: created, data: { id: \"{{ event.id }}\" } }] } }\ndelivery:",
    ),
    ("document in a request", "{{ event.id }}", "{{ document.id }}"),
    ("expression without quotes", "{ data: \"{{ event.data }}\" }", "{ data: {{ event.data }} }"),
    ("signed text without braces", "over: \"{{ body }}\"", "over: body"),
    ("signed time without braces", "over: \"{{ body }}\"", "over: attempt.at | unix"),
    ("merge in a form", "{ data: \"{{ event.data }}\" }", "{ $form: { $merge: \"{{ event.data }}\" } }"),
    ("template without quotes", "x-id: \"{{ event.id }}\"", "x-id: {{ event.id }}.{{ body }} # signed"),
    ("template without quotes in brackets", "{ data: \"{{ event.data }}\" }", "{ data: id={{ event.id }}, type: x }"),
    ("expression as a key", "  headers:\n", "  headers:\n    {{ event.type }}: 1\n"),
    ("name with a hyphen", "{{ event.id }}", "{{ header.x-ts }}"),
    ("name with hyphens that is half known", "{{ event.id }}", "{{ signature.my-old-body | upper }}"),
    ("field with a hyphen", "{{ event.id }}", "{{ event.data.order.line-item-2 }}"),
    ("algorithm of a token", "hmac: sha256, over: \"{{ body }}\"", "jwt: { alg: ES521, claims: { iat: 1 } }"),
    ("algorithm in a token's header", "hmac: sha256, over: \"{{ body }}\"", "jwt: { header: { alg: none }, claims: { iat: 1 } }"),
    ("method of an option", "request:\n", "request:\n  method: \"{{ endpoint.options.method }}\"\n"),
    ("filter without braces", "delivery:", "subscription: { filter: event.data.amount > 10 }\ndelivery:"),
    ("filter by what is not known", "delivery:", "subscription: { filter: \"{{ account.id == 'a' }}\" }\ndelivery:"),
    ("mute for no time", "delivery:\n", "delivery:\n  health: { failed: { after_failures: 2, then: mute } }\n"),
    ("another signature", "hmac: sha256", "sign: ecdsa-p521"),
    ("form of what has one", "hmac: sha256", "form: raw, sign: ed25519"),
    ("key of a private key", "hmac: sha256", "key: base64, sign: ed25519"),
    (
        "private key as a secret",
        "{{ signature.main }}\"\n  body: { data: \"{{ event.data }}\" }\n",
        "{{ secret }}\"\n  body: { data: \"{{ event.data }}\" }\nsubscription: { secret: { from: generated, private_key: p256 } }\n",
    ),
    (
        "another private key",
        "hmac: sha256, over: \"{{ body }}\" }",
        "sign: ed25519, over: \"{{ body }}\" }\n  x: { sign: rsa-sha1, over: \"{{ body }}\" }\n  y: { hmac: sha1, over: \"{{ body }}\" }",
    ),
    (
        "rules of texts for a private key",
        "delivery:",
        "subscription: { secret: { from: generated, private_key: ed25519, readable: true, length_min: 20 } }\ndelivery:",
    ),
    ("no key", "{{ event.id }}", "{{ key.id }}"),
    ("misspelt algorithm", "hmac: sha256", "hmac: SHA-256"),
    ("another hash", "hmac: sha256", "hmac: sha224"),
    ("misspelt scheme", "hmac: sha256", "hmca: sha256"),
    (
        "structure and names in one round",
        BASE,
        "contract: t\ntitle: T\nevents: [{ type: a b, exampel: {} }]\nrequest:\n  methd: PUT\n  spacing: wide\n  headers: { x-id: \"{{ evnt.id }}\", \"x id\": a, x-s: \"{{ signature.main }}\", x-t: \"{{ signature.mian }}\" }\n  body: { a: \"{{ event.dta }}\", $b: 1 }\nsignatures:\n  main: { hmc: sha256, over: \"{{ bdy }}\" }\nresources: { o: { state: s, states: [a], events: [{ type: a.c, when: created, data: { x: \"{{ documnt.id }}\" } }] } }\nsubscription: { urls: any, secret: { form: consumer, length_min: 4 }, payload: { allow: [] } }\ndelivery: { timeout: 1h, success: 2x, retry: { schedul: [1m] }, health: { failed: {} } }\nverify: { tolerence: 1m }\n",
    ),
    ("several at once", "{{ event.id }}\"\n", "{{ evnt.id }}\"\n    y: \"{{ event.x }}\"\n"),
];

fn refused(source: &str) -> String {
    Contract::compile(source, "t.yaml").map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
}

#[test]
fn every_wrong_contract_is_refused_with_its_place_and_a_way_out() {
    assert_eq!(refused(BASE), "accepted");
    let mut table = String::new();
    for (name, from, to) in CASES {
        assert!(BASE.contains(from), "{name}");
        let answer = refused(&BASE.replacen(from, to, 1));
        assert_ne!(answer, "accepted", "{name}");
        table.extend(["# ", name, "\n", &answer, "\n\n"]);
    }
    insta::assert_snapshot!(table);
}

#[test]
fn yaml_cannot_blow_up() {
    let mut laughs = String::from("contract: t\ntitle: T\nevents: any\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let before = level - 1;
        laughs.extend([format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 9].join(","))]);
    }
    assert!(refused(&laughs).contains("more than 50000 values"), "{}", refused(&laughs));
    assert!(refused(&"[".repeat(100_000)).contains("deeper"));
    assert!(refused(&format!("contract: t\nx: {}1{}", "[".repeat(100), "]".repeat(100))).contains("deeper"));
    assert!(refused(&"# large\n".repeat(200_000)).contains("larger"));
    assert!(refused("a: &a [*a]").contains("not complete") || refused("a: &a [*a]").contains("unknown anchor"));
    for empty in ["", "---", "# nothing", "null", "[]", "text"] {
        assert_ne!(refused(empty), "accepted");
    }
}

const SHIPPED: [&str; 6] = ["b.well", "develop-health", "novamed", "noyo", "silver", "standard-webhooks"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_input_makes_the_compiler_panic(which in 0usize..6, cut in 0usize..6_000, length in 0usize..40, insert in "[-\\[\\]{}:,|%&*!?#'\"$ \\na-z0-9.é]{0,12}") {
        let source = common::shipped(SHIPPED[which]).source();
        let start = source.char_indices().map(|(index, _)| index).rfind(|index| *index <= cut).unwrap_or(0);
        let end = source.char_indices().map(|(index, _)| index).find(|index| *index >= start + length).unwrap_or(source.len());
        let mutated = format!("{}{insert}{}", &source[..start], &source[end..]);
        if let Err(error) = Contract::compile(&mutated, "m.yaml") {
            prop_assert!(!error.diagnostics.is_empty());
            prop_assert!(error.diagnostics.iter().all(|diagnostic| diagnostic.line > 0 && diagnostic.column > 0));
        }
    }

    #[test]
    fn nor_does_any_expression(expression in "[a-z._|()\\[\\]'\"0-9 ~+*/<>=,{}-]{0,30}") {
        let quoted = serde_json::to_string(&format!("{{{{ {expression} }}}}")).unwrap();
        let _ = Contract::compile(&format!("contract: t\ntitle: T\nevents: any\nrequest: {{ body: {quoted} }}\n"), "e.yaml");
    }

    #[test]
    fn nor_any_text(text in "\\PC{0,200}") {
        let _ = Contract::compile(&text, "x.yaml");
    }
}
