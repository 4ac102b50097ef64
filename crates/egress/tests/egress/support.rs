//! Receivers that do as they are told, resolvers that answer by a script, a dialer that takes notes.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwire_domain::{AccountId, AddressPolicy, AttemptOutcome, Consumer, Timestamp};
use bellwire_egress::{CheckedAddress, Dial, Dialing, NoRoom, OutboundRequest, Resolution, Resolve, Sender, SenderOptions, Sent};
use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A deadline that is meant to pass.
pub(crate) const SHORT: Duration = Duration::from_millis(200);
/// A deadline that is not.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) fn loopback() -> AddressPolicy {
    AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()])
}

/// A sender that may reach this machine.
pub(crate) fn local_sender() -> Sender {
    Sender::new(SenderOptions { addresses: loopback(), ..SenderOptions::default() })
}

pub(crate) fn post(url: &str) -> OutboundRequest {
    OutboundRequest {
        method: Method::POST,
        url: url.to_owned(),
        headers: HeaderMap::new(),
        spellings: Vec::new(),
        body: Bytes::from_static(b"{}"),
        heeded: std::sync::Arc::default(),
        tls: None,
    }
}

/// Sends on behalf of an account within `timeout`, and does not wait for ever when the sender does.
pub(crate) async fn send_for(
    account: &str,
    sender: &Sender,
    request: OutboundRequest,
    timeout: Duration,
) -> Result<AttemptOutcome, NoRoom> {
    sent_for(account, sender, request, timeout).await.map(|sent| sent.outcome)
}

async fn sent_for(account: &str, sender: &Sender, request: OutboundRequest, timeout: Duration) -> Result<Sent, NoRoom> {
    let account = AccountId::try_new(account).unwrap();
    let consumer = Consumer { account: &account, contract: "plain" };
    let sent = sender.send(consumer, request, timeout, Timestamp::from_secs(0));
    tokio::time::timeout(timeout + LONG, sent).await.expect("the sender keeps its deadline")
}

/// Sends on behalf of the only account there is.
pub(crate) async fn send_by(sender: &Sender, request: OutboundRequest, timeout: Duration) -> AttemptOutcome {
    send_for("a", sender, request, timeout).await.expect("there is room for one")
}

/// The same, with where the time went.
pub(crate) async fn measured(sender: &Sender, request: OutboundRequest, timeout: Duration) -> Sent {
    sent_for("a", sender, request, timeout).await.expect("there is room for one")
}

/// One request to `url` from a sender of its own.
pub(crate) async fn send(url: &str, timeout: Duration) -> AttemptOutcome {
    send_by(&local_sender(), post(url), timeout).await
}

#[track_caller]
pub(crate) fn answered(outcome: &AttemptOutcome, expected: u16) -> &[u8] {
    match outcome {
        AttemptOutcome::Response { status, body, .. } if *status == expected => body,
        other => panic!("not answered {expected}: {other:?}"),
    }
}

/// The words of a failure that has this kind.
#[track_caller]
pub(crate) fn failed(outcome: &AttemptOutcome, kind: &str) -> String {
    assert_eq!(outcome.kind(), kind, "{outcome:?}");
    match outcome {
        AttemptOutcome::Dns { detail }
        | AttemptOutcome::Tls { detail }
        | AttemptOutcome::Connect { detail }
        | AttemptOutcome::Closed { detail }
        | AttemptOutcome::Protocol { detail } => detail.clone(),
        AttemptOutcome::Blocked { reason } | AttemptOutcome::AccessToken { reason } | AttemptOutcome::Unbuildable { reason } => {
            reason.clone()
        }
        AttemptOutcome::Timeout { .. } => String::new(),
        AttemptOutcome::Response { .. } => panic!("{outcome:?}"),
    }
}

/// A listener on loopback whose connections buffer little, so that what a receiver could write is what was read of it.
pub(crate) fn listen() -> (TcpListener, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(64 << 10).unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(128).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A receiver that does as `answer` says with each connection, from its first byte.
pub(crate) fn raw_receiver<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let (listener, address) = listen();
    tokio::task::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.spawn(answer(stream));
        }
    });
    format!("http://{address}/hook")
}

/// A receiver that reads one request, head and body, and then does as `answer` says.
pub(crate) fn receiver<F>(answer: impl Fn(TcpStream) -> F + Clone + Send + Sync + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    raw_receiver(move |mut stream| {
        let answer = answer.clone();
        async move {
            if read_request(&mut stream).await {
                answer(stream).await;
            }
        }
    })
}

/// Reads one small request to its end; `false` when there is none.
pub(crate) async fn read_request(stream: &mut TcpStream) -> bool {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n{}") {
        if !matches!(stream.read_buf(&mut request).await, Ok(read) if read > 0) {
            return false;
        }
    }
    true
}

/// Answers with the next of its lists on each question, with the last for ever.
pub(crate) struct Scripted {
    answers: Vec<Vec<IpAddr>>,
    pub(crate) asked: AtomicUsize,
}

impl Scripted {
    pub(crate) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self { answers: answers.iter().map(parse).collect(), asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Scripted {
    fn resolve(&self, _: &str) -> Resolution {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers.get(asked).or(self.answers.last()).cloned();
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// Never answers.
pub(crate) struct Silent;

impl Resolve for Silent {
    fn resolve(&self, _: &str) -> Resolution {
        Box::pin(std::future::pending())
    }
}

impl Dial for Silent {
    fn dial(&self, _: CheckedAddress) -> Dialing {
        Box::pin(std::future::pending())
    }
}

/// Writes down whom it is told to connect to, and connects to a receiver of the test instead, or refuses.
pub(crate) struct Notes {
    dialled: Mutex<Vec<SocketAddr>>,
    instead: Option<SocketAddr>,
}

impl Notes {
    pub(crate) fn refusing() -> Arc<Self> {
        Arc::new(Self { dialled: Mutex::default(), instead: None })
    }

    /// `url` is a receiver's.
    pub(crate) fn connecting_to(url: &str) -> Arc<Self> {
        let address = url.split('/').nth(2).unwrap().parse().unwrap();
        Arc::new(Self { dialled: Mutex::default(), instead: Some(address) })
    }

    pub(crate) fn dialled(&self) -> Vec<String> {
        self.dialled.lock().unwrap().iter().map(ToString::to_string).collect()
    }
}

impl Dial for Notes {
    fn dial(&self, address: CheckedAddress) -> Dialing {
        self.dialled.lock().unwrap().push(address.get());
        let instead = self.instead;
        Box::pin(async move {
            match instead {
                Some(receiver) => TcpStream::connect(receiver).await,
                None => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        })
    }
}
