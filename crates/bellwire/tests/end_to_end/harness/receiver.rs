//! The receivers of `tests/receivers`: real processes in the languages and with the libraries that the documents name.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bellwire_testkit::http::{Request, send};
use bellwire_testkit::process::Process;
use serde_json::Value;

/// What belongs to a connection, and not to the request that passes through it.
const CONNECTION_HEADERS: [&str; 4] = ["host", "content-length", "connection", "transfer-encoding"];

/// What a receiver says of one request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) verified: bool,
    pub(crate) reason: Option<String>,
    pub(crate) duplicate: bool,
    pub(crate) event_type: Option<String>,
    pub(crate) event_id: Option<String>,
    /// What it answered.
    pub(crate) status: u16,
    /// The request's, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The raw body.
    pub(crate) body: Vec<u8>,
}

impl Seen {
    fn read(line: &str) -> Self {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().map(ToOwned::to_owned);
        let headers = line["headers"].as_object().unwrap();
        Self {
            verified: line["verified"].as_bool().unwrap(),
            reason: text("reason"),
            duplicate: line["duplicate"].as_bool().unwrap(),
            event_type: text("event_type"),
            event_id: text("event_id"),
            status: u16::try_from(line["status"].as_u64().unwrap()).unwrap(),
            headers: headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect(),
            body: STANDARD.decode(line["body_base64"].as_str().unwrap()).unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The same request without one of its headers.
    pub(crate) fn without(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.headers.retain(|(known, _)| known != name);
        assert!(other.headers.len() < self.headers.len(), "there is no {name}");
        other
    }

    /// The same request with the last letter or digit of its body changed into another: still JSON, not the same.
    pub(crate) fn tampered(&self) -> Self {
        let mut other = self.clone();
        let place = other.body.iter().rposition(u8::is_ascii_alphanumeric).unwrap();
        other.body[place] = if other.body[place] == b'1' { b'2' } else { b'1' };
        other
    }
}

/// A receiver whose port is not known yet, so that several can start at once.
pub(crate) struct Starting(Process);

/// Starts `tests/receivers/{file}` with a secret.
pub(crate) fn starting(file: &str, secret: &str) -> Starting {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join(".tools/venv/bin/python");
    let is_set_up = python.exists() && root.join("tests/receivers/node_modules").exists();
    assert!(is_set_up, "the receivers' packages are missing: run scripts/setup first");
    let program =
        if Path::new(file).extension().is_some_and(|extension| extension == "js") { PathBuf::from("node") } else { python };
    let mut command = Command::new(&program);
    command.arg(root.join("tests/receivers").join(file)).args(["--secret", secret]);
    Starting(Process::start(command.stdin(Stdio::piped())))
}

impl Starting {
    /// Waits until it listens.
    pub(crate) fn ready(self) -> Receiver {
        let line = self.0.line();
        let port = line.strip_prefix("listening ").unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        Receiver { process: self.0, port }
    }
}

/// A running receiver. It ends with its standard input, which its process holds.
pub(crate) struct Receiver {
    process: Process,
    port: u16,
}

impl Receiver {
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/webhooks/in", self.port)
    }

    /// Hands it a request that came to somebody else, such as a gateway; what it answers.
    pub(crate) fn forward(port: u16, request: &Request) -> u16 {
        let mut headers = request.headers.clone();
        headers.retain(|(name, _)| !CONNECTION_HEADERS.contains(&name.as_str()));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        send(address, "POST", &request.path, &headers, &request.body).map_or(502, |answer| answer.status)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What it says of the next request.
    pub(crate) fn next(&self) -> Seen {
        Seen::read(&self.process.line())
    }

    /// Sends it a captured request once more, and tells what it makes of it.
    pub(crate) fn replay(&self, request: &Seen) -> Seen {
        let mut headers = request.headers.clone();
        headers.retain(|(name, _)| !CONNECTION_HEADERS.contains(&name.as_str()));
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let answer = send(address, "POST", "/webhooks/in", &headers, &request.body).unwrap();
        let seen = self.next();
        assert_eq!(answer.status, seen.status);
        seen
    }
}
