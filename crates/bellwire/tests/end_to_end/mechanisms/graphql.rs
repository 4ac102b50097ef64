//! A GraphQL registration: several routes at one path, told apart by what the request asks for.

use serde_json::json;

use super::{ACCOUNT, World};
use crate::harness::Sink;

#[test]
fn the_name_of_an_operation_says_which_route_answers() {
    let (world, sink) = (World::of("graphql"), Sink::start(|_| 200));
    let made = world.server.api.post("/v1/keys", &json!({ "role": "consumer", "account": ACCOUNT })).expect(201);
    let client = world.server.api.with_key(made["key"].as_str().unwrap());
    let ask = |body| client.post("/published/graphql/graphql", &body).expect(200);
    let input = json!({ "url": sink.url("/in"), "topics": ["thing.happened"] });
    let made = ask(json!({ "operationName": "webhookCreate", "query": "mutation …", "variables": { "input": input } }));
    let webhook = &made["data"]["webhookCreate"]["webhook"];
    assert_eq!(webhook["callbackUrl"], sink.url("/in"));
    assert!(made["data"]["webhookCreate"]["secret"].as_str().is_some_and(|secret| secret.len() >= 16), "{made}");
    world.server.api.publish(ACCOUNT, "thing.happened", "{}");
    sink.wait_for(1);

    let listed = json!({ "data": { "webhooks": [{ "id": webhook["id"], "callbackUrl": sink.url("/in") }] } });
    assert_eq!(ask(json!({ "operationName": "webhooks", "query": "query webhooks { … }" })), listed);
    assert_eq!(ask(json!({ "query": " { webhooks { id } }" })), listed);

    let wrong = json!({ "operationName": "webhookCreate", "variables": { "input": { "url": "nowhere" } } });
    let refused = ask(wrong);
    assert_eq!(refused["errors"][0]["extensions"], json!({ "code": "invalid", "field": "variables.input.url" }), "{refused}");
    for nothing in [json!({ "operationName": "shop" }), json!({})] {
        assert_eq!(ask(nothing)["errors"][0]["extensions"]["code"], "not_found");
    }

    let delete = json!({ "operationName": "webhookDelete", "variables": { "id": webhook["id"] } });
    assert_eq!(ask(delete.clone())["data"]["webhookDelete"]["deletedId"], webhook["id"]);
    assert_eq!(ask(delete)["errors"][0]["extensions"]["code"], "not_found");
}

/// Which route it is for is known only when the request has been read, and what a key may do only then.
#[test]
fn a_key_may_do_at_a_shared_path_what_it_may_do_elsewhere() {
    let world = World::of("graphql");
    let api = &world.server.api;
    assert_eq!(api.without_key().post("/published/graphql/graphql", &json!({ "operationName": "webhooks" })).status, 401);
    api.put("/v1/accounts/other", &json!({ "contract": "upsert" })).expect(201);
    let other = api.post("/v1/keys", &json!({ "role": "consumer", "account": "other" })).expect(201);
    let other = api.with_key(other["key"].as_str().unwrap());
    assert_eq!(other.post("/published/graphql/graphql", &json!({ "operationName": "webhooks" })).status, 401);
    assert_eq!(
        api.post("/published/graphql/graphql", &json!({ "operationName": "webhooks" })).status,
        403,
        "it names no account"
    );
}
