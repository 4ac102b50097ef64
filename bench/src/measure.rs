//! One workload on a running server, or on several nodes.

use std::slice::from_ref;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bellwire_testkit::postgres::Cluster;
use http::Method;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::figures::{per_second, precise};
use crate::host::HostTime;
use crate::produce::{Load, Post, event_about, events, produce};
use crate::report::{Measurement, say};
use crate::server::{Process, Setup};
use crate::sink::{Findings, millis};
use crate::target::Figure;
use crate::workload::Workload;

/// An account whose endpoints are the sink's.
pub(crate) struct Account {
    id: String,
    pub(crate) secret: String,
    endpoints: usize,
}

impl Account {
    /// Creates it on a server: this many endpoints at the sink with one secret, and others `beside`, which get every event too
    /// but are not waited for.
    pub(crate) async fn set_up(
        bench: &Bench,
        server: &Process,
        id: &str,
        endpoints: usize,
        beside: &[String],
    ) -> anyhow::Result<Self> {
        let mut client = bench.client(server).await?;
        client.json(Method::PUT, &format!("/v1/accounts/{id}"), &json!({ "contract": "standard-webhooks" })).await?;
        let path = format!("/v1/accounts/{id}/endpoints");
        let mut secret: Option<String> = None;
        for endpoint in 0..endpoints {
            let mut wanted = json!({ "url": format!("http://127.0.0.1:{}/hook/{endpoint}", bench.sink.port), "enabled": true });
            if let (Some(secret), Some(fields)) = (&secret, wanted.as_object_mut()) {
                fields.insert("secret".to_owned(), secret.as_str().into());
            }
            let created = client.json(Method::POST, &path, &wanted).await?;
            secret = secret.or_else(|| created.get("secret").and_then(Value::as_str).map(str::to_owned));
        }
        for url in beside {
            client.json(Method::POST, &path, &json!({ "url": url, "enabled": true })).await?;
        }
        Ok(Self { id: id.to_owned(), secret: secret.context("no secret was shown")?, endpoints })
    }
}

/// Measures a workload on an account of a running server; the account has as many endpoints as the workload says.
pub(crate) async fn measure(
    bench: &Bench,
    server: &Process,
    account: &Account,
    workload: &Workload,
) -> anyhow::Result<Measurement> {
    measure_nodes(bench, from_ref(server), account, workload).await
}

/// The same on nodes over one database: their total CPU, and the memory of the one that used most.
async fn measure_nodes(bench: &Bench, nodes: &[Process], account: &Account, workload: &Workload) -> anyhow::Result<Measurement> {
    if account.endpoints != workload.endpoints {
        bail!("`{}` is for {} endpoints, and the account has {}", workload.name, workload.endpoints, account.endpoints);
    }
    let over = if nodes.len() > 1 { format!(", {} nodes", nodes.len()) } else { String::new() };
    say(&format!("{} bytes: {}{over}", workload.size, workload.name));
    let posts = workload.posts(bench.options.deliveries);
    let expected = posts * workload.events_per_post * workload.endpoints;
    let path = format!("/v1/accounts/{}/events", account.id);
    let (events_per_post, size, has_subjects) = (workload.events_per_post, workload.size, workload.has_subjects);
    let request = move |number| {
        let body =
            if has_subjects { event_about("bench.event", number, size) } else { events("bench.event", events_per_post, size) };
        Post { method: Method::POST, path: path.clone(), body }
    };
    let watch = Watch::start(nodes)?;
    let load = Load { count: posts, rate: workload.rate, said_as: None };
    produce(bench, nodes, load, request).await.with_context(|| workload.name.clone())?;
    bench.await_arrivals(expected).await.with_context(|| workload.name.clone())?;
    let spent = watch.stop()?;
    let found = bench.verified(&account.secret, expected).await.with_context(|| workload.name.clone())?;
    let mut row = spent.row(workload.name.clone(), expected, &found);
    if workload.rate.is_some() {
        row.latency_p50_ms = Figure::paced_p50(row.latency_p50_ms.value);
        row.latency_p99_ms = Figure::paced_p99(row.latency_p99_ms.value);
    }
    Ok(row)
}

/// Measures what a row costs from here on: time, the nodes' CPU, and what the host takes.
pub(crate) struct Watch<'n> {
    nodes: &'n [Process],
    started: Instant,
    cpu_seconds: f64,
    host: HostTime,
}

impl<'n> Watch<'n> {
    pub(crate) fn start(nodes: &'n [Process]) -> anyhow::Result<Self> {
        Ok(Self { nodes, started: Instant::now(), cpu_seconds: cpu_seconds(nodes)?, host: HostTime::now()? })
    }

    /// Everything has arrived.
    pub(crate) fn stop(self) -> anyhow::Result<Spent> {
        let elapsed = self.started.elapsed();
        let memory = |most: f64, node: &Process| anyhow::Ok(most.max(node.peak_memory_mib()?));
        Ok(Spent {
            elapsed,
            cpu_seconds: cpu_seconds(self.nodes)? - self.cpu_seconds,
            host_took: HostTime::now()?.taken_since(self.host),
            peak_memory_mib: self.nodes.iter().try_fold(0.0, memory)?,
        })
    }
}

/// What a row has cost.
pub(crate) struct Spent {
    elapsed: Duration,
    cpu_seconds: f64,
    host_took: f64,
    /// Of the node that held most.
    peak_memory_mib: f64,
}

impl Spent {
    /// The row, once the sink has verified it.
    pub(crate) fn row(self, name: String, deliveries: usize, found: &Findings) -> Measurement {
        Measurement {
            name,
            deliveries,
            per_second: per_second(deliveries, self.elapsed),
            of_bare_loop: None,
            latency_p50_ms: Figure::plain(millis(found.latency_p50_us)),
            latency_p99_ms: Figure::plain(millis(found.latency_p99_us)),
            cpu_us_per_delivery: Figure::plain(self.cpu_seconds * 1e6 / precise(deliveries)),
            peak_memory_mib: Figure::memory(self.peak_memory_mib),
            host_took: self.host_took,
        }
    }
}

/// Measures a workload on an empty store.
pub(crate) async fn measure_empty(bench: &Bench, workload: &Workload, beside: &[String]) -> anyhow::Result<Measurement> {
    bench.options.tries.quietest(async || measure_new(bench, vec![bench.server().await?], workload, beside).await).await
}

/// Measures a workload on so many nodes over one database, both new.
pub(crate) async fn measure_fleet(
    bench: &Bench,
    cluster: &Cluster,
    nodes: usize,
    workload: &Workload,
) -> anyhow::Result<Measurement> {
    let measured = async || {
        let database = cluster.database();
        let threads = threads_of_each(nodes)?;
        let mut fleet = Vec::with_capacity(nodes);
        for _ in 0..nodes {
            let setup = Setup { threads, ..Setup::default() };
            fleet.push(Process::server_on(&bench.options.server, database.clone(), setup, &bench.tasks).await?);
        }
        measure_new(bench, fleet, workload, &[]).await
    };
    bench.options.tries.quietest(measured).await
}

/// Nodes that share a machine get worker threads for their share of it; a single node uses the default.
fn threads_of_each(nodes: usize) -> anyhow::Result<Option<usize>> {
    let all = std::thread::available_parallelism().context("how many processors there are")?.get();
    Ok((nodes > 1).then(|| (all / nodes).max(1)))
}

/// Measures a workload on new nodes, and ends them.
async fn measure_new(bench: &Bench, nodes: Vec<Process>, workload: &Workload, beside: &[String]) -> anyhow::Result<Measurement> {
    let first = nodes.first().context("a fleet has a node")?;
    let account = Account::set_up(bench, first, "bench", workload.endpoints, beside).await?;
    let measured = measure_nodes(bench, &nodes, &account, workload).await;
    drop(nodes);
    measured
}

fn cpu_seconds(nodes: &[Process]) -> anyhow::Result<f64> {
    nodes.iter().map(Process::cpu_seconds).sum()
}
