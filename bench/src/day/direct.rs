//! The yardstick of a platform's day: a bare client that sends the same requests to the same receivers, with nothing stored or signed.

use std::path::Path;
use std::slice::from_ref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::platform::Platform;
use super::receivers::AUTHORITY;
use super::receiving::Receiving;
use crate::bench::Bench;
use crate::content::data;
use crate::measure::Watch;
use crate::report::Measurement;
use crate::sink::now_us;

/// Requests in flight, and how long an answer is waited for: as the server has it.
const IN_FLIGHT: usize = 1_024;
const TIMEOUT: Duration = Duration::from_secs(15);
const IDLE_MAX: usize = 512;

/// Sends what so many deliveries would be, and measures until all have arrived.
pub(super) async fn measure(
    bench: &Bench,
    receiving: &Receiving,
    platform: &Platform,
    deliveries: usize,
) -> anyhow::Result<Measurement> {
    let (events, due) = platform.day(deliveries);
    let requests: Vec<(String, usize)> =
        events.iter().flat_map(|event| platform.takers(*event).map(|endpoint| (receiving.url(endpoint), event.size))).collect();
    let client = client(receiving.folder.path())?;
    let (next, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(requests));
    let began = now_us(); // what was sent before is something else
    let watch = Watch::start(from_ref(&receiving.process))?;
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (client, next, requests) = (client.clone(), Arc::clone(&next), Arc::clone(&requests));
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some((url, size)) = requests.get(number) else { return };
                let request =
                    Request::post(url).header("webhook-id", format!("direct-{began}-{number}")).body(Full::from(data(*size)));
                let Ok(request) = request else { return };
                let answered = async { client.request(request).await?.into_body().collect().await.map_err(anyhow::Error::from) };
                let _ = tokio::time::timeout(TIMEOUT, answered).await; // some never answer
            }
        });
    }
    bench.await_arrivals_at(&receiving.process, due).await.context("the bare client")?;
    let spent = watch.stop()?;
    drop(workers);
    let found = bench.findings_of(&receiving.process, "").await?;
    if found.arrived != due {
        bail!("the bare client sent {due} and the receivers saw {}", found.arrived);
    }
    Ok(spent.row("a bare client: the same requests to the same receivers".to_owned(), due, &found))
}

fn client(folder: &Path) -> anyhow::Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join(AUTHORITY))?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_all_versions().build();
    Ok(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_MAX).build(connector))
}
