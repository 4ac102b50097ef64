//! Published APIs: what is refused, and where; and what requests and answers come to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of tests may fail them")]

use bellwire_contract::{
    AccountView, Contract, EndpointView, ErrorKind, FieldFault, Passed, PublishedApi, PublishedRequest, PublishedRoute,
    ResourceView, RouteMatch, ScopeRight,
};
use bellwire_domain::{Secret, Timestamp};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::common;

const BASE: &str = r#"contract: t
title: T
events: [{ type: a.b, example: { id: x } }]
resources: { order: { state: s, states: [open], events: [] } }
request: { body: "{{ event.data }}" }
published:
  url: https://api.example.com
  authentication: { header: x-key }
  routes:
    - method: POST
      path: /hooks
      does: register_endpoint
      account: "{{ request.body.shop }}"
      endpoint: { url: "{{ request.body.target.url }}", name?: "{{ request.body.label }}" }
      answer: { body: { id: "{{ endpoint.id }}", name?: "{{ endpoint.name }}", at: "{{ endpoint.created_at | unix }}" } }
    - method: DELETE
      path: /hooks/{id}
      does: delete_endpoint
      endpoint: { id: "{{ request.path.id }}" }
      answer: { status: 204 }
    - method: GET
      path: /orders/{id}
      does: read_resource
      resource: { kind: order, id: "{{ request.path.id }}" }
      answer: { headers: { x-state: "{{ resource.state }}" }, body: "{{ resource.document }}" }
    - method: GET
      path: /types
      does: list_event_types
      public: true
      answer: { body: { $each: "{{ events }}", $then: "{{ item.type }}" } }
  errors:
    status: { invalid: 422 }
    body: { ok: false, kind: "{{ error.kind }}", message: "{{ error.message }}", field?: "{{ error.field }}" }
"#;

const AT: Timestamp = Timestamp::from_secs(1_736_937_000);

/// How text goes out unless the contract says otherwise.
const TEXT: &str = "text/plain; charset=utf-8";

fn compile(source: &str) -> Result<Contract, String> {
    Contract::compile(source, "t").map_err(|error| error.to_string())
}

/// What is replaced in [`BASE`], and by what; every line is one wrong contract. The snapshot says what is said of it.
const REFUSED: &[(&str, &str)] = &[
    ("x-key }", "x-key, schema: a }"),
    ("header: x-key", "header: \"x key\""),
    ("https://api.example.com", "api.example.com"),
    ("https://api.example.com", "https://api.example.com/"),
    ("register_endpoint", "register_endpiont"),
    ("register_endpoint", "create_endpoint"),
    ("register_endpoint", "resend"),
    ("register_endpoint", "create_event"),
    (
        "does: read_resource\n      resource: { kind: order, id: \"{{ request.path.id }}\" }",
        "does: retry_delivery\n      delivery: { id: \"{{ request.path.id }}\" }",
    ),
    ("delete_endpoint\n      endpoint: {", "test_endpoint\n      event: { since: 1 }\n      endpoint: {"),
    ("method: POST", "method: GET"),
    ("method: DELETE\n      path: /hooks/{id}", "method: POST\n      path: /hooks"),
    ("/types", "/orders/{order}"),
    ("method: POST", "method: POST\n      when: add"),
    ("method: POST", "method: POST\n      when: \"{{ request.body.a }} or not\""),
    ("method: POST", "method: POST\n      when: \"{{ endpoint.id }}\""),
    ("method: GET\n      path: /orders/{id}", "method: GET\n      when: \"{{ request.query.a }}\"\n      path: /types"),
    ("path: /types", "path: types"),
    ("path: /types", "path: /types/{Id}"),
    ("path: /types", "path: /types/{a}/{a}"),
    ("url: \"{{ request.body.target.url }}\"", "uri: \"{{ request.body.target.url }}\""),
    ("url: \"{{ request.body.target.url }}\", ", ""),
    ("      endpoint: { id: \"{{ request.path.id }}\" }\n", ""),
    ("{{ request.body.label }}", "{{ request.boby.label }}"),
    ("body: \"{{ resource.document }}\"", "body: { $text: \"{{ resource.sate }}\", id: 1 }"),
    ("body: \"{{ resource.document }}\"", "body: { $text: \"{{ resource.sate }}\" }"),
    ("{{ request.body.label }}", "{{ event.data }}"),
    ("{{ request.body.label }}", "{{ request.header['X-Label'] }}"),
    ("{{ endpoint.name }}", "{{ endpoint.nmae }}"),
    ("{{ endpoint.name }}", "{{ resource.id }}"),
    ("name?: \"{{ endpoint.name }}\"", "name: \"Is {{ endpoint.name }}\""),
    ("{{ endpoint.created_at | unix }}", "{{ endpoint.url | unix }}"),
    ("id: \"{{ request.path.id }}\" }\n      answer: { status", "id: \"{{ request.path.hook }}\" }\n      answer: { status"),
    ("status: 204", "status: 204, body: { a: 1 }"),
    ("status: 204", "status: 404"),
    ("{ kind: order, id: \"{{ request.path.id }}\" }", "{ kind: odrer, id: \"{{ request.path.id }}\" }"),
    ("{ kind: order, id: \"{{ request.path.id }}\" }", "{ kind: order, id: \"{{ request.body.id }}\" }"),
    ("{{ resource.document }}", "{{ endpoint.secret }}"),
    ("path: /orders/{id}\n      does: read_resource", "path: /orders/{id}\n      public: true\n      does: read_resource"),
    ("public: true", "public: true\n      page: { limit: 1 }"),
    ("public: true", "public: true\n      account: a"),
    ("invalid: 422", "invald: 422"),
    ("invalid: 422", "invalid: 100"),
    ("{{ error.kind }}", "{{ error.code }}"),
    ("field?: \"{{ error.field }}\"", "field: \"at {{ error.field }}\""),
    ("  errors:\n    status: { invalid: 422 }\n    body:", "  erors:\n    body:"),
    ("{ status: 204 }", "{ body: \"{{ endpoint.secret }}\" }"),
    ("method: DELETE", "method: DELETE\n      refuse: []"),
    ("method: DELETE", "method: DELETE\n      refuse: [{ when: \"{{ request.path.id == 'x' }}\" }]"),
    ("method: DELETE", "method: DELETE\n      refuse: [{ when: \"{{ request.path.hook == 'x' }}\", message: no }]"),
    ("method: DELETE", "method: DELETE\n      refuse: [{ when: \"{{ endpoint.id == 'x' }}\", message: no }]"),
    ("method: DELETE", "method: DELETE\n      refuse: [{ when: x, message: \"{{ endpoint.id }}\", kind: wrong }]"),
    ("delete_endpoint\n      endpoint: { id", "update_endpoint\n      endpoint: { activate: true, id"),
    ("delete_endpoint\n      endpoint: { id", "delete_endpoint\n      delivery: { since: 1 }\n      endpoint: { id"),
];

#[test]
fn what_cannot_work_is_refused_with_its_place() {
    compile(BASE).unwrap();
    let mut table = String::new();
    for (from, to) in REFUSED {
        assert!(BASE.contains(from), "{from}");
        let said = compile(&BASE.replacen(from, to, 1)).err().unwrap_or_else(|| "accepted".to_owned());
        assert_ne!(said, "accepted", "{to}");
        table.extend(["# ", &from.replace('\n', " "), " -> ", &to.replace('\n', " "), "\n", &said, "\n\n"]);
    }
    insta::assert_snapshot!(table);
}

fn route<'a>(api: &'a PublishedApi, method: &Method, path: &str) -> (&'a PublishedRoute, Vec<(String, String)>) {
    match api.find(method, path) {
        RouteMatch::Routes(routes, parameters) => (routes.into_iter().next().unwrap(), parameters),
        other => panic!("{method} {path}: {other:?}"),
    }
}

/// Of a secret that can be read back an answer may speak, and of no other.
#[test]
fn a_secret_is_part_of_an_endpoint_where_it_can_be_read_back() {
    let read = "    - { method: GET, path: \"/hooks/{id}/secret\", does: read_endpoint, endpoint: { id: \"{{ request.path.id }}\" }, answer: { body: \"{{ endpoint.secret }}\" } }\n";
    let list = "    - { method: GET, path: /hooks, does: list_endpoints, answer: { body: { $each: \"{{ endpoints }}\", $then: \"{{ item.secret }}\" } } }\n";
    for route in [read, list] {
        for (secret, accepted) in [
            ("{ from: generated, readable: true }", true),
            ("{ from: generated, readable: false }", false),
            ("{ from: account, readable: true }", false),
        ] {
            let subscription = format!("subscription: {{ events: all, url: any, secret: {secret} }}\npublished:\n");
            let source =
                BASE.replacen("published:\n", &subscription, 1).replacen("  routes:\n", &format!("  routes:\n{route}"), 1);
            let compiled = compile(&source);
            assert_eq!(compiled.is_ok(), accepted, "{secret}, {route}");
            assert!(
                compiled.err().is_none_or(|said| said.contains("published.routes[0].answer.body") && said.contains("secret"))
            );
        }
    }
}

#[test]
fn paths() {
    let contract = compile(BASE).unwrap();
    let api = contract.published().unwrap();
    assert_eq!(route(api, &Method::DELETE, "/hooks/a%2Fb").1, [("id".to_owned(), "a/b".to_owned())]);
    assert!(matches!(api.find(&Method::GET, "/hooks"), RouteMatch::OtherMethods(methods) if methods == [&Method::POST]));
    for path in ["", "/", "/hooks/", "/hooks/a/b", "//hooks", "/Hooks", "/hooks/%ff"] {
        assert!(matches!(api.find(&Method::DELETE, path), RouteMatch::None), "{path}");
    }
}

#[test]
fn a_request_is_read_in_its_own_words() {
    let contract = compile(BASE).unwrap();
    let (register, _) = route(contract.published().unwrap(), &Method::POST, "/hooks");
    let headers = HeaderMap::new();
    let read = |body: &str| {
        let request = PublishedRequest { at: AT, path: &[], query: &[], headers: &headers, body: Some(body) };
        let mut inputs = register.inputs(&request);
        let texts = ["account.id", "endpoint.url", "endpoint.name"].map(|name| inputs.text(name));
        (texts, inputs.finish())
    };
    let (texts, finished) = read(r#"{"shop":"s","target":{"url":"https:\/\/a.example\/"},"label":null,"more":1}"#);
    assert_eq!((texts, finished), ([Some("s".to_owned()), Some("https://a.example/".to_owned()), None], Ok(())));
    let fault = |field: &str, message: &str| FieldFault { field: field.to_owned(), message: message.to_owned() };
    let wrong =
        Err(vec![fault("target.url", "is missing"), fault("shop", "must be a string"), fault("label", "must be a string")]);
    assert_eq!(read(r#"{"shop":7,"target":"x","label":[]}"#).1, wrong);
}

#[test]
fn the_first_of_a_routes_own_checks_that_holds_refuses_a_request() {
    let checks = r#"method: POST
      refuse:
        - { when: "{{ request.body.kind not in ['order', 'refund'] }}", message: "there is no kind `{{ request.body.kind }}`", field: kind }
        - { when: "{{ request.body.kind is undefined }}", message: "say which kind" }
        - { when: "{{ request.body.label | length > 10 }}", message: the label is too long }
        - { when: "{{ request.body.tags | map(attribute='name') | select('in', ['a', 'b']) | list | length != request.body.tags | length }}", kind: conflict, message: "a tag {{ request.body.missing }}" }"#;
    let contract = compile(&BASE.replacen("method: POST", checks, 1)).unwrap();
    let (register, _) = route(contract.published().unwrap(), &Method::POST, "/hooks");
    let headers = HeaderMap::new();
    let said = |body: &str| {
        let ruled = register.refusal(&PublishedRequest { at: AT, path: &[], query: &[], headers: &headers, body: Some(body) })?;
        Some((ruled.kind, ruled.message, ruled.field))
    };
    let invalid = |message: &str, field: Option<&str>| Some((ErrorKind::Invalid, message.to_owned(), field.map(str::to_owned)));
    assert_eq!(said(r#"{"kind":"order"}"#), None, "a check that looks at what is not there refuses nothing");
    assert_eq!(said(r#"{"kind":"other"}"#), invalid("there is no kind `other`", Some("kind")));
    assert_eq!(said("{}"), invalid("say which kind", None));
    assert_eq!(said(r#"{"kind":"order","label":"far too long"}"#), invalid("the label is too long", None));
    assert_eq!(said(r#"{"kind":"order","tags":[{"name":"a"}]}"#), None);
    let unsaid = (ErrorKind::Conflict, "the request is not one that is taken here".to_owned(), None);
    assert_eq!(said(r#"{"kind":"order","tags":[{"name":"c"}]}"#), Some(unsaid.clone()), "what it would say is not there");
    assert_eq!(said(r#"{"kind":"order","tags":7}"#), Some(unsaid), "what cannot be checked is refused");
}

#[test]
fn what_comes_several_times_in_a_query_is_a_list_and_the_time_is_known() {
    let told = "headers: { x-state: \"{{ resource.state }}\", x-at: \"{{ request.at | unix }}\", x-ids: \"{{ request.query.id | json }}\" }";
    let contract = compile(&BASE.replacen("headers: { x-state: \"{{ resource.state }}\" }", told, 1)).unwrap();
    let api = contract.published().unwrap();
    let (read, _) = route(api, &Method::GET, "/orders/1");
    let headers = HeaderMap::new();
    for (ids, shown) in [(&["a"][..], "\"a\""), (&["a", "b", "a"], r#"["a","b","a"]"#)] {
        let query: Vec<_> = ids.iter().map(|id| ("id".to_owned(), (*id).to_owned())).collect();
        let request = PublishedRequest { at: AT, path: &[], query: &query, headers: &headers, body: None };
        let (kind, id, state, document) = ("order".to_owned(), "1".to_owned(), "open".to_owned(), "{}".to_owned());
        let resource = ResourceView { kind, id, state, version: 1, created_at: AT, updated_at: AT, document };
        let account = AccountView { id: "s".to_owned(), name: None };
        let answer = api.answer(read, &request, &Passed::Resource(account, resource)).unwrap();
        assert_eq!((answer.headers["x-at"].to_str().unwrap(), answer.headers["x-ids"].to_str().unwrap()), ("1736937000", shown));
    }
}

#[test]
fn an_answer_and_a_refusal_can_be_text() {
    let as_text = "body: { $text: \"<order state='{{ resource.state | xml }}'/>\" }";
    let source = BASE.replacen("body: \"{{ resource.document }}\"", as_text, 1);
    let body = "{ ok: false, kind: \"{{ error.kind }}\", message: \"{{ error.message }}\", field?: \"{{ error.field }}\" }";
    let source = source.replacen(body, "{ $text: \"{{ error.kind }}: {{ error.message }}\" }", 1);
    let source = source.replacen("status: { invalid: 422 }", "headers: { content-type: text/x-refusal }", 1);
    let contract = compile(&source).unwrap();
    let api = contract.published().unwrap();
    let headers = HeaderMap::new();
    let request = PublishedRequest { at: AT, path: &[], query: &[], headers: &headers, body: None };
    let (kind, id, state, document) = ("order".to_owned(), "1".to_owned(), "a<b".to_owned(), "{}".to_owned());
    let resource = ResourceView { kind, id, state, version: 1, created_at: AT, updated_at: AT, document };
    let account = AccountView { id: "s".to_owned(), name: None };
    let (read, _) = route(api, &Method::GET, "/orders/1");
    let answer = api.answer(read, &request, &Passed::Resource(account, resource)).unwrap();
    assert_eq!((&answer.body[..], &answer.headers["content-type"]), (&b"<order state='a&lt;b'/>"[..], &TEXT.parse().unwrap()));
    let refused = api.refuse(ErrorKind::NotFound, "no such order", None);
    assert_eq!(&refused.body[..], b"not_found: no such order");
    assert_eq!(refused.headers["content-type"], "text/x-refusal");
}

#[test]
fn an_optional_list_that_a_request_leaves_out_is_left_out_and_one_that_it_has_is_not() {
    let chosen =
        "url: \"{{ request.body.target.url }}\", events?: { $each: \"{{ request.body.topics }}\", $then: \"{{ item.name }}\" }";
    let contract = compile(&BASE.replacen("url: \"{{ request.body.target.url }}\"", chosen, 1)).unwrap();
    let direct =
        compile(&BASE.replacen("name?: \"{{ request.body.label }}\"", "events?: \"{{ request.body.topics }}\"", 1)).unwrap();
    let read = |contract: &Contract, body: &str| {
        let (register, _) = route(contract.published().unwrap(), &Method::POST, "/hooks");
        let headers = HeaderMap::new();
        let request = PublishedRequest { at: AT, path: &[], query: &[], headers: &headers, body: Some(body) };
        register.inputs(&request).texts("endpoint.events")
    };
    assert_eq!(read(&contract, "{}"), None);
    assert_eq!(read(&contract, r#"{"topics":[{"name":"a.b"}]}"#), Some(vec!["a.b".to_owned()]));
    assert_eq!(read(&direct, "{}"), None);
    assert_eq!(read(&direct, r#"{"topics":[]}"#), Some(Vec::new()), "a request that chooses nothing is told so");
}

/// What a request leaves out stays as it is, and null takes away, where the contract does not mark the key.
#[test]
fn null_takes_away_what_an_endpoint_has() {
    let lines = |name: &str| BASE.replacen("name?: \"{{ request.body.label }}\"", name, 1);
    let marked = compile(&lines("name?: \"{{ request.body.label }}\"")).unwrap();
    let bare = compile(&lines("name: \"{{ request.body.label | default(none) }}\"")).unwrap();
    let strict = compile(&lines("name: \"{{ request.body.label }}\"")).unwrap();
    let read = |contract: &Contract, body: &str| {
        let (register, _) = route(contract.published().unwrap(), &Method::POST, "/hooks");
        let headers = HeaderMap::new();
        let request = PublishedRequest { at: AT, path: &[], query: &[], headers: &headers, body: Some(body) };
        let mut inputs = register.inputs(&request);
        let name = inputs.or_null("endpoint.name", |inputs| inputs.text("endpoint.name"));
        let faults = inputs.finish().err().unwrap_or_default();
        (name, faults.iter().filter(|fault| fault.field == "label").count())
    };
    let (text, null, none) = (r#"{"label":"a"}"#, r#"{"label":null}"#, "{}");
    let given = Some(Some("a".to_owned()));
    assert_eq!([text, null, none].map(|body| read(&marked, body)), [(given.clone(), 0), (None, 0), (None, 0)]);
    assert_eq!([text, null, none].map(|body| read(&bare, body)), [(given.clone(), 0), (Some(None), 0), (Some(None), 0)]);
    assert_eq!([text, null, none].map(|body| read(&strict, body)), [(given, 0), (Some(None), 0), (None, 1)]);
    assert_eq!(read(&bare, r#"{"label":7}"#), (None, 1));
}

/// A name may stand for something of the request, which no trial has.
#[test]
fn what_a_name_stands_for_may_come_from_the_request() {
    let list = |tree: &str| {
        let route = format!("    - {{ method: GET, path: /hooks, does: list_endpoints, answer: {{ body: {tree} }} }}\n");
        compile(&BASE.replacen("  routes:\n", &format!("  routes:\n{route}"), 1))
    };
    let named = "{ $let: { wanted: \"{{ request.query.id }}\", twice: \"{{ wanted ~ wanted }}\" }, is: \"{{ twice }}\" }";
    let contract = list(named).unwrap();
    let (route, _) = route(contract.published().unwrap(), &Method::GET, "/hooks");
    let (headers, query) = (HeaderMap::new(), [("id".to_owned(), "7".to_owned())]);
    let request = PublishedRequest { at: AT, path: &[], query: &query, headers: &headers, body: None };
    let account = AccountView { id: "s".to_owned(), name: None };
    let answer = contract.published().unwrap().answer(route, &request, &Passed::Endpoints(account, Vec::new(), None)).unwrap();
    assert_eq!(&*answer.body, br#"{"is":"77"}"#);
    let refused = list("{ $let: { wanted: \"{{ next }}\" }, is: \"{{ wanted.none }}\" }").unwrap_err();
    assert!(refused.contains("published.routes[0].answer.body.is"), "{refused}");
}

#[test]
fn an_empty_list_of_the_contract_is_meant_where_a_route_gives_endpoints_their_events() {
    let empty = BASE.replacen("name?: \"{{ request.body.label }}\"", "events: []", 1);
    let refused = compile(&empty).unwrap_err();
    assert!(refused.contains("endpoint.events: no route gives the endpoint an event"), "{refused}");
    let adds = "    - method: PATCH\n      path: /hooks/{id}\n      does: update_endpoint\n      \
                endpoint: { id: \"{{ request.path.id }}\", add_events: [\"{{ request.body.event }}\"], must_change: true }\n      \
                answer: { body: {} }\n";
    let contract = compile(&empty.replacen("  routes:\n", &format!("  routes:\n{adds}"), 1)).unwrap();
    assert!(contract.may_choose_nothing() && !compile(BASE).unwrap().may_choose_nothing());
    let headers = HeaderMap::new();
    let at = |method: &Method, path: &str| route(contract.published().unwrap(), method, path).0;
    let request = PublishedRequest { at: AT, path: &[], query: &[], headers: &headers, body: Some("{}") };
    assert_eq!(at(&Method::POST, "/hooks").inputs(&request).texts("endpoint.events"), Some(Vec::new()));
    let path = [("id".to_owned(), "e1".to_owned())];
    let request = PublishedRequest { path: &path, body: Some(r#"{"event":"a.b"}"#), ..request };
    let mut inputs = at(&Method::PATCH, "/hooks/e1").inputs(&request);
    assert_eq!(inputs.texts("endpoint.add_events"), Some(vec!["a.b".to_owned()]));
    assert_eq!((inputs.flag("endpoint.must_change"), inputs.texts("endpoint.remove_events")), (Some(true), None));
}

#[test]
fn answers() {
    let contract = compile(BASE).unwrap();
    let api = contract.published().unwrap();
    let headers = HeaderMap::new();
    let request = PublishedRequest { at: AT, path: &[], query: &[], headers: &headers, body: None };
    let account = || AccountView { id: "s".to_owned(), name: None };
    let at = Timestamp::from_secs(1_736_937_000);
    let (register, _) = route(api, &Method::POST, "/hooks");
    let endpoint = || EndpointView {
        id: "1".to_owned(),
        url: "https://a.example/".to_owned(),
        name: None,
        events: Vec::new(),
        enabled: true,
        health: "active",
        error: None,
        last_number: 3,
        version: 2,
        headers: vec![("X-Clinic".to_owned(), "7".to_owned())],
        payload: None,
        rate_limit: None,
        options: None,
        credentials: Vec::new(),
        expires_at: None,
        created_at: at,
        updated_at: at,
        secret_version: None,
        key: None,
        secret: Some(Secret::new("s".to_owned())),
    };
    let answer = api.answer(register, &request, &Passed::Endpoint(account(), Box::new(endpoint()))).unwrap();
    assert_eq!((answer.status.as_u16(), &*answer.body), (201, &br#"{"id":"1","at":1736937000}"#[..]));

    let listed = BASE.replacen(
        "name?: \"{{ endpoint.name }}\"",
        "events?: \"{{ endpoint.events }}\", own?: { $each: \"{{ endpoint.events }}\", $then: 1 }",
        1,
    );
    let contract_with_lists = compile(&listed).unwrap();
    let api_with_lists = contract_with_lists.published().unwrap();
    let (register, _) = route(api_with_lists, &Method::POST, "/hooks");
    let answer = |events: &[&str]| {
        let events = events.iter().map(ToString::to_string).collect();
        let passed = Passed::Endpoint(account(), Box::new(EndpointView { events, ..endpoint() }));
        String::from_utf8(api_with_lists.answer(register, &request, &passed).unwrap().body.to_vec()).unwrap()
    };
    assert_eq!(answer(&[]), r#"{"id":"1","at":1736937000}"#, "an optional list that comes out empty is left out");
    assert_eq!(answer(&["a.b"]), r#"{"id":"1","events":["a.b"],"own":[1],"at":1736937000}"#);

    let document = " {\"b\": 1.10, \"a\":\"\\u00e9\"}\n".to_owned();
    let (read, _) = route(api, &Method::GET, "/orders/1");
    let (kind, id, state) = ("order".to_owned(), "1".to_owned(), "open".to_owned());
    let resource = ResourceView { kind, id, state, version: 1, created_at: at, updated_at: at, document: document.clone() };
    let answer = api.answer(read, &request, &Passed::Resource(account(), resource)).unwrap();
    assert_eq!((&answer.body[..], &answer.headers["x-state"]), (document.as_bytes(), &"open".parse().unwrap()));
    assert_eq!(answer.headers["content-type"], "application/json");

    let refused = api.refuse(ErrorKind::Invalid, "`shop` is \"missing\"", Some("shop"));
    let body: Value = serde_json::from_slice(&refused.body).unwrap();
    let expected = json!({ "ok": false, "kind": "invalid", "message": "`shop` is \"missing\"", "field": "shop" });
    assert_eq!((refused.status.as_u16(), body), (422, expected));
    assert_eq!(api.refuse(ErrorKind::NotFound, "", None).status.as_u16(), 404);
}

#[test]
fn b_well_publishes_a_definition_of_each_message() {
    let contract = common::shipped("b.well");
    let api = contract.published().unwrap();
    let (read, _) = route(api, &Method::GET, "/MessageDefinition/user-delete-completed");
    let (list, _) = route(api, &Method::GET, "/MessageDefinition");
    assert!(read.is_public() && list.is_public());
    let headers = HeaderMap::new();
    let request = PublishedRequest { at: AT, path: &[], query: &[], headers: &headers, body: None };
    let events: Vec<_> = contract.events().iter().collect();
    let bundle = api.answer(list, &request, &Passed::EventTypes(events.clone())).unwrap();
    let bundle: Value = serde_json::from_slice(&bundle.body).unwrap();
    assert_eq!((&bundle["resourceType"], &bundle["type"], &bundle["total"]), (&json!("Bundle"), &json!("searchset"), &json!(2)));
    for (event, entry) in events.iter().zip(bundle["entry"].as_array().unwrap()) {
        let one = api.answer(read, &request, &Passed::EventType(event)).unwrap();
        assert_eq!(one.headers["content-type"], "application/fhir+json");
        let one: Value = serde_json::from_slice(&one.body).unwrap();
        assert_eq!((&one, &one["url"]), (&entry["resource"], &entry["fullUrl"]));
        // What FHIR R4 requires of the resource.
        assert!(["status", "date", "eventCoding"].iter().all(|name| !one[name].is_null()), "{one}");
        assert_eq!(one["focus"][0], json!({ "code": "Person", "min": 1, "max": "1" }));
    }
    let refused = api.refuse(ErrorKind::NotFound, "no", None);
    let outcome: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!((&outcome["resourceType"], &outcome["issue"][0]["code"]), (&json!("OperationOutcome"), &json!("not-found")));
}

const TOKENS: &str = r#"  authentication:
    header: authorization
    scheme: Bearer
    tokens:
      path: /auth/token
      configuration: /.well-known/smart-configuration
      scopes: { "system/*.rs": read, "system/Subscription.crud": write, "system/Group.rs": read }
"#;

fn with_tokens() -> String {
    BASE.replace("  authentication: { header: x-key }\n", TOKENS)
}

/// The same of [`BASE`] with tokens.
const REFUSED_TOKENS: &[(&str, &str)] = &[
    ("  url: https://api.example.com\n", ""),
    ("header: authorization", "header: x-key"),
    ("scheme: Bearer", "scheme: Token"),
    ("    scheme: Bearer\n", ""),
    ("      path: /auth/token\n", ""),
    ("path: /auth/token", "path: auth/token"),
    ("path: /auth/token", "path: /auth/{id}"),
    ("path: /auth/token", "path: /hooks"),
    ("path: /auth/token", "path: /orders/token"),
    ("/.well-known/smart-configuration", "/types"),
    ("/.well-known/smart-configuration", "/auth/token"),
    ("      path: /auth", "      algorithms: []\n      path: /auth"),
    ("      path: /auth", "      algorithms: [ES256]\n      path: /auth"),
    ("      path: /auth", "      lifetime: 2h\n      path: /auth"),
    ("      path: /auth", "      lifetime: 1500ms\n      path: /auth"),
    ("      path: /auth", "      secret: x\n      path: /auth"),
    ("\"system/*.rs\": read", "\"system/*.rs\": all"),
    ("\"system/*.rs\": read", "\"system *\": read"),
    ("{ \"system/*.rs\": read, \"system/Subscription.crud\": write, \"system/Group.rs\": read }", "{}"),
    ("{ \"system/*.rs\": read, \"system/Subscription.crud\": write, \"system/Group.rs\": read }", "[a]"),
];

#[test]
fn what_tokens_cannot_be_is_refused_with_its_place() {
    let base = with_tokens();
    let mut told = Vec::new();
    for (from, to) in REFUSED_TOKENS {
        assert!(base.contains(from), "{from}");
        let error = compile(&base.replacen(from, to, 1)).unwrap_err();
        told.push(format!("{from:?} -> {to:?}\n{error}\n"));
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_token_is_for_what_is_asked_and_there_is() {
    let contract = compile(&with_tokens()).unwrap();
    let tokens = contract.published().unwrap().tokens().unwrap();
    let granted = |asked: &str| tokens.grant(asked).map(|granted| (granted.scope, granted.right));
    assert_eq!(granted("system/*.rs"), Some(("system/*.rs".to_owned(), ScopeRight::Read)));
    let both = "system/Subscription.crud system/*.rs";
    assert_eq!(granted(both), Some(("system/*.rs system/Subscription.crud".to_owned(), ScopeRight::Write)));
    assert_eq!(granted("launch system/Group.rs system/Group.rs"), Some(("system/Group.rs".to_owned(), ScopeRight::Read)));
    for nothing in ["", " ", "launch", "SYSTEM/*.RS", "system/*"] {
        assert_eq!(granted(nothing), None, "{nothing}");
    }
    assert_eq!((tokens.url(), tokens.lifetime().as_secs()), ("https://api.example.com/auth/token", 300));
    let document: Value = serde_json::from_str(&tokens.configuration()).unwrap();
    let expected = json!({
        "token_endpoint": "https://api.example.com/auth/token",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "scopes_supported": ["system/*.rs", "system/Subscription.crud", "system/Group.rs"],
        "capabilities": ["client-confidential-asymmetric"],
    });
    assert_eq!(document, expected);
    assert!(compile(BASE).unwrap().published().unwrap().tokens().is_none());
}
