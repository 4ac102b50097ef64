//! Deliveries over TLS to receivers that answer at once, on connections that are kept, beside the same without TLS.
//!
//! The bare sink speaks no TLS, so all rows have the same receivers, which take more of the two cores than the sink does.

use std::slice::from_ref;

use http::Method;
use serde_json::json;

use crate::bench::Bench;
use crate::day::receivers::AUTHORITY;
use crate::day::receiving::Receiving;
use crate::growth::population::create_signed;
use crate::measure::Watch;
use crate::produce::{Load, Post, events, produce};
use crate::report::{Measurement, say};
use crate::server::{Process, Setup};
use crate::target::Figure;

/// These rows use fewer deliveries than one to the sink.
const DIVISOR: usize = 2;
/// The rows, and the host of each: the one without TLS comes before and after the others.
const ROWS: [(&str, usize); 4] =
    [("without TLS, HTTP/1.1", 0), ("over TLS, HTTP/1.1", 1), ("over TLS, HTTP/2", 2), ("without TLS again", 0)];

/// Measures one event per POST to one endpoint, in each way.
pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Measurement>> {
    let receiving = Receiving::start(true).await?;
    let mut rows = Vec::new();
    for (name, host) in ROWS {
        say(&format!("{} bytes: {name}", bench.first_body()));
        rows.push(bench.options.tries.quietest(async || row(bench, &receiving, name, host).await).await?);
    }
    let plain: Vec<f64> = ROWS.iter().zip(&rows).filter(|((_, host), _)| *host == 0).map(|(_, row)| row.per_second).collect();
    let plain = plain.iter().sum::<f64>() / crate::figures::precise(plain.len());
    for ((_, host), row) in ROWS.iter().zip(&mut rows) {
        row.of_bare_loop = (*host > 0).then(|| Figure::share_over_tls(row.per_second / plain));
    }
    Ok(rows)
}

async fn row(bench: &Bench, receiving: &Receiving, name: &str, host: usize) -> anyhow::Result<Measurement> {
    let authority = receiving.folder.path().join(AUTHORITY);
    let setup = Setup { trusts: Some(&authority), ..Setup::default() };
    let server = Process::server_in(&bench.options.server, tempfile::tempdir()?, setup, &bench.tasks).await?;
    let account = json!({ "contract": "standard-webhooks" });
    bench.client(&server).await?.json(Method::PUT, "/v1/accounts/bench", &account).await?;
    let endpoint = json!({ "url": receiving.prompt_url(host), "enabled": true });
    let wanted = move |_| ("/v1/accounts/bench/endpoints".to_owned(), endpoint.clone());
    let secret = create_signed(bench, &server, Load { count: 1, rate: None, said_as: None }, wanted).await?;
    let (count, size) = ((bench.options.deliveries / DIVISOR).max(1), bench.first_body());
    let publish = move |_| Post {
        method: Method::POST,
        path: "/v1/accounts/bench/events".to_owned(),
        body: events("bench.event", 1, size),
    };
    let watch = Watch::start(from_ref(&server))?;
    produce(bench, from_ref(&server), Load { count, rate: None, said_as: None }, publish).await?;
    bench.await_arrivals_at(&receiving.process, count).await?;
    let spent = watch.stop()?;
    let found = bench.verified_at(&receiving.process, &secret, count).await?;
    server.kill().await?;
    Ok(spent.row(name.to_owned(), count, &found))
}
