//! Several versions of one contract.

use serde_json::{Value, json};

use crate::support::{ADMIN, Answer, Server};

/// A version of a contract that knows one event of its own, and publishes one route of its own.
fn version(version: Option<&str>, from: &str) -> String {
    let (line, word) = match version {
        None => (String::new(), "plain"),
        Some(version) => (format!("version: \"{version}\"\n"), version),
    };
    format!(
        "contract: shop-api\n{line}title: Shop {word}\nevents:\n  - {{ type: of.{word}, example: {{}} }}\n\
         subscription: {{ secret: {{ from: {from} }} }}\nrequest: {{ body: \"{{{{ event.data }}}}\" }}\n\
         published:\n  authentication: {{ header: x-{word}-key }}\n  routes:\n\
         \x20   - {{ method: GET, path: /{word}, public: true, does: list_event_types, answer: {{ body: {{ of: {word} }} }} }}\n\
         \x20   - {{ method: GET, path: /hooks, does: list_endpoints, answer: {{ body: {{ of: {word} }} }} }}\n\
         \x20 errors: {{ body: {{ message: \"{{{{ error.message }}}}\", of: {word} }} }}\n"
    )
}

impl Server {
    async fn with_versions(versions: &[Option<&str>]) -> Self {
        let server = Self::start().await;
        *server.files.0.lock().unwrap() = versions.iter().map(|known| version(*known, "generated")).collect();
        assert_eq!(server.post("/v1/contracts/reload", &Value::Null).await.status, 200);
        server
    }

    /// Puts the account `id` under that version.
    async fn pin(&self, id: &str, version: Option<&str>) -> Answer {
        self.put(&format!("/v1/accounts/{id}"), &json!({ "contract": "shop-api", "contract_version": version })).await
    }

    async fn publish(&self, account: &str, kind: &str) -> String {
        let answer = self.post(&format!("/v1/accounts/{account}/events"), &json!({ "type": kind, "data": {} })).await;
        if answer.status == 201 { "201".to_owned() } else { answer.problem() }
    }

    /// What a published route says it is of, with a key in that header.
    async fn published(&self, path: &str, header: &str, key: &str) -> (u16, Value) {
        let request = axum::http::Request::builder().uri(format!("/published/shop-api{path}")).header(header, key);
        let answer = self.send(request.body(axum::body::Body::empty()).unwrap()).await;
        (answer.status, answer.json["of"].clone())
    }
}

#[tokio::test]
async fn an_account_is_pinned_to_a_version_or_follows_the_default() {
    let server = Server::with_versions(&[Some("2024-12"), Some("2025-01")]).await;
    let pinned = server.pin("old", Some("2024-12")).await;
    assert_eq!((pinned.status, &pinned.json["contract_version"]), (201, &json!("2024-12")));
    let follows = server.pin("any", None).await;
    assert_eq!((follows.status, &follows.json["contract_version"]), (201, &Value::Null));
    assert_eq!(server.get("/v1/accounts/old").await.json["contract_version"], "2024-12");
    assert_eq!(server.publish("old", "of.2024-12").await, "201");
    assert_eq!(server.publish("old", "of.2025-01").await, "422 invalid /type");
    assert_eq!(server.publish("any", "of.2025-01").await, "201", "the highest is the default");

    let unknown = server.pin("old", Some("2023")).await;
    assert_eq!(unknown.problem(), "422 invalid /contract_version");
    let said = "the contract has no version `2023`; there is `2025-01`, `2024-12`";
    assert_eq!(unknown.json["detail"], said);

    assert_eq!(server.pin("old", Some("2025-01")).await.status, 200, "moved by one call");
    assert_eq!(server.publish("old", "of.2025-01").await, "201");
    assert_eq!(server.publish("old", "of.2024-12").await, "422 invalid /type");
    let audit = server.get("/v1/audit?action=account.changed&account=old").await;
    assert_eq!(audit.json["items"][0]["detail"]["contract_version"], "2025-01", "{}", audit.text);

    // One without a version goes before all others: who is not pinned follows it.
    server.files.0.lock().unwrap().push(version(None, "generated"));
    let reloaded = server.post("/v1/contracts/reload", &Value::Null).await;
    assert_eq!(reloaded.json["added"], json!([{ "name": "shop-api", "version": null }]));
    assert_eq!(server.publish("any", "of.plain").await, "201");
    assert_eq!(server.publish("old", "of.2025-01").await, "201");
}

#[tokio::test]
async fn a_version_goes_only_when_no_account_is_pinned_to_it_and_none_moves_where_its_secrets_are_of_no_use() {
    let server = Server::with_versions(&[None, Some("2025-01")]).await;
    server.pin("a", Some("2025-01")).await;
    let only_plain = [version(None, "generated")].to_vec();
    *server.files.0.lock().unwrap() = only_plain.clone();
    let refused = server.post("/v1/contracts/reload", &Value::Null).await;
    assert_eq!(refused.problem(), "409 contract_in_use");
    let said = "nothing was changed: the contract `shop-api@2025-01` (it was in 2.yaml) is gone, and an account has it";
    assert_eq!(refused.json["detail"], said);

    *server.files.0.lock().unwrap() = [version(None, "consumer"), version(Some("2025-01"), "generated")].to_vec();
    assert_eq!(server.post("/v1/contracts/reload", &Value::Null).await.status, 200, "nobody follows the default");
    let refused = server.pin("a", None).await;
    assert_eq!(refused.problem(), "409 contract_in_use");
    let detail = refused.json["detail"].as_str().unwrap();
    assert!(detail.contains("subscription.secret.from: `consumer` instead of `generated`"), "{detail}");
    assert!(detail.ends_with("the account cannot move to `shop-api`"), "{detail}");
    assert_eq!(server.publish("a", "of.2025-01").await, "201");
}

#[tokio::test]
async fn versions_are_listed_and_read_one_by_one() {
    let server = Server::with_versions(&[Some("2025-01"), None]).await;
    let list = server.get("/v1/contracts").await;
    let versions = json!([{ "version": null, "title": "Shop plain" }, { "version": "2025-01", "title": "Shop 2025-01" }]);
    assert_eq!(list.json["items"].as_array().unwrap().len(), 1);
    assert_eq!((&list.json["items"][0]["version"], &list.json["items"][0]["versions"]), (&Value::Null, &versions));
    let one = server.get("/v1/contracts/shop-api?version=2025-01").await;
    assert_eq!((&one.json["title"], &one.json["versions"]), (&json!("Shop 2025-01"), &versions));
    assert_eq!(server.get("/v1/contracts/shop-api?version=2024").await.problem(), "404 not_found");
    let document = server.get("/v1/contracts/shop-api/openapi.json?version=2025-01").await;
    assert_eq!(document.json["info"], json!({ "title": "Shop 2025-01", "version": "2025-01" }));

    server.pin("a", Some("2025-01")).await;
    let key = server.key("consumer", Some("a")).await;
    let own = server.call("GET", "/v1/contracts", Some(&key), None).await;
    assert_eq!(own.json["items"][0]["versions"], json!([{ "version": "2025-01", "title": "Shop 2025-01" }]), "its own alone");
    let own = server.call("GET", "/v1/contracts/shop-api", Some(&key), None).await;
    assert_eq!(own.json["title"], "Shop 2025-01");
    let other = server.call("GET", "/v1/contracts/shop-api?version=2024", Some(&key), None).await;
    assert_eq!(other.problem(), "404 not_found");
}

#[tokio::test]
async fn an_account_s_own_version_answers_it_and_the_default_anybody_else() {
    let server = Server::with_versions(&[None, Some("2025-01")]).await;
    server.pin("old", None).await;
    server.pin("new", Some("2025-01")).await;
    let (old, new) = (server.key("consumer", Some("old")).await, server.key("consumer", Some("new")).await);
    let (plain, dated) = ("x-plain-key", "x-2025-01-key");
    assert_eq!(server.published("/hooks", plain, &old).await, (200, json!("plain")));
    assert_eq!(server.published("/hooks", dated, &new).await, (200, json!("2025-01")), "with the header that it asks for");
    assert_eq!(server.published("/hooks", dated, "nobody's").await, (401, json!("plain")));
    assert_eq!(server.published("/hooks", plain, &new).await, (401, json!("2025-01")), "its version looks elsewhere for a key");
    assert_eq!(server.published("/plain", "x-none", "").await, (200, json!("plain")));
    assert_eq!(server.published("/2025-01", "x-none", "").await, (404, json!("plain")));
    assert_eq!(server.published("/2025-01", dated, &new).await, (200, json!("2025-01")), "public, and the key says whose");
    assert_eq!(server.published("/hooks", dated, ADMIN).await, (401, json!("plain")), "an operator asks the default");
}
