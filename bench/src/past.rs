//! Very many deliveries: published in batches, answered by the sink, which only counts them, and recorded.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use http::Method;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::client::{Client, PATIENCE};
use crate::figures::per_second;
use crate::produce::{Progress, events};
use crate::workload::batch_events;

/// Endpoints that each past event went to.
const ENDPOINTS: usize = 10;
/// Deliveries in flight: enough to keep the server busy, few enough not to be a burden.
const UNDER_WAY_MAX: usize = 4_000;
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Their account and its endpoints.
pub(crate) async fn set_up(bench: &Bench, client: &mut Client) -> anyhow::Result<()> {
    client.json(Method::PUT, "/v1/accounts/past", &json!({ "contract": "standard-webhooks" })).await?;
    for endpoint in 0..ENDPOINTS {
        let url = json!({ "url": format!("http://127.0.0.1:{}/quiet/{endpoint}", bench.sink.port), "enabled": true });
        client.json(Method::POST, "/v1/accounts/past/endpoints", &url).await?;
    }
    Ok(())
}

/// At least this many deliveries, in whole events.
pub(crate) const fn whole_events(deliveries: usize) -> usize {
    deliveries.div_ceil(ENDPOINTS) * ENDPOINTS
}

/// Makes this many; returns how many per second. All are recorded when this returns.
pub(crate) async fn make(bench: &Bench, client: &mut Client, past: usize) -> anyhow::Result<f64> {
    let mut sink = bench.client(&bench.sink).await?;
    let before = bench.quiet(&mut sink).await?;
    let started = Instant::now();
    let mut progress = Progress::new("history", past);
    let mut left = past / ENDPOINTS;
    while left > 0 {
        let batch = left.min(batch_events(bench.first_body()));
        left -= batch;
        client.post("/v1/accounts/past/events", events("bench.past", batch, bench.first_body())).await?;
        let sent = past - left * ENDPOINTS;
        let awaited = if left == 0 { sent } else { sent.saturating_sub(UNDER_WAY_MAX) };
        bench.await_quiet(&mut sink, before + awaited, |now| progress.at(now.saturating_sub(before))).await?;
    }
    let rate = per_second(past, started.elapsed());
    await_recorded(client).await?;
    let arrived = bench.quiet(&mut sink).await? - before;
    if arrived != past {
        bail!("{past} past deliveries were made, and {arrived} arrived");
    }
    Ok(rate)
}

/// Waits until none is pending: outcomes are recorded a moment after arrival.
async fn await_recorded(client: &mut Client) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = client.json(Method::GET, "/v1/deliveries?account=past&state=pending&limit=1", &Value::Null).await?;
        let pending = page.get("items").and_then(Value::as_array).context("no page of deliveries")?;
        if pending.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("deliveries that arrived are still pending after {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}
