//! TLS and HTTP/2 against a real server, with certificates made for the test.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwire_domain::Timestamp;
use bellwire_egress::{RESPONSE_BYTES_MAX, Sender, SenderOptions};
use bellwire_testkit::authority::{Authority, Identity};
use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::support::{LONG, SHORT, Scripted, answered, failed, listen, loopback, post, raw_receiver, send_by};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A sender that trusts this authority, for which every name is this machine.
pub(crate) fn trusting(authority: &Authority) -> Sender {
    Sender::new(options(authority))
}

pub(crate) fn options(authority: &Authority) -> SenderOptions {
    SenderOptions {
        resolver: Scripted::new(&[&["127.0.0.1"]]),
        addresses: loopback(),
        trusted: vec![authority.certificate.clone().into()],
        ..SenderOptions::default()
    }
}

/// What a server saw.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    connections: Arc<AtomicUsize>,
    handshakes: Arc<Mutex<Vec<Option<HandshakeKind>>>>,
    ended: Arc<AtomicUsize>,
    versions: Arc<Mutex<Vec<Version>>>,
    /// Ends every open connection in good order.
    end: Arc<Notify>,
    /// Lets every open connection stand, unread and unanswered.
    freeze: Arc<Notify>,
    /// Bytes of endless answers that were taken from us.
    poured: Arc<AtomicUsize>,
}

impl Seen {
    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn versions(&self) -> Vec<Version> {
        self.versions.lock().unwrap().clone()
    }
}

/// Agrees on TLS and on one of `protocols`.
pub(crate) fn acceptor(identity: Identity, protocols: &[&str]) -> TlsAcceptor {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(vec![identity.certificate.into()], identity.key.try_into().unwrap()).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A server that speaks `protocols`; its port.
pub(crate) fn serve(identity: Identity, protocols: &[&str], seen: &Seen) -> u16 {
    let acceptor = acceptor(identity, protocols);
    let (listener, address) = listen();
    let seen = seen.clone();
    tokio::task::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen) = (acceptor.clone(), seen.clone());
            open.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                seen.connections.fetch_add(1, Ordering::SeqCst);
                seen.handshakes.lock().unwrap().push(stream.get_ref().1.handshake_kind());
                let service = service_fn(|request| answer(request, seen.clone()));
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
                tokio::select! {
                    _ = connection.as_mut() => return,
                    () = seen.end.notified() => connection.as_mut().graceful_shutdown(),
                    () = seen.freeze.notified() => std::future::pending().await,
                }
                let _ = connection.await;
                seen.ended.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    address.port()
}

async fn answer(request: Request<Incoming>, seen: Seen) -> Result<Response<Body>, Infallible> {
    seen.versions.lock().unwrap().push(request.version());
    let path = request.uri().path().to_owned();
    let _ = request.into_body().collect().await;
    Ok(match path.as_str() {
        "/never" => std::future::pending().await,
        "/endless" => {
            let pieces = futures_util::stream::repeat_with(move || {
                seen.poured.fetch_add(4_096, Ordering::SeqCst);
                Ok(Frame::data(Bytes::from_static(&[b'x'; 4_096])))
            });
            Response::new(StreamBody::new(pieces).boxed_unsync())
        }
        "/moved" => {
            let moved = Response::builder().status(302).header("location", "https://169.254.169.254/");
            moved.body(Empty::new().boxed_unsync()).unwrap()
        }
        _ => Response::new(Full::from("thanks").boxed_unsync()),
    })
}

#[tokio::test]
async fn http2_is_spoken_where_offered_and_one_connection_carries_all() {
    let (authority, seen) = (Authority::new("ours"), Seen::default());
    let port = serve(authority.issue("client.example"), &["h2", "http/1.1"], &seen);
    let (sender, url) = (trusting(&authority), format!("https://client.example:{port}/in"));
    assert_eq!(answered(&send_by(&sender, post(&url), LONG).await, 200), b"thanks");
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (sender, url) = (sender.clone(), url.clone());
        sending.spawn(async move { send_by(&sender, post(&url), LONG).await });
    }
    while let Some(outcome) = sending.join_next().await {
        answered(&outcome.unwrap(), 200);
    }
    assert_eq!((seen.connections(), seen.versions()), (1, vec![Version::HTTP_2; 51]));
}

#[tokio::test]
async fn http1_is_spoken_over_tls_where_nothing_else_is_offered() {
    let (authority, seen) = (Authority::new("ours"), Seen::default());
    for protocols in [&["http/1.1"][..], &[]] {
        let port = serve(authority.issue("client.example"), protocols, &seen);
        let (sender, url) = (trusting(&authority), format!("https://client.example:{port}/in"));
        for _ in 0..3 {
            assert_eq!(answered(&send_by(&sender, post(&url), LONG).await, 200), b"thanks");
        }
    }
    assert_eq!((seen.connections(), seen.versions()), (2, vec![Version::HTTP_11; 6]));
}

#[tokio::test]
async fn a_certificate_is_checked_against_the_host_of_the_url() {
    let (authority, seen) = (Authority::new("ours"), Seen::default());
    let port = serve(authority.issue("client.example"), &["h2"], &seen);
    for (host, matches) in [
        ("client.example", true),
        ("CLIENT.example", true),
        ("client.example.", true),
        ("other.example", false),
        ("127.0.0.1", false),
    ] {
        let outcome = send_by(&trusting(&authority), post(&format!("https://{host}:{port}/")), LONG).await;
        if matches {
            answered(&outcome, 200);
        } else {
            let detail = failed(&outcome, "tls");
            assert!(detail.contains("not valid for name"), "{host}: {detail}");
        }
    }
    let port = serve(authority.issue("127.0.0.1"), &["h2"], &seen);
    answered(&send_by(&trusting(&authority), post(&format!("https://127.0.0.1:{port}/")), LONG).await, 200);
}

#[tokio::test]
async fn a_certificate_that_is_expired_or_of_nobody_known_is_a_tls_failure_that_says_so() {
    let (authority, stranger, seen) = (Authority::new("ours"), Authority::new("a stranger"), Seen::default());
    let expired = serve(authority.issue_expired("client.example"), &["h2"], &seen);
    let unknown = serve(stranger.issue("client.example"), &["h2"], &seen);
    for (port, word) in [(expired, "expired"), (unknown, "UnknownIssuer")] {
        let outcome = send_by(&trusting(&authority), post(&format!("https://client.example:{port}/")), LONG).await;
        let detail = failed(&outcome, "tls");
        assert!(detail.contains(word), "{detail}");
    }
    let well = serve(authority.issue("client.example"), &["h2"], &seen);
    let nobody = SenderOptions { resolver: Scripted::new(&[&["127.0.0.1"]]), addresses: loopback(), ..SenderOptions::default() };
    failed(&send_by(&Sender::new(nobody), post(&format!("https://client.example:{well}/")), LONG).await, "tls");
    assert_eq!(seen.versions(), [], "no request was made of any of them");
}

#[tokio::test]
async fn when_the_certificates_of_receivers_end_is_known_of_each_once() {
    let (authority, seen) = (Authority::new("ours"), Seen::default());
    let early = serve(authority.issue_until("client.example", 2040), &["h2"], &seen);
    let later = serve(authority.issue_until("client.example", 2050), &["http/1.1"], &seen);
    let expired = serve(authority.issue_expired("client.example"), &["h2"], &seen);
    let sender = trusting(&authority);
    assert_eq!(sender.certificate_ends(), []);
    for port in [early, later, early] {
        answered(&send_by(&sender, post(&format!("https://client.example:{port}/")), LONG).await, 200);
    }
    failed(&send_by(&sender, post(&format!("https://client.example:{expired}/")), LONG).await, "tls");
    let mut ends = sender.certificate_ends();
    ends.sort();
    let expected = ["2040-01-01T00:00:00Z", "2050-01-01T00:00:00Z"].map(|at| Timestamp::parse_rfc3339(at).unwrap());
    assert_eq!(ends, expected);
}

#[tokio::test]
async fn a_receiver_that_does_not_speak_tls_is_a_tls_failure() {
    let authority = Authority::new("ours");
    let plain = raw_receiver(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    let silent_end = raw_receiver(|stream| async move { drop(stream) });
    for url in [plain, silent_end] {
        let outcome = send_by(&trusting(&authority), post(&url.replace("http:", "https:")), LONG).await;
        assert!(!failed(&outcome, "tls").is_empty());
    }
}

#[tokio::test]
async fn a_receiver_that_agrees_on_http2_and_speaks_something_else_is_a_protocol_failure() {
    let authority = Authority::new("ours");
    let acceptor = acceptor(authority.issue("client.example"), &["h2"]);
    let liar = raw_receiver(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    });
    let url = liar.replace("http://127.0.0.1", "https://client.example");
    assert!(!failed(&send_by(&trusting(&authority), post(&url), LONG).await, "protocol").is_empty());
}

#[tokio::test]
async fn an_http2_answer_without_end_is_cut_and_its_connection_lives_on() {
    let (authority, seen) = (Authority::new("ours"), Seen::default());
    let port = serve(authority.issue("client.example"), &["h2"], &seen);
    let sender = trusting(&authority);
    for _ in 0..3 {
        let outcome = send_by(&sender, post(&format!("https://client.example:{port}/endless")), LONG).await;
        assert_eq!(answered(&outcome, 200).len(), RESPONSE_BYTES_MAX);
        answered(&send_by(&sender, post(&format!("https://client.example:{port}/in")), LONG).await, 200);
    }
    assert_eq!(seen.connections(), 1);
    let poured = seen.poured.load(Ordering::SeqCst);
    assert!(poured < 3 << 20, "{poured} bytes");
}

#[tokio::test]
async fn an_http2_request_that_hangs_holds_up_no_other_on_its_connection() {
    let (authority, seen) = (Authority::new("ours"), Seen::default());
    let port = serve(authority.issue("client.example"), &["h2"], &seen);
    let sender = trusting(&authority);
    answered(&send_by(&sender, post(&format!("https://client.example:{port}/in")), LONG).await, 200);
    let hanging = sender.clone();
    let hangs =
        tokio::task::spawn(async move { send_by(&hanging, post(&format!("https://client.example:{port}/never")), SHORT).await });
    for _ in 0..5 {
        answered(&send_by(&sender, post(&format!("https://client.example:{port}/in")), LONG).await, 200);
    }
    failed(&hangs.await.unwrap(), "timeout_headers");
    answered(&send_by(&sender, post(&format!("https://client.example:{port}/in")), LONG).await, 200);
    assert_eq!(seen.connections(), 1);
}

#[tokio::test]
async fn an_http2_connection_that_the_receiver_ends_fails_no_attempt() {
    let (authority, seen) = (Authority::new("ours"), Seen::default());
    let port = serve(authority.issue("client.example"), &["h2"], &seen);
    let (sender, url) = (trusting(&authority), format!("https://client.example:{port}/in"));
    for opened in 1..=5 {
        answered(&send_by(&sender, post(&url), LONG).await, 200);
        assert_eq!(seen.connections(), opened);
        seen.end.notify_waiters();
        let ending = async {
            while seen.ended.load(Ordering::SeqCst) < opened {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(LONG, ending).await.unwrap();
    }
}

#[tokio::test]
async fn the_second_connection_to_a_receiver_resumes_its_tls_session() {
    for protocols in [&["h2"][..], &["http/1.1"]] {
        let (authority, seen) = (Authority::new("ours"), Seen::default());
        let port = serve(authority.issue("client.example"), protocols, &seen);
        let sender = Sender::new(SenderOptions { kept_max: 0, ..options(&authority) });
        for _ in 0..2 {
            answered(&send_by(&sender, post(&format!("https://client.example:{port}/in")), LONG).await, 200);
        }
        assert_eq!(*seen.handshakes.lock().unwrap(), [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
    }
}

/// As when a firewall forgets it: no end is seen, and nothing comes back. Under load it would never become idle.
#[tokio::test]
async fn an_http2_connection_that_is_dead_without_saying_so_is_replaced() {
    let (authority, seen) = (Authority::new("ours"), Seen::default());
    let port = serve(authority.issue("client.example"), &["h2"], &seen);
    let sender = Sender::new(SenderOptions { ping_interval: SHORT, idle_timeout: LONG, ..options(&authority) });
    let url = format!("https://client.example:{port}/in");
    answered(&send_by(&sender, post(&url), LONG).await, 200);
    seen.freeze.notify_waiters();
    let replaced = async { while send_by(&sender, post(&url), SHORT).await.status().is_none() {} };
    tokio::time::timeout(LONG, replaced).await.expect("another connection is opened");
    assert_eq!(seen.connections(), 2);
}

#[tokio::test]
async fn a_redirect_over_tls_is_not_followed_either() {
    let (authority, seen) = (Authority::new("ours"), Seen::default());
    let port = serve(authority.issue("client.example"), &["h2"], &seen);
    answered(&send_by(&trusting(&authority), post(&format!("https://client.example:{port}/moved")), LONG).await, 302);
    assert_eq!(seen.versions().len(), 1);
}
