//! Fetching the keys that clients of published APIs publish, with what sends to customers.

use std::sync::Arc;
use std::time::Duration;

use bellwire_app::{FetchKeys, Fetched};
use bellwire_contract::ClientKeys;
use bellwire_domain::{AttemptOutcome, Clock, Consumer, OutboundRequest};
use bellwire_egress::Sender;
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};

/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches keys: to addresses that the operator allows, without following redirects, and no more than a receiver may answer.
pub(crate) struct KeyFetcher {
    pub(crate) sender: Sender,
    pub(crate) clock: Arc<dyn Clock>,
}

impl FetchKeys for KeyFetcher {
    fn fetch<'a>(&'a self, consumer: Consumer<'a>, url: &'a str) -> Fetched<'a> {
        Box::pin(async move {
            let found = self.get(consumer, url).await;
            let outcome = if found.is_ok() { "fetched" } else { "failed" };
            metrics::counter!("bellwire_client_keys_total", "outcome" => outcome).increment(1);
            found
                .inspect_err(|reason| {
                    tracing::warn!(account.id = %consumer.account, reason, "the keys of a client cannot be fetched");
                })
                .ok()
        })
    }
}

impl KeyFetcher {
    async fn get(&self, consumer: Consumer<'_>, url: &str) -> Result<ClientKeys, String> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Bellwire/", env!("CARGO_PKG_VERSION"))));
        let request = OutboundRequest {
            method: Method::GET,
            url: url.to_owned(),
            headers,
            spellings: Vec::new(),
            body: bytes::Bytes::new(),
            heeded: Arc::default(),
            tls: None,
        };
        let sent = self.sender.send(consumer, request, TIMEOUT, self.clock.now()).await;
        match sent.map(|sent| sent.outcome) {
            Ok(AttemptOutcome::Response { status: 200, body, .. }) => {
                let text = std::str::from_utf8(&body).map_err(|_| "the answer is not text".to_owned())?;
                ClientKeys::parse(text).map_err(|error| error.to_string())
            }
            Ok(AttemptOutcome::Response { status, .. }) => Err(format!("the answer has status {status}, and 200 is needed")),
            Ok(outcome) => Err(outcome.to_string()),
            Err(_) => Err("there is no room for another request now".to_owned()),
        }
    }
}
