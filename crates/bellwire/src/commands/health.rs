//! `bellwire health`: asks a running server whether it is well, for supervisors of containers.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bellwire_domain::{AccountId, AddressPolicy, AttemptOutcome, Clock as _, Consumer, OutboundRequest};
use bellwire_egress::{Sender, SenderOptions};
use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::cli::HealthArguments;
use crate::environment::SystemClock;
use crate::telemetry;

/// On whose behalf: no account has such a contract.
const OWNER: &str = "health";

/// Asks once. The exit code is 0 if the server takes requests and its store works, and 1 if not.
pub(crate) fn run(arguments: &HealthArguments) -> anyhow::Result<ExitCode> {
    let url = format!("{}/readyz", arguments.url);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime cannot be started")?;
    let asked = runtime.block_on(ask(&url, Duration::from_secs(arguments.timeout.into())));
    runtime.shutdown_background(); // a thread that waits for DNS must not delay the exit
    Ok(match asked? {
        Ok(()) => {
            telemetry::print("ready");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            telemetry::say(&format!("bellwire: {url}: {reason}"));
            ExitCode::FAILURE
        }
    })
}

/// What the server says, or why it says nothing.
async fn ask(url: &str, timeout: Duration) -> anyhow::Result<Result<(), String>> {
    // Whoever runs this chooses the address, so it may be anywhere.
    let sender = Sender::new(SenderOptions { addresses: AddressPolicy::anywhere(), ..SenderOptions::default() });
    let request = OutboundRequest {
        method: Method::GET,
        url: url.to_owned(),
        headers: HeaderMap::new(),
        spellings: Vec::new(),
        body: Bytes::new(),
        heeded: Arc::default(),
        tls: None,
    };
    let consumer = Consumer { account: &AccountId::try_new(OWNER)?, contract: OWNER };
    let sent = sender.send(consumer, request, timeout, SystemClock.now()).await;
    Ok(match sent.map(|sent| sent.outcome) {
        Ok(AttemptOutcome::Response { status: 200, .. }) => Ok(()),
        Ok(AttemptOutcome::Response { status, body, .. }) => Err(refusal(status, &body)),
        Ok(outcome) => Err(outcome.to_string()),
        Err(_) => Err("there is no room for a request".to_owned()),
    })
}

/// The status, and what the server says of it.
fn refusal(status: u16, body: &[u8]) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let detail = problem.as_ref().and_then(|problem| problem.get("detail")?.as_str());
    match detail {
        Some(detail) => format!("status {status}: {}", detail.escape_debug()),
        None => format!("status {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why_in_one_line() {
        assert_eq!(refusal(503, br#"{"detail":"the store\ndoes not work"}"#), "status 503: the store\\ndoes not work");
        for body in [&b""[..], b"no", b"{}", b"[]", br#"{"detail":7}"#] {
            assert_eq!(refusal(502, body), "status 502");
        }
    }
}
