//! What growth costs: rows on a server in some condition, compared with the same rows on an empty store.
//!
//! To add a condition, write a file below that brings a server into it and measures the rows of `rows`, and call it in [`run`].

mod dead;
mod endpoints;
mod filters;
mod history;
pub(crate) mod population;
mod rows;
mod subscriptions;
mod waiting;

use crate::bench::Bench;
use crate::report::Results;

/// Runs every condition that the options ask for.
pub(crate) async fn run(bench: &Bench, results: &mut Results) {
    let failures = &mut results.failures;
    if bench.options.history > 0 {
        let measured = history::measure(bench, bench.options.history).await;
        results.growth.extend(bench.keep(failures, "history", measured).await);
    }
    if bench.options.endpoints > 0 {
        let measured = endpoints::measure(bench, bench.options.endpoints).await;
        results.growth.extend(bench.keep(failures, "endpoints", measured).await);
    }
    if bench.options.subscriptions > 0 {
        let measured = subscriptions::measure(bench, bench.options.subscriptions).await;
        results.growth.extend(bench.keep(failures, "subscriptions", measured).await.into_iter().flatten());
    }
    if bench.options.filters > 0 {
        let measured = filters::measure(bench, bench.options.filters).await;
        results.growth.extend(bench.keep(failures, "filters", measured).await);
    }
    if bench.options.dead {
        let measured = dead::measure(bench).await;
        results.growth.extend(bench.keep(failures, "dead", measured).await);
    }
    if bench.options.waiting > 0 {
        let measured = waiting::measure(bench, bench.options.waiting).await;
        if let Some((growth, waiting)) = bench.keep(failures, "waiting", measured).await {
            results.growth.push(growth);
            results.waiting = Some(waiting);
        }
    }
}
