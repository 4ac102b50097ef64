//! The yardstick: POSTs of the same size straight to the sink.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Method;

use crate::bench::{Bench, per_second};
use crate::produce::{data, patience};

/// Sends `deliveries` bodies of `size` bytes; how many per second.
pub(crate) async fn measure(bench: &Bench, size: usize, deliveries: usize) -> anyhow::Result<f64> {
    let body = Bytes::from(data(size));
    let left = Arc::new(AtomicUsize::new(deliveries));
    let started = Instant::now();
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
    let rate = per_second(deliveries, started.elapsed());
    let found = bench.findings("").await?;
    if found.arrived != deliveries {
        bail!("the bare loop sent {deliveries} and the sink saw {}", found.arrived);
    }
    Ok(rate)
}
