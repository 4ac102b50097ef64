//! A platform's customer: an account, a key of its own, and what it does with them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::{Answer, Api, Receiver, Seen, Server, Sink, ask, until};

/// Before any event of a test.
const SINCE: &str = "2020-01-01T00:00:00Z";

/// A customer and its platform's operator.
pub(super) struct Customer {
    /// What the platform does.
    pub(super) operator: Api,
    /// What the customer does itself.
    pub(super) own: Api,
    pub(super) account: String,
    contract: String,
    /// The customer's API key.
    key: String,
}

impl Customer {
    /// An account with these properties, and a key for whoever holds it.
    pub(super) fn set_up(server: &Server, account: &str, properties: &Value) -> Self {
        let operator = server.api.clone();
        operator.put(&format!("/v1/accounts/{account}"), properties).expect(201);
        let key = operator.post("/v1/keys", &json!({ "role": "consumer", "account": account })).expect(201);
        let key = key["key"].as_str().unwrap().to_owned();
        let own = operator.with_key(&key);
        let contract = properties["contract"].as_str().unwrap().to_owned();
        Self { operator, own, account: account.to_owned(), contract, key }
    }

    /// What its platform's document says of the platform's own API: the header with the key, and the word before it.
    pub(super) fn published(&self, header: &'static str, scheme: &str) -> Published {
        Published {
            address: self.operator.address,
            base: format!("/published/{}", self.contract),
            key: (header, format!("{scheme}{}", self.key)),
        }
    }

    pub(super) fn path(&self, rest: &str) -> String {
        format!("/v1/accounts/{}{rest}", self.account)
    }

    pub(super) fn endpoint_path(&self, endpoint: &str, rest: &str) -> String {
        self.path(&format!("/endpoints/{endpoint}{rest}"))
    }

    /// Registers an endpoint with its own key; what it is told.
    pub(super) fn register(&self, body: &Value) -> Value {
        self.own.post(&self.path("/endpoints"), body).expect(201)
    }

    /// The platform puts a resource; the ids of the events that this causes.
    #[track_caller]
    pub(super) fn put(&self, kind: &str, id: &str, document: &Value) -> Vec<String> {
        let answer = self.operator.put(&self.path(&format!("/resources/{kind}/{id}")), document);
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
        let events = answer.json()["events"].as_array().unwrap().clone();
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The same for a change that causes one event; its id.
    #[track_caller]
    pub(super) fn change(&self, kind: &str, id: &str, document: &Value) -> String {
        let mut events = self.put(kind, id, document);
        assert_eq!(events.len(), 1, "{document}");
        events.remove(0)
    }

    /// The customer reads a resource.
    pub(super) fn read(&self, kind: &str, id: &str) -> Value {
        self.own.get(&self.path(&format!("/resources/{kind}/{id}"))).expect(200)
    }

    /// The newest delivery of an event to an endpoint, once so many attempts of it are recorded.
    #[track_caller]
    pub(super) fn attempted(&self, endpoint: &str, event: &str, attempts: usize) -> Value {
        until("the attempt is recorded", || {
            let page = self.own.get(&format!("/v1/deliveries?endpoint={endpoint}&limit=200")).expect(200);
            let listed = page["items"].as_array().unwrap().iter().find(|delivery| delivery["event"] == event)?.clone();
            let read = self.own.get(&format!("/v1/deliveries/{}", listed["id"].as_str().unwrap())).expect(200);
            (read["attempts"].as_array().unwrap().len() >= attempts).then_some(read)
        })
    }

    /// Has a delivery attempted at once, whenever it is due.
    pub(super) fn retry(&self, delivery: &Value) {
        self.own.post(&format!("/v1/deliveries/{}/retry", delivery["id"].as_str().unwrap()), &Value::Null).expect(200);
    }

    /// Sends the test event, which the log marks as one, and which is nobody's to miss.
    #[track_caller]
    pub(super) fn try_out(&self, by: &Api, endpoint: &str, receiver: &Receiver, event_type: &str) -> Seen {
        let receipt = by.post(&self.endpoint_path(endpoint, "/test"), &Value::Null).expect(201);
        assert_eq!(receipt["deliveries"], 1, "to this endpoint only");
        let seen = receiver.next();
        assert!(seen.verified, "{seen:?}");
        assert_eq!(seen.event_type.as_deref(), Some(event_type));
        let seq = receipt["seq"].as_i64().unwrap();
        let log = self.own.get(&self.path(&format!("/events?after={}&limit=1", seq - 1))).expect(200);
        let event = &log["items"][0];
        assert_eq!((&event["id"], &event["test"]), (&receipt["id"], &json!(true)), "{log}");
        self.attempted(endpoint, receipt["id"].as_str().unwrap(), 1);
        seen
    }

    /// Everything after a place in the log, page by page.
    pub(super) fn poll(&self, after: i64, query: &str) -> Vec<Value> {
        let (mut found, mut after) = (Vec::new(), after.to_string());
        loop {
            let page = self.own.get(&self.path(&format!("/events?limit=2&after={after}{query}"))).expect(200);
            found.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { return found };
            next.clone_into(&mut after);
        }
    }

    /// The place in the log up to which the customer has read.
    pub(super) fn cursor(&self) -> i64 {
        self.poll(0, "").last().map_or(0, |event| event["seq"].as_i64().unwrap())
    }

    /// What has not arrived at an endpoint.
    pub(super) fn missed(&self, endpoint: &str) -> BTreeSet<String> {
        ids(&self.poll(0, &format!("&delivered=false&endpoint={endpoint}")))
    }

    /// What has arrived nowhere.
    pub(super) fn missed_everywhere(&self) -> BTreeSet<String> {
        ids(&self.poll(0, "&delivered=false"))
    }

    /// Has everything sent again that an endpoint missed; how many events that were.
    pub(super) fn replay(&self, endpoint: &str) -> i64 {
        let wanted = json!({ "since": SINCE, "states": ["missed", "failed", "cancelled"] });
        let started = self.own.post(&self.endpoint_path(endpoint, "/replay"), &wanted).expect(202);
        let path = self.endpoint_path(endpoint, &format!("/replays/{}", started["id"].as_str().unwrap()));
        let done = until("the replay has ended", || {
            let replay = self.own.get(&path).expect(200);
            (replay["state"] == "done").then_some(replay)
        });
        done["created"].as_i64().unwrap()
    }

    pub(super) fn endpoint(&self, endpoint: &str) -> Value {
        self.own.get(&self.endpoint_path(endpoint, "")).expect(200)
    }

    /// Waits until nothing is missed at an endpoint.
    #[track_caller]
    pub(super) fn has_everything(&self, endpoint: &str) {
        until("nothing is missed", || self.missed(endpoint).is_empty().then_some(()));
    }
}

/// A platform's published API, for a customer who knows nothing else.
pub(super) struct Published {
    address: SocketAddr,
    base: String,
    key: (&'static str, String),
}

impl Published {
    pub(super) fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let (header, key) = &self.key;
        ask(self.address, method, &format!("{}{path}", self.base), (header, key), body)
    }

    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Value {
        self.ask("GET", path, &Value::Null).expect(200)
    }

    /// Everything in a list, page by page, that is not as the customer knows it.
    #[track_caller]
    pub(super) fn news(&self, path: &str, items: &str, known: &[Value]) -> Vec<Value> {
        let (mut found, mut query) = (Vec::new(), "?limit=1".to_owned());
        loop {
            let page = self.get(&format!("{path}{query}"));
            found.extend(page[items].as_array().unwrap().iter().filter(|item| !known.contains(item)).cloned());
            let Some(next) = page["next"].as_str() else { return found };
            query = format!("?limit=1&after={next}");
        }
    }
}

fn ids(events: &[Value]) -> BTreeSet<String> {
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// The address that a customer has registered, before its receiver: it lets requests through, or is down.
pub(super) struct Gateway(Sink);

impl Gateway {
    /// One behind which there is nothing yet.
    pub(super) fn new() -> Self {
        Self(Sink::start(|_| 503))
    }

    pub(super) fn before(receiver: &Receiver) -> Self {
        let gateway = Self::new();
        gateway.open(receiver);
        gateway
    }

    /// Lets everything through to a receiver, and its answers back.
    pub(super) fn open(&self, receiver: &Receiver) {
        let port = receiver.port();
        self.0.answer(move |request| Receiver::forward(port, request));
    }

    /// Answers by itself, with this status.
    pub(super) fn answer(&self, status: u16) {
        self.0.answer(move |_| status);
    }

    pub(super) fn url(&self) -> String {
        self.0.url("/webhooks/in")
    }

    /// Requests so far.
    pub(super) fn count(&self) -> usize {
        self.0.count()
    }
}

/// What a receiver has verified next.
#[track_caller]
pub(super) fn verified(receiver: &Receiver, event_type: &str) -> Seen {
    let seen = receiver.next();
    assert!(seen.verified, "{seen:?}");
    assert_eq!(seen.event_type.as_deref(), Some(event_type), "{seen:?}");
    seen
}

/// The body of a request, as JSON.
pub(super) fn body(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}
