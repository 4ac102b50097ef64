//! Clients that hold on, against a listener with little patience.

use std::net::SocketAddr;

use axum::http::StatusCode;
use axum::routing::{get, post};
use bellwire_testkit::ManualClock;
use bellwire_testkit::waiting::PATIENCE;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::*;

const QUIET: Duration = Duration::from_millis(100);

/// Pieces of a stream that come slowly, but sooner than a connection is quiet.
const PIECES: usize = 60;
const PIECE_PAUSE: Duration = Duration::from_millis(25);

struct Dripping {
    left: usize,
    pause: Pin<Box<Sleep>>,
}

impl Dripping {
    fn new() -> Self {
        Self { left: PIECES, pause: Box::pin(tokio::time::sleep(PIECE_PAUSE)) }
    }
}

impl hyper::body::Body for Dripping {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if self.pause.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        *self = Self { left: self.left - 1, ..Self::new() };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"drop ")))))
    }
}

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Lets `/slow` answer.
    go: Arc<Notify>,
    /// One for each request that has reached `/slow`.
    asked: Arc<Semaphore>,
}

impl Running {
    async fn start(limits: ListenerLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (go, asked) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let (waits, asking) = (Arc::clone(&go), Arc::clone(&asked));
        let slow = async move || {
            asking.add_permits(1);
            waits.notified().await;
        };
        let router = Router::new()
            .route("/", get(async || "well"))
            .route("/large", get(async || "x".repeat(64 << 20)))
            .route("/slow", get(slow))
            .route("/stream", get(async || ([("content-type", "text/event-stream")], Body::new(Dripping::new()))))
            .route("/refused", get(async || StatusCode::UNAUTHORIZED))
            .route("/body", post(async |body: Result<Bytes, _>| body.map_or(StatusCode::BAD_REQUEST, |_| StatusCode::OK)));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let service = Service { router, limits, tls: None, clock: Arc::new(ManualClock::default()) };
        tasks.spawn(serve(listener, service, stop.clone()));
        tasks.close();
        Self { address, stop, tasks, go, asked }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ended(&self) {
        tokio::time::timeout(PATIENCE, self.tasks.wait()).await.expect("the listener ends");
    }
}

fn limits() -> ListenerLimits {
    ListenerLimits { quiet_max: QUIET, body_time_max: QUIET, ..ListenerLimits::default() }
}

/// No limit but the one that is tried.
fn patient() -> ListenerLimits {
    ListenerLimits { quiet_max: PATIENCE * 10, body_time_max: PATIENCE * 10, ..ListenerLimits::default() }
}

/// Everything that comes until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server closes");
    let _ = read; // closing with unread bytes is a reset
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The head of the next answer.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("an answer comes");
        bytes.push(byte.unwrap_or_else(|error| panic!("{error} after {}", String::from_utf8_lossy(&bytes))));
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_connection_without_a_whole_request_is_closed() {
    let running = Running::start(limits()).await;
    let h2_preface = "PRI * HTTP/2.0\r\n";
    for half in ["", "G", "GET / HTTP/1.1\r\nhost: a\r\n", "GET / HTTP/1.1\r\nx-endless: ", h2_preface] {
        let mut stream = running.connect().await;
        stream.write_all(half.as_bytes()).await.unwrap();
        assert_eq!(rest(&mut stream).await, "", "{half:?}");
    }
}

#[tokio::test]
async fn dripping_a_head_wins_no_time() {
    let running = Running::start(limits()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nx-slow: ").await.unwrap();
    let dripping = async {
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(QUIET / 20).await;
        }
    };
    tokio::time::timeout(PATIENCE, dripping).await.expect("the server closes");
}

#[tokio::test]
async fn a_kept_connection_is_served_again_and_closed_when_idle() {
    let running = Running::start(limits()).await;
    let mut stream = running.connect().await;
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
        let mut body = [0; 4];
        stream.read_exact(&mut body).await.unwrap();
    }
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_request_that_takes_long_to_answer_is_answered() {
    let running = Running::start(limits()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let quiet = tokio::time::timeout(QUIET * 5, stream.read_u8()).await;
    assert!(quiet.is_err(), "it is waited for, and longer than a connection may be quiet");
    running.go.notify_one();
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_answer_that_refuses_one_key_too_many_waits_and_no_other_does() {
    let running = Running::start(ListenerLimits { wrong_keys_max: 1, ..patient() }).await;
    let mut first = running.connect().await;
    first.write_all(b"GET /refused HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(head(&mut first).await.starts_with("HTTP/1.1 401"));
    first.write_all(b"GET /refused HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut other = running.connect().await;
    other.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(head(&mut other).await.starts_with("HTTP/1.1 200"));
    assert!(tokio::time::timeout(Duration::from_millis(200), head(&mut first)).await.is_err(), "it waits for seconds");
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_refused() {
    let running = Running::start(limits()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 400"));

    let mut stream = running.connect().await;
    stream.write_all(b"POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n").await.unwrap();
    let dripping = async {
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(QUIET / 20).await;
        }
    };
    tokio::time::timeout(PATIENCE, dripping).await.expect("dripping wins no time");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_holds_nothing() {
    let running = Running::start(limits()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.stop.cancel();
    running.ended().await;
    assert!(rest(&mut stream).await.len() < 64 << 20, "it was not waited for");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_answered_431() {
    let running = Running::start(patient()).await;
    for header in [format!("x-long: {}\r\n", "x".repeat(100_000)), "x-many: 1\r\n".repeat(200)] {
        let mut stream = running.connect().await;
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{header}\r\n");
        let _ = stream.write_all(request.as_bytes()).await;
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 431"));
    }
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_one_to_end() {
    let running = Running::start(ListenerLimits { connections_max: 2, ..patient() }).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = running.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        head(&mut stream).await;
        held.push(stream);
    }
    let mut third = running.connect().await; // into the system's queue
    third.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(tokio::time::timeout(QUIET, third.read_u8()).await.is_err(), "nobody serves it yet");
    held.pop();
    assert!(head(&mut third).await.starts_with("HTTP/1.1 200"));
}

/// Those who hold the cap without a request lose it.
#[tokio::test]
async fn silent_connections_cannot_keep_others_out() {
    let running = Running::start(ListenerLimits { connections_max: 2, ..limits() }).await;
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(running.connect().await);
    }
    let mut stream = running.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
}

/// One address may not hold all connections: of four it may hold three.
#[tokio::test]
async fn a_connection_that_is_refused_is_counted_and_no_other() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _here = metrics::set_default_local_recorder(&recorder);
    let refused = || {
        recorder
            .handle()
            .render()
            .lines()
            .find_map(|line| line.strip_prefix("bellwire_connections_refused_total ").map(str::to_owned))
    };
    let running = Running::start(ListenerLimits { connections_max: 4, ..patient() }).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = running.connect().await;
        stream.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        held.push(stream);
    }
    let _answering = running.asked.acquire_many(3).await.unwrap();
    assert_eq!(refused(), None);
    for count in ["1", "2"] {
        assert_eq!(rest(&mut running.connect().await).await, "", "its address has its share, and all of it is being answered");
        assert_eq!(refused().as_deref(), Some(count));
    }
    running.go.notify_waiters();
    for stream in &mut held {
        assert!(head(stream).await.starts_with("HTTP/1.1 200"), "those that it has are answered");
    }
    let mut stream = running.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"), "it takes the place of a quiet one");
    assert_eq!(refused().as_deref(), Some("2"));
}

#[tokio::test]
async fn a_stop_answers_what_was_asked_and_waits_for_nobody_else() {
    let running = Running::start(patient()).await;
    let mut silent = running.connect().await;
    let mut half = running.connect().await;
    half.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut idle = running.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    head(&mut idle).await;
    let mut asking = running.connect().await;
    asking.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let is_asked = async {
        while Arc::strong_count(&running.go) < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, is_asked).await.unwrap();

    running.stop.cancel();
    for stream in [&mut silent, &mut half, &mut idle] {
        rest(stream).await;
    }
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens");
    running.go.notify_one();
    assert!(head(&mut asking).await.starts_with("HTTP/1.1 200"));
    running.ended().await;
}

#[tokio::test]
async fn a_stream_of_events_lasts_for_as_long_as_something_comes() {
    // All of it takes longer than a connection may be quiet, and no pause between its pieces does.
    let running = Running::start(ListenerLimits { quiet_max: PIECE_PAUSE * 20, ..limits() }).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /stream HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut stream).await.matches("drop ").count(), PIECES);
}
