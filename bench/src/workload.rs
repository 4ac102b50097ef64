//! The shapes of load, and their targets.
//!
//! To add one at saturation, add it to [`Workload::at_saturation`] with its targets; it is then measured for every size.

use crate::target::{BATCHES, FAN_OUT, SINGLE, Saturation};

/// Events in a batch, if they fit into one request.
const BATCH: usize = 100;
/// Bytes of a batch: the server takes bodies of 1 MiB.
const BATCH_BYTES_MAX: usize = 900 << 10;
/// Bytes of an event around its data.
const AROUND_DATA: usize = 64;
/// Posts per second of the rows at a fixed rate.
const RATE: u32 = 200;

/// One shape of load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) events_per_post: usize,
    pub(crate) endpoints: usize,
    /// Posts per second; `None`: as fast as possible.
    pub(crate) rate: Option<u32>,
    /// Bytes of an event's data.
    pub(crate) size: usize,
    /// Share of the run's deliveries, as a divisor.
    pub(crate) divisor: usize,
    /// Whether each event names whom it is about.
    pub(crate) has_subjects: bool,
}

impl Workload {
    /// Those measured for every size, with their targets.
    pub(crate) fn at_saturation(size: usize) -> [(Self, Saturation); 3] {
        let batch = batch_events(size);
        let batches = Self { name: format!("batches of {batch}, one endpoint"), events_per_post: batch, ..Self::single(size) };
        [(Self::single(size), SINGLE), (batches, BATCHES), (Self::fan_out(size, 10), FAN_OUT)]
    }

    /// One event per POST, one endpoint.
    pub(crate) fn single(size: usize) -> Self {
        let name = "one event per POST, one endpoint".to_owned();
        Self { name, events_per_post: 1, endpoints: 1, rate: None, size, divisor: size_divisor(size), has_subjects: false }
    }

    /// One event per POST that names whom it is about, one endpoint.
    pub(crate) fn about_somebody(size: usize) -> Self {
        let name = "one event per POST about somebody, one endpoint".to_owned();
        Self { name, has_subjects: true, ..Self::single(size) }
    }

    /// One event per POST, several endpoints.
    pub(crate) fn fan_out(size: usize, endpoints: usize) -> Self {
        Self { name: format!("one event per POST, {endpoints} endpoints"), endpoints, ..Self::single(size) }
    }

    /// One event per POST, one endpoint, at a rate that leaves the server idle most of the time.
    pub(crate) fn paced(size: usize) -> Self {
        Self { name: format!("{RATE} events per second"), rate: Some(RATE), divisor: 60, ..Self::single(size) }
    }

    /// The healthy endpoint's load, measured alone and with neighbours.
    pub(crate) fn healthy(size: usize) -> Self {
        Self { name: format!("{RATE} events per second, one healthy endpoint"), divisor: 20, ..Self::paced(size) }
    }

    /// The same under another name.
    pub(crate) fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// The number of requests in a run of this many deliveries; at a fixed rate, at least a second's worth.
    pub(crate) fn posts(&self, deliveries: usize) -> usize {
        let posts = deliveries / self.endpoints / self.divisor / self.events_per_post;
        let least = self.rate.and_then(|rate| usize::try_from(rate).ok()).unwrap_or(1);
        posts.max(least)
    }
}

/// Larger bodies use fewer deliveries, so that a run takes as long.
pub(crate) const fn size_divisor(size: usize) -> usize {
    match size {
        0..=1_024 => 1,
        1_025..=4_096 => 2,
        _ => 8,
    }
}

/// Events of this size that fit into one request, at most 100.
pub(crate) const fn batch_events(size: usize) -> usize {
    match BATCH_BYTES_MAX / (size + AROUND_DATA) {
        0 => 1,
        fitting if fitting < BATCH => fitting,
        _ => BATCH,
    }
}
