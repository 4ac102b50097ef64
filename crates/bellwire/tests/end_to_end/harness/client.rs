//! A client of the API.

use std::io;
use std::net::SocketAddr;

use bellwire_testkit::http::{Answer, send};
use serde_json::Value;

/// Asks a platform's published API as the documents' curl commands do: with the key in the header that they name.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, key: (&str, &str), body: &Value) -> Answer {
    let headers = [key, ("Content-Type", "application/json"), ("Accept", "application/json")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(address, method, path, &headers, body.as_bytes()).unwrap()
}

/// A client of the API with one key.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    key: Option<String>,
}

impl Api {
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        Self { address, key: Some(key.to_owned()) }
    }

    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self::new(self.address, key)
    }

    pub(crate) fn without_key(&self) -> Self {
        Self { address: self.address, key: None }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "")
    }

    /// What is answered to a request for another media type.
    #[track_caller]
    pub(crate) fn get_as(&self, path: &str, media_type: &str) -> String {
        let mut headers = vec![("accept".to_owned(), media_type.to_owned())];
        headers.extend(self.key.as_ref().map(|key| ("authorization".to_owned(), format!("Bearer {key}"))));
        let answer = send(self.address, "GET", path, &headers, b"").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().to_owned()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, &body.to_string())
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.call("PUT", path, &body.to_string())
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call("PATCH", path, &body.to_string())
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, "")
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        self.try_call(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// As [`Api::call`], where the server may be gone.
    pub(crate) fn try_call(&self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(self.key.as_ref().map(|key| ("authorization".to_owned(), format!("Bearer {key}"))));
        send(self.address, method, path, &headers, body.as_bytes())
    }

    /// Publishes an event with the bytes of `data`; its id.
    pub(crate) fn publish(&self, account: &str, event_type: &str, data: &str) -> String {
        let body = format!(r#"{{"type":"{event_type}","data":{data}}}"#);
        let receipt = self.call("POST", &format!("/v1/accounts/{account}/events"), &body).expect(201);
        receipt["id"].as_str().unwrap().to_owned()
    }

    /// The newest delivery of an event, with its attempts.
    pub(crate) fn delivery(&self, account: &str, event: &str) -> Option<Value> {
        let page = self.get(&format!("/v1/deliveries?account={account}&event={event}")).expect(200);
        let listed = page["items"].as_array().unwrap().first()?;
        Some(self.get(&format!("/v1/deliveries/{}", listed["id"].as_str().unwrap())).expect(200))
    }

    /// The newest delivery of an event, once so many attempts of it are recorded.
    #[track_caller]
    pub(crate) fn attempted(&self, account: &str, event: &str, attempts: usize) -> Value {
        bellwire_testkit::waiting::until("the attempt is recorded", || {
            self.delivery(account, event).filter(|delivery| delivery["attempts"].as_array().unwrap().len() >= attempts)
        })
    }
}
