//! Listeners that speak TLS, with a certificate that is renewed while they run.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use bellwire_testkit::authority::{Authority, Identity, pem};

use crate::harness::{Caller, Home, KEY, LOCAL, PATIENCE, Server, bellwire, run, until};

/// Writes a certificate for this machine and its key to files; their names.
fn hold(home: &Home, identity: &Identity) -> [String; 2] {
    let held = [("cert.pem", pem("CERTIFICATE", &identity.certificate)), ("key.pem", pem("PRIVATE KEY", &identity.key))];
    held.map(|(name, text)| {
        let path = home.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

fn start(home: &Home, identity: &Identity, flags: &[&str]) -> Server {
    let [certificate, key] = hold(home, identity);
    home.start_with(&[&LOCAL[..], &["--tls-cert", &certificate, "--tls-key", &key, "--log", "info"], flags].concat())
}

fn status(caller: &Caller, address: SocketAddr, path: &str) -> u16 {
    caller.ask(address, "GET", path, &[], "").unwrap().0.status
}

#[test]
fn every_listener_speaks_tls_and_nothing_else() {
    let (home, authority) = (Home::new(), Authority::new("ours"));
    let flags = ["--metrics-listen", "127.0.0.1:0", "--publish", "novamed=127.0.0.1:0"];
    let server = start(&home, &authority.issue("127.0.0.1"), &flags);
    let (main, metrics, published) = (server.api.address, server.metrics_address(), server.publishes("novamed"));
    let caller = Caller::new(&authority, None);
    assert_eq!(status(&caller, main, "/readyz"), 200);
    assert_eq!(status(&caller, metrics, "/readyz"), 200);
    assert_eq!(status(&caller, published, "/readyz"), 404, "health is not served there");
    let accounts = caller.ask(main, "GET", "/v1/accounts", &[("authorization", &format!("Bearer {KEY}"))], "");
    accounts.unwrap().0.expect(200);
    for address in [main, metrics, published] {
        let mut plain = TcpStream::connect(address).unwrap();
        plain.set_read_timeout(Some(PATIENCE)).unwrap();
        plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let mut came = Vec::new();
        let _ = plain.read_to_end(&mut came); // closing with unread bytes is a reset
        assert!(!came.starts_with(b"HTTP/"), "{came:?}");
    }
    let log = fs::read_to_string(home.path("log")).unwrap();
    assert!(!log.contains("ERROR") && log.contains("key.pem: others may read the key"), "{log}");
}

#[test]
fn links_lead_to_tls_and_sessions_of_the_pages_are_kept_to_it() {
    let (home, authority) = (Home::new(), Authority::new("ours"));
    let server = start(&home, &authority.issue("127.0.0.1"), &[]);
    let caller = Caller::new(&authority, None);
    let bearer = format!("Bearer {KEY}");
    let api = |method: &str, path: &str, body: &str| {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        caller.ask(server.api.address, method, path, &headers, body).unwrap().0.expect(201)
    };
    api("PUT", "/v1/accounts/a", r#"{"contract":"noyo"}"#);
    let link = api("POST", "/v1/accounts/a/portal", "{}");
    let start_of_it = format!("https://{}/console/portal/", server.api.address);
    assert!(link["url"].as_str().unwrap().starts_with(&start_of_it), "{link}");
    drop(server);

    // Whatever is said of where people find it: it listens for TLS.
    for flags in [&[][..], &["--public-url", "http://hooks.example"]] {
        let server = start(&home, &authority.issue("127.0.0.1"), flags);
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let (answer, _) = caller.ask(server.api.address, "POST", "/console/sign-in", &form, &format!("key={KEY}")).unwrap();
        let cookie = answer.header("set-cookie").unwrap_or_else(|| panic!("{answer:?}"));
        assert!(cookie.contains("; Secure"), "{cookie}");
    }
}

#[test]
fn a_certificate_is_renewed_while_the_server_runs() {
    let (home, authority) = (Home::new(), Authority::new("ours"));
    let (before, after) = (authority.issue("127.0.0.1"), authority.issue("127.0.0.1"));
    let server = start(&home, &before, &[]);
    let caller = Caller::new(&authority, None);
    let shown = || caller.ask(server.api.address, "GET", "/healthz", &[], "").unwrap().1;
    let log = || fs::read_to_string(home.path("log")).unwrap();
    assert_eq!(shown(), before.certificate);
    server.signal("HUP");
    until("they are read because somebody asks for it", || log().contains("the certificate was read again").then_some(()));

    fs::write(home.path("key.pem"), "none").unwrap();
    server.signal("HUP");
    until("the fault is told", || log().contains("key.pem: there is no key in it").then_some(()));
    assert_eq!(shown(), before.certificate);

    hold(&home, &after);
    server.signal("HUP");
    until("the new one is shown", || (shown() == after.certificate).then_some(()));
}

#[test]
fn callers_need_a_certificate_where_an_authority_for_them_is_named() {
    let (home, ours, theirs) = (Home::new(), Authority::new("ours"), Authority::new("theirs"));
    let clients = home.path("clients.pem");
    fs::write(&clients, pem("CERTIFICATE", &theirs.certificate)).unwrap();
    let flags = ["--tls-client-ca", clients.to_str().unwrap(), "--metrics-listen", "127.0.0.1:0"];
    let server = start(&home, &ours.issue("127.0.0.1"), &flags);
    let known = Caller::new(&ours, Some(theirs.issue("caller.example")));
    let (nobody, stranger) = (Caller::new(&ours, None), Caller::new(&ours, Some(ours.issue("caller.example"))));
    for address in [server.api.address, server.metrics_address()] {
        assert_eq!(status(&known, address, "/healthz"), 200);
        assert!(nobody.ask(address, "GET", "/healthz", &[], "").is_err());
        assert!(stranger.ask(address, "GET", "/healthz", &[], "").is_err());
    }
}

#[test]
fn what_cannot_work_is_said_at_the_start() {
    let home = Home::new();
    let refused = |flags: &[&str], words: &[&str]| {
        let run = run(bellwire()
            .args(["serve", "--log", "off", "--listen", "127.0.0.1:0", "--database", &home.database()])
            .args(flags));
        let line = run.refusal();
        for word in words {
            assert!(line.contains(word), "`{word}` is not in: {line}");
        }
        assert!(!Path::new(&home.path("bellwire.db")).exists(), "nothing has begun");
    };
    refused(&["--tls-cert", "cert.pem"], &["--tls-key <FILE>"]);
    refused(&["--tls-key", "key.pem"], &["--tls-cert <FILE>"]);
    refused(&["--tls-client-ca", "ca.pem"], &["--tls-cert <FILE>"]);
    refused(&["--tls-cert", "none.pem", "--tls-key", "none.pem"], &["--tls-cert none.pem: No such file"]);
    let authority = Authority::new("ours");
    hold(&home, &authority.issue("127.0.0.1"));
    let [certificate, key] = hold(&home, &authority.issue("127.0.0.1"));
    refused(&["--tls-cert", &certificate, "--tls-key", &certificate], &["--tls-key", &certificate, "no key"]);
    fs::write(&certificate, pem("CERTIFICATE", &authority.certificate)).unwrap();
    refused(&["--tls-cert", &certificate, "--tls-key", &key], &["--tls-key", &key, "not the key", "--tls-cert", &certificate]);
}

#[test]
fn the_client_asks_only_whom_it_trusts() {
    let (home, authority) = (Home::new(), Authority::new("ours"));
    let server = start(&home, &authority.issue("127.0.0.1"), &[]);
    let trusted = home.path("authority.pem");
    fs::write(&trusted, pem("CERTIFICATE", &authority.certificate)).unwrap();
    let url = format!("https://{}", server.api.address);
    let list = |more: &[&str]| run(bellwire().args(["accounts", "list", "--server", &url, "--key", KEY]).args(more));
    assert_eq!(list(&["--cacert", trusted.to_str().unwrap()]).success(), "(none)\n");
    let stranger = list(&[]);
    assert_eq!(stranger.code, Some(3), "{stranger:?}");
    assert!(stranger.stderr.contains("certificate") && stranger.stderr.contains("--cacert"), "{stranger:?}");
    let signed_in = |words: &[&str]| run(bellwire().args(words).env("XDG_CONFIG_HOME", home.path("settings")));
    signed_in(&["login", "--server", &url, "--key", KEY, "--cacert", trusted.to_str().unwrap()]).success();
    assert_eq!(signed_in(&["accounts", "list"]).success(), "(none)\n", "the file is kept with the key");
    let wrong = list(&["--cacert", "/no/such/file"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("--cacert /no/such/file"), "{wrong:?}");
}
