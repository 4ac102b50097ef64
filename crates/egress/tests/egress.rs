//! Receivers that misbehave, and addresses that must not be reached: each ends in its own outcome, in bounded time and memory.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and its receivers end with it")]

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bellwire_domain::{AddressPolicy, AttemptOutcome, TimeoutPhase, Timestamp};
use bellwire_egress::{OutboundRequest, RESPONSE_BYTES_MAX, Resolve, Sender, SenderOptions, SystemResolver};
use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn loopback() -> AddressPolicy {
    AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()])
}

fn sender(addresses: AddressPolicy, resolver: Arc<dyn Resolve>) -> Sender {
    Sender::new(SenderOptions { resolver, addresses, idle_per_host_max: 4, idle_timeout: Duration::from_secs(5) })
}

fn post(url: &str) -> OutboundRequest {
    OutboundRequest { method: Method::POST, url: url.to_owned(), headers: HeaderMap::new(), body: Bytes::from_static(b"{}") }
}

/// A receiver that reads a request head and then does as `answer` says.
async fn receiver<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let serve = async move {
        let mut open = tokio::task::JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4_096];
            let _ = stream.read(&mut head).await;
            open.spawn(answer(stream));
        }
    };
    tokio::task::spawn(serve);
    url
}

async fn send(url: &str, timeout: Duration) -> AttemptOutcome {
    sender(loopback(), Arc::new(SystemResolver)).send(post(url), timeout, Timestamp::from_secs(0)).await
}

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let target = receiver(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async {}
    })
    .await;
    let url = receiver(move |mut stream| {
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
        async move { stream.write_all(answer.as_bytes()).await.unwrap() }
    })
    .await;
    let outcome = send(&url, LONG).await;
    assert_eq!(outcome, AttemptOutcome::Response { status: 302, retry_after: None, body: Vec::new() });
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_large_answer_is_cut() {
    let url = receiver(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n").await;
        let piece = vec![b'x'; 1 << 16];
        for _ in 0..800 {
            if stream.write_all(&piece).await.is_err() {
                return; // the sender hung up, as it should
            }
        }
    })
    .await;
    match send(&url, LONG).await {
        AttemptOutcome::Response { status: 200, body, .. } => assert_eq!(body.len(), RESPONSE_BYTES_MAX),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_deadline_covers_a_dripping_body() {
    let url = receiver(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
        while stream.write_all(b".").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(send(&url, SHORT).await, AttemptOutcome::Timeout { phase: TimeoutPhase::Body });
}

#[tokio::test]
async fn the_deadline_covers_an_answer_that_never_comes() {
    let url = receiver(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    assert_eq!(send(&url, SHORT).await, AttemptOutcome::Timeout { phase: TimeoutPhase::Headers });
}

#[tokio::test]
async fn garbage_and_dropped_connections_are_protocol_failures() {
    let garbage = receiver(|mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    })
    .await;
    let dropped = receiver(|stream| async move { drop(stream) }).await;
    let half = receiver(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    })
    .await;
    for url in [garbage, dropped, half] {
        let outcome = send(&url, LONG).await;
        assert!(matches!(outcome, AttemptOutcome::Protocol { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn plain_text_where_tls_is_expected_is_a_tls_failure() {
    let url = receiver(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let outcome = send(&url.replace("http://", "https://"), LONG).await;
    assert!(matches!(outcome, AttemptOutcome::Tls { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_refused_connection_is_a_connect_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let outcome = send(&url, LONG).await;
    assert!(matches!(outcome, AttemptOutcome::Connect { .. }), "{outcome:?}");
}

#[tokio::test]
async fn retry_after_is_read_in_both_forms() {
    for (header, seconds) in [("120", 120), ("Thu, 01 Jan 1970 00:01:00 GMT", 60)] {
        let answer = format!("HTTP/1.1 429 Too Many Requests\r\nRetry-After: {header}\r\nContent-Length: 0\r\n\r\n");
        let url = receiver(move |mut stream| {
            let answer = answer.clone();
            async move { stream.write_all(answer.as_bytes()).await.unwrap() }
        })
        .await;
        match send(&url, LONG).await {
            AttemptOutcome::Response { status: 429, retry_after, .. } => {
                assert_eq!(retry_after, Some(Duration::from_secs(seconds)));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Answers with the next of its lists on each question.
struct Scripted {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self { answers: answers.iter().map(parse).collect(), asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Scripted {
    fn resolve(&self, _: &str) -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers.get(asked).cloned().unwrap_or_default();
        Box::pin(async move { Ok(answer) })
    }
}

#[tokio::test]
async fn without_permission_no_internal_address_is_reached_by_any_spelling() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hosts =
        ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"];
    let sender = sender(AddressPolicy::default(), Scripted::new(&[]));
    for host in hosts {
        let outcome = sender.send(post(&format!("http://{host}:{port}/")), LONG, Timestamp::from_secs(0)).await;
        assert!(matches!(outcome, AttemptOutcome::Blocked { .. }), "{host}: {outcome:?}");
    }
    let accepted = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
    assert!(accepted.is_err(), "nothing was connected");
}

#[tokio::test]
async fn a_name_that_resolves_inside_is_refused() {
    for address in ["169.254.169.254", "10.0.0.1", "127.0.0.1", "::1", "fd00:ec2::254", "64:ff9b::a00:1", "2002:7f00:1::"] {
        let sender = sender(AddressPolicy::default(), Scripted::new(&[&[address]]));
        let outcome = sender.send(post("http://innocent.example/"), LONG, Timestamp::from_secs(0)).await;
        assert!(matches!(outcome, AttemptOutcome::Blocked { .. }), "{address}: {outcome:?}");
    }
}

/// A resolver that answers differently the second time finds that it is not asked twice: the address that was checked is the
/// address connected to.
#[tokio::test]
async fn rebinding_a_name_between_check_and_connection_changes_nothing() {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let policy = AddressPolicy::new(vec!["127.0.0.1/32".parse().unwrap()]);
    let resolver = Scripted::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let sender = sender(policy, Arc::clone(&resolver) as Arc<dyn Resolve>);
    let outcome = sender.send(post(&format!("http://rebind.example:{port}/")), LONG, Timestamp::from_secs(0)).await;
    assert!(matches!(outcome, AttemptOutcome::Connect { .. }), "only 127.0.0.1 was tried: {outcome:?}");
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn of_several_addresses_only_allowed_ones_are_tried() {
    let url = receiver(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    })
    .await;
    let port = url.rsplit(':').next().unwrap().trim_end_matches("/hook");
    let sender = sender(loopback(), Scripted::new(&[&["10.0.0.1", "127.0.0.1"]]));
    let outcome = sender.send(post(&format!("http://mixed.example:{port}/")), LONG, Timestamp::from_secs(0)).await;
    assert!(matches!(outcome, AttemptOutcome::Response { status: 200, .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let url = receiver(move |mut stream| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut request = [0; 4_096];
            loop {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                if !matches!(stream.read(&mut request).await, Ok(read) if read > 0) {
                    return;
                }
            }
        }
    })
    .await;
    let sender = sender(loopback(), Arc::new(SystemResolver));
    for _ in 0..5 {
        let outcome = sender.send(post(&url), LONG, Timestamp::from_secs(0)).await;
        assert!(matches!(outcome, AttemptOutcome::Response { status: 200, .. }), "{outcome:?}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}
