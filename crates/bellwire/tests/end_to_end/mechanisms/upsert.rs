//! Endpoints that are put under a name of the caller's choice, and what an endpoint of such an API is sent.

use bellwire_testkit::http::{Answer, send};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::{ACCOUNT, World};
use crate::harness::{Api, Sink};

/// A consumer of the account.
struct Consumer {
    api: Api,
    key: String,
}

impl Consumer {
    fn of(world: &World) -> Self {
        let made = world.server.api.post("/v1/keys", &json!({ "role": "consumer", "account": ACCOUNT })).expect(201);
        Self { api: world.server.api.clone(), key: made["key"].as_str().unwrap().to_owned() }
    }

    /// Puts an endpoint with the pairs of a form.
    fn put(&self, name: &str, pairs: &[(&str, &str)]) -> Answer {
        let form = Serializer::new(String::new()).extend_pairs(pairs).finish();
        let headers = [("Authorization", format!("Bearer {}", self.key)), ("Content-Type", FORM.to_owned())];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        send(self.api.address, "PUT", &format!("/published/upsert/hooks/{name}"), &headers, form.as_bytes()).unwrap()
    }

    fn hooks(&self) -> Value {
        self.api.with_key(&self.key).get("/published/upsert/hooks").expect(200)["hooks"].clone()
    }
}

const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";

#[test]
fn the_first_call_registers_an_endpoint_and_the_next_ones_change_it() {
    let (world, sink) = (World::of("upsert"), Sink::start(|_| 200));
    let consumer = Consumer::of(&world);
    let (first, second) = (sink.url("/first"), sink.url("/second"));
    let made = consumer.put("desk", &[("hook.url", &first), ("topic", "patient"), ("topic", "note.signed")]).expect(200);
    assert_eq!(made["events"], json!(["note.signed", "patient.created", "patient.merged"]), "a group stands for its types");
    let changed = consumer.put("desk", &[("hook.url", &second), ("hook.secret", "a secret of sixteen")]).expect(200);
    assert_eq!((&changed["id"], &changed["url"]), (&made["id"], &json!(second)));
    assert_eq!(changed["events"], made["events"], "what is left out stays");
    consumer.put("lab", &[("hook.url", &first), ("topic", "clinical")]).expect(200);
    let mut names: Vec<Value> = consumer.hooks().as_array().unwrap().clone();
    names.sort_by_key(Value::to_string);
    assert_eq!(names, ["desk", "lab"]);

    world.server.api.publish(ACCOUNT, "patient.created", "{ \"id\": \"1\" }");
    let sent = sink.wait_for(1).remove(0);
    assert_eq!((&*sent.path, &*sent.body), ("/second", &b"{\"id\":\"1\"}"[..]), "posted spaces are not sent");
    let signed = sent.header("x-signature").unwrap().to_owned();
    consumer.put("desk", &[("hook.url", &second), ("hook.secret", "a secret of sixteen")]).expect(200);
    let id = made["id"].as_str().unwrap();
    let acts = world.server.api.get("/v1/audit?action=endpoint.secret_rotated").expect(200);
    let rotated = acts["items"].as_array().unwrap().iter().filter(|act| act["object"] == id).count();
    assert_eq!(rotated, 1, "the same secret again is no new one: {acts}");
    consumer.put("desk", &[("hook.url", &second), ("hook.secret", "another one of sixteen")]).expect(200);
    world.server.api.publish(ACCOUNT, "patient.created", "{\"id\":\"1\"}");
    assert_ne!(sink.wait_for(2).remove(1).header("x-signature").unwrap(), signed);

    let refused = consumer.put("desk", &[("hook.url", "nowhere")]).expect(400);
    assert_eq!(refused["field"], "hook.url");
    let refused = consumer.put("desk", &[("hook.url", &second), ("topic", "internal")]).expect(400);
    assert!(refused["message"].as_str().unwrap().contains("not entitled"), "{refused}");
    let refused = consumer.put("desk", &[("hook.url", &second), ("topic", "pateint")]).expect(400);
    assert!(refused["message"].as_str().unwrap().contains("did you mean `patient`"), "{refused}");
}

#[test]
fn of_many_who_put_one_name_at_once_one_registers_it() {
    let (world, sink) = (World::of("upsert"), Sink::start(|_| 200));
    let consumer = Consumer::of(&world);
    let url = sink.url("/in");
    let ids: Vec<String> = std::thread::scope(|scope| {
        let one = || consumer.put("desk", &[("hook.url", &url)]).expect(200)["id"].as_str().unwrap().to_owned();
        let all: Vec<_> = (0..16).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(consumer.hooks(), json!(["desk"]));
    let created = world.server.api.get("/v1/audit?action=endpoint.created").expect(200);
    assert_eq!(created["items"].as_array().unwrap().len(), 1, "the others changed it");
}

#[test]
fn whoever_caused_an_event_is_not_told_and_what_is_large_is_thin() {
    let (world, sink) = (World::of("upsert"), Sink::start(|_| 200));
    let consumer = Consumer::of(&world);
    consumer.put("own", &[("hook.url", &sink.url("/own")), ("application", "app-1")]).expect(200);
    consumer.put("other", &[("hook.url", &sink.url("/other")), ("application", "app-2")]).expect(200);
    let large = json!({ "id": "7", "by": "app-1", "note": "x".repeat(300) }).to_string();
    world.server.api.publish(ACCOUNT, "patient.created", &large);
    world.server.api.publish(ACCOUNT, "note.signed", "{\"id\":\"8\"}");
    let mut sent: Vec<(String, Vec<u8>)> = sink.wait_for(3).iter().map(|sent| (sent.path.clone(), sent.body.clone())).collect();
    sent.sort();
    let expected = [("/other", "{\"id\":\"7\",\"thin\":true}"), ("/other", "{\"id\":\"8\"}"), ("/own", "{\"id\":\"8\"}")];
    assert_eq!(sent, expected.map(|(path, body)| (path.to_owned(), body.as_bytes().to_vec())));
}
