//! The size of the queue's table and indexes after many deliveries have come and gone: no larger than after the first ones, if
//! dead rows are cleared away in time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bellwire_testkit::postgres::{Cluster, psql};
use tokio::sync::Mutex;

use crate::bench::Bench;
use crate::past;
use crate::report::{QueueSize, QueueSizes, say};
use crate::server::{Process, Setup};

/// Deliveries after which the size is first read.
const FIRST: usize = 100_000;
/// A node returns the space of an empty queue within seconds.
const IDLE: Duration = Duration::from_secs(10);
const SAMPLED_EVERY: Duration = Duration::from_secs(1);
const SIZES: &str = "SELECT pg_table_size('queue') / 1024, pg_indexes_size('queue') / 1024";

/// Makes this many deliveries on one node, and reads the size when nothing is in flight, and every second in between.
pub(crate) async fn measure(bench: &Bench, cluster: &Cluster, deliveries: usize) -> anyhow::Result<QueueSizes> {
    let all = past::whole_events(deliveries).max(past::whole_events(2));
    let first = past::whole_events(FIRST.min(all / 2));
    say(&format!("the queue's size after {first} and after {all} deliveries"));
    let url = cluster.database();
    let server = Process::server_on(&bench.options.server, url.clone(), Setup::default(), &bench.tasks).await?;
    let mut client = bench.client(&server).await?;
    past::set_up(bench, &mut client).await?;
    let peak = Arc::new(Mutex::new(QueueSize::default()));
    let mut sampler = tokio::task::JoinSet::new();
    sampler.spawn(sample(url.clone(), Arc::clone(&peak)));
    past::make(bench, &mut client, first).await?;
    let after_first = look_when_idle(&url).await?;
    let per_second = past::make(bench, &mut client, all - first).await?;
    let after_all = look_when_idle(&url).await?;
    sampler.shutdown().await;
    let peak = peak.lock().await.max(after_first).max(after_all);
    Ok(QueueSizes { first, after_first, all, after_all, peak, per_second })
}

/// Keeps the largest size seen, until stopped.
async fn sample(url: String, peak: Arc<Mutex<QueueSize>>) {
    let mut ticks = tokio::time::interval(SAMPLED_EVERY);
    loop {
        ticks.tick().await;
        if let Ok(seen) = look(&url).await {
            let mut peak = peak.lock().await;
            *peak = peak.max(seen);
        }
    }
}

/// Reads the size once nothing has been in flight for a while.
async fn look_when_idle(url: &str) -> anyhow::Result<QueueSize> {
    tokio::time::sleep(IDLE).await;
    look(url).await
}

async fn look(url: &str) -> anyhow::Result<QueueSize> {
    let url = url.to_owned();
    let sizes = tokio::task::spawn_blocking(move || psql(&url, SIZES)).await?;
    let (table, indexes) = sizes.split_once('|').with_context(|| format!("no sizes: {sizes}"))?;
    Ok(QueueSize { table_kib: table.parse()?, indexes_kib: indexes.parse()? })
}
