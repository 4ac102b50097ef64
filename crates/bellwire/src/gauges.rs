//! Gauges of what is stored and held, and of certificates: read on a beat, and never because somebody scrapes.

use std::time::Duration;

use bellwire_api::metric::DISABLED;
use bellwire_app::SeenSystem;
use bellwire_domain::{Clock as _, HealthStatus, Timestamp};
use bellwire_egress::Sender;
use bellwire_engine::Lanes;
use bellwire_http::listener::Tls;
use bellwire_store::{EndpointCounts, Location, Records, StoreWatch};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::environment::SystemClock;

/// Between two looks.
const BEAT: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Within how many days certificates end that are counted together.
const ENDING: [(&str, u32); 3] = [("0", 0), ("7", 7), ("30", 30)];

/// What is looked at.
pub(crate) struct Watched {
    pub(crate) records: Records,
    pub(crate) lanes: Lanes,
    pub(crate) sender: Sender,
    /// What the listeners speak TLS with.
    pub(crate) tls: Option<Tls>,
    /// For whoever asks how the system is.
    pub(crate) seen: watch::Sender<Option<SeenSystem>>,
}

/// Says which version runs, over which database.
pub(crate) fn tell_build(database: &Location) {
    let store = match database {
        Location::Sqlite(_) => "sqlite",
        Location::Postgres(_) => "postgres",
    };
    metrics::gauge!("bellwire_build_info", "version" => env!("CARGO_PKG_VERSION"), "store" => store).set(1.0);
}

/// Looks until the server stops.
pub(crate) async fn run(watched: Watched, stop: CancellationToken) {
    let looking = async {
        let mut store = StoreWatch::default();
        loop {
            look(&watched, &mut store).await;
            tokio::time::sleep(BEAT).await;
        }
    };
    stop.run_until_cancelled(looking).await;
}

async fn look(watched: &Watched, store: &mut StoreWatch) {
    tell_certificates(watched, SystemClock.now());
    let held = u32::try_from(watched.lanes.held()).unwrap_or(u32::MAX);
    queue_gauge("held", held);
    match watched.records.watch(store.clone()).await {
        Ok(found) => {
            *store = found.clone();
            let seen = SeenSystem { at: SystemClock.now(), store: found, held, oldest_held: watched.lanes.oldest_due() };
            tell_store(&seen);
            watched.seen.send_replace(Some(seen));
        }
        Err(error) => tracing::warn!(error = %error, "what the store holds could not be read; gauges stay as they were"),
    }
}

fn tell_store(seen: &SeenSystem) {
    let (now, oldest, found) = (seen.at, seen.oldest_due(), &seen.store);
    metrics::gauge!("bellwire_oldest_due_seconds").set(oldest.map_or(0.0, |due| now.since(due).as_secs_f64()));
    queue_gauge("waiting", found.waiting);
    queue_gauge("scheduled", found.scheduled);
    queue_gauge("in_order", found.in_order);
    metrics::gauge!("bellwire_incidents", "state" => "open").set(f64::from(found.incidents_open));
    metrics::gauge!("bellwire_incidents", "state" => "acknowledged").set(f64::from(found.incidents_acknowledged));
    metrics::gauge!("bellwire_audit_head").set(number(u64::try_from(found.audit_head).unwrap_or(0)));
    if let Some(EndpointCounts { by_health, disabled }) = &found.endpoints {
        for health in HealthStatus::ALL.iter().map(|health| health.as_str()) {
            endpoints_gauge(health, by_health.get(health).copied().unwrap_or(0));
        }
        endpoints_gauge(DISABLED, *disabled);
    }
    let since_epoch = now.since(Timestamp::from_secs(0));
    metrics::gauge!("bellwire_store_read_at_seconds").set(since_epoch.as_secs_f64());
}

fn queue_gauge(state: &'static str, deliveries: u32) {
    metrics::gauge!("bellwire_queue_deliveries", "state" => state).set(f64::from(deliveries));
}

fn endpoints_gauge(health: &'static str, endpoints: u64) {
    metrics::gauge!("bellwire_endpoints", "health" => health).set(number(endpoints));
}

fn tell_certificates(watched: &Watched, now: Timestamp) {
    if let Some(ends_at) = watched.tls.as_ref().and_then(Tls::ends_at) {
        metrics::gauge!("bellwire_listener_certificate_days_left").set(days_left(ends_at, now));
    }
    let ends = watched.sender.certificate_ends();
    let first = ends.iter().min().map_or(f64::NAN, |first| days_left(*first, now));
    metrics::gauge!("bellwire_endpoint_certificate_days_left").set(first);
    for (label, days) in ENDING {
        let ending = ends.iter().filter(|ends_at| **ends_at <= now.plus(DAY * days)).count();
        let ending = u32::try_from(ending).unwrap_or(u32::MAX);
        metrics::gauge!("bellwire_endpoint_certificates_ending", "within_days" => label).set(f64::from(ending));
    }
}

/// Below 0 where it is over.
fn days_left(ends_at: Timestamp, now: Timestamp) -> f64 {
    (ends_at.since(now).as_secs_f64() - now.since(ends_at).as_secs_f64()) / DAY.as_secs_f64()
}

/// As a gauge has it: exact up to 2^52.
fn number(count: u64) -> f64 {
    let high = u32::try_from(count >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(count & u64::from(u32::MAX)).unwrap_or(0);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_and_days_go_below_zero() {
        for count in [0, 1, 4_294_967_295, 4_294_967_296, 9_007_199_254_740_991] {
            assert_eq!(format!("{}", number(count)), count.to_string());
        }
        let now = Timestamp::from_secs(1_800_000_000);
        let left = [now.plus(DAY * 3), now, now.minus(DAY / 2)].map(|ends_at| days_left(ends_at, now));
        assert_eq!(format!("{left:?}"), "[3.0, 0.0, -0.5]");
    }
}
