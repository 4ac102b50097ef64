//! A server to talk to, and the check of its answers against the document.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use bellwire_api::{openapi_json, router};
use bellwire_app::{App, AppOptions, ContractFiles, Limits};
use bellwire_contract::{Contract, Contracts};
use bellwire_domain::{AddressPolicy, AttemptOutcome, Clock, Decision, HealthPolicy, Phases, RetentionPeriods};
use bellwire_http::{ApiOptions, LargeBodies};
use bellwire_store::{ClaimedDelivery, Location, MasterKey, Outcome, Queue, Records, StoreOptions};
use bellwire_testkit::{ManualClock, SeededEntropy};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

pub(crate) const ADMIN: &str = "the-admin-key-of-these-tests";

/// Every endpoint gets everything, the consumer gives the secret, nothing in sandboxes, only declared fields.
const NOYO: &str = r#"
contract: noyo
title: Noyo
data: declared_only
events:
  - type: difference.created
    title: Difference created
    schema: { type: object, required: [id], properties: { id: { type: string, format: uuid } } }
    example: { id: eb73184b-ae3c-4411-aa82-3c3bd877cf78 }
  - type: difference.resolved
    title: Difference resolved
    schema: { type: object, required: [id], properties: { id: { type: string, format: uuid } } }
    example: { id: eb73184b-ae3c-4411-aa82-3c3bd877cf78 }
test_event: { type: test.hello_world, data: { message: "Hello world!" } }
resources:
  difference:
    id: id
    state: status
    states: [processing, resolved]
    final: resolved
    events:
      - { type: difference.created, when: created, data: { id: "{{ resource.id }}" } }
      - { type: difference.resolved, when: { reached: resolved }, data: { id: "{{ resource.id }}" } }
subscription: { events: all, url: https, secret: { from: consumer, readable: false }, sandbox: false }
request:
  headers: { x-signature: "{{ signature.main }}" }
  body: { data: "{{ event.data }}", event: { id: "{{ event.id }}", type: "{{ event.type }}" } }
signatures:
  main: { hmac: sha256, over: "{{ body }}", encode: hex, join: "," }
"#;

/// Endpoints choose, secrets are drawn, one type is granted account by account, endpoints start disabled.
const CHOOSY: &str = r#"
contract: choosy
title: Choosy
description: A contract with choices
ids: { event: evt_, endpoint: ep_ }
events:
  - { type: order.created, title: Order created, description: An order came in, example: { n: 1 } }
  - { type: order.shipped, title: Order shipped, example: { n: 1 } }
  - { type: order.audited, title: Order audited, example: { n: 1 }, entitlement: order.audited }
resources:
  order:
    state: status
    states: [open, shipped]
    events:
      - { type: order.created, when: created, id: "{{ document.event }}" }
      - { type: order.audited, when: { changed: audit } }
      - { type: order.shipped, when: { grew: parcels }, each_item: true }
subscription:
  { events: choose, url: any, secret: { from: generated }, enabled: false, payload: { allow: [full, ids, fields], ids: [/n] } }
request:
  custom_headers: true
  headers: { x-signature: "{{ signature.main }}" }
  body: "{{ event.data }}"
signatures:
  main: { hmac: sha256, over: "{{ body }}", encode: hex, join: "," }
"#;

/// The account has the secret and only the operator registers.
const ADMINISTERED: &str = r#"
contract: administered
title: Administered
events:
  - { type: claim.paid, title: Claim paid, example: { n: 1 } }
subscription: { events: choose, url: https, secret: { from: account }, register: operator }
request:
  headers: { apikey: "{{ secret }}" }
  body: "{{ event.data }}"
"#;

/// As [`ADMINISTERED`], but the consumer registers, and secrets can be read back.
const SHARED: &str = r#"
contract: shared
title: Shared
events:
  - { type: claim.paid, title: Claim paid, example: { n: 1 } }
subscription: { events: choose, url: https, secret: { from: account, readable: true } }
request:
  headers: { apikey: "{{ secret }}" }
  body: "{{ event.data }}"
"#;

/// Each endpoint has a secret that can be read back.
const OPEN: &str = r#"
contract: open
title: Open
events:
  - { type: claim.paid, title: Claim paid, example: { n: 1 } }
subscription: { events: choose, url: https, secret: { from: generated, readable: true } }
request:
  headers: { apikey: "{{ secret }}" }
  body: "{{ event.data }}"
published:
  authentication: { header: x-api-key }
  routes:
    - { method: GET, path: "/hooks/{id}", does: read_endpoint, endpoint: { id: "{{ request.path.id }}" }, answer: { body: { secret: "{{ endpoint.secret }}" } } }
    - { method: GET, path: /hooks, does: list_endpoints, answer: { body: { $each: "{{ endpoints }}", id: "{{ item.id }}", secret: "{{ item.secret }}" } } }
  errors: { body: { message: "{{ error.message }}" } }
"#;

/// One key signs for all accounts, and anybody may read its public half.
const KEYED: &str = r#"
contract: signed
title: Signed
events:
  - { type: claim.paid, title: Claim paid, example: { n: 1 } }
subscription: { secret: { from: contract } }
request:
  headers: { x-signature: "{{ signature.main }}", x-key: "{{ key.id }}" }
  body: "{{ event.data }}"
signatures: { main: { sign: ed25519, over: "{{ body }}", encode: base64 } }
published:
  routes:
    - { method: GET, path: /jwks.json, does: list_keys, public: true, answer: { body: { keys: { $each: "{{ keys }}", $then: "{{ item.jwk }}" } } } }
  errors: { body: { message: "{{ error.message }}" } }
"#;

pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) app: App,
    pub(crate) records: Records,
    pub(crate) queue: Queue,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) files: Arc<Files>,
    _folder: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// `409 event_conflict /id`: what a caller matches on.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        assert_eq!(self.json["status"], self.status);
        let code = self.json["code"].as_str().unwrap();
        assert_eq!(self.json["type"], format!("/docs/errors#{code}"));
        let pointers = self.json["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap());
        let parts = [self.status.to_string(), code.to_owned()].into_iter().chain(pointers.map(ToOwned::to_owned));
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// A header's text, which is empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn id(&self) -> String {
        self.json["id"].as_str().unwrap_or_else(|| panic!("no id in {}", self.text)).to_owned()
    }
}

/// Contracts as if they stood in files, `1.yaml` and so on.
#[derive(Default)]
pub(crate) struct Files(pub(crate) Mutex<Vec<String>>);

impl ContractFiles for Files {
    fn load(&self) -> Result<Contracts, String> {
        let mut contracts = Contracts::default();
        for (number, source) in (1..).zip(self.0.lock().unwrap().iter()) {
            let contract = Contract::compile(source, &format!("{number}.yaml")).map_err(|error| error.to_string())?;
            contracts.add(contract).map_err(|error| error.to_string())?;
        }
        Ok(contracts)
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with_limits(Limits::default()).await
    }

    pub(crate) async fn with_limits(limits: Limits) -> Self {
        Self::tuned(limits, |_| ()).await
    }

    /// A server over a store that is unlike others.
    pub(crate) async fn tuned(limits: Limits, tune: impl FnOnce(&mut StoreOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let entropy = Arc::new(SeededEntropy::new(7));
        let location = Location::Sqlite(folder.path().join("bellwire.db"));
        let mut options = StoreOptions::new(location, MasterKey::new([7; 32]), clock.clone(), entropy.clone());
        tune(&mut options);
        let (records, queue) = bellwire_store::open(options).unwrap();
        let files = Arc::new(Files::default());
        *files.0.lock().unwrap() =
            [NOYO, CHOOSY, ADMINISTERED, SHARED, OPEN, crate::published::SHOP, KEYED].map(str::to_owned).to_vec();
        let app = App::new(AppOptions {
            records: records.clone(),
            contracts: watch::Sender::new(Arc::new(files.load().unwrap())),
            contract_files: Some(files.clone()),
            clock: clock.clone(),
            entropy,
            addresses: AddressPolicy::default(),
            allow_http: false,
            limits,
            key_fetcher: None,
            erasure_list: None,
            traces: None,
            seen: watch::channel(None).1,
            retention: RetentionPeriods::default(),
        });
        assert_eq!(app.ensure_admin_key(Some(ADMIN)).await.unwrap(), None);
        let ready = Arc::new(AtomicBool::new(true));
        let metrics = Arc::new(|| "bellwire_up 1\n".to_owned());
        let (large_bodies, public_url) = (LargeBodies::default(), "http://localhost".into());
        let router = router(ApiOptions { app: app.clone(), metrics, ready: ready.clone(), large_bodies, public_url });
        Self { router, app, records, queue, clock, ready, files, _folder: folder }
    }

    /// A request with this key and body.
    pub(crate) async fn call(&self, method: &str, path: &str, key: Option<&str>, body: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_owned()));
        self.send(request.header("content-type", "application/json").body(body).unwrap()).await
    }

    /// Records that a claimed delivery was answered so, and what follows.
    pub(crate) async fn record(&self, delivery: ClaimedDelivery, status: u16, body: &[u8], decision: Decision) {
        let outcome = Outcome {
            delivery,
            started_at: Clock::now(&*self.clock),
            duration: Duration::from_micros(85_600),
            phases: Phases::default(),
            outcome: AttemptOutcome::Response { status, retry_after: None, headers: Vec::new(), body: body.to_vec() },
            decision,
            health: HealthPolicy::default(),
            told: None,
            relays_answer: false,
            order: bellwire_domain::OrderStep::default(),
        };
        self.queue.record_outcomes([outcome].into()).await.unwrap();
    }

    /// Records that a claimed delivery was refused, and is to be tried again now.
    pub(crate) async fn fail(&self, delivery: ClaimedDelivery) {
        let due_at = Clock::now(&*self.clock);
        self.record(delivery, 503, b"", Decision::Retry { due_at }).await;
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().as_str().to_ascii_lowercase(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(read(&parts.headers, body).await).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, text, json };
        assert!(answer.headers.contains_key("x-request-id"));
        check_against_document(&method, &path, &answer);
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Some(ADMIN), None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(ADMIN), Some(&body.to_string())).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call("PUT", path, Some(ADMIN), Some(&body.to_string())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call("PATCH", path, Some(ADMIN), Some(&body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, Some(ADMIN), None).await
    }

    pub(crate) async fn account(&self, id: &str, contract: &str) {
        let answer = self.put(&format!("/v1/accounts/{id}"), &json!({ "contract": contract })).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }

    /// An endpoint that takes everything; its id.
    pub(crate) async fn endpoint(&self, account: &str) -> String {
        let contract = self.get(&format!("/v1/accounts/{account}")).await.json["contract"].clone();
        let mut body = json!({ "url": "https://clinic.example/hooks", "enabled": true });
        if contract == "noyo" {
            body["secret"] = json!("a secret that nobody can guess");
        }
        let answer = self.post(&format!("/v1/accounts/{account}/endpoints"), &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.id()
    }

    /// A key; its text.
    pub(crate) async fn key(&self, role: &str, account: Option<&str>) -> String {
        let answer = self.post("/v1/keys", &json!({ "role": role, "account": account })).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json["key"].as_str().unwrap().to_owned()
    }
}

/// A whole body; of a stream that has no end, its first piece.
async fn read(headers: &HeaderMap, mut body: Body) -> Vec<u8> {
    if headers.get("content-type").is_some_and(|media_type| media_type == "text/event-stream") {
        return body.frame().await.unwrap().unwrap().into_data().unwrap().to_vec();
    }
    body.collect().await.unwrap().to_bytes().to_vec()
}

/// These bytes as one gzip stream.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&openapi_json()).unwrap());

/// The template of the document that `path` matches; one without parameters wins.
pub(crate) fn template_of(path: &str) -> Option<&'static String> {
    let matches = |template: &str| {
        let (left, right): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        left.len() == right.len() && left.iter().zip(&right).all(|(left, right)| left.starts_with('{') || left == right)
    };
    let mut found: Vec<_> = DOCUMENT["paths"].as_object().unwrap().keys().filter(|template| matches(template)).collect();
    found.sort_by_key(|template| template.matches('{').count());
    found.first().copied()
}

/// Every answer is one that the document describes.
fn check_against_document(method: &str, path: &str, answer: &Answer) {
    let Some(template) = template_of(path) else { return };
    let operation = &DOCUMENT["paths"][template][method];
    if operation.is_null() {
        return;
    }
    let place = format!("{method} {template} {}", answer.status);
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{place} is not documented");
    let Some(content) = response["content"].as_object() else {
        return assert!(answer.text.is_empty(), "{place} has a body");
    };
    let media_type = answer.headers["content-type"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let media = content.get(&media_type).unwrap_or_else(|| panic!("{place} is not documented as {media_type}"));
    if media_type.starts_with("text/") {
        return;
    }
    let mut validators = VALIDATORS.lock().unwrap();
    let validator = validators.entry(place.clone()).or_insert_with(|| {
        let schema = json!({ "allOf": [media["schema"]], "components": DOCUMENT["components"] });
        jsonschema::draft202012::new(&schema).unwrap()
    });
    let found = validator.validate(&answer.json).err().map(|error| error.to_string());
    drop(validators);
    if let Some(error) = found {
        panic!("{place}: {error} in {}", answer.text);
    }
}

/// Compiled once for each kind of answer.
static VALIDATORS: LazyLock<Mutex<HashMap<String, jsonschema::Validator>>> = LazyLock::new(Mutex::default);
