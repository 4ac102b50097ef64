//! The yardstick: POSTs of the same size straight to the sink.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Method;

use crate::bench::{Bench, per_second};
use crate::host::{HostTime, Taken, quietest};
use crate::produce::{data, patience};

/// A bare loop's result.
pub(crate) struct Bare {
    pub(crate) per_second: f64,
    pub(crate) host_took: f64,
}

impl Taken for Bare {
    fn host_took(&self) -> f64 {
        self.host_took
    }
}

/// Sends `deliveries` bodies of `size` bytes.
pub(crate) async fn measure(bench: &Bench, size: usize, deliveries: usize) -> anyhow::Result<Bare> {
    quietest(bench, async || measure_once(bench, size, deliveries).await).await
}

async fn measure_once(bench: &Bench, size: usize, deliveries: usize) -> anyhow::Result<Bare> {
    let body = Bytes::from(data(size));
    let left = Arc::new(AtomicUsize::new(deliveries));
    let (started, host) = (Instant::now(), HostTime::now()?);
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
    let bare = Bare { per_second: per_second(deliveries, started.elapsed()), host_took: HostTime::now()?.taken_since(host) };
    let found = bench.findings("").await?;
    if found.arrived != deliveries {
        bail!("the bare loop sent {deliveries} and the sink saw {}", found.arrived);
    }
    Ok(bare)
}
