//! What happens: day by day events come in and go out, receivers break and recover, and an operator deals with it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bellwire_app::{App, DeliveryFilter, EventInput, IncidentFilter, KeyInput, Operation, ReplayInput};
use bellwire_domain::{Clock, DeliveryState, IncidentState, Timestamp};
use bellwire_store::{IncidentChange, PageRequest, Queue};
use bytes::Bytes;
use tokio::time::Instant;

use super::history::{DAY, HistoryClock};
use super::operator::operator;
use super::population::{Founding, Member, NEVER, Planned, Span, draw_event, patient};
use super::receivers::{Behaviour, Receivers};

use crate::telemetry;

/// Steps of a day. Each publishes, and then lets retries come due.
const STEPS: u32 = 12;
/// How many events an account has in each step: nights are quiet.
const RHYTHM: [u32; 12] = [1, 1, 1, 2, 4, 6, 6, 5, 5, 4, 2, 1];
/// When a step looks for retries, from its beginning.
const LOOKS_S: [u64; 4] = [0, 20, 6 * 60, 45 * 60];
/// Deliveries claimed at once.
const CLAIM_MAX: usize = 512;
/// How long the number of deliveries that are held may stand still. What is held then waits for its receiver, which is paced, and goes on
/// later.
const STILL_MAX: Duration = Duration::from_millis(15);
const LOOK: Duration = Duration::from_micros(200);

/// A history that is being made.
pub(super) struct Story {
    app: App,
    queue: Queue,
    clock: Arc<HistoryClock>,
    receivers: Arc<Receivers>,
    seed: u64,
    drawn: fastrand::Rng,
    members: Vec<Member>,
    events: u64,
    /// Deliveries that were held when nothing moved any more.
    waiting: AtomicUsize,
}

impl Story {
    pub(super) fn new(app: App, queue: Queue, clock: Arc<HistoryClock>, receivers: Arc<Receivers>, seed: u64) -> Self {
        let drawn = fastrand::Rng::with_seed(seed);
        Self { app, queue, clock, receivers, seed, drawn, members: Vec::new(), events: 0, waiting: AtomicUsize::new(0) }
    }

    /// Tells it from its first day up to `end`.
    pub(super) async fn tell(&mut self, accounts: u16, days: u16, end: Timestamp) -> anyhow::Result<()> {
        let span = Span { start: self.clock.now(), end };
        self.found(usize::from(accounts), span).await?;
        let steps = u32::from(days) * STEPS;
        let mut is_replayed = false;
        for step in 0..steps {
            let begins = span.start.plus(DAY / STEPS * step);
            self.step(step, begins).await?;
            if step % (steps / 10).max(1) == 0 && step > 0 {
                telemetry::say(&format!("day {} of {days}: {} events", step / STEPS + 1, self.events));
            }
            if step * 100 / steps >= 55 && !is_replayed {
                is_replayed = true;
                self.replay_outages(span).await?;
                self.switch_off().await?;
            }
        }
        self.clock.reach(end);
        self.settle().await
    }

    async fn found(&mut self, accounts: usize, span: Span) -> anyhow::Result<()> {
        let contracts = self.app.contracts();
        let contracts: Vec<_> = contracts.iter().cloned().collect();
        let founding = Founding { app: &self.app, receivers: &self.receivers, span, seed: self.seed };
        let mut begun = 0;
        for number in 0..accounts {
            let contract = contracts.get(number % contracts.len().max(1)).context("no contract is built in")?;
            self.members.push(founding.found(number, contract, &mut begun).await?);
        }
        self.settle().await
    }

    /// A part of a day: every account publishes, one after the other.
    async fn step(&mut self, step: u32, begins: Timestamp) -> anyhow::Result<()> {
        self.clock.reach(begins);
        let usual = RHYTHM.iter().cycle().nth(usize::try_from(step)?).copied().unwrap_or(1);
        for member in 0..self.members.len() {
            let count = self.drawn.u32(usual / 2..=usual * 3 / 2);
            self.publish(member, count).await?;
            self.settle().await?;
        }
        for look in LOOKS_S {
            self.clock.reach(begins.plus(Duration::from_secs(look)));
            self.settle().await?;
        }
        Ok(())
    }

    async fn publish(&mut self, member: usize, count: u32) -> anyhow::Result<()> {
        let Some(member) = self.members.get(member).filter(|_| count > 0) else { return Ok(()) };
        let mut inputs = Vec::new();
        for _ in 0..count {
            let (event_type, data) = draw_event(&member.contract, &mut self.drawn);
            inputs.push(EventInput {
                pointer: String::new(),
                event_type: Cow::Owned(event_type),
                data: Bytes::from(data),
                id: None,
                occurred_at: None,
                subjects: vec![patient(&mut self.drawn)],
                redeliver: false,
            });
        }
        let access = self.app.open_account(&operator(), Operation::EventPublish, &member.id).await?;
        self.app.publish(&access, &inputs).await.with_context(|| format!("events of {}", member.id))?;
        self.events += u64::from(count);
        Ok(())
    }

    /// Has everything attempted that is due now.
    async fn settle(&self) -> anyhow::Result<()> {
        loop {
            let report = self.queue.claim_due(self.clock.now(), CLAIM_MAX).await?;
            self.drain().await;
            if !report.more {
                return Ok(());
            }
        }
    }

    /// Waits until no more is held than what waits for its receiver, or until what is held stands still.
    async fn drain(&self) {
        let mut held = self.queue.held();
        let mut since = Instant::now();
        while held > self.waiting.load(Ordering::Relaxed) && since.elapsed() < STILL_MAX {
            tokio::time::sleep(LOOK).await;
            let now = self.queue.held();
            if now != held {
                (held, since) = (now, Instant::now());
            }
        }
        self.waiting.store(held, Ordering::Relaxed);
    }

    /// Receivers that were down and work again get what they have missed.
    async fn replay_outages(&self, span: Span) -> anyhow::Result<()> {
        for member in &self.members {
            let access = self.app.open_account(&operator(), Operation::EndpointChange, &member.id).await?;
            for endpoint in &member.endpoints {
                let Behaviour::Down { from, until } = endpoint.behaviour else { continue };
                if until < self.clock.now() {
                    let input = ReplayInput { since: span.start.max(from), until: Some(until), states: None };
                    self.app.start_replay(&access, &endpoint.id, &input).await.context("a replay")?;
                }
            }
        }
        self.settle().await
    }

    /// The operator switches off what is not needed any more.
    async fn switch_off(&self) -> anyhow::Result<()> {
        for member in &self.members {
            let access = self.app.open_account(&operator(), Operation::EndpointChange, &member.id).await?;
            for endpoint in member.endpoints.iter().filter(|endpoint| endpoint.is_switched_off) {
                self.app.disable_endpoint(&access, &endpoint.id).await?;
            }
        }
        Ok(())
    }

    /// What is under way when somebody looks: an incident that somebody knows of, a hold, keys, and retries and a replay for a receiver
    /// that is down. Nothing is left for those that work: a server over this store does not reach them.
    pub(super) async fn leave_something_to_do(&self) -> anyhow::Result<()> {
        let operator = operator();
        self.acknowledge_one().await?;
        let Some(first) = self.members.first().map(|member| member.id.as_str()) else { return Ok(()) };
        let scope = self.app.permit(&operator, Operation::KeyManage)?;
        for (role, account, name) in [("publisher", None, "Platform"), ("consumer", Some(first), "Integration team")] {
            let input = KeyInput { role, account, name: Some(name.to_owned()), ..KeyInput::default() };
            self.app.create_key(&scope, input).await?;
        }
        let access = self.app.open_account(&operator, Operation::SubjectManage, first).await?;
        self.app.put_hold(&operator, &access, "patient-7", "A request of the patient is being dealt with").await?;
        let down = self.members.iter().find_map(|member| {
            let is_down = |planned: &&Planned| matches!(planned.behaviour, Behaviour::Down { until: NEVER, .. });
            member.endpoints.iter().find(is_down).map(|endpoint| (member, endpoint))
        });
        let Some((member, endpoint)) = down else { return Ok(()) };
        let (account, endpoint) = (member.id.as_str(), endpoint.id.as_str());
        let failed = DeliveryFilter {
            state: Some(DeliveryState::Failed),
            account: Some(account),
            endpoint: Some(endpoint),
            ..DeliveryFilter::default()
        };
        self.app.start_bulk_retry(&operator, failed, Some("The receiver has been repaired")).await?;
        let access = self.app.open_account(&operator, Operation::EndpointChange, account).await?;
        let input = ReplayInput { since: self.clock.now().minus(DAY * 2), until: None, states: None };
        self.app.start_replay(&access, endpoint, &input).await?;
        Ok(())
    }

    async fn acknowledge_one(&self) -> anyhow::Result<()> {
        let scope = self.app.permit(&operator(), Operation::IncidentChange)?;
        let open = IncidentFilter { state: Some(IncidentState::Open), ..IncidentFilter::default() };
        let page = self.app.list_incidents(&scope, open, PageRequest { limit: 1, after: None }).await?;
        for incident in page.items {
            self.app.change_incident(&operator(), incident.id.as_str(), IncidentChange::Acknowledge).await?;
        }
        Ok(())
    }

    /// What there is now.
    pub(super) fn summary(&self) -> String {
        let endpoints: usize = self.members.iter().map(|member| member.endpoints.len()).sum();
        format!("{} accounts, {endpoints} endpoints, {} events", self.members.len(), self.events)
    }
}
