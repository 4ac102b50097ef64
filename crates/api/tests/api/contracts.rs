//! `/v1/contracts`

use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn the_loaded_contracts() {
    let server = Server::start().await;
    let list = server.get("/v1/contracts?limit=2").await;
    let names: Vec<_> = list.json["items"].as_array().unwrap().iter().map(|contract| contract["name"].clone()).collect();
    assert_eq!((names, &list.json["next"]), (vec![json!("administered"), json!("choosy")], &json!("choosy")));
    let rest = server.get("/v1/contracts?limit=2&after=choosy").await;
    assert_eq!((&rest.json["items"][0]["name"], &rest.json["next"]), (&json!("noyo"), &json!("open")));
    assert_eq!(server.get("/v1/contracts?after=open").await.json["next"], json!(null));
    let one = server.get("/v1/contracts/choosy").await;
    assert_eq!(one.json["events"][2]["entitlement"], "order.audited");
    assert_eq!(one.json["subscription"]["secret"], "generated");
    let order = json!({ "kind": "order", "title": "order", "description": null, "states": ["open", "shipped"] });
    assert_eq!(one.json["resources"], json!([order]));
    assert_eq!(server.get("/v1/contracts/unknown").await.problem(), "404 not_found");
    assert_eq!(server.get("/v1/contracts/unknown/openapi.json").await.problem(), "404 not_found");
}

#[tokio::test]
async fn a_consumer_sees_the_contract_of_its_account_only() {
    let server = Server::start().await;
    server.account("a", "noyo").await;
    let key = server.key("consumer", Some("a")).await;
    let list = server.call("GET", "/v1/contracts", Some(&key), None).await;
    assert_eq!(list.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.call("GET", "/v1/contracts/noyo", Some(&key), None).await.status, 200);
    assert_eq!(server.call("GET", "/v1/contracts/choosy", Some(&key), None).await.problem(), "404 not_found");
}

#[tokio::test]
async fn the_webhooks_document_shows_what_is_really_sent() {
    let server = Server::start().await;
    let document = server.get("/v1/contracts/noyo/openapi.json").await.json;
    assert_eq!(document["openapi"], "3.1.0");
    let hook = &document["webhooks"]["difference.created"]["post"];
    assert_eq!(hook["summary"], "Difference created");
    assert_eq!(hook["parameters"][0]["name"], "x-signature");
    let media = &hook["requestBody"]["content"]["application/json"];
    assert_eq!(media["example"]["data"]["id"], "eb73184b-ae3c-4411-aa82-3c3bd877cf78");
    assert_eq!(media["schema"]["properties"]["data"]["$ref"], "#/components/schemas/difference.created");
    assert_eq!(document["components"]["schemas"]["difference.created"]["required"], json!(["id"]));
    let choosy = server.get("/v1/contracts/choosy/openapi.json").await.json;
    let hook = &choosy["webhooks"]["order.created"]["post"];
    assert_eq!(hook["description"], "An order came in");
    assert_eq!(hook["requestBody"]["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/order.created");
}

#[tokio::test]
async fn the_document_shows_the_published_routes() {
    let server = Server::start().await;
    let document = server.get("/v1/contracts/shop/openapi.json").await.json;
    let hook = &document["paths"]["/hooks/{id}"];
    assert_eq!(hook["get"]["parameters"][0]["name"], "id");
    assert_eq!((&hook["get"]["responses"]["200"]["description"], &hook["get"]["requestBody"]), (&json!("Done."), &json!(null)));
    assert!(hook["delete"]["responses"]["204"].is_object() && hook["patch"]["requestBody"].is_object());
    assert_eq!(document["paths"]["/types"]["get"]["security"], json!([]));
    let key = json!({ "type": "apiKey", "in": "header", "name": "x-api-key" });
    assert_eq!(document["components"]["securitySchemes"]["key"], key);
}
