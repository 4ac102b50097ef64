//! `/v1/bulk/retries`: what is counted, what is sent again, and what is refused.

use bellwire_domain::Decision;
use serde_json::{Value, json};

use crate::support::Server;

const PATH: &str = "/v1/bulk/retries";

/// An account with so many deliveries that were refused and have failed.
async fn failed(server: &Server, account: &str, count: usize) {
    server.account(account, "noyo").await;
    server.endpoint(account).await;
    for _ in 0..count {
        let data = json!({ "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" });
        server.post(&format!("/v1/accounts/{account}/events"), &json!({ "type": "difference.created", "data": data })).await;
        let claimed = server.queue.next_claimed().await.unwrap();
        for delivery in claimed {
            server.record(delivery, 503, b"", Decision::Failed { endpoint_gone: false }).await;
        }
    }
}

/// Takes steps until nothing runs.
async fn work(server: &Server) {
    while server.app.advance_bulk_retry(None).await.unwrap().is_some() {}
}

#[tokio::test]
async fn it_is_previewed_started_looked_at_and_done() {
    let server = Server::start().await;
    failed(&server, "clinic-7", 3).await;
    failed(&server, "clinic-8", 1).await;
    let filter = json!({ "account": "clinic-7", "outcome": "response", "attempts_min": 1, "until": "2999-01-01T00:00:00Z" });
    let preview = server.post(PATH, &json!({ "filter": filter, "preview": true })).await;
    assert_eq!((preview.status, &preview.json), (200, &json!({ "matched": 3, "exact": true })));
    assert_eq!(server.get(PATH).await.json["items"], json!([]), "a preview starts nothing");

    let started = server.post(PATH, &json!({ "filter": filter, "reason": " they are back " })).await;
    assert_eq!((started.status, &started.json["state"], &started.json["matched"]), (202, &json!("running"), &json!(3)));
    assert_eq!(started.json["reason"], "they are back");
    let kept = json!({ "account": "clinic-7", "outcome": "response", "attempts_min": 1, "state": "failed",
        "until": "2999-01-01T00:00:00.000000Z" });
    assert_eq!(started.json["filter"], kept);
    work(&server).await;
    let path = format!("{PATH}/{}", started.id());
    let done = server.get(&path).await.json;
    assert_eq!((&done["state"], &done["retried"], &done["skipped"]), (&json!("done"), &json!(3), &json!(0)));
    assert!(done["ended_at"].is_string(), "{done}");
    assert_eq!(server.call("DELETE", &path, Some(crate::support::ADMIN), None).await.json, done, "it has ended");
    let pending = server.get("/v1/deliveries?state=pending").await.json;
    let whose: Vec<&Value> = pending["items"].as_array().unwrap().iter().map(|item| &item["account"]).collect();
    assert_eq!(whose, ["clinic-7"; 3]);
}

#[tokio::test]
async fn a_consumer_names_no_account_and_retries_its_own() {
    let server = Server::start().await;
    failed(&server, "clinic-7", 1).await;
    failed(&server, "clinic-8", 1).await;
    let key = server.key("consumer", Some("clinic-8")).await;
    let ask = json!({ "filter": {}, "reason": "ours" }).to_string();
    let started = server.call("POST", PATH, Some(&key), Some(&ask)).await;
    assert_eq!((&started.json["filter"]["account"], &started.json["matched"]), (&json!("clinic-8"), &json!(1)));
    let theirs = json!({ "filter": { "account": "clinic-7" }, "reason": "theirs" }).to_string();
    assert_eq!(server.call("POST", PATH, Some(&key), Some(&theirs)).await.problem(), "404 not_found");
    let all = server.post(PATH, &json!({ "filter": {}, "reason": "all" })).await;
    assert_eq!(all.json["matched"], 2);
    let path = format!("{PATH}/{}", all.id());
    assert_eq!(server.call("GET", &path, Some(&key), None).await.problem(), "404 not_found", "it is over all accounts");
}

#[tokio::test]
async fn what_means_nothing_is_refused_with_its_place() {
    let server = Server::start().await;
    server.account("clinic-7", "noyo").await;
    for (filter, place) in [
        (json!({ "state": "delivered" }), "/filter/state"),
        (json!({ "state": "lost" }), "/filter/state"),
        (json!({ "status": "503" }), "/filter/status"),
        (json!({ "status": 99 }), "/filter/status"),
        (json!({ "account": 7 }), "/filter/account"),
        (json!({ "stat": 503 }), "/filter/stat"),
        (json!({ "event": "e1" }), "/filter/event"),
        (json!({ "since": "yesterday" }), "/filter/since"),
        (json!([]), "/filter"),
    ] {
        let refused = server.post(PATH, &json!({ "filter": filter, "reason": "x" })).await;
        assert_eq!(refused.problem(), format!("422 invalid {place}"), "{filter}");
    }
    for reason in
        [json!({ "filter": {} }), json!({ "filter": {}, "reason": " " }), json!({ "filter": {}, "reason": "x".repeat(501) })]
    {
        let refused = server.post(PATH, &reason).await;
        assert_eq!(refused.problem(), "422 invalid /reason");
    }
    let nowhere = json!({ "filter": { "account": "clinic-7", "endpoint": "no such" }, "preview": true });
    assert_eq!(server.post(PATH, &nowhere).await.json, json!({ "matched": 0, "exact": true }));
}

#[tokio::test]
async fn so_many_run_at_once_and_one_that_is_cancelled_makes_room() {
    let server = Server::start().await;
    failed(&server, "clinic-7", 1).await;
    let ask = json!({ "filter": { "account": "clinic-7" }, "reason": "again" });
    let mut first = None;
    for _ in 0..4 {
        let started = server.post(PATH, &ask).await;
        assert_eq!(started.status, 202, "{}", started.text);
        first.get_or_insert(started.id());
    }
    assert_eq!(server.post(PATH, &ask).await.problem(), "409 bulk_retry_limit");
    let path = format!("{PATH}/{}", first.unwrap());
    assert_eq!(server.call("DELETE", &path, Some(crate::support::ADMIN), None).await.json["state"], "cancelled");
    assert_eq!(server.post(PATH, &ask).await.status, 202);
}
