//! `/v1/accounts`

use std::time::Duration;

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
    let stored = server.records.account_secrets(&id).await.unwrap();
    assert_eq!(stored.iter().map(|active| active.secret.expose().as_str()).collect::<Vec<_>>(), ["chosen by the operator"]);
}

#[tokio::test]
async fn of_many_creations_at_once_one_tells_the_secret_that_counts() {
    let server = Server::start().await;
    let body = json!({ "contract": "administered" });
    let answers = futures_util::future::join_all((0..8).map(|_| server.put("/v1/accounts/a", &body))).await;
    let told: Vec<_> = answers.iter().filter_map(|answer| answer.json["secret"].as_str()).collect();
    let id = bellwire_domain::AccountId::try_new("a").unwrap();
    let stored = server.records.account_secrets(&id).await.unwrap();
    assert_eq!(told, stored.iter().map(|active| active.secret.expose().as_str()).collect::<Vec<_>>());
}

/// The account's secrets that sign, newest first.
/// One from before there was a floor: it stays, and may be put again as it is.
#[tokio::test]
async fn a_new_secret_that_is_short_is_refused_and_a_stored_one_stays() {
    let server = Server::start().await;
    let account = |secret: &str| json!({ "contract": "administered", "secret": secret });
    let refused = server.put("/v1/accounts/a", &account("short")).await;
    assert_eq!(refused.problem(), "422 invalid /secret");
    assert!(refused.text.contains("16 to 1024 characters"), "{}", refused.text);
    let stored = bellwire_store::PutAccount {
        id: bellwire_domain::AccountId::try_new("a").unwrap(),
        contract: "administered".to_owned(),
        contract_version: None,
        name: None,
        secret: Some(bellwire_domain::Secret::new("short".to_owned())),
        sandbox: false,
        entitlements: std::collections::BTreeSet::default(),
        retention: bellwire_domain::RetentionPeriods::default(),
    };
    server.records.put_account(stored).await.unwrap();
    assert_eq!(server.put("/v1/accounts/a", &account("short")).await.status, 200);
    assert_eq!(secrets(&server, "a").await, ["short"]);
    assert_eq!(server.put("/v1/accounts/a", &account("shorter")).await.problem(), "422 invalid /secret");
    assert_eq!(server.post("/v1/accounts/a/secrets", &json!({ "secret": "short" })).await.problem(), "422 invalid /secret");
}

async fn secrets(server: &Server, account: &str) -> Vec<String> {
    let id = bellwire_domain::AccountId::try_new(account).unwrap();
    server.records.account_secrets(&id).await.unwrap().iter().map(|active| active.secret.expose().clone()).collect()
}

#[tokio::test]
async fn the_secret_of_an_account_rotates_with_an_overlap() {
    let server = Server::start().await;
    let account = json!({ "contract": "administered", "secret": "the first secret" });
    server.put("/v1/accounts/a", &account).await;
    let endpoint = server.endpoint("a").await;
    let lane = bellwire_store::LaneKey {
        account_id: bellwire_domain::AccountId::try_new("a").unwrap(),
        endpoint_id: bellwire_domain::EndpointId::try_new(&endpoint).unwrap(),
    };
    let before = server.records.find_endpoint(&lane).await.unwrap().unwrap().version;
    let path = "/v1/accounts/a/secrets";
    let rotated = server.post(path, &json!({ "secret": "the second secret", "overlap": "1h" })).await;
    assert_eq!((rotated.status, &rotated.json["secret"]), (201, &json!("the second secret")), "{}", rotated.text);
    assert_eq!(secrets(&server, "a").await, ["the second secret", "the first secret"]);
    let after = server.records.find_endpoint(&lane).await.unwrap().unwrap().version;
    assert!(after > before, "what sends to its endpoints is told");
    server.clock.advance(Duration::from_secs(3_600));
    assert_eq!(secrets(&server, "a").await, ["the second secret"]);
    let drawn = server.call("POST", path, Some(crate::support::ADMIN), None).await;
    let drawn = drawn.json["secret"].as_str().unwrap().to_owned();
    assert!(drawn.len() >= 32, "{drawn}");
    assert_eq!(secrets(&server, "a").await, [drawn.as_str(), "the second secret"]);
    assert_eq!(server.get("/v1/accounts/a").await.json.get("secret"), None, "told once");
    for (body, expected) in [
        (json!({ "secret": "with\nbreak" }), "422 invalid /secret"),
        (json!({ "overlap": "a while" }), "422 invalid /overlap"),
        (json!({ "overlap": "31d" }), "422 invalid /overlap"),
        (json!({ "secrets": [] }), "422 invalid /secrets"),
    ] {
        assert_eq!(server.post(path, &body).await.problem(), expected, "{body}");
    }
    for _ in 0..3 {
        assert_eq!(server.post(path, &json!({ "overlap": "1d" })).await.status, 201);
    }
    assert_eq!(server.post(path, &json!({ "overlap": "1d" })).await.problem(), "409 secret_limit");
    assert_eq!(server.post(path, &json!({ "secret": "alone from here on", "overlap": "0s" })).await.status, 201);
    assert_eq!(secrets(&server, "a").await, ["alone from here on"]);

    server.account("n", "noyo").await;
    assert_eq!(server.post("/v1/accounts/n/secrets", &json!({ "secret": "x" })).await.problem(), "409 endpoint_secret");
    assert_eq!(server.post("/v1/accounts/nobody/secrets", &json!({})).await.problem(), "404 not_found");
}

#[tokio::test]
async fn a_secret_is_read_back_where_the_contract_says_so_and_nowhere_else() {
    let server = Server::start().await;
    server.put("/v1/accounts/s", &json!({ "contract": "shared", "secret": "a secret of the account" })).await;
    let endpoint = server.endpoint("s").await;
    let key = server.key("consumer", Some("s")).await;
    let read = async |path: &str| server.call("GET", path, Some(&key), None).await.json.get("secret").cloned();
    assert_eq!(read("/v1/accounts/s").await, Some(json!("a secret of the account")));
    assert_eq!(read(&format!("/v1/accounts/s/endpoints/{endpoint}")).await, None, "it is the account's");
    let rotated =
        server.call("POST", "/v1/accounts/s/secrets", Some(&key), Some(r#"{"secret":"the secret that is next"}"#)).await;
    assert_eq!(rotated.status, 201, "where consumers register they rotate as well: {}", rotated.text);
    assert_eq!(read("/v1/accounts/s").await, Some(json!("the secret that is next")));

    server.account("o", "open").await;
    let body = json!({ "url": "https://clinic.example/hooks" });
    let created = server.post("/v1/accounts/o/endpoints", &body).await;
    let path = format!("/v1/accounts/o/endpoints/{}", created.id());
    assert_eq!(server.get(&path).await.json["secret"], created.json["secret"]);
    let rotated = server.post(&format!("{path}/secrets"), &json!({ "overlap": "1h" })).await.json["secret"].clone();
    assert_ne!(rotated, created.json["secret"]);
    assert_eq!(server.get(&path).await.json["secret"], rotated, "the newest");
    assert_eq!(server.get("/v1/accounts/o").await.json.get("secret"), None);

    server.account("n", "noyo").await;
    let kept = server.endpoint("n").await;
    assert_eq!(server.get(&format!("/v1/accounts/n/endpoints/{kept}")).await.json.get("secret"), None);
}

#[tokio::test]
async fn an_id_of_dots_and_a_name_that_misleads_are_refused() {
    let server = Server::start().await;
    for id in ["%2E", "%2E%2E"] {
        let answer = server.put(&format!("/v1/accounts/{id}"), &json!({ "contract": "noyo" })).await;
        assert_ne!(answer.status, 201, "{id}: {}", answer.text);
    }
    for (name, code_point) in [("a\u{202e}b", "U+202E"), ("\u{200b}", "U+200B"), ("a\u{feff}", "U+FEFF")] {
        let answer = server.put("/v1/accounts/x", &json!({ "contract": "noyo", "name": name })).await;
        assert_eq!(answer.problem(), "422 invalid /name");
        assert!(answer.text.contains(code_point), "{}", answer.text);
    }
    let emoji = json!({ "contract": "noyo", "name": "Дом 👩\u{200d}👧" });
    assert_eq!(server.put("/v1/accounts/x", &emoji).await.status, 201);
}

#[tokio::test]
async fn a_mistyped_contract_is_answered_with_the_one_that_was_meant() {
    let server = Server::start().await;
    let answer = server.put("/v1/accounts/x", &json!({ "contract": "nojo" })).await;
    assert!(answer.text.contains("did you mean `noyo`?"), "{}", answer.text);
}
