//! `/v1/accounts/{account}/endpoints/{endpoint}/replay` and `…/replays`

use std::time::Duration;

use bellwire_app::Limits;
use serde_json::{Value, json};

use crate::support::Server;

const EVENTS: &str = "/v1/accounts/c/events";

/// A server with three events from before the endpoint existed; the endpoint's path.
async fn server() -> (Server, String) {
    let server = Server::start().await;
    server.account("c", "choosy").await;
    for number in 0..3 {
        server.post(EVENTS, &json!({ "type": "order.created", "data": number })).await;
    }
    let path = format!("/v1/accounts/c/endpoints/{}", server.endpoint("c").await);
    (server, path)
}

#[tokio::test]
async fn a_replay_is_asked_for_watched_and_done() {
    let (server, path) = server().await;
    let started = server.post(&format!("{path}/replay"), &json!({ "since": "2025-01-01T00:00:00Z" })).await;
    assert_eq!(started.status, 202, "{}", started.text);
    assert!(started.id().starts_with("rpl_"));
    let expected = json!({
        "id": started.id(), "account": "c", "endpoint": path.rsplit('/').next().unwrap(), "state": "running",
        "since": "2025-01-01T00:00:00.000000Z", "until": null, "states": ["failed", "missed"], "examined": 0, "created": 0,
        "created_at": "2025-01-15T10:30:00.000000Z", "ended_at": null
    });
    assert_eq!(started.json, expected);
    let own = format!("{path}/replays/{}", started.id());
    assert_eq!(server.get(&own).await.json, expected);
    assert_eq!(server.get(&format!("{path}/replays")).await.json, json!({ "items": [expected], "next": null }));

    server.clock.advance(Duration::from_secs(1));
    assert_eq!(server.queue.advance_replay(None).await.unwrap().unwrap().created, 3);
    let done = server.get(&own).await.json;
    assert_eq!(
        (&done["state"], &done["examined"], &done["created"], &done["ended_at"]),
        (&json!("done"), &json!(3), &json!(3), &json!("2025-01-15T10:30:01.000000Z"))
    );
    let endpoint = path.rsplit('/').next().unwrap();
    let deliveries = server.get(&format!("/v1/deliveries?account=c&endpoint={endpoint}&state=pending")).await.json;
    let numbers: Vec<_> = deliveries["items"].as_array().unwrap().iter().map(|item| item["number"].clone()).collect();
    assert_eq!(numbers, [3, 2, 1]);
    assert_eq!(server.delete(&own).await.json, done, "it stays as it ended");
}

#[tokio::test]
async fn what_is_given_is_kept_and_what_is_wrong_is_named() {
    let (server, path) = server().await;
    let replay = format!("{path}/replay");
    let body = json!({
        "since": "2025-01-15T10:00:00+01:00", "until": "2025-01-16T00:00:00Z",
        "states": ["delivered", "missed", "cancelled", "failed", "missed"]
    });
    let given = server.post(&replay, &body).await.json;
    assert_eq!(
        (&given["since"], &given["until"]),
        (&json!("2025-01-15T09:00:00.000000Z"), &json!("2025-01-16T00:00:00.000000Z"))
    );
    assert_eq!(given["states"], json!(["failed", "cancelled", "missed", "delivered"]), "each once");
    for (body, problem) in [
        (json!({}), "422 invalid /since"),
        (json!({ "since": null }), "422 invalid /since"),
        (json!({ "since": "yesterday" }), "422 invalid /since"),
        (json!({ "since": 5, "until": "soon" }), "422 invalid /since /until"),
        (json!({ "since": "2025-01-02T00:00:00Z", "until": "2025-01-01T00:00:00Z" }), "422 invalid /until"),
        (json!({ "since": "2025-01-02T00:00:00Z", "until": "2025-01-02T00:00:00Z" }), "422 invalid /until"),
        (json!({ "since": "2025-01-02T00:00:00Z", "states": [] }), "422 invalid /states"),
        (json!({ "since": "2025-01-02T00:00:00Z", "states": ["failed", "pending"] }), "422 invalid /states/1"),
        (json!({ "since": "2025-01-02T00:00:00Z", "states": "failed" }), "422 invalid /states"),
        (json!({ "since": "2025-01-02T00:00:00Z", "endpoint": "x" }), "422 invalid /endpoint"),
    ] {
        assert_eq!(server.post(&replay, &body).await.problem(), problem, "{body}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let (server, path) = server().await;
    let since = json!({ "since": "2025-01-01T00:00:00Z" });
    for wrong in ["/v1/accounts/c/endpoints/nobody", "/v1/accounts/nobody/endpoints/nobody", "/v1/accounts/c/endpoints/no%20id"] {
        assert_eq!(server.post(&format!("{wrong}/replay"), &since).await.problem(), "404 not_found");
        assert_eq!(server.get(&format!("{wrong}/replays")).await.problem(), "404 not_found");
        assert_eq!(server.get(&format!("{wrong}/replays/rpl_1")).await.problem(), "404 not_found");
    }
    for id in ["rpl_1", "no%20id"] {
        assert_eq!(server.get(&format!("{path}/replays/{id}")).await.problem(), "404 not_found");
        assert_eq!(server.delete(&format!("{path}/replays/{id}")).await.problem(), "404 not_found");
    }
    let started = server.post(&format!("{path}/replay"), &since).await.id();
    let neighbour = server.endpoint("c").await;
    let elsewhere = format!("/v1/accounts/c/endpoints/{neighbour}/replays/{started}");
    assert_eq!(server.get(&elsewhere).await.problem(), "404 not_found", "it belongs to its endpoint");
    assert_eq!(server.delete(&elsewhere).await.problem(), "404 not_found");
    assert_eq!(server.get(&format!("{path}/replays/{started}")).await.json["state"], "running");
}

#[tokio::test]
async fn so_many_run_at_once_for_all_endpoints_of_an_account() {
    let server = Server::with_limits(Limits { account_replays_running_max: 2, ..Limits::default() }).await;
    let since = json!({ "since": "2025-01-01T00:00:00Z" });
    let mut answers = Vec::new();
    for account in ["c", "d"] {
        server.account(account, "choosy").await;
        for _ in 0..3 {
            let path = format!("/v1/accounts/{account}/endpoints/{}/replay", server.endpoint(account).await);
            answers.push(server.post(&path, &since).await.status);
        }
    }
    assert_eq!(answers, [202, 202, 409, 202, 202, 409]);
}

#[tokio::test]
async fn a_cancelled_one_ends_and_so_many_run_at_once() {
    let server = Server::with_limits(Limits { replays_running_max: 1, ..Limits::default() }).await;
    server.account("c", "choosy").await;
    let path = format!("/v1/accounts/c/endpoints/{}", server.endpoint("c").await);
    let since = json!({ "since": "2025-01-01T00:00:00Z" });
    let first = server.post(&format!("{path}/replay"), &since).await.id();
    assert_eq!(server.post(&format!("{path}/replay"), &since).await.problem(), "409 replay_limit");
    let cancelled = server.delete(&format!("{path}/replays/{first}")).await;
    assert_eq!((cancelled.status, &cancelled.json["state"]), (200, &json!("cancelled")));
    assert_ne!(cancelled.json["ended_at"], Value::Null);
    let second = server.post(&format!("{path}/replay"), &since).await;
    assert_eq!(second.status, 202, "{}", second.text);
}

#[tokio::test]
async fn each_answer_says_how_many_more_replays_may_run_at_once() {
    let limits = Limits { account_replays_running_max: 3, replays_running_max: 2, ..Limits::default() };
    let server = Server::with_limits(limits).await;
    server.account("c", "choosy").await;
    let since = json!({ "since": "2025-01-01T00:00:00Z" });
    let paths =
        [server.endpoint("c").await, server.endpoint("c").await].map(|id| format!("/v1/accounts/c/endpoints/{id}/replay"));
    let both = ["\"replays\";q=3", "\"endpoint-replays\";q=2"];
    for (path, status, policies, left) in [
        (&paths[0], 202, &both[..], &["\"replays\";r=2", "\"endpoint-replays\";r=1"][..]),
        (&paths[0], 202, &both, &["\"replays\";r=1", "\"endpoint-replays\";r=0"]),
        (&paths[0], 409, &both[1..], &["\"endpoint-replays\";r=0"]),
        (&paths[1], 202, &both, &["\"replays\";r=0", "\"endpoint-replays\";r=1"]),
        (&paths[1], 409, &both[..1], &["\"replays\";r=0"]),
    ] {
        let answer = server.post(path, &since).await;
        let all = |name| answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!((answer.status, all("ratelimit-policy"), all("ratelimit")), (status, policies.to_vec(), left.to_vec()));
    }
}
