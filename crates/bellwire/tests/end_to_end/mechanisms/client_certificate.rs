//! Client certificates: a receiver, with Python's own TLS, that lets nobody in without one, and is known by an authority of its own.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use bellwire_testkit::authority::{Authority, Identity, pem};
use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::{Home, until};

/// Prints its port, and then for each request the number of its connection and the name in the certificate that was shown there.
const RECEIVER: &str = r#"
import http.server, itertools, ssl, sys
numbers = itertools.count(1)
class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def setup(self):
        super().setup()
        self.number = next(numbers)
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        print(self.number, dict(self.connection.getpeercert()["subjectAltName"])["DNS"], flush=True)
        self.send_response(204)
        self.end_headers()
    def log_message(self, *arguments):
        pass
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.load_verify_locations(sys.argv[3])
context.verify_mode = ssl.CERT_REQUIRED
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

struct Receiver {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    port: String,
}

impl Receiver {
    fn start(files: &Home, identity: &Identity, clients: &Authority) -> Self {
        let write = |name: &str, kind: &str, der: &[u8]| {
            let path = files.path(name);
            std::fs::write(&path, pem(kind, der)).unwrap();
            path
        };
        let mut child = Command::new("python3")
            .args(["-c", RECEIVER])
            .arg(write("server.pem", "CERTIFICATE", &identity.certificate))
            .arg(write("server.key", "PRIVATE KEY", &identity.key))
            .arg(write("clients.pem", "CERTIFICATE", &clients.certificate))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap();
        Self { child, lines, port }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn credentials(identity: &Identity) -> Value {
    json!({ "certificate": pem("CERTIFICATE", &identity.certificate), "key": pem("PRIVATE KEY", &identity.key) })
}

impl Receiver {
    fn url(&self) -> String {
        format!("https://localhost:{}/in", self.port)
    }

    /// The connection of the next request, and whom its certificate names.
    fn next(&mut self) -> (u32, String) {
        let line = self.lines.next().unwrap().unwrap();
        let (number, name) = line.split_once(' ').unwrap();
        (number.parse().unwrap(), name.to_owned())
    }
}

impl World {
    /// An endpoint with a certificate, at a receiver that an authority of its own is known by; its path.
    fn shows(&self, receiver: &Receiver, identity: &Identity, servers: &Authority) -> String {
        let mut given = credentials(identity);
        given["ca"] = pem("CERTIFICATE", &servers.certificate).into();
        let (path, made) = self.registered(&json!({ "url": receiver.url(), "credentials": given }));
        assert_eq!(made["credentials"], json!(["ca", "certificate", "key"]));
        path
    }

    /// Sends an endpoint its test event; what came of it.
    fn tried(&self, path: &str) -> Value {
        let event = self.server.api.post(&format!("{path}/test"), &json!({})).expect(201);
        let event = event["id"].as_str().unwrap().to_owned();
        until("the delivery is over", || {
            self.server.api.delivery(ACCOUNT, &event).filter(|delivery| delivery["state"] != "pending")
        })
    }
}

#[test]
fn a_receiver_lets_in_whom_a_certificate_names_and_is_known_by_its_own_authority() {
    let (servers, clients, files) = (Authority::new("servers"), Authority::new("clients"), Home::new());
    let mut receiver = Receiver::start(&files, &servers.issue("localhost"), &clients);
    let world = World::of("client-certificate");
    let first = world.shows(&receiver, &clients.issue("first.example"), &servers);
    let second = world.shows(&receiver, &clients.issue("second.example"), &servers);
    let mut connections: [BTreeSet<u32>; 2] = Default::default();
    for (index, path, name) in [(0, &first, "first.example"), (1, &second, "second.example")].repeat(3) {
        assert_eq!(world.tried(path)["state"], "delivered");
        let (connection, shown) = receiver.next();
        assert_eq!(shown, name);
        connections[index].insert(connection);
    }
    assert!(connections[0].is_disjoint(&connections[1]), "{connections:?}");
    // Another certificate is shown from the next request on.
    world.server.api.patch(&first, &json!({ "credentials": credentials(&clients.issue("third.example")) })).expect(200);
    assert_eq!(world.tried(&first)["state"], "delivered");
    assert_eq!(receiver.next().1, "third.example");
}

#[test]
fn a_receiver_that_refuses_the_certificate_or_is_not_known_makes_the_attempt_fail_in_tls() {
    let (servers, clients, files) = (Authority::new("servers"), Authority::new("clients"), Home::new());
    let receiver = Receiver::start(&files, &servers.issue("localhost"), &clients);
    let world = World::of("client-certificate");
    // It is no authority of the receiver's that signed this one.
    let path = world.shows(&receiver, &servers.issue("stranger.example"), &servers);
    let failed = world.tried(&path);
    let attempt = &failed["attempts"][0];
    assert_eq!((&failed["state"], &attempt["outcome"]), (&json!("failed"), &json!("tls")), "{failed}");
    assert!(attempt["detail"].as_str().unwrap().contains("received fatal alert"), "{failed}");
    // Without its authority nobody knows the receiver.
    world.server.api.patch(&path, &json!({ "credentials": { "ca": null } })).expect(200);
    let failed = world.tried(&path);
    let attempt = &failed["attempts"][0];
    assert_eq!((&failed["state"], &attempt["outcome"]), (&json!("failed"), &json!("tls")), "{failed}");
    assert!(attempt["detail"].as_str().unwrap().contains("UnknownIssuer"), "{failed}");
}

#[test]
fn what_is_no_certificate_or_another_ones_key_is_refused_by_name() {
    let clients = Authority::new("clients");
    let (mine, other) = (credentials(&clients.issue("a.example")), credentials(&clients.issue("b.example")));
    let (world, endpoints) = (World::of("client-certificate"), format!("/v1/accounts/{ACCOUNT}/endpoints"));
    let ask = |credentials: Value| {
        world.server.api.post(&endpoints, &json!({ "url": "https://localhost:9/", "credentials": credentials }))
    };
    let made = ask(mine.clone()).expect(201);
    for (credentials, place) in [
        (json!({ "certificate": "hunter2", "key": mine["key"] }), "/credentials/certificate"),
        (json!({ "certificate": mine["key"], "key": mine["key"] }), "/credentials/certificate"),
        (json!({ "certificate": mine["certificate"], "key": "hunter2" }), "/credentials/key"),
        (json!({ "certificate": mine["certificate"], "key": other["key"] }), "/credentials/key"),
        (json!({ "certificate": mine["certificate"], "key": mine["key"], "ca": "hunter2" }), "/credentials/ca"),
    ] {
        let refused = ask(credentials);
        assert_eq!((refused.status, refused.pointers()), (422, vec![place.to_owned()]), "{}", refused.text());
        assert!(!refused.text().contains("hunter2"), "{}", refused.text());
    }
    let path = format!("{endpoints}/{}", made["id"].as_str().unwrap());
    let plain = world.server.api.patch(&path, &json!({ "url": "http://localhost:9/" }));
    assert_eq!((plain.status, plain.pointers()), (422, vec!["/url".to_owned()]), "{}", plain.text());
    let refused = world.server.api.patch(&path, &json!({ "credentials": { "key": other["key"] } }));
    assert_eq!((refused.status, refused.pointers()), (422, vec!["/credentials/key".to_owned()]), "{}", refused.text());
}
