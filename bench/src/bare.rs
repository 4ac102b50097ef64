//! The yardstick: POSTs of the same size straight to the sink.

use std::slice::from_ref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Method;

use crate::bench::Bench;
use crate::measure::Watch;
use crate::produce::{data, patience};
use crate::report::Measurement;

/// Sends `deliveries` bodies of `size` bytes. CPU and memory are the sink's.
pub(crate) async fn measure(bench: &Bench, size: usize, deliveries: usize) -> anyhow::Result<Measurement> {
    bench.plan.tries.quietest(async || measure_once(bench, size, deliveries).await).await
}

async fn measure_once(bench: &Bench, size: usize, deliveries: usize) -> anyhow::Result<Measurement> {
    let body = Bytes::from(data(size));
    let left = Arc::new(AtomicUsize::new(deliveries));
    let watch = Watch::start(from_ref(&bench.sink))?;
    let mut loops = tokio::task::JoinSet::new();
    for _ in 0..bench.plan.producers {
        let mut client = bench.client(&bench.sink).await?;
        let (left, body) = (Arc::clone(&left), body.clone());
        loops.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                client.send(Method::POST, "/bare", body.clone()).await?;
            }
            anyhow::Ok(())
        });
    }
    let all = async {
        while let Some(ended) = loops.join_next().await {
            ended??;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(patience(deliveries, None), all).await.context("the bare loop does not get on")??;
    let spent = watch.stop()?;
    let found = bench.findings("").await?;
    if found.arrived != deliveries {
        bail!("the bare loop sent {deliveries} and the sink saw {}", found.arrived);
    }
    Ok(spent.row("bare loop".to_owned(), deliveries, &found))
}
