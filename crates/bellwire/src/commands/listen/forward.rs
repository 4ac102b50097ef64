//! Forwards requests, as they arrived, to a server of the consumer.
//!
//! Each request has its own connection: nothing can leak from one into another, and no request is sent twice because an idle
//! connection was closed.

use std::fmt;
use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{Request, Response, StatusCode, Uri, Version};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::exchange::{Answer, Received};
use crate::cli::ForwardUrl;

/// The most bytes of a request's body, and of the body of an answer that is returned.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// Headers that belong to one connection, in addition to those that `connection` names.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    http::header::PROXY_AUTHENTICATE,
    http::header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Forwards requests to one server.
pub(super) struct Forwarder {
    url: ForwardUrl,
    timeout: Duration,
}

/// Why there is no answer to return.
#[derive(Debug)]
pub(super) enum Failure {
    Unreachable(io::Error),
    Broken(axum::BoxError),
    Silent(Duration),
}

impl Failure {
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Unreachable(_) | Self::Broken(_) => StatusCode::BAD_GATEWAY,
            Self::Silent(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(formatter, "the server cannot be reached: {error}"),
            Self::Broken(error) => write!(formatter, "the server gave no complete answer: {error}"),
            Self::Silent(timeout) => {
                write!(formatter, "no answer within {} s, when the platform gives up", timeout.as_secs_f32())
            }
        }
    }
}

impl fmt::Display for Forwarder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}{}", self.url.authority, self.url.path.as_deref().unwrap_or_default())
    }
}

impl Forwarder {
    /// `timeout` is how long the contract gives a receiver.
    pub(super) const fn new(url: ForwardUrl, timeout: Duration) -> Self {
        Self { url, timeout }
    }

    /// Sends the request on, and returns the server's answer.
    async fn pass_on(&self, received: &Received) -> Result<Response<Bytes>, Failure> {
        let request = self.request(received).map_err(|error| Failure::Broken(error.into()))?;
        tokio::time::timeout(self.timeout, self.exchange(request)).await.unwrap_or(Err(Failure::Silent(self.timeout)))
    }

    fn request(&self, received: &Received) -> Result<Request<Body>, http::Error> {
        let Received { method, uri, headers, body } = received;
        let (target, mut headers) = (target(&self.url, uri), headers.clone());
        drop_hop_by_hop(&mut headers);
        // HTTP/2 has the host elsewhere; HTTP/1.1 requires the header.
        if let (false, Some(host)) = (headers.contains_key(HOST), uri.authority()) {
            headers.insert(HOST, HeaderValue::from_str(host.as_str())?);
        }
        let mut request = Request::builder().method(method).uri(target.parse::<Uri>()?).body(Body::from(body.clone()))?;
        *request.headers_mut() = headers;
        *request.version_mut() = Version::HTTP_11;
        Ok(request)
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Response<Bytes>, Failure> {
        let stream = TcpStream::connect(&self.url.authority).await.map_err(Failure::Unreachable)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| Failure::Broken(error.into()))?;
        let answer = async move {
            let (mut parts, body) = sender.send_request(request).await?.into_parts();
            let body = axum::body::to_bytes(Body::new(body), BODY_BYTES_MAX).await?;
            drop_hop_by_hop(&mut parts.headers);
            parts.version = Version::default();
            Ok::<_, axum::BoxError>(Response::from_parts(parts, body))
        };
        // The sender is dropped with the answer, which ends the connection.
        let (answer, _) = tokio::join!(answer, connection);
        answer.map_err(Failure::Broken)
    }
}

/// What came of passing a request on, and how long that took.
pub(super) struct Passed {
    pub(super) answer: Result<Response<Bytes>, Failure>,
    pub(super) took: Duration,
}

impl Passed {
    /// What is shown of it, where nobody else waits for the answer.
    pub(super) fn into_answer(self) -> Answer {
        let took = self.took;
        match self.answer {
            Ok(answer) => {
                let (parts, body) = answer.into_parts();
                Answer::Forwarded { status: parts.status, headers: parts.headers, body, took }
            }
            Err(failure) => Answer::Failed { reason: failure.to_string(), told: None, took },
        }
    }
}

/// Passes a request on, and takes the time.
pub(super) async fn pass_on(forwarder: &Forwarder, received: &Received) -> Passed {
    let began = tokio::time::Instant::now();
    let answer = forwarder.pass_on(received).await;
    Passed { answer, took: began.elapsed() }
}

/// The path of the forward URL, or else the request's; then the queries of both.
fn target(url: &ForwardUrl, received: &Uri) -> String {
    let path = url.path.as_deref().unwrap_or_else(|| received.path());
    match (url.query.as_deref(), received.query()) {
        (None, None) => path.to_owned(),
        (Some(query), None) | (None, Some(query)) => format!("{path}?{query}"),
        (Some(own), Some(query)) => format!("{path}?{own}&{query}"),
    }
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let named: Vec<HeaderName> = named.filter_map(|name| name.trim().parse().ok()).collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_the_forward_url_is_kept_before_that_of_the_request() {
        for (forward, received, expected) in [
            ("http://localhost/a?t=1", "/hooks", "/a?t=1"),
            ("http://localhost/a?t=1", "/hooks?x=2", "/a?t=1&x=2"),
            ("http://localhost?t=1", "/hooks?x=2", "/hooks?t=1&x=2"),
            ("http://localhost/a", "/hooks?x=2", "/a?x=2"),
            ("http://localhost", "/hooks?x=2", "/hooks?x=2"),
            ("http://localhost", "/", "/"),
        ] {
            assert_eq!(target(&forward.parse().unwrap(), &received.parse().unwrap()), expected, "{forward} {received}");
        }
    }
}
