//! Getting access tokens from receivers' token servers.

use std::sync::Arc;
use std::time::Duration;

use bellwire_contract::{AccountInput, EndpointInput, IssuedToken, TokenInput};
use bellwire_domain::{AttemptOutcome, Consumer, Timestamp};

use crate::secrets::{credentials, signing};
use crate::shared::Shared;
use crate::tokens::{Fetched, Token, Turn, Wanted};

/// The longest that a token server may take, where an attempt may take longer.
const TIMEOUT_MAX: Duration = Duration::from_secs(30);

impl Shared {
    /// The access token for an endpoint's requests. `refused` is one that its receiver does not take any more.
    pub(crate) async fn access_token(&self, wanted: &Wanted<'_>, refused: Option<&Token>) -> Fetched {
        loop {
            match self.tokens.turn(wanted, refused, self.clock.now()) {
                Turn::Use(token) => return Fetched::Token(token),
                Turn::Wait(mut answer) => {
                    // If whoever asks ends without an answer, the next one asks.
                    let shared = answer.wait_for(Option::is_some).await.ok().and_then(|answer| (*answer).clone());
                    if let Some(fetched) = shared {
                        return fetched;
                    }
                }
                Turn::Ask(sender) => {
                    let (fetched, until) = self.ask_for_token(wanted).await;
                    let now = self.clock.now();
                    let issued = match &fetched {
                        Fetched::Token(token) => Some((token, until)),
                        Fetched::Failed(_) | Fetched::NoRoom => None,
                    };
                    self.tokens.settle(wanted, &sender, issued, now);
                    sender.send_replace(Some(fetched.clone()));
                    return fetched;
                }
            }
        }
    }

    /// Asks the token server, and until when to use what it gives.
    async fn ask_for_token(&self, wanted: &Wanted<'_>) -> (Fetched, Timestamp) {
        let Wanted { contract, config, timeout, .. } = wanted;
        let (endpoint, account, at) = (&config.endpoint, &config.account, self.clock.now());
        let secrets = signing(contract, config, at);
        let request = contract.render_token_request(&TokenInput {
            endpoint: EndpointInput {
                id: endpoint.id.as_str(),
                url: &endpoint.url,
                name: endpoint.name.as_deref(),
                expires_at: endpoint.expires_at,
                headers: &[],
                options: endpoint.options.as_deref(),
                credentials: credentials(endpoint),
            },
            account: AccountInput { id: account.id.as_str(), name: account.name.as_deref() },
            secrets: &secrets,
            at,
            random: self.entropy.bytes(),
        });
        let request = match request {
            Ok(request) => request,
            Err(error) => return (Fetched::Failed(error.to_string()), at),
        };
        let server = origin(&request.url).to_owned();
        let consumer = Consumer { account: &account.id, contract: contract.name() };
        let Ok(sent) = self.transport.send(consumer, request, (*timeout).min(TIMEOUT_MAX), at).await else {
            return (Fetched::NoRoom, at);
        };
        let issued = match sent.outcome {
            AttemptOutcome::Response { status, body, .. } => contract.issued_token(status, &body),
            other => Err(other.to_string()),
        };
        let outcome = if issued.is_ok() { "issued" } else { "failed" };
        metrics::counter!("bellwire_access_tokens_total", "contract" => contract.name().to_owned(), "outcome" => outcome)
            .increment(1);
        match issued {
            Ok(IssuedToken { token, use_for }) => (Fetched::Token(Arc::new(token)), self.clock.now().plus(use_for)),
            Err(reason) => (Fetched::Failed(format!("{server} {reason}")), at),
        }
    }
}

/// Scheme, host and port of a URL, without its path and query.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |index| index + 3);
    let end = url.get(start..).and_then(|rest| rest.find(['/', '?'])).map_or(url.len(), |length| start + length);
    url.get(..end).unwrap_or_default()
}
