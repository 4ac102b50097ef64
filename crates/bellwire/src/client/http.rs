//! Requests to one server. Each has its own connection, and redirects are not followed.

use std::fmt;
use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::{Pin, pin};
use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use bellwire_domain::Secret;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::request::Builder;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::failure::{Failure, Problem};
use super::sse::{Message, Parser};
use super::tls;

/// How long a connection may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long an answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a stream of events may be silent: several times as long as the server is.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Where a server is: `http` or `https`, a host, and a path if it is below one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl(Url);

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write the URL of a server, as in https://hooks.example".to_owned();
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.filter(|url| url.query().is_none() && url.fragment().is_none()).ok_or_else(wrong)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("write the URL without a user and a password; the key is --key".to_owned());
        }
        Ok(Self(url))
    }
}

impl fmt::Display for ServerUrl {
    /// Without a slash at its end.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl ServerUrl {
    /// Whether a key goes there unseen by others: with TLS, or on this machine.
    pub(crate) fn is_private(&self) -> bool {
        let is_local = match self.0.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        self.0.scheme() == "https" || is_local
    }

    fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A server and a key for it.
pub(crate) struct Http {
    server: ServerUrl,
    key: Secret<String>,
    tls: Option<TlsConnector>,
}

impl Http {
    /// A client of this server.
    pub(crate) fn new(server: ServerUrl, key: Secret<String>, cacert: Option<&Path>) -> Result<Self, Failure> {
        let tls = if server.0.scheme() == "https" { Some(tls::connector(cacert)?) } else { None };
        Ok(Self { server, key, tls })
    }

    /// Which server it asks.
    pub(crate) const fn server(&self) -> &ServerUrl {
        &self.server
    }

    /// The body of an answer of success; anything else is a failure.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Bytes, Failure> {
        let request = self.request(method, path).header(ACCEPT, HeaderValue::from_static("application/json"));
        let request = match body {
            None => request.body(Body::empty()),
            Some(body) => request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(Body::from(body)),
        };
        let request = request.map_err(|error| self.unreachable(&error))?;
        let exchange = self.exchange(request, async |response| self.whole(response).await);
        tokio::time::timeout(ANSWER_TIME_MAX, exchange).await.unwrap_or_else(|_| Err(self.unreachable(&"no answer came in time")))
    }

    /// Reads a stream of events until it ends, and gives each message to `take`, which says whether to go on.
    pub(crate) async fn follow(
        &self,
        path: &str,
        headers: Vec<(HeaderName, HeaderValue)>,
        mut take: impl AsyncFnMut(Message) -> bool,
    ) -> Result<(), Failure> {
        let mut request = self.request(Method::GET, path).header(ACCEPT, HeaderValue::from_static("text/event-stream"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::empty()).map_err(|error| self.unreachable(&error))?;
        self.exchange(request, async |response| {
            if !response.status().is_success() {
                return self.whole(response).await.map(|_| ());
            }
            let (mut body, mut parser) = (response.into_body(), Parser::default());
            loop {
                let next = tokio::time::timeout(SILENCE_MAX, poll_fn(|context| Pin::new(&mut body).poll_frame(context))).await;
                let frame = next.map_err(|_| self.unreachable(&"it says nothing any more"))?;
                let Some(frame) = frame else { return Ok(()) };
                let frame = frame.map_err(|error| self.unreachable(&error))?;
                let messages = parser.push(frame.data_ref().map_or(&[], |data| &data[..]));
                for message in messages.map_err(|reason| self.unreachable(&reason))? {
                    if !take(message).await {
                        return Ok(());
                    }
                }
            }
        })
        .await
    }

    fn request(&self, method: Method, path: &str) -> Builder {
        let path = format!("{}{path}", self.server.0.path().trim_end_matches('/'));
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", self.key.expose())).unwrap_or(HeaderValue::from_static(""));
        bearer.set_sensitive(true);
        let agent = HeaderValue::from_static(concat!("Bellwire/", env!("CARGO_PKG_VERSION")));
        Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.server.authority())
            .header(AUTHORIZATION, bearer)
            .header(USER_AGENT, agent)
    }

    /// Sends a request over a connection of its own, which lives for as long as its answer is read.
    async fn exchange<T>(
        &self,
        request: Request<Body>,
        read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let stream = tokio::time::timeout(CONNECT_TIME_MAX, self.connect()).await;
        let stream = stream.unwrap_or_else(|_| Err(self.unreachable(&"no connection was made in time")))?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.unreachable(&error))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| self.unreachable(&error))?;
            read(response).await
        };
        while_driven(answer, async { drop(connection.await) }).await
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let host = self.server.0.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = self.server.0.port_or_known_default().unwrap_or(80);
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| self.unreachable(&error))?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(host).map_err(|error| self.unreachable(&error))?;
        let stream = tls.connect(name, stream).await;
        Ok(Box::new(stream.map_err(|error| self.unreachable(&format!("{error}; a private authority is named by --cacert")))?))
    }

    /// The whole body of an answer of success.
    async fn whole(&self, response: Response<Incoming>) -> Result<Bytes, Failure> {
        let status = response.status();
        let body = axum::body::to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX).await;
        let body = body.map_err(|error| self.unreachable(&error))?;
        if status.is_success() { Ok(body) } else { Err(Failure::Problem(Problem::read(status.as_u16(), &body))) }
    }

    fn unreachable(&self, reason: &dyn fmt::Display) -> Failure {
        Failure::Unreachable { server: self.server.to_string(), reason: super::plain::plain(&reason.to_string()) }
    }
}

/// What comes of `answer`, while the connection that it needs is driven beside it.
async fn while_driven<T>(answer: impl Future<Output = T>, connection: impl Future<Output = ()>) -> T {
    let mut answer = pin!(answer);
    tokio::select! {
        biased;
        done = answer.as_mut() => done,
        () = connection => answer.await, // it is closed, and what came of it may still be read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers() {
        let read = |text: &str| text.parse::<ServerUrl>().map(|url| (url.to_string(), url.authority(), url.is_private())).ok();
        let url = |text: &str, authority: &str, private| Some((text.to_owned(), authority.to_owned(), private));
        assert_eq!(read("http://127.0.0.1:8080/"), url("http://127.0.0.1:8080", "127.0.0.1:8080", true));
        assert_eq!(read("https://hooks.example/below/"), url("https://hooks.example/below", "hooks.example", true));
        assert_eq!(read("http://hooks.example"), url("http://hooks.example", "hooks.example", false));
        assert_eq!(read("http://[::1]:80"), url("http://[::1]", "[::1]", true));
        for text in ["", "hooks.example", "ftp://hooks.example", "http://u:p@hooks.example", "http://h/?a=b", "http://"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
