//! The operator's API over real HTTP: what it refuses and how it says so, and what each contract promises beside the wire.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Home, Platform, Sink, now, starting, until};

/// Data of an event under Noyo's contract.
const DIFFERENCE: &str = r#"{"id":"eb73184b-ae3c-4411-aa82-3c3bd877cf78"}"#;
/// A data field that nobody declared, and its value, which nobody may repeat.
const UNDECLARED: &str = r#"{"id":"eb73184b-ae3c-4411-aa82-3c3bd877cf78","ssn":"078-05-1120"}"#;

#[test]
fn a_body_that_cannot_be_read() {
    let home = Home::new();
    let server = home.start();
    let platform = Platform::set_up(&server.api, "noyo");
    let events = platform.path("/events");
    let post = |body: &str| server.api.call("POST", &events, body);
    for body in ["", "{", r#"{"type":"difference.created","data":{}"#, "{'type':1}", "{\"type\":\"\u{1}\"}"] {
        assert_eq!(post(body).problem(400), "malformed_json", "{body:?}");
    }
    assert_eq!(post("[]").pointers(), [""]);
    assert_eq!(post("{}").pointers(), ["/type", "/data"]);
    let mut wrong = post(r#"{"type":1,"data":{},"id":[],"occurred_at":"soon","bogus":1}"#).pointers();
    wrong.sort();
    assert_eq!(wrong, ["/bogus", "/id", "/occurred_at", "/type"]);

    let large = format!(r#"{{"type":"difference.created","data":{{"id":"{}"}}}}"#, "x".repeat(300 << 10));
    assert_eq!(post(&large).problem(413), "too_large", "the data of one event");
    assert_eq!(post(&" ".repeat((1 << 20) + 1)).problem(413), "too_large", "the body of one request");
    let many = json!({ "events": vec![json!({ "type": "difference.created", "data": {} }); 1_001] });
    assert_eq!(server.api.post(&events, &many).problem(413), "too_large", "the events of one request");
    assert_eq!(server.api.get(&events).expect(200)["items"], json!([]), "nothing is stored");
}

#[test]
fn a_place_that_does_not_exist() {
    let home = Home::new();
    let server = home.start();
    let api = &server.api;
    assert_eq!(api.get("/v2/accounts").problem(404), "route_not_found");
    assert_eq!(api.delete("/v1/accounts").problem(405), "method_not_allowed");
    assert_eq!(api.get("/v1/accounts/nobody").problem(404), "not_found");
    assert_eq!(api.call("POST", "/v1/accounts/nobody/events", "{}").problem(404), "not_found");
    assert_eq!(api.get("/v1/accounts/nobody/events").problem(404), "not_found");
    assert_eq!(api.get("/v1/deliveries/dlv_0000000000001").problem(404), "not_found");
    assert_eq!(api.get("/v1/contracts/nobody").problem(404), "not_found");
    assert_eq!(api.get("/v1/deliveries?bogus=1").problem(400), "invalid_query");
    assert_eq!(api.get("/v1/deliveries?state=lost").problem(400), "invalid_query");
    assert_eq!(api.put("/v1/accounts/a", &json!({ "contract": "nobody" })).pointers(), ["/contract"]);
}

#[test]
fn keys() {
    let home = Home::new();
    let server = home.start();
    let api = &server.api;
    Platform::set_up(api, "noyo");
    let nobody = api.without_key().get("/v1/accounts");
    assert_eq!(nobody.problem(401), "unauthenticated");
    assert!(nobody.header("www-authenticate").is_some_and(|scheme| scheme.starts_with("Bearer")));
    assert_eq!(api.with_key("another").get("/v1/accounts").problem(401), "unauthenticated");
    assert_eq!(api.with_key("another").call("POST", "/v1/accounts/nobody/events", "{").problem(401), "unauthenticated");

    let made = api.post("/v1/keys", &json!({ "role": "publisher" })).expect(201);
    let publisher = api.with_key(made["key"].as_str().unwrap());
    let events = "/v1/accounts/550e8400-e29b-41d4-a716-446655440000/events";
    let body = format!(r#"{{"type":"difference.created","data":{DIFFERENCE}}}"#);
    publisher.call("POST", events, &body).expect(201);
    assert_eq!(publisher.get("/v1/accounts").problem(403), "forbidden");
    assert_eq!(publisher.get(events).problem(403), "forbidden");
    let listed = api.get("/v1/keys").text().to_owned();
    assert!(listed.contains(made["id"].as_str().unwrap()) && !listed.contains(made["key"].as_str().unwrap()), "{listed}");
    api.delete(&format!("/v1/keys/{}", made["id"].as_str().unwrap())).expect(204);
    assert_eq!(publisher.call("POST", events, &body).problem(401), "unauthenticated", "revoked is revoked at once");

    let past = json!({ "role": "publisher", "expires": "2020-01-01T00:00:00Z" });
    assert_eq!(api.post("/v1/keys", &past).pointers(), ["/expires"]);
    let soon = now().plus(Duration::from_millis(1_500)).to_string();
    let made = api.post("/v1/keys", &json!({ "role": "publisher", "expires": soon })).expect(201);
    let expiring = api.with_key(made["key"].as_str().unwrap());
    expiring.call("POST", events, &body).expect(201);
    let ended = until("the key expires", || Some(expiring.call("POST", events, &body)).filter(|answer| answer.status != 201));
    assert_eq!(ended.problem(401), "unauthenticated");
}

#[test]
fn a_consumer_sees_its_own_account_and_cannot_learn_of_others() {
    let home = Home::new();
    let server = home.start();
    let api = &server.api;
    let sink = Sink::start(|_| 200);
    for account in ["mine", "theirs"] {
        api.put(&format!("/v1/accounts/{account}"), &json!({ "contract": "noyo" })).expect(201);
        let endpoint = json!({ "url": sink.url("/in"), "secret": "a secret of some length" });
        api.post(&format!("/v1/accounts/{account}/endpoints"), &endpoint).expect(201);
        let event = api.publish(account, "difference.created", DIFFERENCE);
        api.attempted(account, &event, 1);
    }
    let made = api.post("/v1/keys", &json!({ "role": "consumer", "account": "mine" })).expect(201);
    let consumer = api.with_key(made["key"].as_str().unwrap());
    consumer.get("/v1/accounts/mine").expect(200);
    let endpoints = consumer.get("/v1/accounts/mine/endpoints").expect(200);
    let own = endpoints["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(consumer.get("/v1/accounts/mine/events").expect(200)["items"].as_array().unwrap().len(), 1);
    let deliveries = consumer.get("/v1/deliveries").expect(200);
    let of: Vec<&Value> = deliveries["items"].as_array().unwrap().iter().map(|delivery| &delivery["account"]).collect();
    assert_eq!(of, ["mine"]);

    let theirs = api.get("/v1/accounts/theirs/endpoints").expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let foreign = api.get("/v1/deliveries?account=theirs").expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    for (real, invented) in [
        ("/v1/accounts/theirs".to_owned(), "/v1/accounts/nobodys".to_owned()),
        ("/v1/accounts/theirs/events".to_owned(), "/v1/accounts/nobodys/events".to_owned()),
        (format!("/v1/accounts/theirs/endpoints/{theirs}"), format!("/v1/accounts/nobodys/endpoints/{own}")),
        (format!("/v1/accounts/mine/endpoints/{theirs}"), "/v1/accounts/mine/endpoints/invented".to_owned()),
        ("/v1/deliveries?account=theirs".to_owned(), "/v1/deliveries?account=nobodys".to_owned()),
        (format!("/v1/deliveries/{foreign}"), "/v1/deliveries/dlv_0000000000001".to_owned()),
    ] {
        let (real, invented) = (consumer.get(&real), consumer.get(&invented));
        assert_eq!(real.problem(404), "not_found");
        assert_eq!(real.text(), invented.text(), "what exists elsewhere looks like what does not exist");
    }
    assert_eq!(consumer.post(&format!("/v1/deliveries/{foreign}/retry"), &Value::Null).problem(404), "not_found");
    assert_eq!(consumer.get("/v1/accounts").problem(403), "forbidden");
    assert_eq!(consumer.get("/v1/keys").problem(403), "forbidden");
    let event = json!({ "type": "difference.created", "data": {} });
    assert_eq!(consumer.post("/v1/accounts/mine/events", &event).problem(403), "forbidden");
}

#[test]
fn an_event_that_the_contract_does_not_know_or_allow() {
    let home = Home::new();
    let server = home.start();
    let api = &server.api;
    api.put("/v1/accounts/plain", &json!({ "contract": "develop-health" })).expect(201);
    let post = |event_type: &str, data: &str| {
        api.call("POST", "/v1/accounts/plain/events", &format!(r#"{{"type":"{event_type}","data":{data}}}"#))
    };
    let authorization = r#"{"id":"pa_req_1","object":"prior_authorization","status":"processing"}"#;
    assert_eq!(post("prior_authorization.unheard_of", authorization).pointers(), ["/type"]);
    assert_eq!(post("prior_authorization.activity_log_updated", authorization).pointers(), ["/type"]);
    let mut wrong = post("prior_authorization.message", r#"{"id":7,"object":"benefit_verification"}"#).pointers();
    wrong.sort();
    assert_eq!(wrong, ["/data", "/data/id", "/data/object"], "status is missing");
    post("prior_authorization.message", authorization).expect(201);
    let entitled = json!({ "contract": "develop-health", "entitlements": ["prior_authorization.activity_log_updated"] });
    api.put("/v1/accounts/plain", &entitled).expect(200);
    post("prior_authorization.activity_log_updated", authorization).expect(201);
    let unknown = json!({ "contract": "develop-health", "entitlements": ["everything"] });
    assert_eq!(api.put("/v1/accounts/plain", &unknown).pointers(), ["/entitlements/0"]);

    api.put("/v1/accounts/closed", &json!({ "contract": "noyo" })).expect(201);
    let body = format!(r#"{{"type":"difference.created","data":{UNDECLARED}}}"#);
    let refused = api.call("POST", "/v1/accounts/closed/events", &body);
    assert_eq!(refused.pointers(), ["/data/ssn"]);
    assert!(!refused.text().contains("078-05-1120"), "values are not repeated: {}", refused.text());
    assert_eq!(api.get("/v1/accounts/closed/events").expect(200)["items"], json!([]), "nothing is stored");
}

#[test]
fn an_endpoint_that_may_not_be() {
    let home = Home::new();
    let server = home.start_with(&[]);
    let api = &server.api;
    for contract in ["noyo", "novamed", "b.well", "develop-health", "silver"] {
        api.put(&format!("/v1/accounts/{contract}"), &json!({ "contract": contract })).expect(201);
    }
    let register = |contract: &str, url: &str| {
        let secret = (["noyo", "develop-health"].contains(&contract)).then_some("a secret of some length");
        api.post(&format!("/v1/accounts/{contract}/endpoints"), &json!({ "url": url, "secret": secret }))
    };
    for contract in ["noyo", "novamed", "b.well"] {
        assert_eq!(register(contract, "http://client.example/in").pointers(), ["/url"], "{contract} says https");
        register(contract, "https://client.example/in").expect(201);
    }
    register("develop-health", "http://client.example/in").expect(201);
    for url in ["", "client.example", "ftp://client.example/", "https://", "https://user:pass@client.example/", "javascript:1"] {
        assert_eq!(register("silver", url).pointers(), ["/url"], "{url}");
    }
    for host in
        ["127.0.0.1", "10.0.0.7", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "[::1]", "[fd00::1]", "2130706433"]
    {
        assert_eq!(register("silver", &format!("https://{host}/in")).pointers(), ["/url"], "{host} is inside");
    }
    let endpoints = "/v1/accounts/noyo/endpoints";
    let url = "https://client.example/in";
    assert_eq!(api.post(endpoints, &json!({ "url": url })).pointers(), ["/secret"], "the consumer chooses it");
    let chosen = json!({ "url": url, "secret": "a secret of some length", "events": ["difference.created"] });
    assert_eq!(api.post(endpoints, &chosen).pointers(), ["/events"], "one subscription gets all events");
    let own = json!({ "url": url, "secret": "a secret of some length", "headers": { "x-own": "1" } });
    assert_eq!(api.post(endpoints, &own).pointers(), ["/headers"]);
    let unentitled =
        json!({ "url": url, "secret": "s3cret s3cret s3cret", "events": ["prior_authorization.activity_log_updated"] });
    assert_eq!(api.post("/v1/accounts/develop-health/endpoints", &unentitled).pointers(), ["/events/0"]);
    let weak = json!({ "url": url, "secret": "whsec_c2hvcnQ=" });
    assert_eq!(api.post("/v1/accounts/b.well/endpoints", &weak).pointers(), ["/secret"]);
    let of_account = json!({ "url": url, "secret": "a secret of some length" });
    assert_eq!(api.post("/v1/accounts/silver/endpoints", &of_account).pointers(), ["/secret"]);
    api.put("/v1/accounts/trial", &json!({ "contract": "noyo", "sandbox": true })).expect(201);
    assert_eq!(api.post("/v1/accounts/trial/endpoints", &of_account).problem(409), "sandbox_account");
}

#[test]
fn a_name_that_leads_inside_is_not_followed() {
    let home = Home::new();
    let server = home.start_with(&["--allow-http"]);
    let sink = Sink::start(|_| 200);
    let mut platform = Platform::set_up(&server.api, "silver");
    platform.add_endpoint(&sink.url("/in").replace("127.0.0.1", "localhost"));
    let event = platform.publish_any();
    let delivery = platform.attempted(&event, 1);
    assert_eq!(delivery["attempts"][0]["outcome"], "blocked", "{delivery}");
    assert_eq!((delivery["attempts"][0]["status"].as_u64(), sink.count()), (None, 0), "{delivery}");
}

#[test]
fn an_allowed_network_is_open_to_the_account_and_the_port_that_it_names() {
    let home = Home::new();
    let sink = Sink::start(|_| 200);
    let (url, elsewhere) = (sink.url("/in"), Sink::start(|_| 200).url("/in"));
    let port = url.split(':').nth(2).and_then(|rest| rest.split('/').next()).unwrap();
    let network = format!("127.0.0.0/8:{port}@account:clinic-1");
    let server = home.start_with(&["--allow-http", "--allow-network", &network]);
    for account in ["clinic-1", "other"] {
        let wanted = json!({ "contract": "silver", "secret": "a secret of some length" });
        server.api.put(&format!("/v1/accounts/{account}"), &wanted).expect(201);
    }
    let register = |account: &str, url: &str| {
        server.api.post(&format!("/v1/accounts/{account}/endpoints"), &json!({ "url": url, "enabled": true }))
    };
    assert_eq!(register("other", &url).pointers(), ["/url"]);
    assert_eq!(register("clinic-1", &elsewhere).pointers(), ["/url"], "another port");
    register("other", &url.replace("127.0.0.1", "localhost")).expect(201); // a name is judged at each attempt
    register("clinic-1", &url).expect(201);
    for (account, outcome) in [("clinic-1", "response"), ("other", "blocked")] {
        let event = server.api.publish(account, "adjudication_complete", "{}");
        let delivery = server.api.attempted(account, &event, 1);
        assert_eq!(delivery["attempts"][0]["outcome"], outcome, "{delivery}");
    }
    assert_eq!(sink.count(), 1);
}

#[test]
fn the_same_event_twice_is_one_event() {
    let home = Home::new();
    let server = home.start();
    let sink = Sink::start(|_| 200);
    let mut platform = Platform::set_up(&server.api, "silver");
    platform.add_endpoint(&sink.url("/in"));
    let post = |body: &Value| server.api.post(&platform.path("/events"), body);
    let event = json!({ "type": "adjudication_complete", "data": { "claim": 1 }, "id": "evt_task_7" });
    let first = post(&event).expect(201);
    assert_eq!(first, json!({ "id": "evt_task_7", "seq": 1, "deliveries": 1 }));
    platform.attempted("evt_task_7", 1);
    assert_eq!(post(&event).expect(200), first);
    let other = json!({ "type": "adjudication_complete", "data": { "claim": 2 }, "id": "evt_task_7" });
    assert_eq!(post(&other).problem(409), "event_conflict");
    let redelivered = json!({ "type": "adjudication_complete", "data": { "claim": 1 }, "id": "evt_task_7", "redeliver": true });
    post(&redelivered).expect(200);
    let requests = sink.wait_for(2);
    // A later one arrives last, so nothing else was on its way.
    let later = platform.publish_any();
    platform.attempted(&later, 1);
    assert_eq!(sink.count(), 3);
    assert_eq!(requests[0].json(), requests[1].json(), "the same event, the same eventId");
    assert_eq!(requests[0].json()["eventId"], "evt_task_7");
}

#[test]
fn a_batch_is_all_or_none() {
    let home = Home::new();
    let server = home.start();
    let sink = Sink::start(|_| 200);
    let mut platform = Platform::set_up(&server.api, "noyo");
    platform.add_endpoint(&sink.url("/in"));
    let events = platform.path("/events");
    let good = json!({ "type": "difference.created", "data": { "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" } });
    let bad = json!({ "type": "difference.created", "data": { "id": "no uuid" } });
    assert_eq!(server.api.post(&events, &json!({ "events": [good, bad, 3] })).pointers(), ["/events/2"]);
    assert_eq!(server.api.post(&events, &json!({ "events": [good, bad] })).pointers(), ["/events/1/data/id"]);
    assert_eq!(server.api.post(&events, &json!({ "events": [] })).pointers(), ["/events"]);
    let stored = server.api.post(&events, &json!({ "events": [good, good, good] })).expect(201);
    let seqs: Vec<_> = stored["items"].as_array().unwrap().iter().map(|item| item["seq"].as_i64().unwrap()).collect();
    assert_eq!(seqs, [1, 2, 3], "nothing of what was refused is stored");
    let mut arrived: Vec<_> = sink.wait_for(3).iter().map(|request| request.json()["event"]["id"].clone()).collect();
    let mut posted: Vec<_> = stored["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    arrived.sort_by_key(Value::to_string);
    posted.sort_by_key(Value::to_string);
    assert_eq!(arrived, posted);
}

#[test]
fn the_log_is_polled_with_a_cursor() {
    let home = Home::new();
    let server = home.start();
    let platform = Platform::set_up(&server.api, "novamed");
    let types = ["order:created", "order:shipped", "order:created", "refill:denied", "order:created"];
    let ids: Vec<String> = types.iter().map(|event_type| platform.publish(event_type, "{}")).collect();
    let page = |query: &str| {
        let page = server.api.get(&platform.path(&format!("/events{query}"))).expect(200);
        let items = page["items"].as_array().unwrap();
        let seen: Vec<(i64, String)> =
            items.iter().map(|item| (item["seq"].as_i64().unwrap(), item["id"].as_str().unwrap().to_owned())).collect();
        (seen, page["next"].as_str().map(ToOwned::to_owned))
    };
    let entry = |seq: usize| (i64::try_from(seq).unwrap(), ids[seq - 1].clone());
    assert_eq!(page("?limit=2"), (vec![entry(1), entry(2)], Some("2".to_owned())));
    assert_eq!(page("?limit=2&after=2"), (vec![entry(3), entry(4)], Some("4".to_owned())));
    assert_eq!(page("?limit=2&after=4"), (vec![entry(5)], None));
    assert_eq!(page("?after=5"), (vec![], None));
    assert_eq!(page("?type=order:created&after=1").0, [entry(3), entry(5)]);
    assert_eq!(server.api.get(&platform.path("/events?after=x")).problem(400), "invalid_query");
}

#[test]
fn deliveries_are_listed_filtered_read_and_retried() {
    let home = Home::new();
    let server = home.start();
    let api = &server.api;
    let (good, bad) = (Sink::start(|_| 200), Sink::start(|_| 500));
    let mut platform = Platform::set_up(api, "silver");
    let (well, ill) = (platform.add_endpoint(&good.url("/in")), platform.add_endpoint(&bad.url("/in")));
    let events: Vec<String> = (0..3).map(|_| platform.publish_any()).collect();
    let list = |query: &str| api.get(&format!("/v1/deliveries?{query}")).expect(200)["items"].as_array().unwrap().clone();
    until("all have ended", || list("state=pending").is_empty().then_some(()));

    assert_eq!(list("").len(), 6);
    let of_well = list(&format!("endpoint={well}"));
    let shown: Vec<_> = of_well.iter().map(|delivery| (delivery["number"].as_i64().unwrap(), &delivery["event"])).collect();
    assert_eq!(shown, [(3, &json!(events[2])), (2, &json!(events[1])), (1, &json!(events[0]))], "newest first, without gaps");
    assert!(of_well.iter().all(|delivery| delivery["state"] == "delivered"));
    let failed = list("state=failed&limit=200");
    assert!(failed.len() == 3 && failed.iter().all(|delivery| delivery["endpoint"] == ill), "{failed:?}");
    assert_eq!(list(&format!("state=failed&endpoint={well}")).len(), 0);
    assert_eq!(list(&format!("account={}&state=delivered", platform.account)).len(), 3);

    let first = api.get("/v1/deliveries?limit=4").expect(200);
    let rest = list(&format!("limit=4&after={}", first["next"].as_str().unwrap()));
    assert_eq!((first["items"].as_array().unwrap().len(), rest.len()), (4, 2));

    let id = failed[0]["id"].as_str().unwrap();
    let read = || api.get(&format!("/v1/deliveries/{id}")).expect(200);
    assert_eq!((read()["attempts"].as_array().unwrap().len(), &read()["attempts"][0]["status"]), (1, &json!(500)));
    bad.answer(|_| 204);
    api.post(&format!("/v1/deliveries/{id}/retry"), &Value::Null).expect(200);
    let retried = until("it is sent once more", || Some(read()).filter(|delivery| delivery["state"] == "delivered"));
    let statuses: Vec<_> = retried["attempts"].as_array().unwrap().iter().map(|attempt| attempt["status"].clone()).collect();
    assert_eq!(statuses, [500, 204], "{retried}");
    assert_eq!(bad.count(), 4);
}

#[test]
fn two_secrets_sign_while_one_takes_over_from_the_other() {
    let home = Home::new();
    let server = home.start();
    let mut platform = Platform::set_up(&server.api, "noyo");
    let (old, new) = ("the secret that was agreed first", "the secret that takes over now");
    platform.secret = old.to_owned();
    let endpoint = platform.add_endpoint("http://127.0.0.1:9/");
    let (knows_old, knows_new) = (starting("noyo.js", old), starting("noyo.js", new));
    let (knows_old, knows_new) = (knows_old.ready(), knows_new.ready());
    let path = platform.path(&format!("/endpoints/{endpoint}"));
    server.api.patch(&path, &json!({ "url": knows_new.url() })).expect(200);

    let rotate = |secret: &str, overlap: &str| {
        server.api.post(&format!("{path}/secrets"), &json!({ "secret": secret, "overlap": overlap }))
    };
    assert_eq!(rotate(new, "1h").expect(201)["secret"], new);
    platform.publish_any();
    let both = knows_new.next();
    assert!(both.verified, "{both:?}");
    let signatures = both.header("x-noyo-signature").unwrap();
    assert!(signatures.split(',').count() == 2 && signatures.split(',').all(|one| one.trim().len() == 64), "{signatures}");
    assert!(knows_old.replay(&both).verified, "who has not changed over yet is not cut off");

    rotate(new, "0s").expect(201);
    platform.publish_any();
    let one = knows_new.next();
    assert!(one.verified && !one.header("x-noyo-signature").unwrap().contains(','), "{one:?}");
    assert!(!knows_old.replay(&one).verified, "the old secret is over");
    assert_eq!(rotate(new, "soon").pointers(), ["/overlap"]);
    assert_eq!(server.api.get(&path).expect(200)["secret"], Value::Null, "no secret is shown again");
}

#[test]
fn a_secret_of_the_account_is_changed_with_the_account() {
    let home = Home::new();
    let server = home.start();
    let sink = Sink::start(|_| 200);
    let mut platform = Platform::set_up(&server.api, "silver");
    let endpoint = platform.add_endpoint(&sink.url("/in"));
    let refused = server.api.post(&platform.path(&format!("/endpoints/{endpoint}/secrets")), &json!({ "secret": "x" }));
    assert_eq!(refused.problem(409), "account_secret");
    platform.publish_any();
    let account = json!({ "contract": "silver", "secret": "the administrator's next secret" });
    assert_eq!(server.api.put(&platform.path(""), &account).expect(200)["secret"], Value::Null);
    sink.wait_for(1);
    platform.publish_any();
    let keys: Vec<_> = sink.wait_for(2).iter().map(|request| request.header("apikey").unwrap().to_owned()).collect();
    assert_eq!(keys, [platform.secret.as_str(), "the administrator's next secret"]);
}

#[test]
fn an_endpoint_that_is_off_gets_nothing_but_test_events() {
    let home = Home::new();
    let server = home.start();
    let sink = Sink::start(|_| 200);
    let mut platform = Platform::set_up(&server.api, "standard-webhooks");
    let endpoint = platform.add_endpoint(&sink.url("/in"));
    let switch = |to: &str| server.api.post(&platform.path(&format!("/endpoints/{endpoint}/{to}")), &Value::Null).expect(200);
    let publish = |body: Value| server.api.post(&platform.path("/events"), &body).expect(201)["deliveries"].clone();
    assert_eq!(switch("disable")["enabled"], false);
    assert_eq!(publish(json!({ "type": "a.b", "data": 1 })), 0);
    let test = server.api.post(&platform.path(&format!("/endpoints/{endpoint}/test")), &Value::Null).expect(201);
    assert_eq!(test["deliveries"], 1);
    assert_eq!(sink.wait_for(1)[0].json()["type"], "test.ping");
    assert_eq!(switch("enable")["enabled"], true);
    assert_eq!(publish(json!({ "type": "a.b", "data": 2 })), 1);
    let requests = sink.wait_for(2);
    assert_eq!(requests[1].json()["data"], 2, "what happened while it was off is in the log only");
    assert_eq!(switch("resume")["health"], "active");
}

#[test]
fn gone_is_gone() {
    let home = Home::new();
    let server = home.start();
    let sink = Sink::start(|_| 410);
    let mut platform = Platform::set_up(&server.api, "standard-webhooks");
    let endpoint = platform.add_endpoint(&sink.url("/in"));
    let event = platform.publish_any();
    assert_eq!(platform.attempted(&event, 1)["state"], "failed");
    assert_eq!(platform.endpoint(&endpoint)["enabled"], false, "410 ends the subscription");

    let other = platform.add_endpoint(&sink.url("/other"));
    server.api.delete(&platform.path(&format!("/endpoints/{other}"))).expect(204);
    assert_eq!(server.api.get(&platform.path(&format!("/endpoints/{other}"))).problem(404), "not_found");
    server.api.delete(&platform.path("")).expect(204);
    assert_eq!(server.api.get(&platform.path("")).problem(404), "not_found");
    assert_eq!(server.api.get("/v1/deliveries").expect(200)["items"], json!([]), "all that was the account's is gone");
}

#[test]
fn a_deleted_endpoint_gets_nothing_more() {
    let home = Home::new();
    let server = home.start();
    let sink = Sink::start(|_| 500);
    let mut platform = Platform::set_up(&server.api, "noyo");
    let endpoint = platform.add_endpoint(&sink.url("/in"));
    let event = platform.publish_any();
    let delivery = platform.attempted(&event, 1);
    assert_eq!(delivery["state"], "pending");
    server.api.delete(&platform.path(&format!("/endpoints/{endpoint}"))).expect(204);
    let id = delivery["id"].as_str().unwrap();
    assert_eq!(server.api.get(&format!("/v1/deliveries/{id}")).expect(200)["state"], "cancelled");
    assert_eq!(server.api.post(&format!("/v1/deliveries/{id}/retry"), &Value::Null).problem(409), "endpoint_deleted");
}

#[test]
fn every_contract_has_a_test_event_that_its_receivers_understand() {
    let home = Home::new();
    let server = home.start();
    for (contract, file, event_type) in [
        ("noyo", "noyo.js", "test.hello_world"),
        ("standard-webhooks", "standard_webhooks.py", "test.ping"),
        ("develop-health", "develop_health.py", "benefit_verification.status_change"),
        ("b.well", "bwell.js", "data-export-completed"),
        ("silver", "silver.py", "adjudication_complete"),
        ("novamed", "novamed.js", "order:created"),
    ] {
        let mut platform = Platform::set_up_as(&server.api, contract, contract);
        let endpoint = platform.add_endpoint("http://127.0.0.1:9/");
        let receiver = starting(file, &platform.secret).ready();
        let path = platform.path(&format!("/endpoints/{endpoint}"));
        server.api.patch(&path, &json!({ "url": receiver.url() })).expect(200);
        let receipt = server.api.post(&format!("{path}/test"), &Value::Null).expect(201);
        let seen = receiver.next();
        assert!(seen.verified, "{seen:?}");
        assert_eq!(seen.event_type.as_deref(), Some(event_type));
        if contract != "develop-health" {
            assert_eq!(seen.event_id.as_deref(), receipt["id"].as_str());
        }
        let log = server.api.get(&platform.path("/events")).expect(200);
        assert_eq!((&log["items"][0]["type"], &log["items"][0]["test"]), (&json!(event_type), &json!(true)), "{contract}");
        platform.attempted(receipt["id"].as_str().unwrap(), 1);
    }
}

#[test]
fn novamed_takes_exactly_200_for_success_and_tries_again_after_a_minute() {
    let home = Home::new();
    let server = home.start();
    let sink = Sink::start(|_| 201);
    let mut platform = Platform::set_up(&server.api, "novamed");
    platform.add_endpoint(&sink.url("/in"));
    let event = platform.publish_any();
    let delivery = platform.attempted(&event, 1);
    assert_eq!((&delivery["state"], &delivery["attempts"][0]["status"]), (&json!("pending"), &json!(201)), "{delivery}");
    let due = bellwire_domain::Timestamp::parse_rfc3339(delivery["due_at"].as_str().unwrap()).unwrap();
    let wait = due.since(now());
    assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(60), "due in {wait:?}");
    sink.answer(|_| 200);
    let id = delivery["id"].as_str().unwrap();
    server.api.post(&format!("/v1/deliveries/{id}/retry"), &Value::Null).expect(200);
    assert_eq!(platform.attempted(&event, 2)["state"], "delivered");
}

#[test]
fn silver_does_not_try_again() {
    let home = Home::new();
    let server = home.start();
    let sink = Sink::start(|_| 500);
    let mut platform = Platform::set_up(&server.api, "silver");
    let endpoint = platform.add_endpoint(&sink.url("/in"));
    let event = platform.publish_any();
    let delivery = platform.attempted(&event, 1);
    assert_eq!((&delivery["state"], &delivery["due_at"]), (&json!("failed"), &Value::Null), "{delivery}");
    assert_eq!(platform.endpoint(&endpoint)["health"], "active", "the document knows no health");
}

#[test]
fn noyo_subscriptions_are_unhealthy_until_an_event_succeeds() {
    let home = Home::new();
    let server = home.start();
    let sink = Sink::start(|_| 500);
    let mut platform = Platform::set_up(&server.api, "noyo");
    let endpoint = platform.add_endpoint(&sink.url("/in"));
    let failing = platform.publish_any();
    let delivery = platform.attempted(&failing, 1);
    assert_eq!((&delivery["state"], delivery["due_at"].is_string()), (&json!("pending"), true), "{delivery}");
    assert_eq!(platform.endpoint(&endpoint)["health"], "unhealthy");
    sink.answer(|_| 200);
    let well = platform.publish_any();
    assert_eq!(platform.attempted(&well, 1)["state"], "delivered");
    assert_eq!(platform.endpoint(&endpoint)["health"], "active");
}

#[test]
fn requests_have_what_the_documents_show() {
    let home = Home::new();
    let server = home.start();
    let sink = Sink::start(|_| 200);
    let mut platform = Platform::set_up(&server.api, "b.well");
    platform.add_endpoint(&sink.url("/hooks?tenant=7"));
    let body = r#"{"type":"Data-Export-Completed","data":{"person":"456","download_url":"https://example.com/export.zip"}}"#;
    server.api.call("POST", &platform.path("/events"), body).expect(201);
    let request = sink.wait_for(1).remove(0);
    assert_eq!(request.path, "/hooks?tenant=7");
    let message = request.json();
    assert_eq!(message["resourceType"], "MessageHeader");
    assert_eq!(message["eventCoding"]["code"], "data-export-completed", "the heading's spelling may be posted");
    assert_eq!(message["destination"][0]["endpoint"], sink.url("/hooks?tenant=7"));
    assert_eq!(message["focus"], json!([{ "reference": "Person/456" }]));
    assert_eq!(message["extension"].as_array().unwrap().len(), 1, "there is no identifier: {message}");
    assert_eq!(message["extension"][0]["valueUri"], "https://example.com/export.zip");
}

#[test]
fn supervisors_and_collectors_are_answered_without_a_key() {
    let home = Home::new();
    let server = home.start();
    let sink = Sink::start(|_| 200);
    let mut platform = Platform::set_up(&server.api, "silver");
    platform.add_endpoint(&sink.url("/in"));
    let event = platform.publish("adjudication_complete", r#"{"name":"Zoë Private"}"#);
    platform.attempted(&event, 1);
    let open = server.api.without_key();
    assert_eq!((open.get("/healthz").status, open.get("/readyz").status), (200, 200));
    let metrics = until("the delivery is counted", || {
        let metrics = open.get("/metrics").text().to_owned();
        metrics.contains(r#"bellwire_deliveries_total{result="delivered"} 1"#).then_some(metrics)
    });
    for line in metrics.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("bellwire_") && value.parse::<f64>().is_ok(), "{line}");
    }
    for sample in [
        r#"bellwire_events_accepted_total{contract="silver"} 1"#,
        r#"bellwire_deliveries_total{result="delivered"} 1"#,
        r#"bellwire_attempts_total{contract="silver",outcome="response"} 1"#,
    ] {
        assert!(metrics.contains(sample), "{sample} is not in\n{metrics}");
    }
    assert!(!metrics.contains("Private") && !metrics.contains(&platform.secret), "no payload, no secret");
}

#[test]
fn documents_describe_the_api_and_the_webhooks() {
    let home = Home::new();
    let server = home.start();
    let document = server.api.without_key().get("/v1/openapi.json").expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in ["/v1/accounts/{account}/events", "/v1/deliveries", "/v1/keys", "/v1/contracts/{contract}/openapi.json"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    let contracts = server.api.get("/v1/contracts").expect(200);
    let names: Vec<_> = contracts["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["b.well", "develop-health", "novamed", "noyo", "silver", "standard-webhooks"]);
    for name in names {
        let webhooks = server.api.get(&format!("/v1/contracts/{name}/openapi.json")).expect(200);
        assert!(webhooks["openapi"].as_str().unwrap().starts_with("3.1"), "{name}");
        assert!(!webhooks["webhooks"].as_object().unwrap().is_empty(), "{name}");
        assert_eq!(server.api.get(&format!("/v1/contracts/{name}")).expect(200)["name"], name);
    }
}
