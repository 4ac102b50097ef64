//! The producer's side: a kept-alive hyper connection, and nothing else.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

/// How long anything may take without progress.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Whoever is signed in to the console.
pub(crate) struct Visitor {
    cookie: String,
}

/// One kept-alive connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    authorization: String,
}

impl Client {
    pub(crate) async fn connect(port: u16, key: &str, tasks: &TaskTracker) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tasks.spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { sender, authorization: format!("Bearer {key}") })
    }

    /// Sends a request; returns the answer's status and body. It has no timeout, as a load has its own.
    pub(crate) async fn send(&mut self, method: Method, path: &str, body: Bytes) -> anyhow::Result<(u16, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1")
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    /// Signs in to the console.
    pub(crate) async fn sign_in(&mut self, key: &str) -> anyhow::Result<Visitor> {
        let request = Request::post("/console/sign-in")
            .header("host", "127.0.0.1")
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(format!("key={key}"))))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let cookie = response.headers().get("set-cookie").and_then(|cookie| cookie.to_str().ok()?.split(';').next());
        let cookie = cookie.with_context(|| format!("signing in was answered {}", response.status()))?.to_owned();
        response.into_body().collect().await?;
        Ok(Visitor { cookie })
    }

    /// A page of the console.
    pub(crate) async fn page(&mut self, visitor: &Visitor, path: &str) -> anyhow::Result<Bytes> {
        let request =
            Request::get(path).header("host", "127.0.0.1").header("cookie", &visitor.cookie).body(Full::new(Bytes::new()))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        let page = response.into_body().collect().await?.to_bytes();
        if status != 200 {
            bail!("{path} was answered {status}");
        }
        Ok(page)
    }

    /// Sends JSON and expects a 2xx with JSON.
    pub(crate) async fn json(&mut self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let answer = self.expect(method, path, body).await?;
        Ok(serde_json::from_slice(&answer).unwrap_or(Value::Null))
    }

    /// Posts a body and expects a 2xx.
    pub(crate) async fn post(&mut self, path: &str, body: Bytes) -> anyhow::Result<()> {
        self.expect(Method::POST, path, body).await.map(|_| ())
    }

    async fn expect(&mut self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
        let answered = tokio::time::timeout(PATIENCE, self.send(method, path, body)).await;
        let (status, answer) = answered.with_context(|| format!("{path} is not answered"))??;
        if !(200..300).contains(&status) {
            bail!("{path} was answered {status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(answer)
    }
}
