//! What every measurement shares: the options, the sink, and queries to the sink.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tokio_util::task::TaskTracker;

use crate::client::{Client, PATIENCE};
use crate::host::Tries;
use crate::report::say;
use crate::server::Process;
use crate::sink::Findings;
use crate::workload::Workload;

/// A run of fewer deliveries measures nothing.
const LEAST_DELIVERIES: usize = 5_000;
/// How often to query the sink.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// What is measured, and how much of it.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct RunOptions {
    pub(crate) deliveries: usize,
    pub(crate) producers: usize,
    pub(crate) tries: Tries,
    /// Bytes of an event's data.
    pub(crate) bodies: Vec<usize>,
    /// Of the rows of a size, those with this in their name.
    pub(crate) only: String,
    /// Whether to measure over PostgreSQL as well.
    pub(crate) postgres: bool,
    /// Whether to measure hostile tenants, and nothing else.
    pub(crate) neighbours: bool,
    /// Deliveries after which the queue's size is read; `None`: it is not.
    pub(crate) queue_size: Option<usize>,
    /// Past deliveries; none: not measured.
    pub(crate) history: usize,
    /// Endpoints; none: not measured.
    pub(crate) endpoints: usize,
    /// Topic-based subscriptions, and as many endpoints to compare with; none: not measured.
    pub(crate) subscriptions: usize,
    /// Endpoints of one account with a filter each; none: not measured.
    pub(crate) filters: usize,
    /// Past deliveries on the store whose pages are measured; none: not measured.
    pub(crate) pages: usize,
    /// Whether to measure a platform's day.
    pub(crate) day: bool,
    /// Whether to measure deliveries over TLS.
    pub(crate) tls: bool,
    /// Whether to measure beside a dead endpoint.
    pub(crate) dead: bool,
    /// Deliveries that wait; none: not measured.
    pub(crate) waiting: usize,
    pub(crate) server: PathBuf,
}

/// One run.
pub(crate) struct Bench {
    pub(crate) options: RunOptions,
    pub(crate) sink: Process,
    pub(crate) tasks: TaskTracker,
}

impl Bench {
    pub(crate) async fn start(options: RunOptions) -> anyhow::Result<Self> {
        Ok(Self { options, sink: Process::sink().await?, tasks: TaskTracker::new() })
    }

    /// A server on an empty store.
    pub(crate) async fn server(&self) -> anyhow::Result<Process> {
        Process::server(&self.options.server, &self.tasks).await
    }

    /// Whether a row is wanted.
    pub(crate) fn wants(&self, workload: &Workload) -> bool {
        workload.name.contains(&self.options.only)
    }

    /// A connection to a process.
    pub(crate) async fn client(&self, process: &Process) -> anyhow::Result<Client> {
        Client::connect(process.port, &process.key, &self.tasks).await
    }

    /// As many of something as a row has: few where the run only tries whether everything works.
    pub(crate) const fn little(&self, full: usize) -> usize {
        if self.options.deliveries >= LEAST_DELIVERIES { full } else { full.div_ceil(50) }
    }

    /// The size for rows that are measured for one size only.
    pub(crate) fn first_body(&self) -> usize {
        self.options.bodies.first().copied().unwrap_or(500)
    }

    /// Waits until this many requests have arrived since the last findings.
    pub(crate) async fn await_arrivals(&self, expected: usize) -> anyhow::Result<()> {
        self.await_arrivals_at(&self.sink, expected).await
    }

    /// The same of another sink.
    pub(crate) async fn await_arrivals_at(&self, sink: &Process, expected: usize) -> anyhow::Result<()> {
        let mut client = self.client(sink).await?;
        await_count(&mut client, "/arrived", expected, |_| ()).await
    }

    /// Waits until the sink has had this many requests for quiet paths since it was started, and shows `seen` how many it has had.
    pub(crate) async fn await_quiet(&self, client: &mut Client, expected: usize, seen: impl FnMut(usize)) -> anyhow::Result<()> {
        await_count(client, "/quiet", expected, seen).await
    }

    /// What the sink found in the requests since the last query; it forgets them.
    pub(crate) async fn findings(&self, secret: &str) -> anyhow::Result<Findings> {
        self.findings_of(&self.sink, secret).await
    }

    /// The same of another sink.
    pub(crate) async fn findings_of(&self, sink: &Process, secret: &str) -> anyhow::Result<Findings> {
        let mut client = self.client(sink).await?;
        let (_, answer) = client.send(Method::POST, "/findings", Bytes::from(secret.to_owned())).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// The same, where `expected` deliveries must have arrived, each once and correctly signed.
    pub(crate) async fn verified(&self, secret: &str, expected: usize) -> anyhow::Result<Findings> {
        self.verified_at(&self.sink, secret, expected).await
    }

    /// The same of another sink.
    pub(crate) async fn verified_at(&self, sink: &Process, secret: &str, expected: usize) -> anyhow::Result<Findings> {
        let found = self.findings_of(sink, secret).await?;
        if found.arrived != expected || found.distinct != expected || found.unverified != 0 {
            bail!("expected {expected} deliveries, each once and signed right, and found {found:?}");
        }
        Ok(found)
    }

    /// The same for requests that are not signed, and that name no delivery: as many must have arrived.
    pub(crate) async fn arrived(&self, expected: usize) -> anyhow::Result<Findings> {
        let found = self.findings("").await?;
        if found.arrived != expected {
            bail!("expected {expected} deliveries, and found {found:?}");
        }
        Ok(found)
    }

    /// The measurement, or a note of why there is none; then the sink forgets its requests.
    pub(crate) async fn keep<T>(&self, failures: &mut Vec<String>, name: &str, measured: anyhow::Result<T>) -> Option<T> {
        match measured {
            Ok(value) => Some(value),
            Err(error) => {
                let failure = format!("{name}: {error:#}");
                say(&failure);
                failures.push(failure);
                tokio::time::sleep(Duration::from_millis(200)).await; // what the killed server had sent
                let _ = self.findings("").await;
                None
            }
        }
    }

    /// Requests for quiet paths since the sink was started.
    pub(crate) async fn quiet(&self, client: &mut Client) -> anyhow::Result<usize> {
        Ok(count(&client.json(Method::GET, "/quiet", &Value::Null).await?))
    }
}

/// Asks the sink for a count until it is as high as expected. It has to grow.
async fn await_count(client: &mut Client, path: &str, expected: usize, mut seen: impl FnMut(usize)) -> anyhow::Result<()> {
    let mut before = 0;
    let mut got_on = Instant::now();
    loop {
        let now = count(&client.json(Method::GET, path, &Value::Null).await?);
        seen(now);
        if now >= expected {
            return Ok(());
        }
        if now > before {
            (before, got_on) = (now, Instant::now());
        }
        if got_on.elapsed() > PATIENCE {
            bail!("{now} of {expected} requests arrived, and none in the last {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn count(answer: &Value) -> usize {
    answer.as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}
