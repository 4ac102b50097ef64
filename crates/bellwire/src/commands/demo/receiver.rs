//! The demo's receiver: takes deliveries as a consumer would, and verifies each with the contract and the secret.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::routing::any;
use bellwire_contract::{CapturedRequest, Contract, Verdict};
use bellwire_domain::{Clock, Secret};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::environment::SystemClock;

/// The verdict on one request.
pub(super) struct Arrival {
    pub(super) verdict: Result<(), String>,
    pub(super) at: Instant,
}

/// A receiver on loopback, with a path per contract.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    mailboxes: Arc<Mailboxes>,
    _tasks: TaskTracker,
}

type Mailboxes = Mutex<HashMap<String, Mailbox>>;

struct Mailbox {
    contract: Arc<Contract>,
    secrets: Vec<Secret<String>>,
    sender: mpsc::UnboundedSender<Arrival>,
    receiver: Option<mpsc::UnboundedReceiver<Arrival>>,
}

impl Receiver {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("the receiver cannot listen")?;
        let address = listener.local_addr().context("the receiver has no address")?;
        let mailboxes = Arc::<Mailboxes>::default();
        let router = Router::new().route("/{contract}", any(receive)).with_state(Arc::clone(&mailboxes));
        let tasks = TaskTracker::new();
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(error = %error, "the receiver failed");
            }
        });
        Ok(Self { address, mailboxes, _tasks: tasks })
    }

    pub(super) fn url(&self, contract: &str) -> String {
        format!("http://{}/{contract}", self.address)
    }

    /// Takes deliveries of this contract from now on.
    pub(super) fn expect(&self, contract: &Arc<Contract>, secrets: Vec<Secret<String>>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mailbox = Mailbox { contract: Arc::clone(contract), secrets, sender, receiver: Some(receiver) };
        self.mailboxes.lock().insert(contract.name().to_owned(), mailbox);
    }

    /// The next arrival for this contract.
    pub(super) async fn next(&self, contract: &str, patience: Duration) -> Option<Arrival> {
        let mut receiver = self.mailboxes.lock().get_mut(contract)?.receiver.take()?;
        let arrival = tokio::time::timeout(patience, receiver.recv()).await.ok().flatten();
        if let Some(mailbox) = self.mailboxes.lock().get_mut(contract) {
            mailbox.receiver = Some(receiver);
        }
        arrival
    }
}

async fn receive(
    State(mailboxes): State<Arc<Mailboxes>>,
    Path(name): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let at = Instant::now();
    let found = mailboxes
        .lock()
        .get(&name)
        .map(|mailbox| (Arc::clone(&mailbox.contract), mailbox.secrets.clone(), mailbox.sender.clone()));
    let Some((contract, secrets, sender)) = found else { return StatusCode::NOT_FOUND };
    let url = uri.to_string();
    let request = CapturedRequest { method: method.as_str(), url: &url, headers: &headers, body: &body };
    let verdict = judge(&contract, request, &secrets);
    let status = if verdict.is_ok() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    let _ = sender.send(Arrival { verdict, at });
    status
}

/// Genuine, and provably so: the same request under another secret is refused.
fn judge(contract: &Contract, request: CapturedRequest<'_>, secrets: &[Secret<String>]) -> Result<(), String> {
    let now = SystemClock.now();
    match contract.verify(&request, secrets, now) {
        Verdict::Genuine => {}
        Verdict::Rejected { reason } => return Err(reason),
        Verdict::Unsigned => return Err("nothing in it can be verified".to_owned()),
    }
    let other = contract.draw_secret([0; 32]);
    match contract.verify(&request, &[other], now) {
        Verdict::Rejected { .. } => Ok(()),
        Verdict::Genuine | Verdict::Unsigned => Err("it verifies under any secret".to_owned()),
    }
}
