//! Many endpoints, of one kind or another, and events for some of them.

use std::path::Path;
use std::slice::from_ref;
use std::time::Instant;

use anyhow::Context;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::content::data;
use crate::figures::per_second;
use crate::measure::Watch;
use crate::produce::{Load, Post, events, produce};
use crate::report::{Measurement, say};
use crate::server::Process;

/// The contract of subscriptions.
const TOPICS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/fhir-r4-backport.yaml");
/// The topic that all of them have.
const TOPIC: &str = "http://example.org/topics/resource-changed";

/// What kind of endpoint, and what decides whether an event is for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A webhook of `standard-webhooks`: the event's type.
    Webhook,
    /// A topic-based subscription: a filter that the contract evaluates over the event. It is sent a handshake before it is used.
    Subscription,
}

impl Kind {
    /// What the server needs beside the built-in contracts.
    pub(crate) fn contract(self) -> Option<&'static Path> {
        (self == Self::Subscription).then(|| Path::new(TOPICS))
    }

    fn contract_name(self) -> &'static str {
        match self {
            Self::Webhook => "standard-webhooks",
            Self::Subscription => "fhir-r4-backport",
        }
    }

    /// Several of them.
    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::Webhook => "endpoints",
            Self::Subscription => "subscriptions",
        }
    }

    /// How an endpoint is created that gets the events `of` its account that are for this one alone.
    fn wanted(self, url: &str, of: usize) -> Value {
        match self {
            Self::Webhook => json!({ "url": url, "events": [event_type(of)], "enabled": true }),
            Self::Subscription => {
                let criterion = format!("Observation?{}", matched(of));
                let condition = json!({ "type": "Observation", "criterion": criterion, "value": matched(of) });
                let options = json!({
                    "topic": TOPIC,
                    "content": "full-resource",
                    "criteria": [criterion],
                    "conditions": [condition],
                });
                json!({ "url": url, "events": ["resource-changed"], "enabled": true, "options": options })
            }
        }
    }

    /// A body with an event for that endpoint alone.
    pub(crate) fn event(self, of: usize, size: usize) -> Bytes {
        match self {
            Self::Webhook => events(&event_type(of), 1, size),
            Self::Subscription => {
                let record = data(size);
                let rest = record.strip_prefix('{').unwrap_or(&record);
                let matched = matched(of);
                format!(
                    "{{\"type\":\"resource-changed\",\"data\":{{\"focus\":\"Observation/7\",\"matches\":[\"{matched}\"],\
                     \"resources\":[{{\"resourceType\":\"Observation\",\"id\":\"7\",{rest}]}}}}"
                )
                .into()
            }
        }
    }
}

/// An event type that only this endpoint of its account gets.
fn event_type(of: usize) -> String {
    format!("bench.for.{of}")
}

/// The path of an account.
pub(crate) fn account(number: usize) -> String {
    format!("/v1/accounts/many-{number}")
}

/// What only this endpoint of its account asks for.
fn matched(of: usize) -> String {
    format!("org-identifier={of}")
}

/// So many endpoints of a kind, and so many of them that get events. The sink only counts what the others get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Population {
    pub(crate) kind: Kind,
    pub(crate) count: usize,
    /// Endpoints of an account.
    pub(crate) per_account: usize,
    /// How many get an event, spread over all of them.
    pub(crate) in_turn: usize,
}

/// They are there.
pub(crate) struct Settled {
    population: Population,
    /// That all have in common, where their requests are signed.
    secret: Option<String>,
    pub(crate) per_second: f64,
}

impl Population {
    pub(crate) const fn accounts(self) -> usize {
        self.count.div_ceil(self.per_account)
    }

    fn account(self, endpoint: usize) -> usize {
        endpoint / self.per_account
    }

    fn gets_events(self, endpoint: usize) -> bool {
        // The endpoint that some number below `in_turn` stands for.
        let number = (endpoint * self.in_turn).div_ceil(self.count);
        number < self.in_turn && self.chosen(number) == endpoint
    }

    /// The endpoint that gets the event of this number.
    fn chosen(self, number: usize) -> usize {
        number * self.count / self.in_turn
    }

    /// Creates accounts and endpoints, and waits until the sink has had all handshakes.
    pub(crate) async fn settle(self, bench: &Bench, server: &Process) -> anyhow::Result<Settled> {
        let started = Instant::now();
        let contract = Bytes::from(json!({ "contract": self.kind.contract_name() }).to_string());
        let put = move |number| Post { method: Method::PUT, path: account(number), body: contract.clone() };
        produce(bench, from_ref(server), Load { count: self.accounts(), rate: None, said_as: Some("accounts") }, put).await?;
        let mut sink = bench.client(&bench.sink).await?;
        let quiet = bench.quiet(&mut sink).await?;
        let (port, path) = (bench.sink.port, move |endpoint| format!("{}/endpoints", account(self.account(endpoint))));
        let wanted = move |endpoint: usize| {
            let path = if self.gets_events(endpoint) { "many" } else { "quiet" };
            self.kind.wanted(&format!("http://127.0.0.1:{port}/{path}/{endpoint}"), endpoint % self.per_account)
        };
        let wanted = move |endpoint: usize| (path(endpoint), wanted(endpoint));
        let load = Load { count: self.count, rate: None, said_as: Some(self.kind.plural()) };
        let secret = match self.kind {
            Kind::Webhook => Some(create_signed(bench, server, load, wanted).await?),
            Kind::Subscription => {
                produce(bench, from_ref(server), load, move |endpoint| create(wanted(endpoint))).await?;
                None
            }
        };
        if self.kind == Kind::Subscription {
            bench
                .await_quiet(&mut sink, quiet + self.count - self.in_turn.min(self.count), |_| ())
                .await
                .context("handshakes")?;
            bench.await_arrivals(self.in_turn.min(self.count)).await.context("handshakes")?;
            bench.findings("").await?;
        }
        Ok(Settled { population: self, secret, per_second: per_second(self.count, started.elapsed()) })
    }
}

fn create((path, wanted): (String, Value)) -> Post {
    Post { method: Method::POST, path, body: wanted.to_string().into() }
}

/// Creates endpoints, of which each is wanted at a path, and all with the secret that is drawn for the first; that secret.
pub(crate) async fn create_signed<F>(bench: &Bench, server: &Process, load: Load<'_>, wanted: F) -> anyhow::Result<String>
where
    F: Fn(usize) -> (String, Value) + Clone + Send + 'static,
{
    let (path, first) = wanted(0);
    let created = bench.client(server).await?.json(Method::POST, &path, &first).await?;
    let secret = created.get("secret").and_then(Value::as_str).context("no secret was shown")?.to_owned();
    let given = secret.clone();
    let others = move |number: usize| {
        let (path, mut wanted) = wanted(number + 1);
        if let Some(fields) = wanted.as_object_mut() {
            fields.insert("secret".to_owned(), given.as_str().into());
        }
        create((path, wanted))
    };
    produce(bench, from_ref(server), Load { count: load.count.saturating_sub(1), ..load }, others).await?;
    Ok(secret)
}

impl Settled {
    /// One event for each of those that get one.
    pub(crate) async fn in_turn(&self, bench: &Bench, server: &Process) -> anyhow::Result<Measurement> {
        let Population { kind, in_turn, .. } = self.population;
        self.publish(bench, server, format!("one event for each of {in_turn} {} in turn", kind.plural()), in_turn).await
    }

    /// So many events, each for the next of those that get one.
    pub(crate) async fn publish(
        &self,
        bench: &Bench,
        server: &Process,
        name: String,
        events: usize,
    ) -> anyhow::Result<Measurement> {
        let (population, size) = (self.population, bench.first_body());
        say(&format!("{size} bytes: {name}, of {}", population.count));
        let publish = move |number: usize| {
            let endpoint = population.chosen(number % population.in_turn);
            let path = format!("{}/events", account(population.account(endpoint)));
            Post { method: Method::POST, path, body: population.kind.event(endpoint % population.per_account, size) }
        };
        let watch = Watch::start(from_ref(server))?;
        produce(bench, from_ref(server), Load { count: events, rate: None, said_as: None }, publish).await?;
        bench.await_arrivals(events).await?;
        let spent = watch.stop()?;
        let found = match &self.secret {
            Some(secret) => bench.verified(secret, events).await?,
            None => bench.arrived(events).await?,
        };
        Ok(spent.row(name, events, &found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_endpoints_get_events_as_are_asked_for() {
        for (count, in_turn) in [(1_000, 1_000), (1_000_000, 1_000), (12_345, 1_000), (7, 7), (7, 3)] {
            let population = Population { kind: Kind::Webhook, count, per_account: 1, in_turn };
            let chosen: Vec<usize> = (0..in_turn).map(|number| population.chosen(number)).collect();
            let getting: Vec<usize> = (0..count).filter(|endpoint| population.gets_events(*endpoint)).collect();
            assert_eq!(getting, chosen, "{in_turn} of {count}");
        }
    }

    #[test]
    fn an_event_for_a_subscription_is_json_with_the_record_in_it() {
        let event: Value = serde_json::from_slice(&Kind::Subscription.event(3, 500)).unwrap();
        let resource = &event["data"]["resources"][0];
        assert_eq!(event["data"]["matches"], json!(["org-identifier=3"]));
        assert!(resource["posted_at_us"].is_u64(), "{event}");
        assert_eq!(resource["resourceType"], "Observation");
    }
}
