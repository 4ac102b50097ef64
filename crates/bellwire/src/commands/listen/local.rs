//! Receiving on this machine: an HTTP server on the loopback interface.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bellwire_contract::CapturedRequest;
use bellwire_domain::{Clock, SuccessRule};
use bellwire_http::listener::{self, ListenerLimits, Service};
use http::StatusCode;
use http::request::Parts;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::arrival::Arrival;
use super::desk::{Desk, Opening};
use super::exchange::{Answer, Received};
use super::forward::{BODY_BYTES_MAX, Forwarder, Passed, pass_on};
use super::show;
use crate::cli::ListenArguments;
use crate::consumer::Consumer;
use crate::environment::SystemClock;
use crate::signals::Stops;

/// What receives.
pub(super) struct Receiver {
    consumer: Consumer,
    status: StatusCode,
    forwarder: Option<Arc<Forwarder>>,
    desk: Arc<Desk>,
}

impl Receiver {
    /// Checks the arguments.
    pub(super) fn new(contract: &str, arguments: &ListenArguments, desk: Arc<Desk>) -> anyhow::Result<Self> {
        let consumer = Consumer::new(contract, &arguments.known)?;
        let delivery = consumer.contract.delivery();
        let status = match arguments.status {
            Some(status) => StatusCode::from_u16(status).context("--status")?,
            None => success(&delivery.success)?,
        };
        let forwarder = arguments.forward.clone().map(|url| Arc::new(Forwarder::new(url, delivery.timeout)));
        Ok(Self { consumer, status, forwarder, desk })
    }

    /// What happens to requests, in words.
    fn way(&self) -> String {
        match &self.forwarder {
            Some(forwarder) => format!("forwarding requests to {forwarder}"),
            None => format!("answering {}", self.status.as_u16()),
        }
    }
}

/// 200, or the first status that the contract counts as success.
fn success(rule: &SuccessRule) -> anyhow::Result<StatusCode> {
    let accepted = std::iter::once(200).chain(200..600).find(|status| rule.accepts(*status));
    let Some(status) = accepted else { bail!("--contract: no status from 200 to 599 counts as success; choose one by --status") };
    StatusCode::from_u16(status).context("--contract")
}

/// Receives until it is asked to stop. A second signal ends what is in flight.
pub(super) async fn listen(receiver: Receiver, port: u16, stops: &mut Stops) -> anyhow::Result<ExitCode> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(wanted).await.with_context(|| format!("--port: cannot listen on {wanted}"))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let contract = receiver.consumer.contract.name();
    receiver.desk.open(Opening {
        from: format!("listening on http://{address} under the contract `{contract}`"),
        title: format!("listening on http://{address}  {contract}"),
        signs: None,
        then: receiver.way(),
    });
    let router = Router::new().fallback(receive).with_state(Arc::new(receiver));
    let stop = CancellationToken::new();
    let service = Service { router, limits: ListenerLimits::default(), tls: None, clock: Arc::new(SystemClock) };
    let mut serving = std::pin::pin!(listener::serve(listener, service, stop.clone()));
    tokio::select! {
        () = serving.as_mut() => {}
        () = stops.recv() => stop.cancel(),
    }
    tokio::select! {
        () = serving => Ok(ExitCode::SUCCESS),
        () = stops.recv() => Ok(ExitCode::FAILURE), // what was in flight is cut off
    }
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let at = SystemClock.now();
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        let path = show::plain(&parts.uri.to_string());
        let reason = format!("its body is incomplete, too slow, or over {BODY_BYTES_MAX} bytes; answered 413");
        receiver.desk.note(&format!("{}  {} {path}  {reason}", show::time(at), parts.method));
        return empty(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let url = registered_url(&parts);
    let captured = CapturedRequest { method: parts.method.as_str(), url: &url, headers: &parts.headers, body: &body };
    let judged = receiver.consumer.judge(&captured, SystemClock.now()).into();
    let named = receiver.consumer.contract.identify(&captured);
    let Parts { method, uri, headers, .. } = parts;
    let arrival = Arc::new(Arrival {
        number: receiver.desk.next_number(),
        at,
        seq: None,
        event_type: named.event_type,
        id: named.id,
        request: Received { method, uri, headers, body },
        judged,
        forwarder: receiver.forwarder.clone(),
    });
    receiver.desk.arrived(&arrival);
    let (response, answer) = answered(&receiver, &arrival).await;
    receiver.desk.answered(&arrival, answer);
    response
}

/// The answer, and what is shown of it.
async fn answered(receiver: &Receiver, arrival: &Arrival) -> (Response, Answer) {
    let Some(forwarder) = &receiver.forwarder else { return (empty(receiver.status), Answer::Here(receiver.status)) };
    match pass_on(forwarder, &arrival.request).await {
        Passed { answer: Ok(answer), took } => {
            let (parts, body) = answer.into_parts();
            let shown = Answer::Forwarded { status: parts.status, headers: parts.headers.clone(), body: body.clone(), took };
            (Response::from_parts(parts, Body::from(body)), shown)
        }
        Passed { answer: Err(failure), took } => {
            let status = failure.status();
            (empty(status), Answer::Failed { reason: failure.to_string(), told: Some(status), took })
        }
    }
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
