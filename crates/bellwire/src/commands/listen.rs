//! `bellwire listen`: a consumer's receiver on their own machine.
//!
//! It shows what arrives and whether it is genuine, and answers as the contract asks. With `--forward` it is a proxy: the
//! consumer's server gets each request as it arrived, genuine or not, and its answer is returned.

mod forward;
mod show;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bellwire_contract::{CapturedRequest, Verdict};
use bellwire_domain::{Clock, SuccessRule};
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::ListenArguments;
use crate::consumer::Consumer;
use crate::environment::SystemClock;
use crate::listener::{self, ListenerLimits};
use crate::signals::Stops;
use crate::telemetry;
use forward::{BODY_BYTES_MAX, Forwarder};
use show::Arrival;

/// Receives until it is asked to stop.
pub(crate) fn run(arguments: ListenArguments) -> anyhow::Result<ExitCode> {
    let consumer = Consumer::new(&arguments.consumer)?;
    let delivery = consumer.contract.delivery();
    let status = match arguments.status {
        Some(status) => StatusCode::from_u16(status).context("--status")?,
        None => success(&delivery.success)?,
    };
    let forwarder = arguments.forward.map(|url| Forwarder::new(url, delivery.timeout));
    let receiver = Receiver {
        consumer,
        status,
        forwarder,
        hide_body: arguments.hide_body,
        genuine: 0.into(),
        unsigned: 0.into(),
        others: 0.into(),
    };
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    let ended = runtime.block_on(listen(Arc::new(receiver), arguments.port));
    runtime.shutdown_background(); // a thread that waits for DNS must not delay the exit
    ended
}

/// 200, or the first status that the contract counts as success.
fn success(rule: &SuccessRule) -> anyhow::Result<StatusCode> {
    let accepted = std::iter::once(200).chain(200..600).find(|status| rule.accepts(*status));
    let Some(status) = accepted else { bail!("--contract: no status from 200 to 599 counts as success; choose one by --status") };
    StatusCode::from_u16(status).context("--contract")
}

async fn listen(receiver: Arc<Receiver>, port: u16) -> anyhow::Result<ExitCode> {
    let mut stops = Stops::new()?;
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(wanted).await.with_context(|| format!("--port: cannot listen on {wanted}"))?;
    let address = listener.local_addr().context("the listener has no address")?;
    telemetry::print(&format!("listening on http://{address} under the contract `{}`; {}", receiver.contract(), receiver.way()));
    let router = Router::new().fallback(receive).with_state(Arc::clone(&receiver));
    let stop = CancellationToken::new();
    let mut serving = std::pin::pin!(listener::serve(listener, router, ListenerLimits::default(), None, stop.clone()));
    tokio::select! {
        () = serving.as_mut() => {}
        () = stops.recv() => stop.cancel(),
    }
    let code = tokio::select! {
        () = serving => ExitCode::SUCCESS,
        () = stops.recv() => ExitCode::FAILURE, // what was in flight is cut off
    };
    telemetry::print(&receiver.summary());
    Ok(code)
}

/// What receives.
struct Receiver {
    consumer: Consumer,
    status: StatusCode,
    forwarder: Option<Forwarder>,
    hide_body: bool,
    genuine: AtomicUsize,
    unsigned: AtomicUsize,
    others: AtomicUsize,
}

impl Receiver {
    fn contract(&self) -> &str {
        self.consumer.contract.name()
    }

    /// What happens to requests, in words.
    fn way(&self) -> String {
        match &self.forwarder {
            Some(forwarder) => format!("forwarding requests to {forwarder}"),
            None => format!("answering {}", self.status.as_u16()),
        }
    }

    fn summary(&self) -> String {
        let [genuine, unsigned, others] =
            [&self.genuine, &self.unsigned, &self.others].map(|count| count.load(Ordering::Relaxed));
        let those = if unsigned > 0 { format!(", unsigned: {unsigned}") } else { String::new() };
        format!("stopped; requests: {}, genuine: {genuine}, not genuine: {others}{those}", genuine + unsigned + others)
    }

    /// Verifies a request, and counts it.
    fn judge(&self, request: &CapturedRequest<'_>) -> Verdict {
        let verdict = self.consumer.judge(request, SystemClock.now());
        let counter = match verdict {
            Verdict::Genuine => &self.genuine,
            Verdict::Unsigned => &self.unsigned,
            Verdict::Rejected { .. } => &self.others,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        verdict
    }

    /// The answer, and how to describe it.
    async fn answer(&self, parts: Parts, body: Bytes) -> (Response, String) {
        let Some(forwarder) = &self.forwarder else {
            return (empty(self.status), format!("answered {}", self.status.as_u16()));
        };
        match forwarder.pass_on(parts, body).await {
            Ok(answer) => {
                let said = format!("forwarded, answered {}", answer.status().as_u16());
                (answer, said)
            }
            Err(failure) => {
                (empty(failure.status()), format!("not forwarded: {failure}; answered {}", failure.status().as_u16()))
            }
        }
    }
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let at = SystemClock.now();
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        receiver.others.fetch_add(1, Ordering::Relaxed);
        let path = show::plain(&parts.uri.to_string());
        let reason = format!("its body is incomplete, too slow, or over {BODY_BYTES_MAX} bytes; answered 413");
        telemetry::print(&format!("{}  {} {path}  {reason}", show::time(at), parts.method));
        return empty(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let url = registered_url(&parts);
    let captured = CapturedRequest { method: parts.method.as_str(), url: &url, headers: &parts.headers, body: &body };
    let verdict = receiver.judge(&captured);
    let named = receiver.consumer.contract.identify(&captured);
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut arrival = Arrival { at, named, request: format!("{} {target}", parts.method), verdict, answer: String::new() };
    let (answer, said) = receiver.answer(parts, body.clone()).await;
    arrival.answer = said;
    telemetry::print(&arrival.show(&body, receiver.hide_body));
    answer
}

/// The URL as the platform knows it, unless there is a proxy in between: this receiver speaks plain HTTP.
fn registered_url(parts: &Parts) -> String {
    let host = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str)).unwrap_or("localhost");
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    format!("http://{host}{target}")
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
