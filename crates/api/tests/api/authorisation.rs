//! Who may do what, generated from the document: each operation for each role, on its own account and on others. An operation
//! without a row here fails the test.

use bellwire_domain::{Clock, Decision};
use serde_json::{Value, json};

use crate::document::operations;
use crate::support::{ADMIN, Server};

/// `id`: admin, publisher, consumer on its own account, consumer on another's, auditor, nobody.
/// `+` allowed, `-` 403, `0` 404, `!` 401.
const MATRIX: [(&str, &str); 70] = [
    ("keys.create", "+----!"),
    ("keys.list", "+----!"),
    ("keys.delete", "+----!"),
    ("contracts.list", "+++++!"),
    ("contracts.get", "+++0+!"),
    ("contracts.webhooks", "+++0+!"),
    ("contracts.reload", "+----!"),
    ("contracts.keys", "+++0+!"),
    ("contracts.rotate", "+----!"),
    ("accounts.put", "+----!"),
    ("accounts.get", "+-+0+!"),
    ("accounts.list", "+---+!"),
    ("accounts.delete", "+----!"),
    ("accounts.rotate", "+-+0-!"),
    ("accounts.renew_data_key", "+----!"),
    ("accounts.open_portal", "+----!"),
    ("accounts.close_portal", "+----!"),
    ("clients.create", "+----!"),
    ("clients.list", "+----!"),
    ("clients.get", "+----!"),
    ("clients.delete", "+----!"),
    ("endpoints.create", "+-+0-!"),
    ("endpoints.list", "+-+0+!"),
    ("endpoints.get", "+-+0+!"),
    ("endpoints.update", "+-+0-!"),
    ("endpoints.delete", "+-+0-!"),
    ("endpoints.test", "+-+0-!"),
    ("endpoints.preview", "+-+0-!"),
    ("endpoints.enable", "+-+0-!"),
    ("endpoints.disable", "+-+0-!"),
    ("endpoints.resume", "+-+0-!"),
    ("endpoints.rotate", "+-+0-!"),
    ("events.publish", "++---!"),
    ("events.list", "+-+0+!"),
    ("events.stream", "+-+0+!"),
    ("events.listen", "+-+0-!"),
    ("resources.put", "++---!"),
    ("resources.get", "+++0-!"),
    ("resources.list", "+++0-!"),
    ("deliveries.list", "+-+++!"),
    ("deliveries.get", "+-+0+!"),
    ("deliveries.request", "+-+0-!"),
    ("deliveries.retry", "+-+0-!"),
    ("replays.start", "+-+0-!"),
    ("replays.list", "+-+0+!"),
    ("replays.running", "+-+++!"),
    ("replays.get", "+-+0+!"),
    ("replays.cancel", "+-+0-!"),
    ("system.get", "+---+!"),
    ("incidents.list", "+-+++!"),
    ("incidents.get", "+-+0+!"),
    ("incidents.acknowledge", "+-+0-!"),
    ("incidents.resolve", "+-+0-!"),
    ("bulk_retries.start", "+-++-!"),
    ("bulk_retries.list", "+-+++!"),
    ("bulk_retries.get", "+-+0+!"),
    ("bulk_retries.cancel", "+-+0-!"),
    ("stats", "+-+++!"),
    ("audit.list", "+---+!"),
    ("audit.checkpoint", "+---+!"),
    ("disclosures.list", "+---+!"),
    ("erasures.start", "+----!"),
    ("erasures.get", "+---+!"),
    ("erasures.list", "+---+!"),
    ("holds.put", "+----!"),
    ("holds.get", "+---+!"),
    ("holds.list", "+---+!"),
    ("holds.delete", "+----!"),
    ("health.alive", "++++++"),
    ("document", "++++++"),
];

/// Routes that have nothing to protect, answered above by their kin.
const OPEN: [&str; 2] = ["health.ready", "health.metrics"];

/// The id of the resource that every account has.
pub(crate) const RESOURCE: &str = "eb73184b-ae3c-4411-aa82-3c3bd877cf78";

/// What an account has to be asked about.
pub(crate) struct Things {
    pub(crate) account: String,
    pub(crate) contract: &'static str,
    pub(crate) endpoint: String,
    pub(crate) delivery: String,
    pub(crate) incident: String,
    pub(crate) replay: String,
    pub(crate) bulk_retry: String,
    pub(crate) erasure: String,
    pub(crate) client: String,
}

/// A subject that is under a hold in every account.
pub(crate) const HELD: &str = "patient:held";

pub(crate) async fn things(server: &Server, account: &str, contract: &'static str) -> Things {
    server.account(account, contract).await;
    let (kind, document) = if contract == "noyo" {
        ("difference", json!({ "id": RESOURCE, "status": "processing" }))
    } else {
        ("order", json!({ "status": "open", "event": "e1" }))
    };
    let path = format!("/v1/accounts/{account}/resources/{kind}/{RESOURCE}");
    assert_eq!(server.put(&path, &document).await.status, 201, "before there are endpoints");
    let endpoint = server.endpoint(account).await;
    let data = json!({ "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" });
    let kind = if contract == "noyo" { "difference.created" } else { "order.created" };
    server.post(&format!("/v1/accounts/{account}/events"), &json!({ "type": kind, "data": data })).await;
    let claimed = loop {
        let batch = server.queue.next_claimed().await.unwrap();
        if let Some(mine) = batch.into_iter().find(|delivery| delivery.endpoint_id.as_str() == endpoint) {
            break mine;
        }
    };
    let delivery = claimed.id.to_string();
    let due_at = Clock::now(&*server.clock);
    server.record(claimed, 503, b"busy", Decision::Retry { due_at }).await; // not in flight any more, so that it can be retried
    let incidents = server.get(&format!("/v1/incidents?account={account}")).await;
    let incident = incidents.json["items"][0]["id"].as_str().unwrap().to_owned();
    let since = json!({ "since": "2025-01-01T00:00:00Z" });
    let replay = server.post(&format!("/v1/accounts/{account}/endpoints/{endpoint}/replay"), &since).await.id();
    let many = json!({ "filter": { "account": account, "status": 418 }, "reason": "to see" });
    let bulk_retry = server.post("/v1/bulk/retries", &many).await.id();
    let asked = json!({ "subject": "patient:7", "reason": "to see" });
    let erasure = server.post(&format!("/v1/accounts/{account}/erasures"), &asked).await.id();
    server.put(&format!("/v1/accounts/{account}/holds/{HELD}"), &json!({ "reason": "to see" })).await;
    let client = json!({ "jwks_url": "https://client.example/jwks" });
    let client = server.post(&format!("/v1/accounts/{account}/clients"), &client).await.id();
    Things { account: account.to_owned(), contract, endpoint, delivery, incident, replay, bulk_retry, erasure, client }
}

/// The example of the body, as it suits the account.
pub(crate) fn example_body(operation: &Value) -> Option<String> {
    let media = &operation["requestBody"]["content"]["application/json"];
    let example = match &media["example"] {
        Value::Null => &media["examples"]["one"]["value"],
        example => example,
    };
    (!example.is_null()).then(|| example.to_string())
}

/// The path with the examples of the query parameters that are required.
pub(crate) fn with_required(path: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let required = parameters.filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
    let query: Vec<String> = required
        .map(|parameter| format!("{}={}", parameter["name"].as_str().unwrap(), parameter["example"].as_str().unwrap()))
        .collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

#[tokio::test]
async fn every_operation_for_every_role() {
    let server = Server::start().await;
    server.account("clinic-7", "noyo").await; // whom the examples name
    let other = things(&server, "other", "choosy").await;
    let keys = [
        Some(ADMIN.to_owned()),
        Some(server.key("publisher", None).await),
        None, // made anew for each case
        Some(server.key("consumer", Some(&other.account)).await),
        Some(server.key("auditor", None).await),
        Some("no key".to_owned()),
    ];
    for (method, path, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap();
        if OPEN.contains(&id) {
            continue;
        }
        let row = MATRIX.iter().find(|(known, _)| *known == id);
        let (_, expected) = row.unwrap_or_else(|| panic!("{id} has no row in the matrix"));
        let mut line = String::new();
        for (place, key) in keys.iter().enumerate() {
            let own = things(&server, &format!("{id}-{place}"), "noyo").await;
            let key = match key {
                Some(key) => key.clone(),
                None => server.key("consumer", Some(&own.account)).await,
            };
            line.push(try_once(&server, (method, path, operation), &own, &key).await);
        }
        assert_eq!(line, *expected, "{id}");
    }
    let known: Vec<_> = operations().map(|(_, _, operation)| operation["operationId"].as_str().unwrap()).collect();
    assert!(MATRIX.iter().all(|(id, _)| known.contains(id)), "a row of the matrix names no operation");
}

async fn try_once(server: &Server, (method, path, operation): (&str, &str, &Value), own: &Things, key: &str) -> char {
    let spare = server.post("/v1/keys", &json!({ "role": "auditor" })).await.id();
    let path = path
        .replace("{account}", &own.account)
        .replace("{contract}", own.contract)
        .replace("{endpoint}", &own.endpoint)
        .replace("{delivery}", &own.delivery)
        .replace("{incident}", &own.incident)
        .replace("{replay}", &own.replay)
        .replace("{bulk_retry}", &own.bulk_retry)
        .replace("{erasure}", &own.erasure)
        .replace("{client}", &own.client)
        .replace("{subject}", HELD)
        .replace("{kind}", "difference")
        .replace("{id}", RESOURCE)
        .replace("{key}", &spare);
    let path = with_required(&path, operation);
    let answer = server.call(&method.to_ascii_uppercase(), &path, Some(key), example_body(operation).as_deref()).await;
    match answer.status {
        200..=299 => '+',
        401 => '!',
        403 => '-',
        404 => '0',
        // Allowed, but under this account's contract there is no such secret.
        409 if answer.json["code"] == "endpoint_secret" => '+',
        status => panic!("{method} {path}: {status} {}", answer.text),
    }
}

#[tokio::test]
async fn another_account_looks_like_none() {
    let server = Server::start().await;
    let own = things(&server, "clinic-7", "noyo").await;
    let other = things(&server, "clinic-8", "choosy").await;
    let key = server.key("consumer", Some(&own.account)).await;
    let nothing = Things {
        account: "nobody".to_owned(),
        contract: "choosy",
        endpoint: "nothing".to_owned(),
        delivery: "dlv_nothing".to_owned(),
        incident: "inc_nothing".to_owned(),
        replay: "rpl_nothing".to_owned(),
        bulk_retry: "blk_nothing".to_owned(),
        erasure: "era_nothing".to_owned(),
        client: "cli_nothing".to_owned(),
    };
    let belongs = |path: &str| ["{account}", "{delivery}", "{incident}", "{bulk_retry}"].iter().any(|part| path.contains(part));
    for (method, path, operation) in operations().filter(|(_, path, _)| belongs(path)) {
        let at = |things: &Things| {
            let path = path.replace("{account}", &things.account).replace("{endpoint}", &things.endpoint);
            let path = path.replace("{delivery}", &things.delivery).replace("{incident}", &things.incident);
            let path = path.replace("{bulk_retry}", &things.bulk_retry).replace("{kind}", "order").replace("{id}", RESOURCE);
            with_required(
                &path.replace("{erasure}", &things.erasure).replace("{client}", &things.client).replace("{subject}", HELD),
                operation,
            )
        };
        let body = example_body(operation);
        let method = method.to_ascii_uppercase();
        let theirs = server.call(&method, &at(&other), Some(&key), body.as_deref()).await;
        let nobodys = server.call(&method, &at(&nothing), Some(&key), body.as_deref()).await;
        assert!(matches!(theirs.status, 403 | 404), "{method} {path}: {}", theirs.text);
        assert_eq!((theirs.status, &theirs.text), (nobodys.status, &nobodys.text), "{method} {path}");
    }
    for list in ["deliveries", "incidents", "stats"] {
        let theirs = server.call("GET", &format!("/v1/{list}?account=clinic-8"), Some(&key), None).await;
        let nobodys = server.call("GET", &format!("/v1/{list}?account=nobody"), Some(&key), None).await;
        assert_eq!((theirs.status, &theirs.text), (404, &nobodys.text), "{list}");
    }
    let endpoint = server.call("GET", &format!("/v1/deliveries?endpoint={}", other.endpoint), Some(&key), None).await;
    assert_eq!(endpoint.json["items"], json!([]));
    let mine = server.call("GET", "/v1/deliveries", Some(&key), None).await;
    assert_eq!(mine.json["items"].as_array().unwrap().len(), 1, "only its own");
    let mine = server.call("GET", "/v1/incidents", Some(&key), None).await;
    assert_eq!(mine.json["items"].as_array().unwrap().len(), 1, "only its own");
    let mine = server.call("GET", "/v1/bulk/retries", Some(&key), None).await;
    assert_eq!(mine.json["items"].as_array().unwrap().len(), 1, "only its own");
    let mine = server.call("GET", "/v1/stats", Some(&key), None).await;
    assert_eq!(mine.json["total"]["attempts"], 1, "only its own");
}

#[tokio::test]
async fn where_the_operator_registers_a_consumer_only_looks() {
    let server = Server::start().await;
    server.account("s", "administered").await;
    let endpoint = server.endpoint("s").await;
    let key = server.key("consumer", Some("s")).await;
    let base = "/v1/accounts/s/endpoints";
    assert_eq!(server.call("GET", base, Some(&key), None).await.status, 200);
    assert_eq!(server.call("GET", &format!("{base}/{endpoint}"), Some(&key), None).await.status, 200);
    let body = r#"{"url":"https://c.example"}"#;
    assert_eq!(server.call("POST", base, Some(&key), Some(body)).await.problem(), "403 forbidden");
    assert_eq!(server.call("PATCH", &format!("{base}/{endpoint}"), Some(&key), Some(body)).await.problem(), "403 forbidden");
    assert_eq!(server.call("DELETE", &format!("{base}/{endpoint}"), Some(&key), None).await.problem(), "403 forbidden");
    for action in ["test", "enable", "disable", "resume", "secrets"] {
        let answer = server.call("POST", &format!("{base}/{endpoint}/{action}"), Some(&key), None).await;
        assert_eq!(answer.problem(), "403 forbidden", "{action}");
    }
    assert_eq!(server.call("POST", "/v1/accounts/s/secrets", Some(&key), None).await.problem(), "403 forbidden");
}

#[tokio::test]
async fn permission_is_asked_before_the_body_is_read() {
    let server = Server::start().await;
    let key = server.key("auditor", None).await;
    for path in ["/v1/keys", "/v1/accounts/nobody/events", "/v1/accounts/nobody/endpoints"] {
        assert_eq!(server.call("POST", path, Some(&key), Some("{ not json")).await.problem(), "403 forbidden");
    }
}
