//! The yardstick: POSTs of the same size straight to the sink.
//!
//! A machine's speed changes within minutes, by a third or more if its processors are shared or change their clock. So the bare
//! loop is measured before and after every row, and a row is a share of those two.

use std::future::Future;
use std::slice::from_ref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Method;

use crate::bench::Bench;
use crate::content::data;
use crate::measure::Watch;
use crate::produce::patience;
use crate::report::{BareLoop, Measurement};
use crate::target::Figure;
use crate::workload::size_divisor;

/// The bare loops of one size.
pub(crate) struct BareLoops<'b> {
    bench: &'b Bench,
    size: usize,
    measured: Vec<BareLoop>,
    last_per_second: f64,
}

impl<'b> BareLoops<'b> {
    /// Measures the first.
    pub(crate) async fn start(bench: &'b Bench, size: usize) -> anyhow::Result<Self> {
        let mut loops = Self { bench, size, measured: Vec::new(), last_per_second: 0.0 };
        loops.measure().await?;
        Ok(loops)
    }

    /// Measures a row and the next bare loop. `share` turns the row's share of the bare loops around it into a figure.
    pub(crate) async fn around(
        &mut self,
        row: impl Future<Output = anyhow::Result<Measurement>>,
        share: impl Fn(f64) -> Figure,
    ) -> anyhow::Result<Measurement> {
        let mut row = row.await?;
        let before = self.last_per_second;
        self.measure().await?;
        row.of_bare_loop = Some(share(row.per_second / f64::midpoint(before, self.last_per_second)));
        Ok(row)
    }

    /// All of them, in order.
    pub(crate) fn end(self) -> Vec<BareLoop> {
        self.measured
    }

    async fn measure(&mut self) -> anyhow::Result<()> {
        let (bench, size) = (self.bench, self.size);
        let deliveries = (bench.options.deliveries / size_divisor(size)).max(1);
        let Measurement { per_second, host_took, .. } =
            bench.options.tries.quietest(async || measure_once(bench, size, deliveries).await).await?;
        self.measured.push(BareLoop { per_second, host_took });
        self.last_per_second = per_second;
        Ok(())
    }
}

/// Sends `deliveries` bodies of `size` bytes. CPU and memory are the sink's.
async fn measure_once(bench: &Bench, size: usize, deliveries: usize) -> anyhow::Result<Measurement> {
    let body = Bytes::from(data(size));
    let left = Arc::new(AtomicUsize::new(deliveries));
    let watch = Watch::start(from_ref(&bench.sink))?;
    let mut loops = tokio::task::JoinSet::new();
    for _ in 0..bench.options.producers {
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
