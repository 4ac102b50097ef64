//! `POST /v1/contracts/reload`

use serde_json::{Value, json};

use crate::support::Server;

const RELOAD: &str = "/v1/contracts/reload";

/// A contract with this title whose secrets come from there.
fn contract(name: &str, title: &str, from: &str) -> String {
    format!(
        "contract: {name}\ntitle: {title}\nevents: any\nsubscription:\n  secret: {{ from: {from} }}\n\
         request: {{ body: \"{{{{ event.data }}}}\" }}\n"
    )
}

impl Server {
    /// Puts these files in place of all others, and asks for a reload.
    async fn reload(&self, files: &[&str]) -> crate::support::Answer {
        *self.files.0.lock().unwrap() = files.iter().map(|file| (*file).to_owned()).collect();
        self.post(RELOAD, &Value::Null).await
    }
}

#[tokio::test]
async fn what_has_changed_is_told_and_used_from_then_on() {
    let server = Server::start().await;
    let noyo = server.files.0.lock().unwrap()[0].clone();
    let named = |names: &[&str]| names.iter().map(|name| json!({ "name": name, "version": null })).collect::<Value>();
    let first = server.post(RELOAD, &Value::Null).await;
    let all = ["administered", "choosy", "noyo", "open", "shared", "shop", "signed"];
    let none = || named(&[]);
    assert_eq!(first.json, json!({ "added": none(), "changed": none(), "unchanged": named(&all), "removed": none() }));

    let answer = server.reload(&[&noyo, &contract("choosy", "Changed", "generated"), &contract("new", "New", "generated")]).await;
    let removed = named(&["administered", "open", "shared", "shop", "signed"]);
    let expected =
        json!({ "added": named(&["new"]), "changed": named(&["choosy"]), "unchanged": named(&["noyo"]), "removed": removed });
    assert_eq!((answer.status, &answer.json), (200, &expected));
    assert_eq!(server.get("/v1/contracts/choosy").await.json["title"], "Changed");
    assert_eq!(server.get("/v1/contracts/choosy/openapi.json").await.json["info"]["title"], "Changed");
    assert_eq!(server.get("/v1/contracts/open").await.problem(), "404 not_found");
    assert_eq!(server.get("/published/open/hooks").await.status, 404);
    server.account("a", "new").await;
    let event = json!({ "type": "anything", "data": {} });
    assert_eq!(server.post("/v1/accounts/a/events", &event).await.status, 201);

    let audit = server.get("/v1/audit?action=contracts.reloaded").await;
    let detail = &audit.json["items"][1]["detail"];
    assert_eq!((&detail["added"], &detail["changed"]), (&json!(["new"]), &json!(["choosy"])), "{}", audit.text);
}

#[tokio::test]
async fn a_wrong_file_changes_nothing_and_says_where_it_is_wrong() {
    let server = Server::start().await;
    let fine = contract("choosy", "Changed", "generated");
    let answer = server.reload(&[&fine, "contract: broken\ntitle: Broken\nevents: any\nrequest: { bodi: x }\n"]).await;
    assert_eq!(answer.problem(), "422 contract_files");
    let detail = answer.json["detail"].as_str().unwrap();
    assert!(detail.starts_with("nothing was changed: 2.yaml:4:12: request.bodi: unknown key"), "{detail}");
    assert_eq!(server.get("/v1/contracts/choosy").await.json["title"], "Choosy");
    assert_eq!(server.get("/v1/contracts/noyo").await.status, 200);
    assert_eq!(server.reload(&[&fine, &fine]).await.problem(), "422 contract_files");
    assert_eq!(server.get("/v1/audit?action=contracts.reloaded").await.json["items"], json!([]));
}

#[tokio::test]
async fn what_accounts_need_stays() {
    let server = Server::start().await;
    server.account("a", "open").await;
    server.account("b", "open").await;
    server.account("c", "choosy").await;
    let all = server.files.0.lock().unwrap().clone();
    let without_open: Vec<&str> = all.iter().map(String::as_str).filter(|file| !file.contains("contract: open")).collect();
    let answer = server.reload(&without_open).await;
    assert_eq!(answer.problem(), "409 contract_in_use");
    assert_eq!(
        answer.json["detail"],
        "nothing was changed: the contract `open` (it was in 5.yaml) is gone, and 2 accounts have it"
    );

    let mut moved = without_open.clone();
    let other = contract("open", "Open", "consumer");
    moved.push(&other);
    let answer = server.reload(&moved).await;
    assert_eq!(answer.problem(), "409 contract_in_use");
    let detail = answer.json["detail"].as_str().unwrap();
    let line = "7.yaml:5: subscription.secret.from: `consumer` instead of `generated`";
    assert!(detail.contains(line) && detail.ends_with("cannot change so while 2 accounts have it"), "{detail}");
    assert_eq!(server.get("/v1/contracts/open").await.json["subscription"]["secret"], "generated");

    for account in ["a", "b"] {
        assert_eq!(server.delete(&format!("/v1/accounts/{account}")).await.status, 204);
    }
    assert_eq!(server.reload(&moved).await.status, 200, "nobody has it any more");
    assert_eq!(server.get("/v1/contracts/open").await.json["subscription"]["secret"], "consumer");
}
