//! `/v1/accounts`

use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn an_account_is_created_changed_read_listed_and_deleted() {
    let server = Server::start().await;
    let created = server.put("/v1/accounts/a", &json!({ "contract": "choosy", "name": "Clinic" })).await;
    assert_eq!((created.status, created.json.get("secret")), (201, None));
    let body = json!({ "contract": "choosy", "sandbox": true, "entitlements": ["order.audited"] });
    let changed = server.put("/v1/accounts/a", &body).await;
    assert_eq!(changed.status, 200);
    let read = server.get("/v1/accounts/a").await;
    assert_eq!(read.json, changed.json);
    assert_eq!((&read.json["name"], &read.json["sandbox"]), (&json!(null), &json!(true)), "the body is the whole account");
    server.account("b", "noyo").await;
    let list = server.get("/v1/accounts?limit=1").await;
    assert_eq!((&list.json["items"][0]["id"], &list.json["next"]), (&json!("a"), &json!("a")));
    assert_eq!(server.delete("/v1/accounts/a").await.status, 204);
    assert_eq!(server.get("/v1/accounts/a").await.problem(), "404 not_found");
    assert_eq!(server.delete("/v1/accounts/a").await.problem(), "404 not_found");
}

#[tokio::test]
async fn what_makes_no_account_says_where() {
    let server = Server::start().await;
    server.account("a", "noyo").await;
    for (path, body, expected) in [
        ("x", json!({}), "422 invalid /contract"),
        ("x", json!({ "contract": "unknown" }), "422 invalid /contract"),
        ("x", json!({ "contract": "noyo", "name": "" }), "422 invalid /name"),
        ("x", json!({ "contract": "noyo", "name": 7 }), "422 invalid /name"),
        ("x", json!({ "contract": "noyo", "secret": "s3cret" }), "422 invalid /secret"),
        ("x", json!({ "contract": "noyo", "sandbox": "no" }), "422 invalid /sandbox"),
        ("x", json!({ "contract": "noyo", "entitlements": ["order.audited"] }), "422 invalid /entitlements/0"),
        ("x", json!({ "contract": "choosy", "entitlements": ["order.audited", "order.created"] }), "422 invalid /entitlements/1"),
        ("x", json!({ "contract": "choosy", "entitlements": "order.audited" }), "422 invalid /entitlements"),
        ("x", json!({ "contract": "administered", "secret": "with\nbreak" }), "422 invalid /secret"),
        ("no%20id", json!({ "contract": "noyo" }), "422 invalid /id"),
        ("a", json!({ "contract": "choosy" }), "409 contract_fixed /contract"),
    ] {
        assert_eq!(server.put(&format!("/v1/accounts/{path}"), &body).await.problem(), expected, "{body}");
    }
}

#[tokio::test]
async fn an_account_that_needs_a_secret_gets_one_and_is_told_once() {
    let server = Server::start().await;
    let body = json!({ "contract": "administered" });
    let created = server.put("/v1/accounts/a", &body).await;
    let secret = created.json["secret"].as_str().unwrap().to_owned();
    assert!(secret.len() >= 32, "{secret}");
    assert_eq!(server.put("/v1/accounts/a", &body).await.json.get("secret"), None);
    assert!(!server.get("/v1/accounts/a").await.text.contains(&secret));
    assert!(!server.get("/v1/accounts").await.text.contains(&secret));

    let given = server.put("/v1/accounts/b", &json!({ "contract": "administered", "secret": "chosen by the operator" })).await;
    assert_eq!((given.status, given.json.get("secret")), (201, None), "who gave it knows it");
    let id = bellwire_domain::AccountId::try_new("b").unwrap();
    let stored = server.store.account_secrets(&id).await.unwrap();
    assert_eq!(stored.iter().map(|active| active.secret.expose().as_str()).collect::<Vec<_>>(), ["chosen by the operator"]);
}

#[tokio::test]
async fn of_many_creations_at_once_one_tells_the_secret_that_counts() {
    let server = Server::start().await;
    let body = json!({ "contract": "administered" });
    let answers = futures_util::future::join_all((0..8).map(|_| server.put("/v1/accounts/a", &body))).await;
    let told: Vec<_> = answers.iter().filter_map(|answer| answer.json["secret"].as_str()).collect();
    let id = bellwire_domain::AccountId::try_new("a").unwrap();
    let stored = server.store.account_secrets(&id).await.unwrap();
    assert_eq!(told, stored.iter().map(|active| active.secret.expose().as_str()).collect::<Vec<_>>());
}
