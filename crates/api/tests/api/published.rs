//! `/published/{contract}`: a platform's own API, by its contract.

use axum::body::Body;
use axum::http::Request;
use bellwire_api::published_router;
use bellwire_app::Limits;
use bellwire_http::{ApiOptions, LargeBodies};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{ADMIN, Answer, Server};

/// A contract with a route for each verb.
pub(crate) const SHOP: &str = r#"
contract: shop
title: Shop
ids: { event: evt_, endpoint: whk_ }
events:
  - { type: order.created, title: Order created, example: { id: o } }
  - { type: order.audited, example: { id: o }, entitlement: audit }
resources:
  order: { id: id, state: status, states: [open, closed], events: [{ type: order.created, when: created }] }
subscription: { events: choose, url: https, secret: { from: generated } }
request: { headers: { x-signature: "{{ signature.main }}" }, body: "{{ event.data }}" }
signatures: { main: { hmac: sha256, over: "{{ body }}" } }
published:
  authentication: { header: x-api-key }
  routes:
    - method: POST
      path: /hooks
      does: register_endpoint
      account: "{{ request.body.shop }}"
      endpoint: { url: "{{ request.body.target }}", events?: "{{ request.body.topics }}" }
      answer: { body: { id: "{{ endpoint.id }}", shop: "{{ account.id }}", topics: "{{ endpoint.events }}", secret: "{{ endpoint.secret }}" } }
    - method: GET
      path: /hooks
      does: list_endpoints
      page: &page { limit?: "{{ request.query.limit }}", after?: "{{ request.query.after }}" }
      answer: { body: { hooks: { $each: "{{ endpoints }}", id: "{{ item.id }}" }, next: "{{ next }}" } }
    - { method: GET, path: "/hooks/{id}", does: read_endpoint, endpoint: &id { id: "{{ request.path.id }}" }, answer: &hook { body: { id: "{{ endpoint.id }}", target: "{{ endpoint.url }}", on: "{{ endpoint.enabled }}" } } }
    - method: PATCH
      path: /hooks/{id}
      does: update_endpoint
      endpoint: { id: "{{ request.path.id }}", url?: "{{ request.body.target }}", enabled?: "{{ request.body.on }}" }
      answer: *hook
    - { method: DELETE, path: "/hooks/{id}", does: delete_endpoint, endpoint: *id, answer: { status: 204 } }
    - { method: POST, path: "/hooks/{id}/secret", does: rotate_secret, endpoint: *id, answer: { body: { secret: "{{ endpoint.secret }}" } } }
    - method: POST
      path: /hooks/{id}/test
      does: test_endpoint
      endpoint: *id
      event: { type?: "{{ request.body.topic }}", data?: "{{ request.body.sample }}" }
      answer: { status: 202, body: { hook: "{{ endpoint.id }}", event: "{{ event.id }}", seq: "{{ event.seq }}" } }
    - method: POST
      path: /sent/{number}/again
      does: retry_delivery
      delivery: { id: "{{ request.path.number }}" }
      answer:
        body: { id: "{{ delivery.id }}", state: "{{ delivery.state }}", number: "{{ delivery.number }}", hook: "{{ delivery.endpoint }}", event: "{{ delivery.event }}", topic: "{{ delivery.event_type }}", due: "{{ delivery.due_at }}", count: "{{ delivery.attempt_count }}", tries: { $each: "{{ delivery.attempts }}", n: "{{ item.number }}", why: "{{ item.trigger }}", was: "{{ item.outcome }}", status: "{{ item.status }}", at: "{{ item.started_at }}", detail: "{{ item.detail }}" } }
    - { method: GET, path: "/orders/{id}", does: read_resource, resource: { kind: order, id: "{{ request.path.id }}" }, answer: { body: "{{ resource.document }}" } }
    - method: GET
      path: /orders
      does: list_resources
      resource: { kind: order }
      page: *page
      answer: { body: { orders: { $each: "{{ resources }}", $then: "{{ item.document }}" }, next: "{{ next }}" } }
    - method: GET
      path: /feed
      does: list_events
      event: { type?: "{{ request.query.type }}", since?: "{{ request.query.since }}" }
      page: *page
      answer: { body: { feed: { $each: "{{ events }}", type: "{{ item.type }}", data: "{{ item.data }}" }, next: "{{ next }}" } }
    - { method: GET, path: "/types/{type}", does: read_event_type, public: true, event: { type: "{{ request.path.type }}" }, answer: { headers: { content-type: text/x-type }, body: { title: "{{ event.title }}" } } }
    - { method: GET, path: /types, does: list_event_types, public: true, answer: { body: { $each: "{{ events }}", $then: "{{ item.type }}" } } }
  errors:
    status: { invalid: 422 }
    body: { ok: false, kind: "{{ error.kind }}", message: "{{ error.message }}", field?: "{{ error.field }}" }
"#;

pub(crate) struct Shop {
    pub(crate) server: Server,
    pub(crate) key: String,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::over(Server::start().await).await
    }

    pub(crate) async fn over(server: Server) -> Self {
        server.account("mine", "shop").await;
        server.account("other", "shop").await;
        server.clock.advance(std::time::Duration::from_secs(1)); // where keys have a pace, the operator's as well
        let key = server.key("consumer", Some("mine")).await;
        Self { server, key }
    }

    pub(crate) async fn ask_as(&self, key: Option<&str>, method: &str, path: &str, body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/published/shop{path}"));
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        self.server.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask_as(Some(&self.key), method, path, body).await
    }

    async fn register(&self, body: &Value) -> Answer {
        self.ask("POST", "/hooks", &body.to_string()).await
    }
}

/// `404 not_found webhook_id`: the status, the kind and the field.
#[track_caller]
pub(crate) fn refusal(answer: &Answer) -> String {
    assert_eq!(answer.json["ok"], false, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/json");
    let (kind, field) = (answer.json["kind"].as_str().unwrap(), answer.json["field"].as_str().unwrap_or_default());
    format!("{} {kind} {field}", answer.status).trim_end().to_owned()
}

#[tokio::test]
async fn an_endpoint_from_its_registration_to_its_deletion() {
    let shop = Shop::open().await;
    let made = shop.register(&json!({ "shop": "mine", "target": "https://a.example/h", "topics": ["order.created"] })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.id();
    assert!(id.starts_with("whk_") && made.json["secret"].as_str().unwrap().len() == 64);
    assert_eq!((&made.json["shop"], &made.json["topics"]), (&json!("mine"), &json!(["order.created"])));

    let path = format!("/hooks/{id}");
    assert_eq!(shop.ask("GET", &path, "").await.json, json!({ "id": id, "target": "https://a.example/h", "on": true }));
    let patched = shop.ask("PATCH", &path, r#"{"target":"https://b.example/","on":false}"#).await;
    assert_eq!(patched.json, json!({ "id": id, "target": "https://b.example/", "on": false }));
    let rotated = shop.ask("POST", &format!("{path}/secret"), "").await;
    assert!(rotated.status == 200 && rotated.json["secret"] != made.json["secret"], "{}", rotated.text);

    let more = shop.register(&json!({ "shop": "mine", "target": "https://c.example/h" })).await.id();
    let first = shop.ask("GET", "/hooks?limit=1", "").await.json;
    let rest = shop.ask("GET", &format!("/hooks?limit=1&after={}", first["next"].as_str().unwrap()), "").await.json;
    let mut ids = [first["hooks"][0]["id"].clone(), rest["hooks"][0]["id"].clone()].map(|id| id.as_str().unwrap().to_owned());
    ids.sort();
    let mut expected = [id, more];
    expected.sort();
    assert_eq!((ids, &rest["next"]), (expected, &Value::Null));

    let deleted = shop.ask("DELETE", &path, "").await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    assert_eq!(refusal(&shop.ask("DELETE", &path, "").await), "404 not_found id");
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_words_of_the_request() {
    let shop = Shop::open().await;
    for (body, expected, words) in [
        ("{", "422 invalid", "the body is not JSON"),
        ("[]", "422 invalid", "must be a JSON object"),
        ("", "422 invalid shop", "`shop` is missing; `target` is missing"),
        (r#"{"shop":"mine"}"#, "422 invalid target", "`target` is missing"),
        (r#"{"shop":"mine","target":7}"#, "422 invalid target", "`target` must be a string"),
        (r#"{"shop":"mine","target":"http://a.example/"}"#, "422 invalid target", "`target`: the scheme must be https"),
        (r#"{"shop":"mine","target":"https://10.0.0.1/"}"#, "422 invalid target", "`target`: 10.0.0.1"),
        (r#"{"shop":"mine","target":"https://a.example/","topics":"x"}"#, "422 invalid topics", "`topics` must be a list"),
        (r#"{"shop":"mine","target":"https://a.example/","topics":["x"]}"#, "422 invalid topics", "no event type `x`"),
        (r#"{"shop":"mine","target":"https://a.example/","topics":["order.audited"]}"#, "422 invalid topics", "not entitled"),
    ] {
        let answer = shop.ask("POST", "/hooks", body).await;
        assert_eq!(refusal(&answer), expected, "{body}");
        let message = answer.json["message"].as_str().unwrap();
        assert!(message.contains(words) && !message.contains("`url`"), "{body}: {message}");
    }
    assert_eq!(refusal(&shop.ask("GET", "/hooks?limit=0", "").await), "422 invalid limit");
    assert_eq!(refusal(&shop.ask("GET", "/feed?after=x", "").await), "422 invalid after");
    assert_eq!(refusal(&shop.ask("GET", "/feed?since=today", "").await), "422 invalid since");
    let text = Request::builder().method("POST").uri("/published/shop/hooks").header("x-api-key", &shop.key);
    let text = text.header("content-type", "text/plain").body(Body::from("a=b")).unwrap();
    assert_eq!(refusal(&shop.server.send(text).await), "415 unsupported_media_type");
}

#[tokio::test]
async fn what_is_somebody_elses_is_answered_as_what_is_not_there() {
    let shop = Shop::open().await;
    let theirs = shop.server.endpoint("other").await;
    let foreign = shop.register(&json!({ "shop": "other", "target": "https://a.example/" })).await;
    let nobody = shop.register(&json!({ "shop": "nobody", "target": "https://a.example/" })).await;
    assert_eq!((refusal(&foreign), &foreign.text), ("404 not_found shop".to_owned(), &nobody.text));
    let foreign = shop.ask("DELETE", &format!("/hooks/{theirs}"), "").await;
    let nothing = shop.ask("DELETE", "/hooks/whk_01", "").await;
    assert_eq!((refusal(&foreign), &foreign.text), ("404 not_found id".to_owned(), &nothing.text));
    assert_eq!(shop.server.get(&format!("/v1/accounts/other/endpoints/{theirs}")).await.status, 200);
}

#[tokio::test]
async fn who_may_ask() {
    let shop = Shop::open().await;
    shop.server.account("elsewhere", "choosy").await;
    let elsewhere = shop.server.key("consumer", Some("elsewhere")).await;
    let publisher = shop.server.key("publisher", None).await;
    for (key, expected) in [
        (None, "401 unauthenticated"),
        (Some(""), "401 unauthenticated"),
        (Some("bwk_wrong"), "401 unauthenticated"),
        (Some(elsewhere.as_str()), "401 unauthenticated"),
        (Some(publisher.as_str()), "403 forbidden"),
        (Some(ADMIN), "403 forbidden"),
    ] {
        assert_eq!(refusal(&shop.ask_as(key, "GET", "/hooks", "").await), expected, "{key:?}");
    }
    let missing = shop.ask_as(None, "GET", "/hooks", "").await;
    assert!(missing.json["message"].as_str().unwrap().contains("x-api-key"), "{}", missing.text);
    let body = json!({ "shop": "mine", "target": "https://a.example/" }).to_string();
    assert_eq!(shop.ask_as(Some(ADMIN), "POST", "/hooks", &body).await.status, 201, "an operator names the account");
    let body = json!({ "shop": "elsewhere", "target": "https://a.example/" }).to_string();
    assert_eq!(refusal(&shop.ask_as(Some(ADMIN), "POST", "/hooks", &body).await), "404 not_found shop");
}

#[tokio::test]
async fn a_secret_is_read_back_where_the_contract_says_so() {
    let server = Server::start().await;
    server.account("o", "open").await;
    let key = server.key("consumer", Some("o")).await;
    let created = server.post("/v1/accounts/o/endpoints", &json!({ "url": "https://clinic.example/hooks" })).await;
    let other = server.post("/v1/accounts/o/endpoints", &json!({ "url": "https://clinic.example/more" })).await;
    let id = created.id();
    let get = async |path: &str| {
        let request = Request::get(format!("/published/open{path}")).header("x-api-key", &key);
        server.send(request.body(Body::empty()).unwrap()).await.json
    };
    assert_eq!(get(&format!("/hooks/{id}")).await, json!({ "secret": created.json["secret"] }));
    let path = format!("/v1/accounts/o/endpoints/{id}/secrets");
    let rotated = server.post(&path, &json!({ "overlap": "1h" })).await.json["secret"].clone();
    assert_ne!(rotated, created.json["secret"]);
    assert_eq!(get(&format!("/hooks/{id}")).await, json!({ "secret": rotated }), "the newest");
    let listed = get("/hooks").await;
    let expected = [json!({ "id": id, "secret": rotated }), json!({ "id": other.id(), "secret": other.json["secret"] })];
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    assert!(expected.iter().all(|one| listed.as_array().unwrap().contains(one)), "{listed}");
}

#[tokio::test]
async fn documents_and_events_are_the_bytes_that_were_put() {
    let shop = Shop::open().await;
    let documents = [("a", r#"{"id":"a", "status":"open","n":1.10}"#), ("b", r#"{ "status":"closed", "s":"\u00e9 é" }"#)];
    for (id, document) in documents {
        let path = format!("/v1/accounts/mine/resources/order/{id}");
        assert_eq!(shop.server.call("PUT", &path, Some(ADMIN), Some(document)).await.status, 201);
        assert_eq!(shop.ask("GET", &format!("/orders/{id}"), "").await.text, document);
    }
    assert_eq!(refusal(&shop.ask("GET", "/orders/c", "").await), "404 not_found id");
    let [(_, a), (_, b)] = documents;
    assert_eq!(shop.ask("GET", "/orders?limit=1", "").await.text, format!(r#"{{"orders":[{a}],"next":"a"}}"#));
    assert_eq!(shop.ask("GET", "/orders?limit=1&after=a", "").await.text, format!(r#"{{"orders":[{b}],"next":null}}"#));
    let feed = shop.ask("GET", "/feed?limit=1&type=order.created", "").await;
    assert_eq!(feed.text, format!(r#"{{"feed":[{{"type":"order.created","data":{a}}}],"next":"1"}}"#));
    let feed = shop.ask("GET", "/feed?after=1", "").await;
    assert_eq!(feed.text, format!(r#"{{"feed":[{{"type":"order.created","data":{b}}}],"next":null}}"#));
}

#[tokio::test]
async fn the_catalogue_is_public_where_the_contract_says_so() {
    let shop = Shop::open().await;
    let one = shop.ask_as(None, "GET", "/types/order.created", "").await;
    assert_eq!(
        (&one.json, &one.headers["content-type"]),
        (&json!({ "title": "Order created" }), &"text/x-type".parse().unwrap())
    );
    assert_eq!(shop.ask_as(None, "GET", "/types", "").await.json, json!(["order.created", "order.audited"]));
    assert_eq!(refusal(&shop.ask_as(None, "GET", "/types/none", "").await), "404 not_found");
    assert_eq!(refusal(&shop.ask_as(None, "GET", "/types/*", "").await), "404 not_found");
}

#[tokio::test]
async fn unknown_routes_are_answered_in_the_contracts_envelope() {
    let shop = Shop::open().await;
    for path in ["", "/", "/nothing", "/hooks/a/b", "//hooks"] {
        assert_eq!(refusal(&shop.ask("GET", path, "").await), "404 not_found", "{path}");
    }
    let wrong = shop.ask("PUT", "/hooks", "{}").await;
    assert_eq!((refusal(&wrong).as_str(), &wrong.headers["allow"]), ("405 method_not_allowed", &"POST, GET".parse().unwrap()));
    for path in ["/published", "/published/", "/published/nobody/x", "/published/choosy/x"] {
        assert_eq!(shop.server.get(path).await.problem(), "404 route_not_found", "{path}");
    }
    let head = shop.ask("HEAD", "/hooks", "").await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    let shown = shop.server.get("/v1/contracts/shop").await.json;
    assert_eq!((&shown["published"]["path"], &shown["published"]["header"]), (&json!("/published/shop"), &json!("x-api-key")));
    assert_eq!(shown["published"]["routes"][0]["does"], "register_endpoint");
}

#[tokio::test]
async fn limits_hold_here_too() {
    let limits = Limits {
        body_bytes_max: 200,
        endpoints_per_account_max: 1,
        requests_per_key: Some("2/s".parse().unwrap()),
        ..Limits::default()
    };
    let shop = Shop::over(Server::with_limits(limits).await).await;
    let body = json!({ "shop": "mine", "target": "https://a.example/" });
    assert_eq!(shop.register(&body).await.status, 201);
    assert_eq!(refusal(&shop.register(&body).await), "409 conflict");
    let often = shop.register(&body).await;
    assert_eq!((refusal(&often).as_str(), often.headers.contains_key("retry-after")), ("429 rate_limited", true));
    shop.server.clock.advance(std::time::Duration::from_secs(2));
    let large = shop.register(&json!({ "shop": "mine", "target": "x".repeat(300) })).await;
    assert_eq!(refusal(&large), "413 too_large");
}

#[tokio::test]
async fn a_router_of_its_own_has_that_api_and_nothing_else() {
    let shop = Shop::open().await;
    let metrics = std::sync::Arc::new(String::new);
    let options = ApiOptions {
        app: shop.server.app.clone(),
        metrics,
        ready: shop.server.ready.clone(),
        large_bodies: LargeBodies::default(),
        public_url: "http://localhost".into(),
    };
    let router = published_router(options, "shop");
    for (path, status) in
        [("/types", 200), ("/healthz", 404), ("/metrics", 404), ("/v1/openapi.json", 404), ("/published/shop/types", 404)]
    {
        let response = router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers().contains_key("x-request-id")), (status, true), "{path}");
    }
}
