//! The demo's operator: does over HTTP what an operator's own code would do.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bellwire_contract::{Contract, SecretSource};
use bellwire_domain::{AccountId, AddressPolicy, AttemptOutcome, Consumer, Entropy, Secret, Timestamp};
use bellwire_egress::{NoRoom, OutboundRequest, Sender, SenderOptions};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use ipnet::IpNet;
use serde_json::{Value, json};

use crate::environment::SystemEntropy;

const TIMEOUT: Duration = Duration::from_secs(10);
/// The secret of endpoints that nobody verifies.
const DEMO_SECRET: &str = "a secret for the demo";

/// A client of the API.
pub(super) struct Operator {
    sender: Sender,
    address: SocketAddr,
    key: String,
}

impl Operator {
    pub(super) fn new(address: SocketAddr, key: String) -> Self {
        let loopback = AddressPolicy::new(vec![IpNet::from(address.ip()).into()]);
        let sender = Sender::new(SenderOptions { addresses: loopback, ..SenderOptions::default() });
        Self { sender, address, key }
    }

    /// An account and an enabled endpoint for everything the contract sends; what verifies that.
    pub(super) async fn set_up(&self, contract: &Contract, account: &str, url: &str) -> anyhow::Result<Vec<Secret<String>>> {
        let entitlements: Vec<_> = contract.events().iter().filter_map(|event| event.entitlement.clone()).collect();
        let secret = contract.draw_secret((&SystemEntropy::default() as &dyn Entropy).bytes());
        let from = contract.subscription().secret.from;
        let mut wanted = json!({ "contract": contract.name(), "name": contract.title(), "entitlements": entitlements });
        let mut endpoint = json!({ "url": url, "enabled": true });
        match from {
            SecretSource::Account => set(&mut wanted, "secret", secret.expose()),
            SecretSource::Consumer => set(&mut endpoint, "secret", secret.expose()),
            SecretSource::Generated | SecretSource::Contract => {}
        }
        if !entitlements.is_empty() {
            let all: Value = contract.events().iter().map(|event| event.event_type.as_str()).collect();
            endpoint.as_object_mut().map(|fields| fields.insert("events".to_owned(), all));
        }
        self.call(Method::PUT, &format!("/v1/accounts/{account}"), &wanted).await?;
        let created = self.call(Method::POST, &format!("/v1/accounts/{account}/endpoints"), &endpoint).await?;
        let mut known = Vec::new();
        match from {
            SecretSource::Generated => {
                let shown = created.get("secret").and_then(Value::as_str);
                known.push(Secret::new(shown.context("the new endpoint's secret was not shown")?.to_owned()));
            }
            SecretSource::Contract => {}
            SecretSource::Account | SecretSource::Consumer => known.push(secret),
        }
        if contract.subscription().contract_keys().is_some() {
            let id = created.get("id").and_then(Value::as_str).unwrap_or_default();
            let read = self.call(Method::GET, &format!("/v1/accounts/{account}/endpoints/{id}"), &Value::Null).await?;
            let shown = read.get("public_key").and_then(Value::as_str);
            known.push(Secret::new(shown.context("the contract's public key was not shown")?.to_owned()));
        }
        Ok(known)
    }

    /// Posts an event; its id.
    pub(super) async fn publish(&self, account: &str, event: &str, data: &str) -> anyhow::Result<String> {
        let body = format!("{{\"type\":{},\"data\":{data}}}", Value::from(event));
        let receipt = self.send(Method::POST, &format!("/v1/accounts/{account}/events"), body.into()).await?;
        if receipt.get("deliveries") != Some(&json!(1)) {
            bail!("the event made {} deliveries instead of 1", receipt.get("deliveries").unwrap_or(&Value::Null));
        }
        Ok(receipt.get("id").and_then(Value::as_str).context("the event has no id")?.to_owned())
    }

    /// The state of an event's delivery once it is recorded.
    pub(super) async fn delivery_state(&self, account: &str, event: &str, patience: Duration) -> anyhow::Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            let page = self.call(Method::GET, &format!("/v1/deliveries?account={account}&limit=1"), &Value::Null).await?;
            let newest = page.pointer("/items/0").context("there is no delivery")?;
            let state = newest.get("state").and_then(Value::as_str).unwrap_or("unknown").to_owned();
            let is_it = newest.get("event").and_then(Value::as_str) == Some(event);
            if is_it && state != "pending" || Instant::now() > deadline {
                return Ok(state);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Something to look into on the console: an endpoint whose server is down, and one that was switched off and missed an event.
    pub(super) async fn make_trouble(&self, contract: &Contract, account: &str) -> anyhow::Result<()> {
        let path = format!("/v1/accounts/{account}");
        let endpoints = format!("{path}/endpoints");
        // Nobody listens on the discard port (RFC 863) of loopback.
        let closed = json!({ "url": "http://127.0.0.1:9/hook", "name": "A clinic that is closed", "secret": DEMO_SECRET, "enabled": true });
        self.call(Method::POST, &endpoints, &closed).await?;
        let off = json!({ "url": "http://127.0.0.1:9/off", "name": "A clinic that was switched off", "secret": DEMO_SECRET, "enabled": false });
        let off = self.call(Method::POST, &endpoints, &off).await?;
        let event = contract.events().first().context("the contract lists no event")?;
        let body = format!("{{\"type\":{},\"data\":{}}}", Value::from(event.event_type.as_str()), event.example.get());
        self.send(Method::POST, &format!("{path}/events"), body.into()).await?;
        let id = off.get("id").and_then(Value::as_str).context("the new endpoint has no id")?;
        self.call(Method::POST, &format!("{endpoints}/{id}/enable"), &Value::Null).await?;
        Ok(())
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.send(method, path, body).await
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Value> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", self.key))?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let url = format!("http://{}{path}", self.address);
        let request = OutboundRequest {
            method: method.clone(),
            url,
            headers,
            spellings: Vec::new(),
            body,
            heeded: std::sync::Arc::default(),
            tls: None,
        };
        let consumer = Consumer { account: &AccountId::try_new("operator")?, contract: "none" };
        let sent = self.sender.send(consumer, request, TIMEOUT, Timestamp::default()).await;
        match sent.map(|sent| sent.outcome) {
            Ok(AttemptOutcome::Response { status: 200..=299, body, .. }) => Ok(serde_json::from_slice(&body)?),
            Ok(AttemptOutcome::Response { status, body, .. }) => {
                bail!("{method} {path} was answered {status}: {}", String::from_utf8_lossy(&body))
            }
            Ok(other) => bail!("{method} {path}: {other}"),
            Err(NoRoom) => bail!("{method} {path} could not be sent now"),
        }
    }
}

/// Whether its failures are worth looking at: it tries again for a while, and its secrets are typed.
pub(super) fn can_have_trouble(contract: &Contract) -> bool {
    let is_typed = contract.subscription().secret.from == SecretSource::Consumer;
    is_typed && contract.delivery().schedule.delays().len() > 1 && !contract.events().is_empty()
}

fn set(object: &mut Value, field: &str, value: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), value.into());
    }
}
