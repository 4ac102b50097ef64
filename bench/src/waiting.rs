//! What many deliveries cost that wait for endpoints which refuse: intake, memory, and the start after a kill.

use std::path::Path;
use std::time::Instant;

use anyhow::bail;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::client::Client;
use crate::report::Waiting;
use crate::server::Process;

/// Endpoints that refuse, each on a loopback address of its own: nobody listens on the discard port.
const ENDPOINTS: usize = 100;
/// Events in one request, the most that one may hold.
const BATCH: usize = 100;

/// Publishes until `deliveries` wait, kills the server and starts it again.
pub(crate) async fn measure(binary: &Path, deliveries: usize, tasks: &TaskTracker) -> anyhow::Result<Waiting> {
    let server = Process::server(binary).await?;
    let mut client = Client::connect(server.port, &server.key, tasks).await?;
    client.json(Method::PUT, "/v1/accounts/dead", &json!({ "contract": "standard-webhooks" })).await?;
    for endpoint in 0..ENDPOINTS {
        let url = json!({ "url": format!("http://127.0.0.{}:9/", endpoint + 2) });
        client.json(Method::POST, "/v1/accounts/dead/endpoints", &url).await?;
    }
    let started = Instant::now();
    let events: Vec<Value> = (0..BATCH).map(|_| json!({ "type": "bench.waits", "data": { "pad": "x".repeat(480) } })).collect();
    let body = Bytes::from(json!({ "events": events }).to_string());
    let requests = deliveries.div_ceil(ENDPOINTS * BATCH);
    for _ in 0..requests {
        let (status, answer) = client.send(Method::POST, "/v1/accounts/dead/events", body.clone()).await?;
        if status != 201 {
            bail!("publishing was answered {status}: {}", String::from_utf8_lossy(&answer));
        }
    }
    let waiting = requests * ENDPOINTS * BATCH;
    let per_second = f64::from(u32::try_from(waiting)?) / started.elapsed().as_secs_f64();
    let memory_mib = server.peak_memory_mib()?;
    let folder = server.kill().await?;
    let restarted = Instant::now();
    let server = Process::server_in(binary, folder).await?;
    let ready_ms = restarted.elapsed().as_secs_f64() * 1_000.0;
    drop(server);
    Ok(Waiting { deliveries: waiting, taken_per_second: per_second, peak_memory_mib: memory_mib, ready_ms })
}
