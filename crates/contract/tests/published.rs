//! Published APIs: what is refused, and where; and what requests and answers come to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of tests may fail them")]

mod common;

use bellwire_contract::{
    AccountView, Contract, EndpointView, ErrorKind, FieldFault, Passed, PublishedApi, PublishedRequest, PublishedRoute,
    ResourceView, RouteMatch,
};
use bellwire_domain::{Secret, Timestamp};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

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

fn compile(source: &str) -> Result<Contract, String> {
    Contract::compile(source, "t").map_err(|error| error.to_string())
}

/// What is replaced in [`BASE`], by what, and what is said of it.
const REFUSED: &[(&str, &str, &str)] = &[
    ("x-key }", "x-key, schema: a }", "t:8:37: published.authentication.schema: unknown key; did you mean `scheme`?"),
    ("header: x-key", "header: \"x key\"", "t:8:29: published.authentication.header: this is no header name"),
    ("https://api.example.com", "api.example.com", "t:7:8: published.url: `api.example.com` is no such URL"),
    ("https://api.example.com", "https://api.example.com/", "t:7:8: published.url: `https://api.example.com/` is no such URL"),
    (
        "register_endpoint",
        "register_endpiont",
        "t:12:13: published.routes[0].does: unknown value `register_endpiont`; did you mean `register_endpoint`?",
    ),
    ("method: POST", "method: GET", "t:12:13: published.routes[0].does: GET changes nothing, and `register_endpoint` does"),
    (
        "method: DELETE\n      path: /hooks/{id}",
        "method: POST\n      path: /hooks",
        "there is another route for POST /hooks; keep one",
    ),
    ("/types", "/orders/{order}", "t:26:7: published.routes[3].path: it cannot be told from the path /orders/{id}"),
    ("path: /types", "path: types", "t:27:13: published.routes[3].path: `types` is no path of a route"),
    ("path: /types", "path: /types/{Id}", "t:27:13: published.routes[3].path: `/types/{Id}` is no path of a route"),
    ("path: /types", "path: /types/{a}/{a}", "t:27:13: published.routes[3].path: `/types/{a}/{a}` is no path of a route"),
    (
        "url: \"{{ request.body.target.url }}\"",
        "uri: \"{{ request.body.target.url }}\"",
        "t:14:19: published.routes[0].endpoint.uri: unknown key",
    ),
    (
        "url: \"{{ request.body.target.url }}\", ",
        "",
        "t:14:17: published.routes[0].endpoint.url: missing; `register_endpoint` needs it",
    ),
    (
        "      endpoint: { id: \"{{ request.path.id }}\" }\n",
        "",
        "published.routes[1].endpoint.id: missing; write `endpoint: { id: … }`",
    ),
    (
        "{{ request.body.label }}",
        "{{ request.boby.label }}",
        "t:14:67: published.routes[0].endpoint.name: `request.boby.label`: `request` has no `boby` here; did you mean `body`?",
    ),
    (
        "{{ request.body.label }}",
        "{{ event.data }}",
        "t:14:67: published.routes[0].endpoint.name: `event.data` uses what there is not here",
    ),
    ("{{ request.body.label }}", "{{ request.header['X-Label'] }}", "`X-Label` is never found; write header names in lower case"),
    (
        "{{ endpoint.name }}",
        "{{ endpoint.nmae }}",
        "t:15:58: published.routes[0].answer.body.name?: `endpoint.nmae`: `endpoint` has no `nmae` here; did you mean `name`?",
    ),
    ("{{ endpoint.name }}", "{{ resource.id }}", "`resource.id`: unknown variable `resource`"),
    ("name?: \"{{ endpoint.name }}\"", "name: \"Is {{ endpoint.name }}\"", "where what is optional is not there"),
    ("{{ endpoint.created_at | unix }}", "{{ endpoint.url | unix }}", "published.routes[0].answer.body.at"),
    (
        "id: \"{{ request.path.id }}\" }\n      answer: { status",
        "id: \"{{ request.path.hook }}\" }\n      answer: { status",
        "t:19:23: published.routes[1].endpoint.id: the path has no `{hook}`",
    ),
    (
        "status: 204",
        "status: 204, body: { a: 1 }",
        "t:20:36: published.routes[1].answer.body: an answer with status 204 has no body",
    ),
    (
        "status: 204",
        "status: 404",
        "t:20:25: published.routes[1].answer.status: this is no such status; write a number from 200 to 299",
    ),
    (
        "{ kind: order, id: \"{{ request.path.id }}\" }",
        "{ kind: odrer, id: \"{{ request.path.id }}\" }",
        "t:24:25: published.routes[2].resource.kind: `resources` has no kind `odrer`; did you mean `order`?",
    ),
    (
        "{ kind: order, id: \"{{ request.path.id }}\" }",
        "{ kind: order, id: \"{{ request.body.id }}\" }",
        "t:24:38: published.routes[2].resource.id: a GET has no body",
    ),
    ("{{ resource.document }}", "{{ endpoint.secret }}", "t:25:67: published.routes[2].answer.body: `endpoint.secret`"),
    (
        "path: /orders/{id}\n      does: read_resource",
        "path: /orders/{id}\n      public: true\n      does: read_resource",
        "`read_resource` is about an account, so it needs a key",
    ),
    (
        "public: true",
        "public: true\n      page: { limit: 1 }",
        "t:30:13: published.routes[3].page: `list_event_types` takes no `page`",
    ),
    (
        "public: true",
        "public: true\n      account: a",
        "t:30:16: published.routes[3].account: `list_event_types` is about no account",
    ),
    ("invalid: 422", "invald: 422", "t:32:15: published.errors.status.invald: unknown key; did you mean `invalid`?"),
    (
        "invalid: 422",
        "invalid: 200",
        "t:32:24: published.errors.status.invalid: this is no such status; write a number from 400 to 599",
    ),
    ("{{ error.kind }}", "{{ error.code }}", "t:33:30: published.errors.body.kind: `error.code`: `error` has no `code` here"),
    ("field?: \"{{ error.field }}\"", "field: \"at {{ error.field }}\"", "published.errors.body.field"),
    (
        "  errors:\n    status: { invalid: 422 }\n    body:",
        "  erors:\n    body:",
        "published.errors: missing; write how refusals look",
    ),
];

#[test]
fn what_cannot_work_is_refused_with_its_place() {
    compile(BASE).unwrap();
    for (from, to, expected) in REFUSED {
        assert!(BASE.contains(from), "{from}");
        let said = compile(&BASE.replacen(from, to, 1)).err().unwrap_or_else(|| "accepted".to_owned());
        assert!(said.contains(expected), "{to}\n  said:     {said}\n  expected: {expected}");
    }
    let secret = BASE.replace("{ status: 204 }", "{ body: \"{{ endpoint.secret }}\" }");
    assert!(compile(&secret).unwrap_err().contains("`endpoint` has no `secret` here"), "only what makes a secret shows it");
}

fn route<'a>(api: &'a PublishedApi, method: Method, path: &str) -> (&'a PublishedRoute, Vec<(String, String)>) {
    match api.find(&method, path) {
        RouteMatch::Route(route, parameters) => (route, parameters),
        other => panic!("{method} {path}: {other:?}"),
    }
}

#[test]
fn paths() {
    let contract = compile(BASE).unwrap();
    let api = contract.published().unwrap();
    assert_eq!(route(api, Method::DELETE, "/hooks/a%2Fb").1, [("id".to_owned(), "a/b".to_owned())]);
    assert!(matches!(api.find(&Method::GET, "/hooks"), RouteMatch::OtherMethods(methods) if methods == [&Method::POST]));
    for path in ["", "/", "/hooks/", "/hooks/a/b", "//hooks", "/Hooks", "/hooks/%ff"] {
        assert!(matches!(api.find(&Method::DELETE, path), RouteMatch::None), "{path}");
    }
}

#[test]
fn a_request_is_read_in_its_own_words() {
    let contract = compile(BASE).unwrap();
    let (register, _) = route(contract.published().unwrap(), Method::POST, "/hooks");
    let headers = HeaderMap::new();
    let read = |body: &str| {
        let request = PublishedRequest { path: &[], query: &[], headers: &headers, body: Some(body) };
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
fn answers() {
    let contract = compile(BASE).unwrap();
    let api = contract.published().unwrap();
    let headers = HeaderMap::new();
    let request = PublishedRequest { path: &[], query: &[], headers: &headers, body: None };
    let account = || AccountView { id: "s".to_owned(), name: None };
    let at = Timestamp::from_secs(1_736_937_000);
    let (register, _) = route(api, Method::POST, "/hooks");
    let endpoint = EndpointView {
        id: "1".to_owned(),
        url: "https://a.example/".to_owned(),
        name: None,
        events: Vec::new(),
        enabled: true,
        health: "active",
        created_at: at,
        updated_at: at,
        secret: Some(Secret::new("s".to_owned())),
    };
    let answer = api.answer(register, &request, &Passed::Endpoint(account(), endpoint)).unwrap();
    assert_eq!((answer.status.as_u16(), &*answer.body), (201, &br#"{"id":"1","at":1736937000}"#[..]));

    let document = " {\"b\": 1.10, \"a\":\"\\u00e9\"}\n".to_owned();
    let (read, _) = route(api, Method::GET, "/orders/1");
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
    let (read, _) = route(api, Method::GET, "/MessageDefinition/user-delete-completed");
    let (list, _) = route(api, Method::GET, "/MessageDefinition");
    assert!(read.is_public() && list.is_public());
    let headers = HeaderMap::new();
    let request = PublishedRequest { path: &[], query: &[], headers: &headers, body: None };
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
