//! What is measured, and how.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::client::Client;
use crate::report::{Measurement, Neighbours, Results};
use crate::server::Process;
use crate::sink::{Findings, now_us};
use crate::{neighbours, waiting};

/// The size of a run.
pub(crate) struct Plan {
    pub(crate) deliveries: usize,
    pub(crate) producers: usize,
    pub(crate) body: usize,
    /// Deliveries that wait; none: not measured.
    pub(crate) waiting: usize,
    pub(crate) server: PathBuf,
}

/// One shape of load.
#[derive(Clone, Copy)]
struct Workload {
    name: &'static str,
    events_per_post: usize,
    endpoints: usize,
    /// Posts per second; as fast as it goes without.
    rate: Option<u32>,
    /// Share of the run's deliveries, as a divisor.
    divisor: usize,
}

const WORKLOADS: [Workload; 4] = [
    Workload { name: "one event per POST, one endpoint", events_per_post: 1, endpoints: 1, rate: None, divisor: 1 },
    Workload { name: "batches of 100, one endpoint", events_per_post: 100, endpoints: 1, rate: None, divisor: 1 },
    Workload { name: "one event per POST, 10 endpoints", events_per_post: 1, endpoints: 10, rate: None, divisor: 1 },
    Workload { name: "200 events per second", events_per_post: 1, endpoints: 1, rate: Some(200), divisor: 60 },
];

/// The healthy endpoint's load, once alone and once beside others.
const ALONE: Workload = Workload {
    name: "200 events per second, one healthy endpoint",
    events_per_post: 1,
    endpoints: 1,
    rate: Some(200),
    divisor: 20,
};
const BESIDE: Workload = Workload { name: "the same beside one that hangs, one that takes 1 s and one that refuses", ..ALONE };

/// How long the rest of a load may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs everything.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Results> {
    let tasks = TaskTracker::new();
    let sink = Process::sink().await?;
    let mut bare = Vec::new();
    bare.push(bare_loop(plan, &sink, &tasks).await?);
    let mut measurements = Vec::new();
    for workload in WORKLOADS {
        measurements.push(measure(plan, workload, &[], &sink, &tasks).await.context(workload.name)?);
    }
    let alone = measure(plan, ALONE, &[], &sink, &tasks).await.context(ALONE.name)?;
    let beside = measure(plan, BESIDE, &neighbours::start(&tasks).await?, &sink, &tasks).await.context(BESIDE.name)?;
    let neighbours = Neighbours::new(&alone, &beside);
    measurements.extend([alone, beside]);
    bare.push(bare_loop(plan, &sink, &tasks).await?); // again at the end: the machine may have slowed down meanwhile
    let bare_per_second = bare.iter().sum::<f64>() / 2.0;
    let waiting = match plan.waiting {
        0 => None,
        deliveries => Some(waiting::measure(&plan.server, deliveries, &tasks).await.context("waiting")?),
    };
    Ok(Results { body: plan.body, producers: plan.producers, bare_per_second, measurements, neighbours, waiting })
}

/// The yardstick: POSTs of the same size straight to the sink, per second.
async fn bare_loop(plan: &Plan, sink: &Process, tasks: &TaskTracker) -> anyhow::Result<f64> {
    let body = Bytes::from(data(plan.body));
    let left = Arc::new(AtomicUsize::new(plan.deliveries));
    let started = Instant::now();
    let mut loops = tokio::task::JoinSet::new();
    for _ in 0..plan.producers {
        let mut client = Client::connect(sink.port, "", tasks).await?;
        let (left, body) = (Arc::clone(&left), body.clone());
        loops.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                client.send(Method::POST, "/bare", body.clone()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = loops.join_next().await {
        ended??;
    }
    let per_second = per(plan.deliveries, started.elapsed());
    let found = findings(sink, "", tasks).await?;
    if found.arrived != plan.deliveries {
        bail!("the bare loop sent {} and the sink saw {}", plan.deliveries, found.arrived);
    }
    Ok(per_second)
}

/// `beside` are URLs of further endpoints, which get every event too and are not waited for.
async fn measure(
    plan: &Plan,
    workload: Workload,
    beside: &[String],
    sink: &Process,
    tasks: &TaskTracker,
) -> anyhow::Result<Measurement> {
    let server = Process::server(&plan.server).await?;
    let secret = set_up(&server, sink, workload.endpoints, beside, tasks).await?;
    let events = plan.deliveries / workload.endpoints / workload.divisor;
    let posts = (events / workload.events_per_post).max(1);
    let expected = posts * workload.events_per_post * workload.endpoints;
    let cpu_before = server.cpu_seconds()?;
    let started = Instant::now();
    produce(plan, workload, &server, posts, tasks).await?;
    await_arrivals(sink, expected, tasks).await?;
    let elapsed = started.elapsed();
    let cpu = server.cpu_seconds()? - cpu_before;
    let found = findings(sink, &secret, tasks).await?;
    if found.arrived != expected || found.distinct != expected || found.unverified != 0 {
        bail!("expected {expected} deliveries, each once and signed right, and found {found:?}");
    }
    Ok(Measurement {
        name: workload.name.to_owned(),
        deliveries: expected,
        per_second: per(expected, elapsed),
        at_saturation: workload.rate.is_none(),
        latency_p50_ms: millis(found.latency_p50_us),
        latency_p99_ms: millis(found.latency_p99_us),
        cpu_us_per_delivery: cpu * 1e6 / precise(expected),
        peak_memory_mib: server.peak_memory_mib()?,
    })
}

/// An account and its endpoints, those at the sink with one secret.
async fn set_up(
    server: &Process,
    sink: &Process,
    endpoints: usize,
    beside: &[String],
    tasks: &TaskTracker,
) -> anyhow::Result<String> {
    let mut client = Client::connect(server.port, &server.key, tasks).await?;
    client.json(Method::PUT, "/v1/accounts/bench", &json!({ "contract": "standard-webhooks" })).await?;
    let mut secret: Option<String> = None;
    for endpoint in 0..endpoints {
        let mut wanted = json!({ "url": format!("http://127.0.0.1:{}/hook/{endpoint}", sink.port), "enabled": true });
        if let (Some(secret), Some(fields)) = (&secret, wanted.as_object_mut()) {
            fields.insert("secret".to_owned(), secret.as_str().into());
        }
        let created = client.json(Method::POST, "/v1/accounts/bench/endpoints", &wanted).await?;
        secret = secret.or_else(|| created.get("secret").and_then(Value::as_str).map(str::to_owned));
    }
    for url in beside {
        client.json(Method::POST, "/v1/accounts/bench/endpoints", &json!({ "url": url, "enabled": true })).await?;
    }
    secret.context("no secret was shown")
}

async fn produce(plan: &Plan, workload: Workload, server: &Process, posts: usize, tasks: &TaskTracker) -> anyhow::Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let started = tokio::time::Instant::now();
    let size = plan.body;
    let mut loops = tokio::task::JoinSet::new();
    for _ in 0..plan.producers {
        let mut client = Client::connect(server.port, &server.key, tasks).await?;
        let next = Arc::clone(&next);
        loops.spawn(async move {
            loop {
                let post = next.fetch_add(1, Ordering::Relaxed);
                if post >= posts {
                    return anyhow::Ok(());
                }
                if let Some(rate) = workload.rate {
                    let at = Duration::from_secs(1) / rate * u32::try_from(post).unwrap_or(u32::MAX);
                    tokio::time::sleep_until(started + at).await;
                }
                let (status, answer) = client.send(Method::POST, "/v1/accounts/bench/events", body(workload, size)).await?;
                if status != 201 {
                    bail!("a POST was answered {status}: {}", String::from_utf8_lossy(&answer));
                }
            }
        });
    }
    while let Some(ended) = loops.join_next().await {
        ended??;
    }
    Ok(())
}

fn body(workload: Workload, size: usize) -> Bytes {
    let event = || format!("{{\"type\":\"bench.event\",\"data\":{}}}", data(size));
    if workload.events_per_post == 1 {
        return event().into();
    }
    let events: Vec<String> = (0..workload.events_per_post).map(|_| event()).collect();
    format!("{{\"events\":[{}]}}", events.join(",")).into()
}

/// JSON of `size` bytes with the present instant in it.
fn data(size: usize) -> String {
    let head = format!("{{\"posted_at_us\":{},\"filler\":\"", now_us());
    let filler = "x".repeat(size.saturating_sub(head.len() + 2));
    format!("{head}{filler}\"}}")
}

async fn await_arrivals(sink: &Process, expected: usize, tasks: &TaskTracker) -> anyhow::Result<()> {
    let mut client = Client::connect(sink.port, "", tasks).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let arrived = client.json(Method::GET, "/arrived", &Value::Null).await?;
        let arrived = usize::try_from(arrived.as_u64().unwrap_or(0)).unwrap_or(0);
        if arrived >= expected {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{arrived} of {expected} deliveries arrived in {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn findings(sink: &Process, secret: &str, tasks: &TaskTracker) -> anyhow::Result<Findings> {
    let mut client = Client::connect(sink.port, "", tasks).await?;
    let (_, answer) = client.send(Method::POST, "/findings", Bytes::from(secret.to_owned())).await?;
    Ok(serde_json::from_slice(&answer)?)
}

fn per(count: usize, elapsed: Duration) -> f64 {
    precise(count) / elapsed.as_secs_f64()
}

fn precise(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn millis(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1_000.0
}
