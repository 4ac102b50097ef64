//! Logs and metrics. Neither ever contains a payload, a secret or a response body.

use std::io::{IsTerminal as _, Write};
use std::time::Duration;

use anyhow::Context;
use bellwire_api::metric::{Kind, METRICS, Metric};
use metrics::Label;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Logs to standard error from now on.
pub(crate) fn start_logs(filter: &str, json: bool) -> anyhow::Result<()> {
    let filter = read_filter(filter)?;
    let builder = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(std::io::stderr);
    // A line that cannot be written is dropped. By default that is said on standard error, which panics when nobody reads it.
    let builder = builder.log_internal_errors(false).with_ansi(std::io::stderr().is_terminal());
    let discreet = filter_fn(is_discreet);
    let started = if json {
        builder.json().finish().with(filter).with(discreet).try_init()
    } else {
        builder.with_target(false).finish().with(filter).with(discreet).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("logs cannot be started: {error}"))
}

/// Whether this is a filter.
pub(crate) fn check_filter(filter: &str) -> anyhow::Result<()> {
    read_filter(filter).map(drop)
}

/// Reads a filter: a level for everything, levels for what begins with a module's name, or both, such as `info,bellwire_engine=debug`. A
/// word that is not a level is refused, since `inof` would otherwise be a module that logs nothing.
fn read_filter(filter: &str) -> anyhow::Result<Targets> {
    filter.split(',').map(str::trim).try_fold(Targets::new(), |targets, part| {
        let level = |word: &str| word.parse::<LevelFilter>().ok().filter(|_| !word.is_empty());
        let read = match part.split_once('=') {
            Some((module, word)) if is_module(module) => level(word).map(|level| targets.with_target(module, level)),
            Some(_) => None,
            None => level(part).map(|level| targets.with_default(level)),
        };
        read.with_context(|| {
            format!("--log: `{part}` is neither a level (off, error, warn, info, debug, trace) nor MODULE=LEVEL")
        })
    })
}

fn is_module(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte))
}

/// Whether a line may be logged at all, whatever the filter says. Only our own crates promise to keep payloads and secrets out
/// of their logs; below `info`, libraries print what passes through them: headers, URLs, the parameters of statements.
fn is_discreet(line: &Metadata<'_>) -> bool {
    let krate = line.target().split("::").next().unwrap_or_default();
    *line.level() <= Level::INFO || krate == "bellwire" || krate.starts_with("bellwire_")
}

/// Upper bounds of how long deliveries take from end to end, in seconds: up to a day, as retries may come that late. Alert rules name the
/// one of 300.
const END_TO_END_BUCKETS: [f64; 13] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3_600.0, 21_600.0, 86_400.0];

/// Upper bounds of the latency histograms, in seconds.
const LATENCY_BUCKETS: [f64; 12] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// Collects metrics from now on; the handle renders them.
pub(crate) fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    let failed = "metrics cannot be started";
    let builder = PrometheusBuilder::new().set_buckets(&LATENCY_BUCKETS).context(failed)?;
    let end_to_end = Matcher::Full("bellwire_end_to_end_seconds".to_owned());
    let builder = builder.set_buckets_for_metric(end_to_end, &END_TO_END_BUCKETS).context(failed)?;
    let handle = builder.install_recorder().context(failed)?;
    METRICS.iter().for_each(begin);
    Ok(handle)
}

/// Says what a metric means. Of what is counted, each series that is known beforehand begins at 0, so that its first step is seen as one;
/// a gauge begins when it is first read.
fn begin(metric: &Metric) {
    let series = metric.series().unwrap_or_default();
    let labels = series.iter().map(|labels| labels.iter().map(|(name, value)| Label::new(*name, *value)).collect::<Vec<_>>());
    match metric.kind {
        Kind::Counter => {
            metrics::describe_counter!(metric.name, metric.help());
            labels.for_each(|labels| drop(metrics::counter!(metric.name, labels)));
        }
        Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help()),
        Kind::Histogram => {
            metrics::describe_histogram!(metric.name, metric.help());
            labels.for_each(|labels| drop(metrics::histogram!(metric.name, labels)));
        }
    }
}

/// How often measurements are aggregated.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Aggregates what histograms have recorded; until then they keep each value. Metrics that nobody reads must not grow.
pub(crate) async fn keep_metrics_small(metrics: PrometheusHandle, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(UPKEEP_INTERVAL) => metrics.run_upkeep(),
        }
    }
}

/// A line on standard error, for use without a running log.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A line on standard output: a command's result.
pub(crate) fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line on standard output; whether somebody still reads there.
pub(crate) fn print_while_read(line: &str) -> bool {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_ok()
}

/// Bytes on standard output. A line break follows only on a terminal; elsewhere it would be part of the output.
pub(crate) fn print_exactly(bytes: &[u8]) {
    let mut stdout = std::io::stdout();
    let _ = stdout.write_all(bytes);
    if stdout.is_terminal() {
        let _ = stdout.write_all(b"\n");
    }
    let _ = stdout.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_filter_is_levels_for_everything_and_for_modules() {
        let logs = |filter: &str, target: &str, level: Level| read_filter(filter).unwrap().would_enable(target, &level);
        assert!(logs("info", "hyper", Level::INFO) && !logs("info", "hyper", Level::DEBUG));
        assert!(logs("WARN, bellwire_engine=debug", "bellwire_engine::lane", Level::DEBUG));
        assert!(!logs("warn,bellwire_engine=debug", "bellwire_store", Level::INFO));
        assert!(logs("info,h2::codec=off", "h2", Level::INFO) && !logs("info,h2::codec=off", "h2::codec", Level::ERROR));
        for filter in ["", "inof", "info,", "a=b=c", "=info", "bellwire=", "[span]=info", "a b=info", "a[{b}]=info", "bellwire"] {
            let error = read_filter(filter).unwrap_err().to_string();
            assert!(error.starts_with("--log: `"), "{filter}: {error}");
        }
    }
}
