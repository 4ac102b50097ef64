//! Sends spans to a collector: OTLP over HTTP, as JSON.
//!
//! Nobody waits for the collector. Spans wait in a queue of bounded length, and are sent in groups; what finds the queue full, or was in a
//! group that the collector did not take, is dropped and counted.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::trace::{AttemptSpan, PublishSpan, Traces};
use bellwire_domain::{AccountId, AddressPolicy, AttemptOutcome, Clock as _, Consumer, OutboundRequest};
use bellwire_egress::{Sender, SenderOptions};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::environment::SystemClock;

mod json;

use json::Span;

/// Spans that may wait.
const WAITING_MAX: usize = 4_096;
/// Spans in a request.
const GROUP_MAX: usize = 512;
/// How long the collector may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// After a group that was not taken. It doubles each time.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// On whose behalf: no account has such a contract.
const OWNER: &str = "traces";

/// Takes spans into the queue.
pub(crate) struct Queue(mpsc::Sender<Span>);

impl Traces for Queue {
    fn published(&self, span: PublishSpan) {
        self.add(Span::Published(span));
    }

    fn attempted(&self, span: AttemptSpan) {
        self.add(Span::Attempted(span));
    }
}

impl Queue {
    fn add(&self, span: Span) {
        if self.0.try_send(span).is_err() {
            metrics::counter!("bellwire_spans_total", "result" => "dropped").increment(1);
        }
    }
}

/// Sends what is in the queue.
pub(crate) struct Exporter {
    waiting: mpsc::Receiver<Span>,
    url: String,
    sender: Sender,
    owner: AccountId,
}

/// A queue, and what sends to the collector at `endpoint`, which the operator has named: it may be anywhere.
pub(crate) fn start(endpoint: &str) -> anyhow::Result<(Arc<dyn Traces>, Exporter)> {
    let (queue, waiting) = mpsc::channel(WAITING_MAX);
    let sender = Sender::new(SenderOptions { addresses: AddressPolicy::anywhere(), ..SenderOptions::default() });
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    Ok((Arc::new(Queue(queue)), Exporter { waiting, url, sender, owner: AccountId::try_new(OWNER)? }))
}

impl Exporter {
    /// Sends until the server stops, and then once more what is left.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut pause = PAUSE_FIRST;
        let mut group = Vec::with_capacity(GROUP_MAX);
        loop {
            let is_over = tokio::select! {
                biased;
                received = self.waiting.recv_many(&mut group, GROUP_MAX) => received == 0,
                () = stop.cancelled() => true,
            };
            if group.is_empty() && is_over {
                return;
            }
            let spans = std::mem::take(&mut group);
            let sent = self.send(&spans).await;
            let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
            let Err(reason) = sent else {
                metrics::counter!("bellwire_spans_total", "result" => "sent").increment(count);
                pause = PAUSE_FIRST;
                continue;
            };
            metrics::counter!("bellwire_spans_total", "result" => "dropped").increment(count);
            tracing::warn!(spans = count, reason, "the collector of traces did not take a group; it is dropped");
            if stop.is_cancelled() {
                return;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn send(&self, spans: &[Span]) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Bellwire/", env!("CARGO_PKG_VERSION"))));
        let request = OutboundRequest {
            method: Method::POST,
            url: self.url.clone(),
            headers,
            spellings: Vec::new(),
            body: json::document(spans).to_string().into(),
            heeded: Arc::default(),
            tls: None,
        };
        let consumer = Consumer { account: &self.owner, contract: OWNER };
        let sent = self.sender.send(consumer, request, TIMEOUT, SystemClock.now()).await;
        match sent.map(|sent| sent.outcome) {
            Ok(AttemptOutcome::Response { status, .. }) if (200..300).contains(&status) => Ok(()),
            Ok(AttemptOutcome::Response { status, .. }) => Err(format!("it answered with {status}")),
            Ok(outcome) => Err(outcome.kind().to_owned()),
            Err(_) => Err("there is no room for another request now".to_owned()),
        }
    }
}
