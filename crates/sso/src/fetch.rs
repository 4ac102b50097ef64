//! Requests to the provider, over egress.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bellwire_domain::{AccountId, AttemptOutcome, Clock, Consumer, OutboundRequest};
use bellwire_egress::Sender;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

/// How long a request to the provider may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// On whose behalf: no account has such a contract.
const OWNER: &str = "single-sign-on";

/// Why the provider has not answered.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FetchError(String);

/// Sends what the protocol asks for.
pub(crate) struct Fetcher<'f> {
    pub(crate) sender: &'f Sender,
    pub(crate) clock: &'f dyn Clock,
}

impl<'c> AsyncHttpClient<'c> for Fetcher<'_> {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.fetch(request))
    }
}

impl Fetcher<'_> {
    async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, FetchError> {
        let (parts, body) = request.into_parts();
        let account = AccountId::try_new(OWNER).map_err(|error| FetchError(error.to_string()))?;
        let consumer = Consumer { account: &account, contract: OWNER };
        let request = OutboundRequest {
            method: parts.method,
            url: parts.uri.to_string(),
            headers: parts.headers,
            spellings: Vec::new(),
            body: body.into(),
            heeded: std::sync::Arc::default(),
            tls: None,
        };
        let sent = self.sender.send(consumer, request, TIMEOUT, self.clock.now()).await;
        match sent.map(|sent| sent.outcome) {
            Ok(AttemptOutcome::Response { status, body, .. }) => {
                let response = http::Response::builder().status(status).header("content-type", "application/json").body(body);
                response.map_err(|error| FetchError(error.to_string()))
            }
            Ok(outcome) => Err(FetchError(outcome.to_string())),
            Err(_) => Err(FetchError("there is no room for another request now".to_owned())),
        }
    }
}
