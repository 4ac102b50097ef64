//! Replays: sending to an endpoint again what failed there or never went there.

use std::collections::BTreeSet;

use bellwire_domain::{AuditAction, AuditDetail, ReplayCase, ReplayId, Timestamp};
use bellwire_store::{Matched, NewReplay, Page, PageRequest, Replay, StartReplayError, StartedReplay};

use crate::endpoints::lane;
use crate::error::no_faults;
use crate::{AccountAccess, Allowance, App, AppError, Conflict, Fault, Resource, Scope};

/// What is replayed by default.
const CASES_DEFAULT: [ReplayCase; 2] = [ReplayCase::Failed, ReplayCase::Missed];

/// A replay as asked for.
#[derive(Debug, Clone)]
pub struct ReplayInput {
    /// Only events accepted at this instant or later.
    pub since: Timestamp,
    /// Only events accepted before this instant.
    pub until: Option<Timestamp>,
    /// Which events to send again, by what became of them; `None`: failed and missed ones.
    pub states: Option<Vec<String>>,
}

impl App {
    /// Starts a replay of an endpoint. The rest is how many more the account and the endpoint may have at once.
    pub async fn start_replay(
        &self,
        access: &AccountAccess,
        endpoint: &str,
        input: &ReplayInput,
    ) -> Result<(Replay, [Allowance; 2]), AppError> {
        let new = self.new_replay(access, endpoint, input)?;
        let (running_max, account_running_max) = (new.running_max, new.account_running_max);
        let entry = access.entry(AuditAction::ReplayStarted).to(new.id.as_str());
        let entry = entry.with("endpoint", AuditDetail::Text(endpoint.to_owned()));
        let started = self.records().audited(entry).start_replay(new).await.map_err(|error| match error {
            StartReplayError::EndpointNotFound => AppError::NotFound(Resource::Endpoint),
            StartReplayError::TooMany { max } => Conflict::ReplayLimit { max }.into(),
            StartReplayError::TooManyOfAccount { max } => Conflict::AccountReplayLimit { max }.into(),
            StartReplayError::Store(error) => AppError::from(error),
        })?;
        let StartedReplay { replay, running, account_running } = started;
        let left = [Allowance::replays(account_running_max, account_running), Allowance::endpoint_replays(running_max, running)];
        Ok((replay, left))
    }

    /// How many deliveries a replay would make now.
    pub async fn preview_replay(&self, access: &AccountAccess, endpoint: &str, input: &ReplayInput) -> Result<Matched, AppError> {
        let new = self.new_replay(access, endpoint, input)?;
        self.records().preview_replay(new).await?.ok_or(AppError::NotFound(Resource::Endpoint))
    }

    fn new_replay(&self, access: &AccountAccess, endpoint: &str, input: &ReplayInput) -> Result<NewReplay, AppError> {
        let lane = lane(access, endpoint)?;
        let mut faults = Vec::new();
        if input.until.is_some_and(|until| until <= input.since) {
            faults.push(Fault::new("/until", "the range must end after it starts"));
        }
        let cases = check_states(input.states.as_deref(), &mut faults);
        no_faults(faults)?;
        Ok(NewReplay {
            id: ReplayId::draw(self.clock().now(), self.entropy().bytes()),
            lane,
            since: input.since,
            until: input.until,
            cases,
            running_max: self.limits().replays_running_max,
            account_running_max: self.limits().account_replays_running_max,
        })
    }

    /// A page of an endpoint's replays, newest first.
    pub async fn list_replays(
        &self,
        access: &AccountAccess,
        endpoint: &str,
        page: PageRequest,
    ) -> Result<Page<Replay>, AppError> {
        self.get_endpoint(access, endpoint).await?;
        Ok(self.records().list_replays(&lane(access, endpoint)?, page).await?)
    }

    /// A page of the replays that run, by id. A consumer sees its own account's.
    pub async fn list_running_replays(&self, scope: &Scope, page: PageRequest) -> Result<Page<Replay>, AppError> {
        Ok(self.records().list_running_replays(scope.only.clone(), page).await?)
    }

    /// One replay.
    pub async fn get_replay(&self, access: &AccountAccess, endpoint: &str, id: &str) -> Result<Replay, AppError> {
        let found = self.records().find_replay(&lane(access, endpoint)?, &parse(id)?).await?;
        found.ok_or(AppError::NotFound(Resource::Replay))
    }

    /// Stops a replay; the deliveries it has created stay. A replay that has ended does not change.
    pub async fn cancel_replay(&self, access: &AccountAccess, endpoint: &str, id: &str) -> Result<Replay, AppError> {
        let id = parse(id)?;
        let entry = access.entry(AuditAction::ReplayCancelled).to(id.as_str());
        let found = self.records().audited(entry).cancel_replay(&lane(access, endpoint)?, &id).await?;
        found.ok_or(AppError::NotFound(Resource::Replay))
    }
}

fn parse(id: &str) -> Result<ReplayId, AppError> {
    ReplayId::try_new(id).map_err(|_| AppError::NotFound(Resource::Replay))
}

fn check_states(states: Option<&[String]>, faults: &mut Vec<Fault>) -> BTreeSet<ReplayCase> {
    let Some(states) = states else { return CASES_DEFAULT.into() };
    let words = || ReplayCase::WORDS.join(", ");
    if states.is_empty() {
        faults.push(Fault::new("/states", format!("name at least one of {}, or leave `states` out", words())));
    }
    let mut cases = BTreeSet::new();
    for (index, word) in states.iter().enumerate() {
        match ReplayCase::parse(word) {
            Some(case) => drop(cases.insert(case)),
            None => faults.push(Fault::new(format!("/states/{index}"), format!("must be one of {}", words()))),
        }
    }
    cases
}
