//! Who is in the store: accounts with names that could be, and endpoints of every kind.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bellwire_app::{AccountInput, App, AppError, Conflict, EndpointInput, Operation};
use bellwire_contract::{Contract, EventDefinition, SecretSource};
use bellwire_domain::{Entropy, RetentionPeriods, Secret, Timestamp};
use serde_json::json;

use super::operator::operator;
use super::receivers::{Behaviour, Receivers};
use crate::environment::SystemEntropy;

const PLACES: [&str; 12] = [
    "Lakeside",
    "Riverbend",
    "Maple Street",
    "Northgate",
    "Harbor View",
    "Cedar Hill",
    "Summit",
    "Willow Creek",
    "Eastfield",
    "Stonebridge",
    "Clearwater",
    "Oak Park",
];
const PRACTICES: [&str; 7] =
    ["Family Practice", "Pediatrics", "Imaging", "Medical Center", "Cardiology", "Benefits", "Urgent Care"];
const SYSTEMS: [&str; 5] = ["Scheduling", "Care coordination", "Billing", "Data warehouse", "Member app"];
/// Endpoints of an account at most.
const ENDPOINTS_MAX: usize = 4;

/// When what goes on for good ends.
pub(super) const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);

/// An account that is published to.
pub(super) struct Member {
    pub(super) id: String,
    pub(super) contract: Arc<Contract>,
    pub(super) endpoints: Vec<Planned>,
}

/// One of its endpoints.
pub(super) struct Planned {
    pub(super) id: String,
    pub(super) behaviour: Behaviour,
    /// Whether the operator will switch it off.
    pub(super) is_switched_off: bool,
}

/// From when to when the history goes.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl Span {
    /// The instant that so many hundredths of it are before.
    pub(super) fn at(self, hundredths: u32) -> Timestamp {
        self.start.plus(self.end.since(self.start) * hundredths / 100)
    }

    /// How an endpoint is, by its number among all.
    fn behaviour(self, number: usize) -> Behaviour {
        match number % 10 {
            1 => Behaviour::Flaky,
            2 => Behaviour::Down { from: self.at(40), until: self.at(47) },
            3 => self.down_for_hours(),
            4 => Behaviour::Slow,
            5 => Behaviour::Down { from: self.at(60), until: NEVER },
            6 => Behaviour::Picky,
            7 => Behaviour::Gone { from: self.at(75) },
            8 => Behaviour::Busy,
            9 => Behaviour::Expired { from: self.at(90) },
            _ => Behaviour::Steady,
        }
    }

    /// The same under a contract that judges health, by its number in its account: each stands somewhere else.
    fn judged_behaviour(self, number: usize) -> Behaviour {
        match number {
            1 => Behaviour::Down { from: self.at(30), until: NEVER },
            2 => self.down_for_hours(),
            3 => Behaviour::Down { from: self.at(40), until: self.at(47) },
            _ => Behaviour::Steady,
        }
    }

    fn down_for_hours(self) -> Behaviour {
        Behaviour::Down { from: self.end.minus(Duration::from_secs(4 * 60 * 60)), until: NEVER }
    }
}

/// What makes accounts and endpoints.
pub(super) struct Founding<'a> {
    pub(super) app: &'a App,
    pub(super) receivers: &'a Receivers,
    pub(super) span: Span,
    pub(super) seed: u64,
}

impl Founding<'_> {
    /// An account with some endpoints. `begun` counts the endpoints of all accounts so far.
    pub(super) async fn found(&self, number: usize, contract: &Arc<Contract>, begun: &mut usize) -> anyhow::Result<Member> {
        let (place, practice) = (PLACES.iter().cycle().nth(number), PRACTICES.iter().cycle().nth(number));
        let name = format!("{} {}", place.copied().unwrap_or_default(), practice.copied().unwrap_or_default());
        let slug = name.to_lowercase().replace(' ', "-");
        let id = format!("{slug}-{}-{}", self.seed, number + 1);
        let known = self.put_account(&id, &name, number, contract).await?;
        let is_judged = contract.delivery().health.unhealthy_after_failures.is_some();
        let wanted = if is_judged { ENDPOINTS_MAX } else { 1 + number * 7 % ENDPOINTS_MAX };
        let mut endpoints = Vec::new();
        while endpoints.len() < wanted {
            let host = format!("{}.{id}.example", ["hooks", "events", "in", "api"].get(endpoints.len()).unwrap_or(&"hooks"));
            let behaviour = if is_judged { self.span.judged_behaviour(endpoints.len()) } else { self.span.behaviour(*begun) };
            self.receivers.add(&host, behaviour);
            let system = SYSTEMS.iter().cycle().nth(*begun).copied().unwrap_or_default();
            let input = EndpointInput {
                url: format!("https://{host}/bellwire"),
                name: Some(system.to_owned()),
                secret: known.clone(),
                events: chosen_events(contract),
                enabled: Some(true),
                ..EndpointInput::default()
            };
            let access = self.app.open_account(&operator(), Operation::EndpointChange, &id).await?;
            match self.app.create_endpoint(&access, input).await {
                Ok((endpoint, _)) => {
                    endpoints.push(Planned { id: endpoint.id.to_string(), behaviour, is_switched_off: *begun % 13 == 11 });
                }
                Err(AppError::Conflict(Conflict::EndpointLimit { .. })) => break, // the contract allows no more
                Err(error) => return Err(error).with_context(|| format!("an endpoint of {id}, under {}", contract.name())),
            }
            *begun += 1;
        }
        Ok(Member { id, contract: Arc::clone(contract), endpoints })
    }

    /// The account, and the secret that its endpoints are given.
    async fn put_account(
        &self,
        id: &str,
        name: &str,
        number: usize,
        contract: &Arc<Contract>,
    ) -> anyhow::Result<Option<Secret<String>>> {
        let secret = contract.draw_secret((&SystemEntropy::default() as &dyn Entropy).bytes());
        let from = contract.subscription().secret.from;
        let entitlements: BTreeSet<_> = contract.events().iter().filter_map(|event| event.entitlement.clone()).collect();
        let input = AccountInput {
            id,
            contract: contract.name(),
            contract_version: None,
            name: Some(name.to_owned()),
            secret: (from == SecretSource::Account).then(|| secret.clone()),
            sandbox: number % 9 == 8,
            entitlements: entitlements.into_iter().collect(),
            retention: RetentionPeriods::default(),
        };
        let scope = self.app.permit(&operator(), Operation::AccountManage)?;
        let put = self.app.put_account(&scope, input).await.with_context(|| format!("the account {id}"))?;
        anyhow::ensure!(put.created, "there is an account {id} already; draw others with --seed");
        Ok((from == SecretSource::Consumer).then_some(secret))
    }
}

/// Where some types need to be granted, all are named, as nothing is chosen otherwise.
fn chosen_events(contract: &Contract) -> Option<Vec<String>> {
    let needs_grant = contract.events().iter().any(|event| event.entitlement.is_some());
    needs_grant.then(|| contract.events().iter().map(|event| event.event_type.to_string()).collect())
}

/// A type of event, and data for one.
pub(super) fn draw_event(contract: &Contract, drawn: &mut fastrand::Rng) -> (String, String) {
    const ANY: [&str; 4] = ["appointment.booked", "appointment.cancelled", "lab_result.available", "claim.updated"];
    match contract.events() {
        [] => {
            let number = drawn.u32(1_000..9_999);
            let data = json!({ "id": format!("rec_{number}"), "status": "final", "patient": patient(drawn) });
            (ANY.get(drawn.usize(0..ANY.len())).copied().unwrap_or_default().to_owned(), data.to_string())
        }
        events => {
            let event: Option<&EventDefinition> = events.get(drawn.usize(0..events.len()));
            event.map(|event| (event.event_type.to_string(), event.example.get().to_owned())).unwrap_or_default()
        }
    }
}

/// Somebody whom an event is about.
pub(super) fn patient(drawn: &mut fastrand::Rng) -> String {
    format!("patient-{}", drawn.u32(1..60))
}
