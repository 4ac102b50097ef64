//! The cheapest receiver that is still honest: it keeps every request as it arrived, answers 200, and verifies afterwards.
//!
//! Requests for paths below [`QUIET`] are answered and counted, and not kept.

use std::collections::HashMap;
use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use bellwire_contract::{CapturedRequest, Contracts, Verdict};
use bellwire_domain::{Secret, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use crate::figures::percentile;

/// What the sink found in the requests since the last query.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Findings {
    /// Requests that arrived.
    pub(crate) arrived: usize,
    /// Distinct deliveries among them.
    pub(crate) distinct: usize,
    /// Requests whose signature is wrong.
    pub(crate) unverified: usize,
    /// From the producer's POST to arrival, in microseconds.
    pub(crate) latency_p50_us: u64,
    /// The same, 99th percentile.
    pub(crate) latency_p99_us: u64,
    /// From the first arrival to the last, in microseconds.
    pub(crate) span_us: u64,
}

/// One request as it arrived.
pub(crate) struct Arrival {
    pub(crate) at_us: u64,
    /// As HTTP/1.1 has it.
    pub(crate) raw: Vec<u8>,
}

pub(crate) type Arrivals = Arc<Mutex<Vec<Arrival>>>;

/// Connections that may wait to be accepted.
pub(crate) const CONNECTIONS_WAITING_MAX: u32 = 4_096;
/// The paths on which requests are only counted.
const QUIET: &str = "/quiet/";

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Listens on a free port, says which, and serves until its standard input ends.
pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let sink = Sink::listen().context("the sink cannot listen")?;
        writeln!(std::io::stdout(), "{}", sink.port()?)?;
        sink.serve_until_input_ends().await
    })
}

/// A sink on a free port.
pub(crate) struct Sink {
    listener: TcpListener,
    arrivals: Arrivals,
}

impl Sink {
    /// Takes all connections that a server opens at once. If one is refused, the system retries after a second.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { listener: socket.listen(CONNECTIONS_WAITING_MAX)?, arrivals: Arrivals::default() })
    }

    /// Its port.
    pub(crate) fn port(&self) -> std::io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// What has arrived, for others whose requests it answers for as well.
    pub(crate) fn arrivals(&self) -> Arrivals {
        Arc::clone(&self.arrivals)
    }

    /// Serves until whoever started this process is gone, or lets go of its input.
    pub(crate) async fn serve_until_input_ends(self) -> anyhow::Result<()> {
        let mut input = tokio::io::stdin();
        let mut ignored = [0; 16];
        tokio::select! {
            served = self.serve() => served,
            read = input.read(&mut ignored) => read.map(drop).map_err(Into::into),
        }
    }

    async fn serve(self) -> anyhow::Result<()> {
        let quiet = Arc::new(AtomicUsize::new(0));
        let connections = TaskTracker::new();
        loop {
            let (stream, _) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            connections.spawn(serve(stream, Arc::clone(&self.arrivals), Arc::clone(&quiet)));
        }
    }
}

async fn serve(mut stream: TcpStream, arrivals: Arrivals, quiet: Arc<AtomicUsize>) {
    let mut buffer = Vec::with_capacity(64 << 10);
    let mut own = Vec::new();
    loop {
        while let Some(length) = request_length(&buffer) {
            let raw: Vec<u8> = buffer.drain(..length).collect();
            let answer = match path(&raw) {
                "/arrived" => json(&(arrivals.lock().await.len())),
                "/findings" => {
                    let secret = body(&raw).to_vec();
                    json(&judge(&std::mem::take(&mut *arrivals.lock().await), &secret))
                }
                "/quiet" => json(&quiet.load(Ordering::Relaxed)),
                path if path.starts_with(QUIET) => {
                    quiet.fetch_add(1, Ordering::Relaxed);
                    ANSWER.to_vec()
                }
                _ => {
                    own.push(Arrival { at_us: now_us(), raw });
                    ANSWER.to_vec()
                }
            };
            arrivals.lock().await.append(&mut own);
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
        if !matches!(stream.read_buf(&mut buffer).await, Ok(read) if read > 0) {
            return;
        }
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let body = serde_json::to_string(value).unwrap_or_default();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The length of the first request in `buffer`, once it is complete.
fn request_length(buffer: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(buffer).ok()? else { return None };
    let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok()).unwrap_or(0);
    (buffer.len() >= head + length).then_some(head + length)
}

fn path(raw: &[u8]) -> &str {
    let line = raw.split(|byte| *byte == b'\r').next().unwrap_or_default();
    std::str::from_utf8(line).ok().and_then(|line| line.split(' ').nth(1)).unwrap_or("")
}

fn body(raw: &[u8]) -> &[u8] {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n");
    end.and_then(|end| raw.get(end + 4..)).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "latency is measured between two processes of one machine")]
pub(crate) fn now_us() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

/// Counts and verifies. Without a secret, as for the bare loop, it only counts.
fn judge(arrivals: &[Arrival], secret: &[u8]) -> Findings {
    let secret = (!secret.is_empty()).then(|| Secret::new(String::from_utf8_lossy(secret).into_owned()));
    let contracts = Contracts::shipped().ok();
    let contract = contracts.as_ref().and_then(|contracts| contracts.get("standard-webhooks"));
    let mut findings = Findings { arrived: arrivals.len(), ..Findings::default() };
    let mut seen: HashMap<(String, String), usize> = HashMap::new();
    let mut latencies = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        let (path, body) = (path(&arrival.raw), body(&arrival.raw));
        let headers = headers(&arrival.raw);
        if let Some((secret, contract)) = secret.as_ref().zip(contract) {
            let request = CapturedRequest { method: "POST", url: path, headers: &headers, body };
            let now = Timestamp::from_micros(i64::try_from(arrival.at_us).unwrap_or(0));
            if contract.verify(&request, std::slice::from_ref(secret), now) != Verdict::Genuine {
                findings.unverified += 1;
            }
        }
        let id = headers.get("webhook-id").and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        *seen.entry((path.to_owned(), id)).or_default() += 1;
        latencies.extend(posted_at(body).map(|posted| arrival.at_us.saturating_sub(posted)));
    }
    findings.distinct = seen.len();
    latencies.sort_unstable();
    findings.latency_p50_us = percentile(&latencies, 50).unwrap_or(0);
    findings.latency_p99_us = percentile(&latencies, 99).unwrap_or(0);
    let first = arrivals.iter().map(|arrival| arrival.at_us).min().unwrap_or(0);
    let last = arrivals.iter().map(|arrival| arrival.at_us).max().unwrap_or(0);
    findings.span_us = last - first;
    findings
}

fn headers(raw: &[u8]) -> HeaderMap {
    let mut slots = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut slots);
    let mut map = HeaderMap::new();
    if request.parse(raw).is_ok() {
        for header in request.headers.iter() {
            let pair = (HeaderName::from_bytes(header.name.as_bytes()), HeaderValue::from_bytes(header.value));
            if let (Ok(name), Ok(value)) = pair {
                map.append(name, value);
            }
        }
    }
    map
}

/// The instant that the producer wrote into the data: `"posted_at_us":123`.
fn posted_at(body: &[u8]) -> Option<u64> {
    const FIELD: &[u8] = b"\"posted_at_us\":";
    let start = body.windows(FIELD.len()).position(|window| window == FIELD)? + FIELD.len();
    let digits = body.get(start..)?.iter().take_while(|byte| byte.is_ascii_digit());
    digits.map(|digit| u64::from(digit - b'0')).reduce(|number, digit| number * 10 + digit)
}

/// Microseconds as milliseconds.
pub(crate) fn millis(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1_000.0
}
