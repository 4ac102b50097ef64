//! Where requests are counted. A series is looked up by its labels once; after that its handle is kept.

use foldhash::HashMap;
use metrics::{Counter, Histogram, SharedString};
use parking_lot::RwLock;

/// The series of all routes. Routes come from the router and the contracts, never from strangers, so there are few.
#[derive(Default)]
pub(crate) struct RequestMetrics(RwLock<HashMap<String, Vec<Series>>>);

struct Series {
    method: &'static str,
    status: u16,
    requests: Counter,
    seconds: Histogram,
}

impl RequestMetrics {
    /// Counts a request that was answered.
    pub(crate) fn record(&self, route: &str, method: &'static str, status: u16, seconds: f64) {
        let of = |series: &&Series| series.method == method && series.status == status;
        if let Some(series) = self.0.read().get(route).and_then(|all| all.iter().find(of)) {
            return series.record(seconds);
        }
        let mut routes = self.0.write();
        let all = routes.entry(route.to_owned()).or_default();
        if !all.iter().any(|series| of(&series)) {
            all.push(Series::new(route, method, status));
        }
        if let Some(series) = all.iter().find(of) {
            series.record(seconds);
        }
    }
}

impl Series {
    fn new(route: &str, method: &'static str, status: u16) -> Self {
        let (route, status_label) = (SharedString::from(route.to_owned()), SharedString::from(status.to_string()));
        Self {
            method,
            status,
            seconds: metrics::histogram!("bellwire_api_request_seconds", "route" => route.clone(), "method" => method),
            requests: metrics::counter!(
                "bellwire_api_requests_total", "route" => route, "method" => method, "status" => status_label
            ),
        }
    }

    fn record(&self, seconds: f64) {
        self.seconds.record(seconds);
        self.requests.increment(1);
    }
}
