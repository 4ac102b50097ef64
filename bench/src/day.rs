//! A platform's day: a thousand accounts with one to five endpoints each, of which a few have most of the events, and receivers on two
//! hundred hosts that answer over TLS, over HTTP/1.1 and HTTP/2, after 20 to 300 ms; some with an error, some not at all.

mod direct;
mod platform;
pub(crate) mod receivers;
pub(crate) mod receiving;

use std::slice::from_ref;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use self::platform::{Happened, Platform, event_type};
use self::receivers::AUTHORITY;
use self::receiving::Receiving;
use crate::bench::Bench;
use crate::content::data;
use crate::growth::population::create_signed;
use crate::measure::Watch;
use crate::produce::{Load, Post, produce};
use crate::report::{Day, Measurement, say};
use crate::server::{Process, Setup};
use crate::target::Figure;

/// These rows have fewer deliveries than others, as receivers take their time.
const DIVISOR: usize = 5;
/// Requests in flight that a busy tenant's endpoint takes.
const IN_FLIGHT_MAX: usize = 256;

/// Measures a bare client, the server as fast as it goes, and at half of that.
pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Day> {
    say("a platform's day");
    let (receiving, platform) = (Receiving::start(false).await?, Platform::draw());
    let deliveries = (bench.options.deliveries / DIVISOR).max(1);
    let before = direct::measure(bench, &receiving, &platform, deliveries).await?;
    let mut full = day(bench, &receiving, &platform, (deliveries, None)).await?;
    let after = direct::measure(bench, &receiving, &platform, deliveries).await?;
    full.of_bare_loop = Some(Figure::share_of_day(full.per_second / f64::midpoint(before.per_second, after.per_second)));
    full.peak_memory_mib = Figure::memory_of_day(full.peak_memory_mib.value);
    let mut half = day(bench, &receiving, &platform, (deliveries, Some(full.per_second / 2.0))).await?;
    half.latency_p50_ms = Figure::day_p50(half.latency_p50_ms.value);
    half.latency_p99_ms = Figure::day_p99(half.latency_p99_ms.value);
    half.peak_memory_mib = Figure::memory_of_day(half.peak_memory_mib.value);
    Ok(Day { direct: [before, after], rows: [full, half] })
}

/// Measures on a new server, as fast as it goes or with so many deliveries per second.
async fn day(
    bench: &Bench,
    receiving: &Receiving,
    platform: &Platform,
    (deliveries, rate): (usize, Option<f64>),
) -> anyhow::Result<Measurement> {
    let authority = receiving.folder.path().join(AUTHORITY);
    let setup = Setup { trusts: Some(&authority), ..Setup::default() };
    let server = Process::server_in(&bench.options.server, tempfile::tempdir()?, setup, &bench.tasks).await?;
    let secret = settle(bench, &server, receiving, platform).await.context("making accounts and endpoints")?;
    let (events, due) = platform.day(deliveries);
    let events_per_delivery = crate::figures::precise(events.len()) / crate::figures::precise(due);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousand per second")]
    let rate = rate.map(|rate| ((rate * events_per_delivery) as u32).max(1));
    let name = match rate {
        None => "as fast as it goes".to_owned(),
        Some(rate) => format!("{rate} events per second, half of that"),
    };
    say(&format!("  {name}: {} events, {due} deliveries", events.len()));
    let (count, events) = (events.len(), Arc::new(events));
    let watch = Watch::start(from_ref(&server))?;
    let publish = move |number: usize| publish(events.get(number).copied());
    produce(bench, from_ref(&server), Load { count, rate, said_as: None }, publish).await?;
    bench.await_arrivals_at(&receiving.process, due).await?;
    let spent = watch.stop()?;
    let found = bench.verified_at(&receiving.process, &secret, due).await?;
    server.kill().await?;
    Ok(spent.row(name, due, &found))
}

fn account(number: usize) -> String {
    format!("/v1/accounts/tenant-{number}")
}

fn publish(event: Option<Happened>) -> Post {
    let Happened { account: number, event_type: kind, size } = event.unwrap_or(Happened { account: 0, event_type: 0, size: 500 });
    let body = format!("{{\"type\":\"{}\",\"data\":{}}}", event_type(kind), data(size));
    Post { method: Method::POST, path: format!("{}/events", account(number)), body: body.into() }
}

/// Creates all accounts and endpoints; the secret that all have.
async fn settle(bench: &Bench, server: &Process, receiving: &Receiving, platform: &Platform) -> anyhow::Result<String> {
    let contract = Bytes::from(json!({ "contract": "standard-webhooks" }).to_string());
    let put = move |number| Post { method: Method::PUT, path: account(number), body: contract.clone() };
    produce(bench, from_ref(server), Load { count: platform.accounts.len(), rate: None, said_as: None }, put).await?;
    let mut wanted: Vec<(String, Value)> = Vec::new();
    for (number, endpoints) in platform.accounts.iter().enumerate() {
        for endpoint in endpoints {
            let mut fields = json!({ "url": receiving.url(endpoint), "enabled": true, "in_flight_max": IN_FLIGHT_MAX });
            if let (Some(types), Some(fields)) = (&endpoint.types, fields.as_object_mut()) {
                fields.insert("events".to_owned(), types.iter().map(|kind| event_type(*kind)).collect::<Vec<_>>().into());
            }
            wanted.push((format!("{}/endpoints", account(number)), fields));
        }
    }
    let (count, wanted) = (wanted.len(), Arc::new(wanted));
    let wanted = move |number: usize| wanted.get(number).cloned().unwrap_or_default();
    create_signed(bench, server, Load { count, rate: None, said_as: None }, wanted).await
}
