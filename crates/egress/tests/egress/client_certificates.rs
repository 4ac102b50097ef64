//! TLS on an endpoint's own terms: the certificate that is shown to it, and the authorities that it is known by.

use std::sync::{Arc, Mutex};

use bellwire_domain::{ClientTls, Secret};
use bellwire_egress::{OutboundRequest, Sender, SenderOptions};
use bellwire_testkit::authority::{Authority, Identity, pem};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::support::{LONG, Scripted, answered, failed, listen, loopback, post, send_by};
use crate::tls::trusting;

/// A connection: the certificate that was shown, how much of a handshake there was, and the requests.
type Connection = (Vec<u8>, HandshakeKind, usize);

/// What a server saw of each connection.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Connection>>>);

impl Seen {
    /// The certificate and the requests of each connection. None resumed the session of another.
    fn connections(&self) -> Vec<(Vec<u8>, usize)> {
        let seen = self.0.lock().unwrap();
        assert!(seen.iter().all(|(_, kind, _)| *kind != HandshakeKind::Resumed), "a session is of one certificate");
        seen.iter().map(|(certificate, _, requests)| (certificate.clone(), *requests)).collect()
    }
}

/// A server that lets in whom the authority knows; its port.
fn serve(identity: Identity, clients: &Authority, seen: &Seen) -> u16 {
    serve_protocol(None, identity, clients, seen)
}

/// The same, where it speaks that protocol.
fn serve_protocol(protocol: Option<&str>, identity: Identity, clients: &Authority, seen: &Seen) -> u16 {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    roots.add(clients.certificate.clone().into()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let config = ServerConfig::builder().with_client_cert_verifier(verifier);
    let mut config = config.with_single_cert(vec![identity.certificate.into()], identity.key.try_into().unwrap()).unwrap();
    config.alpn_protocols.extend(protocol.map(|protocol| protocol.as_bytes().to_vec()));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (listener, address) = listen();
    let seen = seen.clone();
    tokio::task::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen) = (acceptor.clone(), seen.clone());
            tokio::task::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let session = stream.get_ref().1;
                let certificate = session.peer_certificates().unwrap()[0].to_vec();
                let place = {
                    let mut seen = seen.0.lock().unwrap();
                    seen.push((certificate, session.handshake_kind().unwrap(), 0));
                    seen.len() - 1
                };
                let mut read = Vec::new();
                while stream.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
                    if read.ends_with(b"{}") {
                        read.clear();
                        seen.0.lock().unwrap()[place].2 += 1;
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                    }
                }
            });
        }
    });
    address.port()
}

fn showing(url: &str, identity: &Identity) -> OutboundRequest {
    let certificate = Secret::new(pem("CERTIFICATE", &identity.certificate));
    let key = Secret::new(pem("PRIVATE KEY", &identity.key));
    with(url, ClientTls { certificate: Some((certificate, key)), ca: None })
}

fn with(url: &str, tls: ClientTls) -> OutboundRequest {
    OutboundRequest { tls: Some(Arc::new(tls)), ..post(url) }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_is_shown_it_and_none_is_shown_for_another() {
    let (servers, clients, seen) = (Authority::new("servers"), Authority::new("clients"), Seen::default());
    let port = serve(servers.issue("a.example"), &clients, &seen);
    let (sender, url) = (trusting(&servers), format!("https://a.example:{port}/in"));
    let (first, second) = (clients.issue("first.example"), clients.issue("second.example"));
    for identity in [&first, &second, &first, &second, &first] {
        answered(&send_by(&sender, showing(&url, identity), LONG).await, 200);
    }
    assert_eq!(seen.connections(), [(first.certificate.clone(), 3), (second.certificate.clone(), 2)]);
    // Without one, or with one that the server's authority did not sign, nothing is taken.
    let stranger = servers.issue("stranger.example");
    for (request, said) in [(post(&url), "CertificateRequired"), (showing(&url, &stranger), "UnknownCA")] {
        let outcome = send_by(&sender, request, LONG).await;
        failed(&outcome, "tls");
        assert!(outcome.to_string().contains(said), "{outcome}");
    }
    assert_eq!(seen.connections().len(), 2);
}

#[tokio::test]
async fn a_certificate_that_is_refused_is_a_failure_of_tls_over_http2_too() {
    let (servers, clients, seen) = (Authority::new("servers"), Authority::new("clients"), Seen::default());
    let port = serve_protocol(Some("h2"), servers.issue("a.example"), &clients, &seen);
    let outcome = send_by(&trusting(&servers), post(&format!("https://a.example:{port}/in")), LONG).await;
    failed(&outcome, "tls");
    assert!(outcome.to_string().contains("CertificateRequired"), "{outcome}");
}

#[tokio::test]
async fn own_authorities_are_trusted_instead_of_the_public_ones() {
    let (private, public, clients, seen) =
        (Authority::new("private"), Authority::new("public"), Authority::new("clients"), Seen::default());
    let shown = clients.issue("us.example");
    let ask = |authority: Option<&Authority>, url: &str| {
        let ca = authority.map(|authority| Secret::new(pem("CERTIFICATE", &authority.certificate)));
        let request = showing(url, &shown);
        let certificate = request.tls.as_ref().unwrap().certificate.clone();
        with(url, ClientTls { certificate, ca })
    };
    let known = format!("https://a.example:{}/", serve(public.issue("a.example"), &clients, &seen));
    let own = format!("https://a.example:{}/", serve(private.issue("a.example"), &clients, &seen));
    let sender = trusting(&public);
    answered(&send_by(&sender, ask(None, &known), LONG).await, 200);
    answered(&send_by(&sender, ask(Some(&private), &own), LONG).await, 200);
    failed(&send_by(&sender, ask(None, &own), LONG).await, "tls");
    failed(&send_by(&sender, ask(Some(&private), &known), LONG).await, "tls");
}

#[tokio::test]
async fn what_cannot_be_shown_is_said_without_repeating_it() {
    let sender = Sender::new(SenderOptions {
        resolver: Scripted::new(&[&["127.0.0.1"]]),
        addresses: loopback(),
        ..SenderOptions::default()
    });
    let clients = Authority::new("clients");
    let identity = clients.issue("us.example");
    let certificate = pem("CERTIFICATE", &identity.certificate);
    for (certificate, key, expected) in [
        ("hunter2", "hunter2", "the client certificate cannot be read"),
        (certificate.as_str(), "hunter2", "the key of the client certificate cannot be read"),
    ] {
        let pair = (Secret::new(certificate.to_owned()), Secret::new(key.to_owned()));
        let tls = ClientTls { certificate: Some(pair), ca: None };
        let outcome = send_by(&sender, with("https://a.example:1/", tls), LONG).await;
        failed(&outcome, "tls");
        assert!(outcome.to_string().ends_with(expected), "{outcome}");
    }
    let outcome = send_by(&sender, showing("http://a.example:1/", &identity), LONG).await;
    failed(&outcome, "unbuildable");
}
