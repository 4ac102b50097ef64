//! An HTTP client that shows everything and hides nothing: one connection for each request.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::PATIENCE;

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The content of an answer that had to have this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The code of a problem that had to have this status.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].is_string() && problem["type"].is_string() && problem["detail"].is_string(), "{problem}");
        problem["code"].as_str().unwrap().to_owned()
    }

    /// The pointers of a 422.
    #[track_caller]
    pub(crate) fn pointers(&self) -> Vec<String> {
        assert_eq!(self.problem(422), "invalid");
        let errors = self.json()["errors"].as_array().unwrap().clone();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }
}

/// Sends one request and reads the answer to its end.
pub(crate) fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut request = Vec::new();
    write!(request, "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len())?;
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n")?;
    }
    write!(request, "\r\n")?;
    request.extend_from_slice(body);
    // A server may answer before it has read everything; then the answer counts, not the broken pipe.
    let written = stream.write_all(&request);
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if bytes.is_empty() => return Err(error),
        _ if bytes.is_empty() => return Err(written.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())),
        _ => {}
    }
    parse(&bytes).ok_or_else(|| io::Error::other(format!("half an answer: {}", String::from_utf8_lossy(&bytes))))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let body = bytes[end + 4..].to_vec();
    let answer = Answer { status, headers, body };
    let length = answer.header("content-length").and_then(|length| length.parse::<usize>().ok());
    length.is_none_or(|length| length == answer.body.len()).then_some(answer)
}

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
        let page = self.get(&format!("/v1/deliveries?account={account}&limit=200")).expect(200);
        let listed = page["items"].as_array().unwrap().iter().find(|delivery| delivery["event"] == event)?.clone();
        Some(self.get(&format!("/v1/deliveries/{}", listed["id"].as_str().unwrap())).expect(200))
    }

    /// The newest delivery of an event, once so many attempts of it are recorded.
    #[track_caller]
    pub(crate) fn attempted(&self, account: &str, event: &str, attempts: usize) -> Value {
        super::until("the attempt is recorded", || {
            self.delivery(account, event).filter(|delivery| delivery["attempts"].as_array().unwrap().len() >= attempts)
        })
    }
}
