//! One workload on a running server, or on several nodes.

use std::slice::from_ref;
use std::time::Instant;

use anyhow::{Context, bail};
use http::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, per_second, precise};
use crate::produce::{Load, Post, events, produce};
use crate::report::{Measurement, say};
use crate::server::Process;
use crate::sink::millis;
use crate::target::Figure;
use crate::workload::Workload;

/// An account whose endpoints are at the sink.
pub(crate) struct Account {
    id: String,
    pub(crate) secret: String,
    endpoints: usize,
}

impl Account {
    /// Makes it on a server: so many endpoints at the sink with one secret, and others `beside`, which get every event too and
    /// are not waited for.
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

/// The same on nodes over one database: their CPU together, and the memory of the one that took most.
async fn measure_nodes(bench: &Bench, nodes: &[Process], account: &Account, workload: &Workload) -> anyhow::Result<Measurement> {
    if account.endpoints != workload.endpoints {
        bail!("`{}` is for {} endpoints, and the account has {}", workload.name, workload.endpoints, account.endpoints);
    }
    let over = if nodes.len() > 1 { format!(", {} nodes", nodes.len()) } else { String::new() };
    say(&format!("{} bytes: {}{over}", workload.size, workload.name));
    let posts = workload.posts(bench.plan.deliveries);
    let expected = posts * workload.events_per_post * workload.endpoints;
    let path = format!("/v1/accounts/{}/events", account.id);
    let (events_per_post, size) = (workload.events_per_post, workload.size);
    let request = move |_| Post { method: Method::POST, path: path.clone(), body: events("bench.event", events_per_post, size) };
    let cpu_before = cpu_seconds(nodes)?;
    let started = Instant::now();
    let load = Load { count: posts, rate: workload.rate, said_as: None };
    produce(bench, nodes, load, request).await.with_context(|| workload.name.clone())?;
    bench.await_arrivals(expected).await.with_context(|| workload.name.clone())?;
    let elapsed = started.elapsed();
    let cpu = cpu_seconds(nodes)? - cpu_before;
    let found = bench.verified(&account.secret, expected).await.with_context(|| workload.name.clone())?;
    let (p50, p99) = (millis(found.latency_p50_us), millis(found.latency_p99_us));
    let paced = workload.rate.is_some();
    let memory = nodes.iter().map(Process::peak_memory_mib).try_fold(0.0, |most, held| anyhow::Ok(f64::max(most, held?)))?;
    Ok(Measurement {
        name: workload.name.clone(),
        deliveries: expected,
        per_second: per_second(expected, elapsed),
        of_bare_loop: None,
        latency_p50_ms: if paced { Figure::paced_p50(p50) } else { Figure::plain(p50) },
        latency_p99_ms: if paced { Figure::paced_p99(p99) } else { Figure::plain(p99) },
        cpu_us_per_delivery: Figure::plain(cpu * 1e6 / precise(expected)),
        peak_memory_mib: Figure::memory(memory),
    })
}

/// Measures a workload on an empty store.
pub(crate) async fn measure_empty(bench: &Bench, workload: &Workload, beside: &[String]) -> anyhow::Result<Measurement> {
    measure_on(bench, bench.server().await?, workload, beside).await
}

/// Measures a workload on a new server, and ends it.
pub(crate) async fn measure_on(
    bench: &Bench,
    server: Process,
    workload: &Workload,
    beside: &[String],
) -> anyhow::Result<Measurement> {
    let account = Account::set_up(bench, &server, "bench", workload.endpoints, beside).await?;
    let measured = measure(bench, &server, &account, workload).await;
    drop(server);
    measured
}

/// Measures a workload on new nodes over one database, and ends them.
pub(crate) async fn measure_fleet(bench: &Bench, nodes: Vec<Process>, workload: &Workload) -> anyhow::Result<Measurement> {
    let first = nodes.first().context("a fleet has a node")?;
    let account = Account::set_up(bench, first, "bench", workload.endpoints, &[]).await?;
    let measured = measure_nodes(bench, &nodes, &account, workload).await;
    drop(nodes);
    measured
}

fn cpu_seconds(nodes: &[Process]) -> anyhow::Result<f64> {
    nodes.iter().map(Process::cpu_seconds).sum()
}
