//! What leaves a record in the audit log: every operation of the document that changes something or shows contents.

use bellwire_domain::{AuditAction, Decision};
use serde_json::{Value, json};

use crate::authorisation::{HELD, RESOURCE, Things, example_body, things, with_required};
use crate::document::operations;
use crate::support::{ADMIN, Server};

/// The records of each operation; empty: it leaves none.
const RECORDS: [(&str, &str); 70] = [
    ("keys.create", "key.created"),
    ("keys.list", ""),
    ("keys.delete", "key.deleted"),
    ("contracts.list", ""),
    ("contracts.get", ""),
    ("contracts.webhooks", ""),
    ("contracts.reload", "contracts.reloaded"),
    ("contracts.keys", ""),
    ("contracts.rotate", "contract.key_rotated"),
    ("accounts.put", "account.changed"),
    ("accounts.get", ""),
    ("accounts.list", ""),
    ("accounts.delete", "account.deleted"),
    ("accounts.rotate", "account.secret_rotated"),
    ("accounts.renew_data_key", "data_key.renewed"),
    ("accounts.open_portal", "portal_link.created"),
    ("accounts.close_portal", "portal.ended"),
    ("clients.create", "client.created"),
    ("clients.list", ""),
    ("clients.get", ""),
    ("clients.delete", "client.deleted"),
    ("endpoints.create", "endpoint.created"),
    ("endpoints.list", ""),
    ("endpoints.get", "secret.read"),
    ("endpoints.update", "endpoint.changed"),
    ("endpoints.delete", "endpoint.deleted"),
    ("endpoints.test", "endpoint.tested"),
    ("endpoints.preview", ""),
    ("endpoints.enable", "endpoint.changed"),
    ("endpoints.disable", "endpoint.changed"),
    ("endpoints.resume", "endpoint.changed"),
    ("endpoints.rotate", "endpoint.secret_rotated"),
    ("events.publish", "events.published"),
    ("events.list", "payloads.read"),
    ("events.stream", "payloads.read"),
    ("events.listen", "payloads.read"),
    ("resources.put", "resources.put"),
    ("resources.get", "payloads.read"),
    ("resources.list", ""),
    ("system.get", ""),
    ("deliveries.list", ""),
    ("deliveries.get", "answers.read"),
    ("deliveries.request", "payloads.read"),
    ("deliveries.retry", "delivery.retried answers.read"),
    ("replays.start", "replay.started"),
    ("replays.list", ""),
    ("replays.running", ""),
    ("replays.get", ""),
    ("replays.cancel", "replay.cancelled"),
    ("incidents.list", ""),
    ("incidents.get", ""),
    ("incidents.acknowledge", "incident.changed"),
    ("incidents.resolve", "incident.changed"),
    ("bulk_retries.start", "bulk_retry.started"),
    ("bulk_retries.list", ""),
    ("bulk_retries.get", ""),
    ("bulk_retries.cancel", "bulk_retry.cancelled"),
    ("stats", ""),
    ("audit.list", ""),
    ("audit.checkpoint", ""),
    ("disclosures.list", "disclosures.read"),
    ("erasures.start", "erasure.started"),
    ("erasures.get", ""),
    ("erasures.list", ""),
    ("holds.put", "hold.placed"),
    ("holds.get", ""),
    ("holds.list", ""),
    ("holds.delete", "hold.released"),
    ("health.alive", ""),
    ("document", ""),
];

const OPEN: [&str; 2] = ["health.ready", "health.metrics"];

/// Every record there is.
async fn records(server: &Server) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = server.get(&format!("/v1/audit?limit=200&after={after}")).await;
        let items = page.json["items"].as_array().unwrap_or_else(|| panic!("{}", page.text)).clone();
        all.extend(items);
        let Some(next) = page.json["next"].as_str() else { return all };
        after = next.parse().unwrap();
    }
}

/// What an operation on an account's things is asked of, and its contract's rules allow.
async fn place(server: &Server, operation: &str) -> (Things, Option<&'static str>) {
    let contract = match operation {
        "accounts.rotate" => "shared",
        "contracts.rotate" => "signed",
        "endpoints.get" => "open",
        _ => "noyo",
    };
    let own = if contract == "noyo" {
        things(server, &format!("of-{operation}"), contract).await
    } else {
        things_of(server, &format!("of-{operation}"), contract).await
    };
    (own, (contract != "noyo").then_some(contract))
}

/// An account of a contract without resources, and an endpoint.
async fn things_of(server: &Server, account: &str, contract: &'static str) -> Things {
    server.account(account, contract).await;
    let endpoint = server.endpoint(account).await;
    let none = String::new;
    let account = account.to_owned();
    Things {
        account,
        contract,
        endpoint,
        delivery: none(),
        incident: none(),
        replay: none(),
        bulk_retry: none(),
        erasure: none(),
        client: none(),
    }
}

#[tokio::test]
async fn every_operation_that_changes_or_shows_something_leaves_its_record() {
    let server = Server::start().await;
    server.account("clinic-7", "noyo").await; // whom the examples name
    let mut unlike = Vec::new();
    for (method, path, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap();
        if OPEN.contains(&id) {
            continue;
        }
        let row = RECORDS.iter().find(|(known, _)| *known == id);
        let (_, expected) = row.unwrap_or_else(|| panic!("{id} has no row here"));
        let (own, _) = place(&server, id).await;
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
        if id == "accounts.close_portal" {
            server.post(&path, &json!({})).await; // so that there is something to close
        }
        server.app.record_tally().await.unwrap();
        let before = records(&server).await.len();
        let path = with_required(&path, operation);
        let answer = server.call(&method.to_ascii_uppercase(), &path, Some(ADMIN), example_body(operation).as_deref()).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.text);
        server.app.record_tally().await.unwrap();
        let added = records(&server).await.split_off(before);
        let found: Vec<&str> = added.iter().map(|record| record["action"].as_str().unwrap()).collect();
        let expected: Vec<&str> = expected.split_whitespace().collect();
        if found != expected {
            unlike.push(format!("{id}: {found:?}, not {expected:?}"));
        }
        for record in &added {
            assert!(record["actor"].as_str().unwrap().starts_with("key_"), "{record}");
            if path.contains("/accounts/") {
                assert_eq!(record["account"], own.account.as_str(), "{record}");
            }
        }
    }
    assert!(unlike.is_empty(), "{unlike:#?}");
}

#[tokio::test]
async fn a_record_says_what_was_changed_and_holds_no_secret() {
    let server = Server::start().await;
    server.account("a", "choosy").await;
    let made = json!({ "url": "https://c.example/in?token=planted-url", "headers": { "x-own": "planted-header" } });
    let endpoint = server.post("/v1/accounts/a/endpoints", &made).await.id();
    let changed = json!({ "url": "https://d.example/in?token=planted-again", "enabled": false });
    server.patch(&format!("/v1/accounts/a/endpoints/{endpoint}"), &changed).await;
    let retry = json!({ "filter": { "account": "a" }, "reason": "planted-reason" });
    server.post("/v1/bulk/retries", &retry).await;
    let records = records(&server).await;
    let last = records.len() - 1;
    assert_eq!(records[last - 1]["detail"], json!({ "changed": ["url"], "enabled": "false", "receiver": "https://d.example" }));
    assert_eq!(records[last]["personal"]["detail.reason"], "planted-reason");
    let hashed: Vec<Value> = records.iter().cloned().map(without_personal).collect();
    let text = serde_json::to_string(&hashed).unwrap();
    assert!(!text.contains("planted"), "{text}");
    assert!(!text.contains(ADMIN));
}

fn without_personal(mut record: Value) -> Value {
    record.as_object_mut().unwrap().remove("personal");
    record
}

#[tokio::test]
async fn refused_keys_are_counted_by_their_visible_part() {
    let server = Server::start().await;
    let wrong = format!("bwk_{}", "ab".repeat(32));
    for key in [wrong.as_str(), wrong.as_str(), "hunter2"] {
        assert_eq!(server.call("GET", "/v1/accounts", Some(key), None).await.status, 401);
    }
    server.app.record_tally().await.unwrap();
    let found = server.get("/v1/audit?action=sign_in.refused").await;
    let items = found.json["items"].as_array().unwrap();
    let count = |object: &Value| items.iter().find(|item| item["object"] == *object).unwrap()["detail"]["count"].clone();
    assert_eq!((count(&json!("bwk_abababab")), count(&Value::Null)), (json!(2), json!(1)));
    assert!(!found.text.contains("hunter2"), "a text that is no key of ours may be anything");
}

#[tokio::test]
async fn an_auditor_is_shown_no_contents_and_nothing_is_recorded_as_read() {
    let server = Server::start().await;
    server.account("a", "choosy").await;
    let headers = json!({ "x-own": "planted" });
    let made = json!({ "url": "https://c.example/in?token=planted", "enabled": true, "headers": headers });
    let endpoint = server.post("/v1/accounts/a/endpoints", &made).await.id();
    let data = json!({ "id": "planted", "status": "planted" });
    server.post("/v1/accounts/a/events", &json!({ "type": "order.created", "data": data })).await;
    let claimed = server.queue.next_claimed().await.unwrap().remove(0);
    let delivery = claimed.id.to_string();
    server.record(claimed, 200, b"planted", Decision::Delivered).await;
    let key = server.key("auditor", None).await;
    let before = records(&server).await.len();
    for path in [
        "/v1/accounts/a/events".to_owned(),
        "/v1/accounts/a/events/stream".to_owned(),
        format!("/v1/accounts/a/endpoints/{endpoint}"),
        "/v1/accounts/a/endpoints".to_owned(),
        format!("/v1/deliveries/{delivery}"),
    ] {
        let answer = server.call("GET", &path, Some(&key), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(!answer.text.contains("planted"), "{path}: {}", answer.text);
    }
    let one = format!("/v1/accounts/a/endpoints/{endpoint}");
    let masked = server.call("GET", &one, Some(&key), None).await.json;
    assert_eq!((&masked["url"], &masked["headers"]["x-own"]), (&json!("https://c.example/in?token=…"), &json!("…")));
    assert_eq!(server.get(&one).await.json["url"], made["url"], "who may change it sees all of it");
    assert_eq!(records(&server).await.len(), before);
    let shown = server.get(&format!("/v1/deliveries/{delivery}")).await;
    assert!(shown.text.contains("planted"));
}

#[tokio::test]
async fn a_checkpoint_names_the_log_and_its_size() {
    let server = Server::start().await;
    server.account("a", "noyo").await;
    let size = records(&server).await.len();
    let note = server.get("/v1/audit/checkpoint").await;
    assert_eq!(note.header("content-type"), "text/plain; charset=utf-8");
    let lines: Vec<&str> = note.text.lines().collect();
    assert!(lines[0].starts_with("bellwire/") && lines[4].starts_with(&format!("— {} ", lines[0])), "{}", note.text);
    assert_eq!(lines[1], size.to_string());
    assert_eq!(server.get("/v1/audit/checkpoint").await.text, note.text, "nothing was added");
    let wrong = server.get("/v1/audit?action=nothing").await;
    assert_eq!(wrong.problem(), "400 invalid_query");
    assert!(AuditAction::parse("nothing").is_none());
}
