//! `/v1/keys`, and who is let in.

use std::time::Duration;

use serde_json::json;

use crate::support::{ADMIN, Server};

#[tokio::test]
async fn a_key_is_shown_once_and_works_until_it_is_revoked() {
    let server = Server::start().await;
    let made = server.post("/v1/keys", &json!({ "role": "publisher" })).await;
    let key = made.json["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("bwk_") && key.len() == 68, "{key}");
    assert_eq!((made.status, &made.json["account"]), (201, &json!(null)));

    let list = server.get("/v1/keys").await;
    assert!(!list.text.contains(&key) && list.json["items"].as_array().unwrap().len() == 2, "{}", list.text);

    assert_eq!(server.call("GET", "/v1/contracts", Some(&key), None).await.status, 200);
    let path = format!("/v1/keys/{}", made.id());
    assert_eq!(server.delete(&path).await.status, 204);
    assert_eq!(server.call("GET", "/v1/contracts", Some(&key), None).await.problem(), "401 unauthenticated");
    assert_eq!(server.delete(&path).await.problem(), "404 not_found");
    assert_eq!(server.delete("/v1/keys/no%20id").await.problem(), "404 not_found");
}

#[tokio::test]
async fn what_makes_no_key_says_where() {
    let server = Server::start().await;
    server.account("a", "noyo").await;
    for (body, expected) in [
        (json!({}), "422 invalid /role"),
        (json!({ "role": "king" }), "422 invalid /role"),
        (json!({ "role": "consumer" }), "422 invalid /account"),
        (json!({ "role": "consumer", "account": "nobody" }), "422 invalid /account"),
        (json!({ "role": "admin", "account": "a" }), "422 invalid /account"),
        (json!({ "role": "admin", "expires": "tomorrow" }), "422 invalid /expires"),
        (json!({ "role": "admin", "expires": "2025-01-15T10:30:00Z" }), "422 invalid /expires"),
        (json!({ "role": "admin", "expires": "2020-01-01T00:00:00Z", "account": "a" }), "422 invalid /expires /account"),
        (json!({ "role": "admin", "colour": "red" }), "422 invalid /colour"),
        (json!([]), "422 invalid"),
    ] {
        assert_eq!(server.post("/v1/keys", &body).await.problem(), expected, "{body}");
    }
}

#[tokio::test]
async fn a_publishers_key_is_narrowed_to_accounts_or_a_contract_and_to_posting() {
    let server = Server::start().await;
    for (account, contract) in [("a", "noyo"), ("b", "noyo"), ("c", "choosy")] {
        server.account(account, contract).await;
    }
    let data = json!({ "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" });
    let noyo = json!({ "type": "difference.created", "data": data }).to_string();
    let choosy = json!({ "type": "order.created", "data": {} }).to_string();
    let allowed = async |bounds: serde_json::Value| {
        let mut body = json!({ "role": "publisher" });
        body.as_object_mut().unwrap().extend(bounds.as_object().unwrap().clone());
        let key = server.post("/v1/keys", &body).await.json["key"].as_str().unwrap().to_owned();
        let mut allowed = String::new();
        for (account, event) in [("a", &noyo), ("b", &noyo), ("c", &choosy)] {
            let path = format!("/v1/accounts/{account}/events");
            let answer = server.call("POST", &path, Some(&key), Some(event)).await;
            allowed.push(if answer.status == 201 { '+' } else { answer.problem().chars().nth(2).unwrap() });
        }
        let path = "/v1/accounts/a/resources/difference";
        let read = server.call("GET", path, Some(&key), None).await.status;
        (allowed, read)
    };
    assert_eq!(allowed(json!({})).await, ("+++".to_owned(), 200));
    assert_eq!(allowed(json!({ "accounts": ["a"] })).await, ("+44".to_owned(), 200));
    assert_eq!(allowed(json!({ "contract": "choosy" })).await, ("44+".to_owned(), 404));
    assert_eq!(allowed(json!({ "accounts": ["a", "c"], "contract": "noyo", "write_only": true })).await, ("+44".to_owned(), 403));
    for (body, expected) in [
        (json!({ "role": "publisher", "accounts": ["a", "nobody"] }), "422 invalid /accounts/1"),
        (json!({ "role": "publisher", "contract": "noyoo" }), "422 invalid /contract"),
        (json!({ "role": "admin", "contract": "noyo", "write_only": true }), "422 invalid /contract /write_only"),
        (json!({ "role": "admin", "name": "" }), "422 invalid /name"),
    ] {
        assert_eq!(server.post("/v1/keys", &body).await.problem(), expected, "{body}");
    }
}

#[tokio::test]
async fn a_key_is_told_from_others_by_its_name_its_beginning_and_its_last_use() {
    let server = Server::start().await;
    let made = server.post("/v1/keys", &json!({ "role": "publisher", "name": "Intake" })).await;
    let text = made.json["key"].as_str().unwrap();
    assert_eq!((&made.json["name"], &made.json["prefix"]), (&json!("Intake"), &json!(text[..12])));
    assert_eq!(made.json["last_used_at"], json!(null));
    assert_eq!(server.call("GET", "/v1/contracts", Some(text), None).await.status, 200);
    server.app.record_tally().await.unwrap();
    let list = server.get("/v1/keys").await;
    let found = list.json["items"].as_array().unwrap().iter().find(|key| key["id"] == made.json["id"]).unwrap();
    assert_eq!(found["last_used_at"], "2025-01-15T10:30:00.000000Z");
}

#[tokio::test]
async fn a_key_ends_when_it_says() {
    let server = Server::start().await;
    let made = server.post("/v1/keys", &json!({ "role": "admin", "expires": "2025-01-15T10:31:00Z" })).await;
    assert_eq!(made.json["expires"], "2025-01-15T10:31:00.000000Z");
    let key = made.json["key"].as_str().unwrap();
    assert_eq!(server.call("GET", "/v1/keys", Some(key), None).await.status, 200);
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(server.call("GET", "/v1/keys", Some(key), None).await.problem(), "401 unauthenticated");
}

#[tokio::test]
async fn nobody_gets_in_without_a_key() {
    let server = Server::start().await;
    for key in [None, Some(""), Some("wrong")] {
        let answer = server.call("GET", "/v1/keys", key, None).await;
        assert_eq!(answer.problem(), "401 unauthenticated", "{key:?}");
        assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    }
    for header in ["Basic dXNlcjpwdw==", ADMIN, "Bearer"] {
        let request = axum::http::Request::get("/v1/keys").header("authorization", header);
        assert_eq!(server.send(request.body(axum::body::Body::empty()).unwrap()).await.status, 401, "{header}");
    }
    let request = axum::http::Request::get("/v1/keys").header("authorization", format!("bearer {ADMIN}"));
    assert_eq!(server.send(request.body(axum::body::Body::empty()).unwrap()).await.status, 200, "the scheme has no case");
}

#[tokio::test]
async fn keys_come_in_pages() {
    let server = Server::start().await;
    for _ in 0..4 {
        server.key("publisher", None).await;
        server.clock.advance(Duration::from_secs(1));
    }
    let first = server.get("/v1/keys?limit=3").await;
    let next = first.json["next"].as_str().unwrap();
    let second = server.get(&format!("/v1/keys?limit=3&after={next}")).await;
    assert_eq!((first.json["items"].as_array().unwrap().len(), second.json["items"].as_array().unwrap().len()), (3, 2));
    assert_eq!(second.json["next"], json!(null));
    for (query, named) in [
        ("limit=0", "`limit`"),
        ("limit=201", "`limit`"),
        ("limit=many", "`limit`"),
        ("limit=1&limit=2", "`limit`"),
        ("after=", "`after`"),
        ("colour=red", "`colour`"),
    ] {
        let answer = server.get(&format!("/v1/keys?{query}")).await;
        assert_eq!(answer.problem(), "400 invalid_query");
        assert!(answer.json["detail"].as_str().unwrap().contains(named), "{}", answer.text);
    }
}

#[tokio::test]
async fn there_is_always_an_admin_key() {
    let server = Server::start().await;
    assert_eq!(server.app.ensure_admin_key(Some(ADMIN)).await.unwrap(), None, "the same again is fine");
    assert_eq!(server.app.ensure_admin_key(None).await.unwrap(), None, "there is one already");
    for bad in ["", "two words and more", "umläute-und-noch-mehr", "fifteen-letters", "abababababababababab"] {
        assert!(server.app.ensure_admin_key(Some(bad)).await.is_err(), "{bad:?}");
    }
    let publisher = server.key("publisher", None).await;
    assert!(server.app.ensure_admin_key(Some(&publisher)).await.is_err(), "not a key of another role");

    let id =
        server.get("/v1/keys").await.json["items"].as_array().unwrap().iter().find(|key| key["role"] == "admin").unwrap()["id"]
            .clone();
    let path = format!("/v1/keys/{}", id.as_str().unwrap());
    assert_eq!(server.delete(&path).await.problem(), "409 last_admin_key");
    let made = server.post("/v1/keys", &json!({ "role": "admin" })).await.json["key"].as_str().unwrap().to_owned();
    assert_eq!(server.delete(&path).await.status, 204);
    assert_eq!(server.call("GET", "/v1/keys", Some(&made), None).await.status, 200);
    assert_eq!(server.get("/v1/keys").await.status, 401);
}
