//! Endpoints: registered, changed, tested, enabled, disabled and deleted by whom the contract allows.

use std::time::Duration;

use bellwire_contract::EventDefinition;
use bellwire_domain::{
    AuditAction, AuditDetail, EndpointId, EventFilter, HealthStatus, MASK, Secret, Timestamp, Unchanged, mask_query,
};
use bellwire_store::{
    Endpoint, EndpointChanges, EventReceipt, ExpectedError, LaneKey, LimitedError, NewEndpoint, Page, PageRequest, Precondition,
};
use serde_json::{Map, Value};

use crate::chosen_events::ChoicePatch;
use crate::endpoint_records::{created_entry, described};
use crate::endpoint_rules::{AskedEnd, EndpointRules, PayloadInput, check_name, check_rate_limit, entitled};
use crate::error::no_faults;
use crate::shown_secret::ShownSecret;
use crate::{AccountAccess, Allowance, App, AppError, Conflict, EventInput, Resource};

/// An endpoint as asked for.
#[derive(Debug, Clone, Default)]
pub struct EndpointInput {
    /// Its URL.
    pub url: String,
    /// A name for people.
    pub name: Option<String>,
    /// Its secret, if the contract allows one.
    pub secret: Option<Secret<String>>,
    /// The event types it wants; `None`: all.
    pub events: Option<Vec<String>>,
    /// Whether it starts enabled; `None`: as the contract says.
    pub enabled: Option<bool>,
    /// Its own headers.
    pub headers: Vec<(String, String)>,
    /// Its limit on requests in flight; `None`: the contract's.
    pub in_flight_max: Option<i64>,
    /// Its rate limit, such as `10/s`; `None`: the contract's, if it has one.
    pub rate_limit: Option<String>,
    /// How much of an event's data it is sent; `None`: what the contract gives.
    pub payload: Option<PayloadInput>,
    /// Whether its answers are kept; `None`: yes.
    pub keep_answers: Option<bool>,
    /// What it chooses of its contract's options.
    pub options: Option<Map<String, Value>>,
    /// The credentials that it gives, texts by name.
    pub credentials: Option<Secret<Map<String, Value>>>,
    /// When its lease ends, or that it never does; `None`: as the contract says.
    pub expires_at: Option<Option<Timestamp>>,
    /// The same as a time from now on.
    pub lease: Option<Duration>,
}

/// Changes to an endpoint; `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
pub struct EndpointPatch {
    /// The URL.
    pub url: Option<String>,
    /// The name, or none.
    pub name: Option<Option<String>>,
    /// The event types it wants, or all.
    pub events: Option<Option<Vec<String>>>,
    /// What is added to the event types that it wants, and taken from them.
    pub choice: ChoicePatch,
    /// Whether it is enabled.
    pub enabled: Option<bool>,
    /// Its own headers.
    pub headers: Option<Vec<(String, String)>>,
    /// Its limit on requests in flight, or none of its own.
    pub in_flight_max: Option<Option<i64>>,
    /// Its rate limit, or none of its own.
    pub rate_limit: Option<Option<String>>,
    /// How much of an event's data it is sent, or what the contract gives.
    pub payload: Option<Option<PayloadInput>>,
    /// Whether its answers are kept.
    pub keep_answers: Option<bool>,
    /// Options of its contract that change: null takes a choice back. `None` in place of all: nothing is chosen any more.
    pub options: Option<Option<Map<String, Value>>>,
    /// Credentials that change: null removes one. `None` in place of all: it has none any more.
    pub credentials: Option<Option<Secret<Map<String, Value>>>>,
    /// When its lease ends, or that it never does. A new end renews it.
    pub expires_at: Option<Option<Timestamp>>,
    /// The same as a time from now on.
    pub lease: Option<Duration>,
    /// Whether it is pending until a handshake, which begins at once, has ended well, where its contract has one.
    pub activate: bool,
    /// What must hold of its version.
    pub expected: Precondition,
}

/// An endpoint with what is given, and the defaults of the rest.
impl From<EndpointPatch> for EndpointInput {
    fn from(given: EndpointPatch) -> Self {
        Self {
            url: given.url.unwrap_or_default(),
            name: given.name.flatten(),
            secret: None,
            events: given.events.flatten(),
            enabled: given.enabled,
            headers: given.headers.unwrap_or_default(),
            in_flight_max: given.in_flight_max.flatten(),
            rate_limit: given.rate_limit.flatten(),
            payload: given.payload.flatten(),
            keep_answers: given.keep_answers,
            options: given.options.flatten(),
            credentials: given.credentials.flatten(),
            expires_at: given.expires_at,
            lease: given.lease,
        }
    }
}

impl App {
    /// Registers an endpoint. Show the returned secret once.
    pub async fn create_endpoint(
        &self,
        access: &AccountAccess,
        input: EndpointInput,
    ) -> Result<(Endpoint, Option<ShownSecret>), AppError> {
        let rules = self.endpoint_rules(access)?;
        let new = self.new_endpoint(access, &rules, input).await?;
        let shown = self.show_secret(rules.contract, new.secret.clone().map(|secret| (secret, 1))).await?;
        let created = self.records().audited(created_entry(access, &new)).create_endpoint(new, rules.endpoints_max()).await;
        let created = created.map_err(|error| limited(error, |max| Conflict::EndpointLimit { max }))?;
        Ok((created.ok_or(AppError::NotFound(Resource::Account))?, shown))
    }

    /// An endpoint that is as the contract wants it, with a secret where one is drawn.
    pub(crate) async fn new_endpoint(
        &self,
        access: &AccountAccess,
        rules: &EndpointRules<'_>,
        input: EndpointInput,
    ) -> Result<NewEndpoint, AppError> {
        if access.account.sandbox && !rules.contract.subscription().sandbox {
            return Err(Conflict::SandboxAccount.into());
        }
        let mut faults = Vec::new();
        rules.check_url(&input.url, &mut faults);
        check_name(input.name.as_deref(), rules.limits, &mut faults);
        let filter = rules.check_events(input.events.as_deref(), &mut faults);
        rules.check_headers(&input.headers, &mut faults);
        let in_flight_max = rules.check_in_flight_max(input.in_flight_max, &mut faults);
        let rate_limit = check_rate_limit(input.rate_limit.as_deref(), &mut faults);
        let payload = rules.check_payload(input.payload, &mut faults);
        let options = rules.check_options(None, input.options, &mut faults);
        let credentials = rules.check_credentials(None, input.credentials.as_ref(), &mut faults);
        let now = self.clock().now();
        let lease = rules.check_lease(asked_end(input.expires_at, input.lease, now), now, &mut faults);
        let named = ("", input.url.as_str(), input.name.as_deref());
        rules.check_client_tls(named, options.as_deref(), credentials.as_ref(), &mut faults);
        let secret = rules.check_secret(input.secret, &mut faults);
        no_faults(faults)?;
        let secret = match secret {
            None if rules.draws_secret() => Some(self.draw_secret(access.contract()?).await?),
            given => given,
        };
        let heartbeat = rules.contract.heartbeat_period(options.as_deref());
        Ok(NewEndpoint {
            id: self.draw_endpoint_id(access)?,
            account_id: access.account.id.clone(),
            url: input.url,
            name: input.name,
            filter,
            headers: input.headers,
            enabled: input.enabled.unwrap_or(rules.contract.subscription().enabled),
            in_flight_max,
            rate_limit,
            payload,
            keep_answers: input.keep_answers.unwrap_or(true),
            options,
            credentials,
            lease,
            heartbeat,
            health: if rules.contract.activation().is_some() { HealthStatus::Pending } else { HealthStatus::Active },
            secret,
        })
    }

    /// One endpoint. Who may not change it sees its URL and its headers without values: they may be tokens.
    pub async fn get_endpoint(&self, access: &AccountAccess, id: &str) -> Result<Endpoint, AppError> {
        let found = self.records().find_endpoint(&lane(access, id)?).await?;
        found.map(|endpoint| shown(access, endpoint)).ok_or(AppError::NotFound(Resource::Endpoint))
    }

    /// A page of an account's endpoints, by id.
    pub async fn list_endpoints(&self, access: &AccountAccess, page: PageRequest) -> Result<Page<Endpoint>, AppError> {
        let Page { items, next } = self.records().list_endpoints(&access.account.id, page).await?;
        Ok(Page { items: items.into_iter().map(|endpoint| shown(access, endpoint)).collect(), next })
    }

    /// The event types that an endpoint gets: its choice, or all that the account is entitled to.
    pub fn endpoint_events(&self, access: &AccountAccess, endpoint: &Endpoint) -> Vec<String> {
        match &endpoint.filter {
            EventFilter::Only(types) => types.iter().map(ToString::to_string).collect(),
            EventFilter::All => {
                let events = access.contract().map(|contract| contract.events()).unwrap_or_default();
                let given = events.iter().filter(|event| entitled(&access.account, event));
                given.map(|event| event.event_type.to_string()).collect()
            }
        }
    }

    /// All options of an endpoint as a JSON object: what it chose, and the defaults of the others. `None`: its contract has none.
    pub fn endpoint_options(&self, access: &AccountAccess, chosen: Option<&str>) -> Option<String> {
        let contract = access.contract().ok().filter(|contract| !contract.options().is_empty())?;
        Some(contract.options_of(chosen))
    }

    /// The names of an endpoint's credentials. `None`: its contract has none, and neither has it.
    pub fn endpoint_credentials(&self, access: &AccountAccess, endpoint: &Endpoint) -> Option<Vec<String>> {
        let names = endpoint.credential_names();
        let is_declared = access.contract().is_ok_and(|contract| !contract.credentials().is_empty());
        (is_declared || !names.is_empty()).then_some(names)
    }

    /// The events that an account may choose from, in the order of its contract.
    pub fn account_events<'a>(&self, access: &'a AccountAccess) -> Result<Vec<&'a EventDefinition>, AppError> {
        Ok(access.contract()?.events().iter().filter(|event| entitled(&access.account, event)).collect())
    }

    /// Changes an endpoint.
    pub async fn update_endpoint(&self, access: &AccountAccess, id: &str, patch: EndpointPatch) -> Result<Endpoint, AppError> {
        let before = self.get_endpoint(access, id).await?;
        if !patch.expected.holds(Some(before.version)) {
            return Err(AppError::PreconditionFailed { version: Some(before.version) });
        }
        let rules = self.endpoint_rules(access)?;
        let mut faults = Vec::new();
        if let Some(url) = &patch.url {
            rules.check_url(url, &mut faults);
        }
        if let Some(name) = &patch.name {
            check_name(name.as_deref(), rules.limits, &mut faults);
        }
        let filter = patch.events.map(|events| rules.check_events(events.as_deref(), &mut faults));
        let filter_change = rules.check_choice(&patch.choice, &mut faults)?;
        rules.check_headers(patch.headers.as_deref().unwrap_or_default(), &mut faults);
        let in_flight_max = patch.in_flight_max.map(|wanted| rules.check_in_flight_max(wanted, &mut faults));
        let rate_limit = patch.rate_limit.map(|wanted| check_rate_limit(wanted.as_deref(), &mut faults));
        let payload = patch.payload.map(|wanted| rules.check_payload(wanted, &mut faults));
        let options = patch.options.map(|wanted| rules.check_options(before.options.as_deref(), wanted, &mut faults));
        let before_given = before.credentials.as_ref();
        let credentials = patch.credentials.map(|wanted| rules.check_credentials(before_given, wanted.as_ref(), &mut faults));
        if patch.url.is_some() || options.is_some() || credentials.is_some() {
            let named = (id, patch.url.as_deref().unwrap_or(&before.url), before.name.as_deref());
            let options = options.as_ref().unwrap_or(&before.options);
            let credentials = credentials.as_ref().unwrap_or(&before.credentials);
            rules.check_client_tls(named, options.as_deref(), credentials.as_ref(), &mut faults);
        }
        let now = self.clock().now();
        let asked = asked_end(patch.expires_at, patch.lease, now);
        let lease = asked.map(|asked| rules.check_renewal(asked, now, &mut faults));
        no_faults(faults)?;
        let has_expired = before.health.status == HealthStatus::Expired;
        let is_renewable = rules.is_renewable();
        if has_expired && lease.is_some() && !is_renewable {
            return Err(Conflict::LeaseEnded { is_renewable }.into());
        }
        let is_elsewhere = patch.url.as_ref().is_some_and(|url| *url != before.url);
        let is_given_up = patch.enabled == Some(true) && self.waits_for_nobody(access, &before).await?;
        let chosen = options.as_ref().map_or(before.options.as_deref(), Option::as_deref);
        let heartbeat = rules.contract.has_heartbeat().then(|| rules.contract.heartbeat_period(chosen));
        let changes = EndpointChanges {
            url: patch.url,
            name: patch.name,
            filter,
            filter_change,
            headers: patch.headers,
            enabled: patch.enabled,
            in_flight_max,
            rate_limit,
            payload,
            keep_answers: patch.keep_answers,
            options,
            credentials,
            lease,
            revive: is_renewable,
            heartbeat,
            resume: patch.enabled == Some(true) && revives(&before),
            activate: rules.contract.activation().is_some()
                && (patch.activate || is_elsewhere || is_given_up || (has_expired && lease.is_some())),
        };
        self.change_expected_endpoint(access, id, changes, patch.expected).await
    }

    /// Lets new events create deliveries for an endpoint. If it was disabled because it failed, it starts healthy again.
    pub async fn enable_endpoint(&self, access: &AccountAccess, id: &str) -> Result<Endpoint, AppError> {
        self.update_endpoint(access, id, EndpointPatch { enabled: Some(true), ..EndpointPatch::default() }).await
    }

    /// Stops new events from creating deliveries for an endpoint.
    pub async fn disable_endpoint(&self, access: &AccountAccess, id: &str) -> Result<Endpoint, AppError> {
        self.change_endpoint(access, id, EndpointChanges { enabled: Some(false), ..EndpointChanges::default() }).await
    }

    /// Makes an endpoint healthy again, so that its waiting deliveries are attempted. One that is pending gets a new handshake.
    pub async fn resume_endpoint(&self, access: &AccountAccess, id: &str) -> Result<Endpoint, AppError> {
        let endpoint = self.get_endpoint(access, id).await?;
        Self::refuse_expired(access, &endpoint)?;
        let is_pending = endpoint.health.status == HealthStatus::Pending;
        let activate = is_pending && access.contract()?.activation().is_some();
        self.change_endpoint(access, id, EndpointChanges { resume: !activate, activate, ..EndpointChanges::default() }).await
    }

    /// Nothing is sent to an endpoint that has expired, whatever is asked for.
    fn refuse_expired(access: &AccountAccess, endpoint: &Endpoint) -> Result<(), AppError> {
        if endpoint.health.status != HealthStatus::Expired {
            return Ok(());
        }
        let lease = access.contract()?.subscription().lease;
        Err(Conflict::LeaseEnded { is_renewable: lease.is_none_or(|lease| lease.renewable_after_end) }.into())
    }

    /// Whether an endpoint is pending and no handshake is under way that would end that.
    async fn waits_for_nobody(&self, access: &AccountAccess, endpoint: &Endpoint) -> Result<bool, AppError> {
        let is_pending = endpoint.health.status == HealthStatus::Pending;
        Ok(is_pending && self.endpoint_activation(access, endpoint).await?.is_none_or(|stands| stands.due_at.is_none()))
    }

    /// Deletes an endpoint and cancels its waiting deliveries.
    pub async fn delete_endpoint(&self, access: &AccountAccess, id: &str) -> Result<(), AppError> {
        self.delete_expected_endpoint(access, id, Precondition::Any).await
    }

    /// The same, unless the endpoint has another version than is expected.
    pub async fn delete_expected_endpoint(
        &self,
        access: &AccountAccess,
        id: &str,
        expected: Precondition,
    ) -> Result<(), AppError> {
        let entry = access.entry(AuditAction::EndpointDeleted).to(id);
        let deleted = self.records().audited(entry).delete_expected_endpoint(&lane(access, id)?, expected).await;
        let deleted = deleted.map_err(unexpected)?;
        if deleted { Ok(()) } else { Err(AppError::NotFound(Resource::Endpoint)) }
    }

    /// Publishes a test event to this endpoint only, the contract's own unless another is named, and says how often that may be
    /// done again.
    pub async fn test_endpoint(
        &self,
        access: &AccountAccess,
        id: &str,
        input: Option<EventInput<'_>>,
    ) -> Result<(EventReceipt, Allowance), AppError> {
        let endpoint = self.get_endpoint(access, id).await?;
        Self::refuse_expired(access, &endpoint)?;
        let admitted = self.tests().admit(&access.account.id, self.clock().now());
        let left = admitted.map_err(|(retry_after, allowance)| AppError::RateExceeded { retry_after, allowance })?;
        let entry = access.entry(AuditAction::EndpointTested).to(id);
        let receipt = self.publish_test(access, endpoint.id, input.as_ref()).await?;
        self.records().note(entry.with("event", AuditDetail::Text(receipt.id.to_string()))).await?;
        Ok((receipt, left))
    }

    async fn change_endpoint(&self, access: &AccountAccess, id: &str, changes: EndpointChanges) -> Result<Endpoint, AppError> {
        self.change_expected_endpoint(access, id, changes, Precondition::Any).await
    }

    async fn change_expected_endpoint(
        &self,
        access: &AccountAccess,
        id: &str,
        changes: EndpointChanges,
        expected: Precondition,
    ) -> Result<Endpoint, AppError> {
        let entry = described(access.entry(AuditAction::EndpointChanged).to(id), &changes);
        let updated = self.records().audited(entry).update_expected_endpoint(&lane(access, id)?, changes, expected).await;
        updated.map_err(unexpected)?.ok_or(AppError::NotFound(Resource::Endpoint))
    }

    fn draw_endpoint_id(&self, access: &AccountAccess) -> Result<EndpointId, AppError> {
        let format = &access.contract()?.ids().endpoint;
        let text = format.draw(self.clock().now(), self.entropy().bytes());
        EndpointId::try_new(&text).map_err(|error| AppError::invalid("", error.to_string()))
    }

    pub(crate) fn endpoint_rules<'a>(&'a self, access: &'a AccountAccess) -> Result<EndpointRules<'a>, AppError> {
        Ok(EndpointRules {
            contract: access.contract()?,
            account: &access.account,
            addresses: &self.options().addresses,
            allow_http: self.options().allow_http,
            limits: self.limits(),
        })
    }
}

/// An endpoint as it is shown with that permission.
fn shown(access: &AccountAccess, mut endpoint: Endpoint) -> Endpoint {
    if !access.shows_tokens {
        endpoint.url = mask_query(&endpoint.url);
        endpoint.headers.iter_mut().for_each(|(_, value)| MASK.clone_into(value));
    }
    endpoint
}

/// Whether enabling an endpoint must also make it healthy: a failed one gets no requests.
fn revives(endpoint: &Endpoint) -> bool {
    !endpoint.enabled && endpoint.health.status == HealthStatus::Failed
}

/// When a lease is to end, and by which field that was asked for; `None`: nothing was.
#[expect(clippy::option_option, reason = "callers know three things to say")]
fn asked_end(expires_at: Option<Option<Timestamp>>, lease: Option<Duration>, now: Timestamp) -> Option<AskedEnd> {
    match (expires_at, lease) {
        (None, None) => None,
        (Some(end), None) => Some(AskedEnd { field: "/expires_at", end, is_twice: false }),
        (end, Some(lease)) => Some(AskedEnd { field: "/lease", end: Some(now.plus(lease)), is_twice: end.is_some() }),
    }
}

/// What is said of an endpoint that is not as it is expected to be.
fn unexpected(error: ExpectedError) -> AppError {
    match error {
        ExpectedError::Other { version } => AppError::PreconditionFailed { version: Some(version) },
        ExpectedError::Unchanged(Unchanged::Chosen) => Conflict::EventChosen.into(),
        ExpectedError::Unchanged(Unchanged::GetsAll) => Conflict::EventsUnlisted.into(),
        ExpectedError::Unchanged(Unchanged::NotChosen) => AppError::NotFound(Resource::Choice),
        ExpectedError::Store(error) => error.into(),
    }
}

/// What is said when a limit is reached.
pub(crate) fn limited(error: LimitedError, conflict: impl FnOnce(u32) -> Conflict) -> AppError {
    match error {
        LimitedError::Reached { max } => conflict(max).into(),
        LimitedError::Store(error) => error.into(),
    }
}

pub(crate) fn lane(access: &AccountAccess, id: &str) -> Result<LaneKey, AppError> {
    let endpoint_id = EndpointId::try_new(id).map_err(|_| AppError::NotFound(Resource::Endpoint))?;
    Ok(LaneKey { account_id: access.account.id.clone(), endpoint_id })
}
