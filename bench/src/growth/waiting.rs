//! The cost of many deliveries that wait for endpoints that refuse: intake, memory, other work, and the restart after a kill.

use std::time::Instant;

use http::Method;
use serde_json::json;

use super::rows::{against_empty, rows};
use crate::bench::Bench;
use crate::figures::per_second;
use crate::produce::{Progress, events};
use crate::report::{Growth, Waiting, say};
use crate::server::{Process, Setup};
use crate::target::Figure;
use crate::workload::batch_events;

/// Endpoints that refuse, each on its own loopback address: nobody listens on the discard port.
const ENDPOINTS: usize = 100;

/// Publishes until `deliveries` wait, measures, kills the server and starts it again.
pub(crate) async fn measure(bench: &Bench, deliveries: usize) -> anyhow::Result<(Growth, Waiting)> {
    say(&format!("waiting: {deliveries} deliveries"));
    let server = bench.server().await?;
    let waiting = deliveries.div_ceil(ENDPOINTS) * ENDPOINTS;
    let rate = publish(bench, &server, waiting).await?;
    let memory = server.peak_memory_mib()?;
    let grown = rows(bench, &server).await?;
    let folder = server.kill().await?;
    let server = Process::server_in(&bench.options.server, folder, Setup::default(), &bench.tasks).await?;
    let ready = server.ready_after;
    server.kill().await?;
    let growth = Growth {
        condition: format!("{waiting} deliveries waiting"),
        made: None, // it is told with the rest of what waiting costs
        first: None,
        holds: None,
        rows: against_empty(bench, grown).await?,
    };
    let waiting = Waiting {
        deliveries: waiting,
        taken_per_second: rate,
        peak_memory_mib: Figure::memory(memory),
        ready_ms: Figure::ready_waiting(ready.as_secs_f64() * 1_000.0),
    };
    Ok((growth, waiting))
}

/// Publishes the deliveries that will wait; returns how many were taken per second.
async fn publish(bench: &Bench, server: &Process, waiting: usize) -> anyhow::Result<f64> {
    let mut client = bench.client(server).await?;
    client.json(Method::PUT, "/v1/accounts/dead", &json!({ "contract": "standard-webhooks" })).await?;
    for endpoint in 0..ENDPOINTS {
        let url = json!({ "url": format!("http://127.0.0.{}:9/", endpoint + 2), "enabled": true });
        client.json(Method::POST, "/v1/accounts/dead/endpoints", &url).await?;
    }
    let size = bench.first_body();
    let started = Instant::now();
    let mut progress = Progress::new("waiting", waiting);
    let mut left = waiting / ENDPOINTS;
    while left > 0 {
        let batch = left.min(batch_events(size));
        left -= batch;
        client.post("/v1/accounts/dead/events", events("bench.waits", batch, size)).await?;
        progress.at(waiting - left * ENDPOINTS);
    }
    Ok(per_second(waiting, started.elapsed()))
}
