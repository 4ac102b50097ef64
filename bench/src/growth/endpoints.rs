//! Many endpoints. A thousand of them get an event each, so that the server has used them and not just stored them.

use std::slice::from_ref;
use std::time::Instant;

use anyhow::Context;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::rows::{against_empty, rows};
use crate::bench::{Bench, per_second};
use crate::measure::Watch;
use crate::produce::{Load, Post, events, produce};
use crate::report::{Growth, Made, Measurement, say};
use crate::server::Process;

/// Endpoints of an account.
const PER_ACCOUNT: usize = 100;
/// Endpoints that get an event.
const IN_TURN: usize = 1_000;

/// Measures on a store with so many endpoints.
pub(crate) async fn measure(bench: &Bench, count: usize) -> anyhow::Result<Growth> {
    say(&format!("endpoints: {count}"));
    let server = bench.server().await?;
    let started = Instant::now();
    let secret = make(bench, &server, count).await.context("making endpoints")?;
    let per_second = per_second(count, started.elapsed());
    let made = Some(Made { count, per_second, peak_memory_mib: server.peak_memory_mib()? });
    let first = in_turn(bench, &server, count, &secret).await.context("one event for each in turn")?;
    let grown = rows(bench, &server).await?;
    server.kill().await?;
    let rows = against_empty(bench, grown).await?;
    let condition = format!("{count} endpoints of {} accounts", count.div_ceil(PER_ACCOUNT));
    Ok(Growth { condition, made, first: Some(first), rows })
}

fn account(endpoint: usize) -> usize {
    endpoint / PER_ACCOUNT
}

/// An event type that only this endpoint of its account gets.
fn event_type(endpoint: usize) -> String {
    format!("bench.for.{}", endpoint % PER_ACCOUNT)
}

/// Creates accounts and endpoints; returns their common secret.
async fn make(bench: &Bench, server: &Process, count: usize) -> anyhow::Result<String> {
    let contract = Bytes::from(json!({ "contract": "standard-webhooks" }).to_string());
    let put = move |number| Post { method: Method::PUT, path: format!("/v1/accounts/many-{number}"), body: contract.clone() };
    let accounts = Load { count: count.div_ceil(PER_ACCOUNT), rate: None, said_as: Some("accounts") };
    produce(bench, from_ref(server), accounts, put).await?;
    let port = bench.sink.port;
    let wanted = move |endpoint: usize| {
        json!({
            "url": format!("http://127.0.0.1:{port}/many/{endpoint}"),
            "events": [event_type(endpoint)],
            "enabled": true,
        })
    };
    let path = |endpoint| format!("/v1/accounts/many-{}/endpoints", account(endpoint));
    let created = bench.client(server).await?.json(Method::POST, &path(0), &wanted(0)).await?;
    let secret = created.get("secret").and_then(Value::as_str).context("no secret was shown")?.to_owned();
    let given = secret.clone();
    let create = move |number: usize| {
        let mut wanted = wanted(number + 1);
        if let Some(fields) = wanted.as_object_mut() {
            fields.insert("secret".to_owned(), given.as_str().into());
        }
        Post { method: Method::POST, path: path(number + 1), body: wanted.to_string().into() }
    };
    let endpoints = Load { count: count.saturating_sub(1), rate: None, said_as: Some("endpoints") };
    produce(bench, from_ref(server), endpoints, create).await?;
    Ok(secret)
}

/// One event for each of up to a thousand of them, spread over all accounts.
async fn in_turn(bench: &Bench, server: &Process, count: usize, secret: &str) -> anyhow::Result<Measurement> {
    let (chosen, size) = (count.min(IN_TURN), bench.first_body());
    let name = format!("one event for each of {chosen} endpoints in turn");
    say(&format!("{size} bytes: {name}"));
    let publish = move |number: usize| {
        let endpoint = number * count / chosen;
        let path = format!("/v1/accounts/many-{}/events", account(endpoint));
        Post { method: Method::POST, path, body: events(&event_type(endpoint), 1, size) }
    };
    let watch = Watch::start(from_ref(server))?;
    produce(bench, from_ref(server), Load { count: chosen, rate: None, said_as: None }, publish).await?;
    bench.await_arrivals(chosen).await?;
    let spent = watch.stop()?;
    Ok(spent.row(name, chosen, &bench.verified(secret, chosen).await?))
}
