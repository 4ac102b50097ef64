//! How long the console's pages take on a store with much history and many endpoints, while events come in; and what whoever looks at them
//! costs the deliveries.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::client::{Client, Visitor};
use crate::figures::percentile;
use crate::growth::population::{Kind, Population};
use crate::measure::{Account, measure};
use crate::past;
use crate::produce::events;
use crate::report::{Page, Pages, say};
use crate::server::Process;
use crate::target::Figure;
use crate::workload::{Workload, batch_events};

/// Endpoints beside those that have the history, in accounts of so many.
const ENDPOINTS: usize = 1_000;
const PER_ACCOUNT: usize = 100;
/// Deliveries that fail, and are tried again.
const FAILING: usize = 2_000;
/// How often each page is asked for, at least.
const TIMES: usize = 20;

/// Measures the pages on a store with so many past deliveries.
pub(crate) async fn run(bench: &Bench, deliveries: usize) -> anyhow::Result<Pages> {
    say(&format!("pages: {deliveries} deliveries"));
    let server = bench.server().await?;
    let mut client = bench.client(&server).await?;
    past::set_up(bench, &mut client).await?;
    let deliveries = past::whole_events(deliveries);
    past::make(bench, &mut client, deliveries).await.context("making history")?;
    let population = Population { kind: Kind::Webhook, count: ENDPOINTS, per_account: PER_ACCOUNT, in_turn: ENDPOINTS };
    population.settle(bench, &server).await?.in_turn(bench, &server).await?;
    fail(bench, &mut client).await?;

    let visitor = client.sign_in(&server.key).await?;
    let paths = paths(&mut client).await?;
    let account = Account::set_up(bench, &server, "measured", 1, &[]).await?;
    let workload = Workload::paced(bench.first_body());
    let unseen = measure(bench, &server, &account, &workload).await?;
    let is_over = AtomicBool::new(false);
    let deliver = async {
        let row = measure(bench, &server, &account, &workload.named("the same while somebody looks at every page")).await;
        is_over.store(true, Ordering::Relaxed);
        row
    };
    let (seen, pages) = tokio::join!(deliver, look(bench, &server, &visitor, &paths, &is_over));
    Ok(Pages { deliveries, endpoints: ENDPOINTS, all: pages?, rows: vec![unseen, seen?] })
}

/// Publishes to an endpoint that refuses.
async fn fail(bench: &Bench, client: &mut Client) -> anyhow::Result<()> {
    client.json(Method::PUT, "/v1/accounts/failing", &json!({ "contract": "standard-webhooks" })).await?;
    let url = json!({ "url": "http://127.0.0.2:9/", "enabled": true });
    client.json(Method::POST, "/v1/accounts/failing/endpoints", &url).await?;
    let batch = batch_events(bench.first_body());
    for _ in (0..FAILING).step_by(batch) {
        client.post("/v1/accounts/failing/events", events("bench.fails", batch, bench.first_body())).await?;
    }
    Ok(())
}

/// A page: what it is called in the results, where ids say nothing, and its address.
type Address = (String, String);

/// The pages: of one thing each, and lists with filters that find much, little and nothing.
async fn paths(client: &mut Client) -> anyhow::Result<Vec<Address>> {
    let endpoint = first(client, "/v1/accounts/past/endpoints?limit=1").await?;
    let failing = first(client, "/v1/accounts/failing/endpoints?limit=1").await?;
    let delivery = first(client, "/v1/deliveries?account=past&limit=1").await?;
    let event = first(client, "/v1/accounts/past/events?limit=1").await?;
    let plain = [
        "",
        "/accounts",
        "/accounts/past",
        "/accounts/many-0",
        "/accounts/past/events",
        "/deliveries",
        "/deliveries?state=failed",
        "/deliveries?state=pending",
        "/deliveries?state=delivered&type=bench.never",
        "/deliveries?account=past&status=503",
        "/deliveries?outcome=connect",
        "/deliveries?attempts_min=3",
        "/deliveries?since=1h&until=1m",
        "/deliveries?account=past&subject=patient:nobody",
        "/incidents",
        "/replays",
        "/contracts",
        "/audit",
        "/disclosures",
        "/system",
    ];
    let own = [
        ("/accounts/past/webhooks/…", endpoint.as_str()),
        ("/accounts/failing/webhooks/…", &failing),
        ("/accounts/past/events/…", &event),
        ("/deliveries/…", &delivery),
        ("/deliveries?account=past&endpoint=…&state=failed", &endpoint),
    ];
    let all = plain.into_iter().map(|path| (path, "")).chain(own);
    Ok(all.map(|(path, id)| (format!("/console{path}"), format!("/console{}", path.replace('…', id)))).collect())
}

async fn first(client: &mut Client, path: &str) -> anyhow::Result<String> {
    let page = client.json(Method::GET, path, &Value::Null).await?;
    let id = page.pointer("/items/0/id").and_then(Value::as_str);
    Ok(id.with_context(|| format!("{path} has nothing"))?.to_owned())
}

/// Asks for one page after the other, again and again, until the deliveries are over.
async fn look(
    bench: &Bench,
    server: &Process,
    visitor: &Visitor,
    paths: &[Address],
    is_over: &AtomicBool,
) -> anyhow::Result<Vec<Page>> {
    let mut client = bench.client(server).await?;
    let mut taken = vec![(Vec::new(), 0); paths.len()];
    let mut times = 0;
    while times < TIMES || !is_over.load(Ordering::Relaxed) {
        for ((_, path), (taken, bytes)) in paths.iter().zip(&mut taken) {
            let started = Instant::now();
            let page: Bytes = client.page(visitor, path).await?;
            taken.push(started.elapsed());
            *bytes = page.len();
            if page.is_empty() {
                bail!("{path} is empty");
            }
        }
        times += 1;
    }
    Ok(paths.iter().zip(taken).map(|((name, _), (taken, bytes))| judged(name, taken, bytes)).collect())
}

fn judged(name: &str, mut taken: Vec<Duration>, bytes: usize) -> Page {
    taken.sort_unstable();
    let millis = |share| percentile(&taken, share).unwrap_or_default().as_secs_f64() * 1_000.0;
    Page { path: name.to_owned(), p50_ms: millis(50), p99_ms: Figure::page(millis(99)), bytes }
}
