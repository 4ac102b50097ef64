//! The load: requests over the producers' connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Method;

use crate::bench::Bench;
use crate::client::PATIENCE;
use crate::content::data;
use crate::figures::per_second;
use crate::report::say;
use crate::server::Process;

/// How often a long load reports its progress.
const SAID_EVERY: Duration = Duration::from_secs(2);
/// A load slower than this, in requests per second, is aborted.
const SLOWEST: u32 = 100;

/// How many requests, and how fast.
pub(crate) struct Load<'a> {
    pub(crate) count: usize,
    /// Per second; `None`: as fast as possible.
    pub(crate) rate: Option<u32>,
    /// Its name in progress reports; `None`: silent.
    pub(crate) said_as: Option<&'a str>,
}

/// One request.
pub(crate) struct Post {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Bytes,
}

/// Sends what `request` makes of each number below the load's count, over all of the producers' connections, which go to the
/// nodes in rotation.
pub(crate) async fn produce<F>(bench: &Bench, nodes: &[Process], load: Load<'_>, request: F) -> anyhow::Result<()>
where
    F: Fn(usize) -> Post + Clone + Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let (count, rate) = (load.count, load.rate);
    let started = tokio::time::Instant::now();
    let mut loops = tokio::task::JoinSet::new();
    for node in nodes.iter().cycle().take(bench.options.producers) {
        let mut client = bench.client(node).await?;
        let (next, request) = (Arc::clone(&next), request.clone());
        loops.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(());
                }
                if let Some(rate) = rate {
                    let at = Duration::from_secs(1) / rate * u32::try_from(number).unwrap_or(u32::MAX);
                    tokio::time::sleep_until(started + at).await;
                }
                let Post { method, path, body } = request(number);
                let (status, answer) = client.send(method, &path, body).await?;
                if !(200..300).contains(&status) {
                    bail!("{path} was answered {status}: {}", String::from_utf8_lossy(&answer));
                }
            }
        });
    }
    let mut progress = load.said_as.map(|name| Progress::new(name, count));
    let all = async {
        let mut ticks = tokio::time::interval(SAID_EVERY);
        loop {
            tokio::select! {
                ended = loops.join_next() => match ended {
                    Some(ended) => ended??,
                    None => return anyhow::Ok(()),
                },
                _ = ticks.tick() => if let Some(progress) = &mut progress {
                    progress.at(next.load(Ordering::Relaxed).min(count));
                },
            }
        }
    };
    tokio::time::timeout(patience(count, rate), all).await.context("the load does not get on")?
}

/// How long a load may take.
pub(crate) fn patience(count: usize, rate: Option<u32>) -> Duration {
    let slowest = rate.unwrap_or(SLOWEST).clamp(1, SLOWEST);
    PATIENCE + Duration::from_secs(1) / slowest * u32::try_from(count).unwrap_or(u32::MAX)
}

/// Reports progress every other second.
pub(crate) struct Progress<'a> {
    name: &'a str,
    total: usize,
    started: Instant,
    said: Instant,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(name: &'a str, total: usize) -> Self {
        Self { name, total, started: Instant::now(), said: Instant::now() }
    }

    /// `done` of the total are done.
    pub(crate) fn at(&mut self, done: usize) {
        if self.said.elapsed() >= SAID_EVERY {
            self.said = Instant::now();
            let rate = per_second(done, self.started.elapsed());
            say(&format!("  {}: {done} of {}, {rate:.0} per second", self.name, self.total));
        }
    }
}

/// People that events are about.
const PEOPLE: usize = 1_000;

/// A body with one event about one of so many people.
pub(crate) fn event_about(event_type: &str, number: usize, size: usize) -> Bytes {
    let (person, data) = (number % PEOPLE, data(size));
    format!("{{\"type\":\"{event_type}\",\"subjects\":[\"patient:{person}\"],\"data\":{data}}}").into()
}

/// A body with one event or several.
pub(crate) fn events(event_type: &str, count: usize, size: usize) -> Bytes {
    let event = || format!("{{\"type\":\"{event_type}\",\"data\":{}}}", data(size));
    if count == 1 {
        return event().into();
    }
    let events: Vec<String> = (0..count).map(|_| event()).collect();
    format!("{{\"events\":[{}]}}", events.join(",")).into()
}
