//! HTTP/2 receivers that end connections, refuse streams, and allow few of them. They are written in frames (RFC 9113 §4), so
//! that each says exactly what the test means.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwire_domain::{AddressPolicy, OutboundRequest};
use bellwire_egress::{NoRoom, Sender, SenderOptions};
use bellwire_testkit::authority::Authority;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;

use crate::support::{LONG, SHORT, answered, failed, post, raw_receiver, send_by, send_for};
use crate::tls::{acceptor, options};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const REFUSED_STREAM: u32 = 7;
/// `:status: 200`, as HPACK's table numbers it.
const STATUS_200: u8 = 0x88;

/// How a receiver behaves, and what it saw over all its connections.
#[derive(Clone)]
struct Receiver {
    /// Streams at once, as its settings say.
    streams_max: u32,
    /// Requests that a connection serves before it is ended.
    served_max: usize,
    /// Requests that are refused, from the first.
    refused_max: usize,
    /// Answers that may be given.
    answers: Arc<Semaphore>,
    connections: Arc<AtomicUsize>,
    /// Requests that came, served or not.
    came: Arc<AtomicUsize>,
    /// The bodies of those that were served, and how often.
    served: Arc<Mutex<HashMap<Vec<u8>, usize>>>,
    /// The most that were open at once on one connection.
    open_max: Arc<AtomicUsize>,
}

impl Receiver {
    fn new() -> Self {
        Self {
            streams_max: 128,
            served_max: usize::MAX,
            refused_max: 0,
            answers: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            connections: Arc::default(),
            came: Arc::default(),
            served: Arc::default(),
            open_max: Arc::default(),
        }
    }

    /// Starts it; a sender that trusts it, and its URL.
    fn start(&self, options_of: impl FnOnce(SenderOptions) -> SenderOptions) -> (Sender, String) {
        let authority = Authority::new("ours");
        let acceptor = acceptor(authority.issue("client.example"), &["h2"]);
        let this = self.clone();
        let url = raw_receiver(move |stream| {
            let (acceptor, this) = (acceptor.clone(), this.clone());
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    this.connections.fetch_add(1, Ordering::SeqCst);
                    let _ = this.serve(stream).await;
                }
            }
        });
        (Sender::new(options_of(options(&authority))), url.replace("http://127.0.0.1", "https://client.example"))
    }

    async fn serve(&self, stream: TlsStream<TcpStream>) -> std::io::Result<()> {
        let (mut read, write) = tokio::io::split(stream);
        let write = Arc::new(tokio::sync::Mutex::new(write));
        let send = |frame: Vec<u8>| {
            let write = Arc::clone(&write);
            async move { write.lock().await.write_all(&frame).await }
        };
        read.read_exact(&mut [0; 24]).await?; // the preface
        send(frame(SETTINGS, 0, 0, &[&[0, 3][..], &self.streams_max.to_be_bytes()].concat())).await?;
        let open = Arc::new(AtomicUsize::new(0));
        let mut bodies: HashMap<u32, Vec<u8>> = HashMap::new();
        let (mut came, mut answering) = (0, tokio::task::JoinSet::new());
        loop {
            let mut head = [0; 9];
            read.read_exact(&mut head).await?;
            let [a, b, c, kind, flags, id @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            read.read_exact(&mut payload).await?;
            let id = u32::from_be_bytes(id);
            match kind {
                SETTINGS if flags & ACK == 0 => send(frame(SETTINGS, ACK, 0, &[])).await?,
                PING if flags & ACK == 0 => send(frame(PING, ACK, 0, &payload)).await?,
                HEADERS => {
                    came += 1;
                    if self.came.fetch_add(1, Ordering::SeqCst) < self.refused_max {
                        send(frame(RST_STREAM, 0, id, &REFUSED_STREAM.to_be_bytes())).await?;
                    } else if came <= self.served_max {
                        let open = open.fetch_add(1, Ordering::SeqCst) + 1;
                        self.open_max.fetch_max(open, Ordering::SeqCst);
                        bodies.insert(id, Vec::new());
                    }
                    if came == self.served_max {
                        send(frame(GOAWAY, 0, 0, &[id.to_be_bytes(), [0; 4]].concat())).await?;
                    }
                }
                DATA => {
                    let Some(body) = bodies.get_mut(&id) else { continue };
                    body.extend_from_slice(&payload);
                    if flags & END_STREAM == 0 {
                        continue;
                    }
                    *self.served.lock().unwrap().entry(body.clone()).or_default() += 1;
                    let (answers, open) = (Arc::clone(&self.answers), Arc::clone(&open));
                    let answer = send(frame(HEADERS, END_HEADERS | END_STREAM, id, &[STATUS_200]));
                    answering.spawn(async move {
                        answers.acquire().await.unwrap().forget();
                        open.fetch_sub(1, Ordering::SeqCst);
                        let _ = answer.await;
                    });
                }
                _ => {}
            }
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn numbered(url: &str, number: usize) -> OutboundRequest {
    OutboundRequest { body: Bytes::from(number.to_string()), ..post(url) }
}

/// Sends so many different requests, the first by itself, so that the sender knows the receiver, and the others at once. All are
/// answered.
async fn send_all(sender: &Sender, url: &str, requests: usize) {
    answered(&send_by(sender, numbered(url, 0), LONG).await, 200);
    let mut sending = tokio::task::JoinSet::new();
    for number in 1..requests {
        let (sender, request) = (sender.clone(), numbered(url, number));
        sending.spawn(async move { send_by(&sender, request, LONG).await });
    }
    while let Some(outcome) = sending.join_next().await {
        answered(&outcome.unwrap(), 200);
    }
}

#[tokio::test]
async fn a_receiver_that_ends_connections_after_50_requests_gets_each_of_500_once() {
    let receiver = Receiver { served_max: 50, ..Receiver::new() };
    let (sender, url) = receiver.start(|options| options);
    send_all(&sender, &url, 500).await;
    let served = receiver.served.lock().unwrap();
    assert_eq!((served.len(), served.values().max()), (500, Some(&1)));
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 10, "what is refused shares one new connection");
}

#[tokio::test]
async fn a_request_that_the_receiver_refused_goes_out_again_over_a_new_connection() {
    let receiver = Receiver { refused_max: 3, ..Receiver::new() };
    let (sender, url) = receiver.start(|options| options);
    answered(&send_by(&sender, numbered(&url, 0), LONG).await, 200);
    assert_eq!((receiver.came.load(Ordering::SeqCst), receiver.connections.load(Ordering::SeqCst)), (4, 4));
}

#[tokio::test]
async fn a_receiver_that_refuses_everything_is_asked_a_bounded_number_of_times() {
    let receiver = Receiver { refused_max: usize::MAX, ..Receiver::new() };
    let (sender, url) = receiver.start(|options| options);
    let outcome = send_by(&sender, numbered(&url, 0), LONG).await;
    assert!(failed(&outcome, "protocol").contains("refused"), "{outcome:?}");
    assert_eq!(receiver.came.load(Ordering::SeqCst), 16);
}

#[tokio::test]
async fn the_receiver_s_bound_on_streams_is_kept_to_from_the_first_request() {
    let receiver = Receiver { streams_max: 3, ..Receiver::new() };
    let (sender, url) = receiver.start(|options| options);
    send_all(&sender, &url, 100).await;
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 1);
    assert_eq!(receiver.open_max.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn waiting_for_a_stream_is_not_the_receiver_s_time() {
    let receiver = Receiver { streams_max: 1, answers: Arc::new(Semaphore::new(0)), ..Receiver::new() };
    let (sender, url) = receiver.start(|options| options);
    let first = tokio::task::spawn({
        let (sender, request) = (sender.clone(), numbered(&url, 1));
        async move { send_by(&sender, request, LONG).await }
    });
    until(|| receiver.came.load(Ordering::SeqCst) == 1).await;
    let timeout = Duration::from_secs(2);
    let mut second = std::pin::pin!(send_by(&sender, numbered(&url, 2), timeout));
    assert!(tokio::time::timeout(timeout + SHORT, second.as_mut()).await.is_err(), "it waits longer than its timeout");
    assert_eq!(receiver.came.load(Ordering::SeqCst), 1, "and is not sent");
    receiver.answers.add_permits(2);
    answered(&second.await, 200);
    answered(&first.await.unwrap(), 200);
}

#[tokio::test]
async fn waiting_for_a_stream_comes_to_an_end() {
    let receiver = Receiver { streams_max: 1, answers: Arc::new(Semaphore::new(0)), ..Receiver::new() };
    let (sender, url) = receiver.start(|options| SenderOptions { stream_wait_max: SHORT, ..options });
    let first = tokio::task::spawn({
        let (sender, request) = (sender.clone(), numbered(&url, 1));
        async move { send_by(&sender, request, LONG).await }
    });
    until(|| receiver.came.load(Ordering::SeqCst) == 1).await;
    assert_eq!(send_for("a", &sender, numbered(&url, 2), LONG).await, Err(NoRoom), "that is no attempt");
    receiver.answers.add_permits(1);
    answered(&first.await.unwrap(), 200);
    assert_eq!(receiver.came.load(Ordering::SeqCst), 1, "what waited was never sent");
}

#[tokio::test]
async fn an_http2_connection_opened_under_an_exception_is_shared_with_nobody_whom_it_does_not_name() {
    let receiver = Receiver::new();
    let networks = ["127.0.0.0/8@account:one", "127.0.0.0/8@account:two"];
    let addresses = AddressPolicy::new(networks.map(|network| network.parse().unwrap()).into());
    let (sender, url) = receiver.start(|options| SenderOptions { addresses, ..options });
    for (account, connections) in [("one", 1), ("one", 1), ("two", 2), ("one", 2), ("two", 2)] {
        answered(&send_for(account, &sender, post(&url), LONG).await.unwrap(), 200);
        assert_eq!(receiver.connections.load(Ordering::SeqCst), connections, "{account}");
    }
    failed(&send_for("three", &sender, post(&url), LONG).await.unwrap(), "blocked");
}

async fn until(condition: impl Fn() -> bool) {
    let looking = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LONG, looking).await.expect("it comes to that");
}
