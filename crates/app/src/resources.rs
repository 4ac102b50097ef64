//! Resources: put by the publisher, read by whoever may. The contract says which events a change causes.

use std::sync::Arc;

use bellwire_contract::{Contract, ResourceChange, ResourceEvent, ResourceRefusal, StoredResource};
use bellwire_domain::{AuditAction, AuditDetail, EventId, ResourceId};
use bellwire_store::{
    Account, NewEvent, Page, PageRequest, Precondition, PutResource, PutResourceAnswer, PutResourceError, ResourceDecision,
    ResourceHead, ResourceUpdate, StoreError,
};
use bytes::Bytes;

use crate::audit::reading;
use crate::endpoint_rules::entitled;
use crate::error::no_faults;
use crate::publish::{DECISIONS_MAX, PublishFailure, count_accepted, fingerprint, is_nested_at_most, subject_reason};
use crate::wanted::{order, wanted};
use crate::{AccountAccess, App, AppError, Conflict, Fault, Resource};

/// Bytes of documents on one page; the page ends after the document that exceeds it.
pub(crate) const PAGE_BYTES_MAX: usize = 4 << 20;

/// A resource as put.
#[derive(Debug, Clone)]
pub struct ResourceInput<'a> {
    /// Its kind.
    pub kind: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Its document: valid JSON.
    pub document: Bytes,
    /// What must hold for the stored resource.
    pub precondition: Precondition,
}

impl App {
    /// Stores a resource's document with the events that the contract derives from it.
    pub async fn put_resource(&self, access: &AccountAccess, input: ResourceInput<'_>) -> Result<PutResourceAnswer, AppError> {
        check_kind(access.contract()?, input.kind)?;
        let id = ResourceId::try_new(input.id).map_err(|_| AppError::NotFound(Resource::Resource))?;
        self.check_document(&input.document)?;
        let wanted = PutResource { kind: input.kind.to_owned(), id, document: input.document, precondition: input.precondition };
        let mut account = Arc::clone(&access.account);
        for _ in 0..DECISIONS_MAX {
            let contract = self.contract(&account)?;
            let rehearsed = self.rehearse(&account, &contract, &wanted).await?;
            let (app, deciding, document) = (self.clone(), Arc::clone(&account), wanted.clone());
            let decide = move |stored: Option<&bellwire_store::Resource>| {
                Ok(as_rehearsed(app.decide_resource(&deciding, &contract, &document, stored)?, &rehearsed))
            };
            let traced = self.trace();
            let failure = match self.records().put_resource(Arc::clone(&account), wanted.clone(), decide).await {
                Ok(answer) => {
                    self.count_published(&access.by, AuditAction::ResourcesPut, &account.id, 1);
                    count_accepted(&account.contract, answer.events.iter().map(|(receipt, _)| receipt));
                    if let Some(traced) = traced {
                        traced.published(&account, self.clock().now(), answer.events.iter().map(|(receipt, of)| (receipt, of)));
                    }
                    return Ok(answer);
                }
                Err(PutResourceError::Refused(error)) => return Err(error),
                Err(PutResourceError::Precondition { version }) => return Err(AppError::PreconditionFailed { version }),
                Err(PutResourceError::Publish(error)) => PublishFailure::from(error),
            };
            match failure {
                PublishFailure::App(error) => return Err(error),
                PublishFailure::Conflict(_) => return Err(Conflict::ResourceEvent.into()),
                PublishFailure::AccountChanged => {
                    let found = self.find_account(&account.id).await?;
                    account = found.ok_or(AppError::NotFound(Resource::Account))?;
                }
            }
        }
        Err(StoreError::Busy.into())
    }

    /// One resource.
    pub async fn get_resource(&self, access: &AccountAccess, kind: &str, id: &str) -> Result<bellwire_store::Resource, AppError> {
        check_kind(access.contract()?, kind)?;
        let not_found = || AppError::NotFound(Resource::Resource);
        let id = ResourceId::try_new(id).map_err(|_| not_found())?;
        let found = self.records().find_resource(&access.account.id, kind, &id).await?.ok_or_else(not_found)?;
        self.note_documents(access, kind, std::slice::from_ref(&found)).await?;
        Ok(found)
    }

    /// A page of the resources of a kind, by id, without their documents.
    pub async fn list_resources(
        &self,
        access: &AccountAccess,
        kind: &str,
        page: PageRequest,
    ) -> Result<Page<ResourceHead>, AppError> {
        check_kind(access.contract()?, kind)?;
        Ok(self.records().list_resources(&access.account.id, kind, page).await?)
    }

    /// A page of the resources of a kind, by id, with their documents. It ends early if they are too large to hold at once.
    pub async fn list_resource_documents(
        &self,
        access: &AccountAccess,
        kind: &str,
        page: PageRequest,
    ) -> Result<Page<bellwire_store::Resource>, AppError> {
        let heads = self.list_resources(access, kind, page).await?;
        let (mut items, mut bytes) = (Vec::with_capacity(heads.items.len()), 0);
        let mut left = heads.items.into_iter();
        for head in left.by_ref() {
            let Some(resource) = self.records().find_resource(&access.account.id, kind, &head.id).await? else { continue };
            bytes += resource.document.len();
            items.push(resource);
            if bytes >= PAGE_BYTES_MAX {
                break;
            }
        }
        if !items.is_empty() {
            self.note_documents(access, kind, &items).await?;
        }
        let cut = left.next().and(items.last()).map(|last| last.head.id.to_string());
        Ok(Page { items, next: cut.or(heads.next) })
    }

    /// Records that documents were read.
    async fn note_documents(
        &self,
        access: &AccountAccess,
        kind: &str,
        read: &[bellwire_store::Resource],
    ) -> Result<(), AppError> {
        let ids: Vec<&ResourceId> = read.iter().map(|found| &found.head.id).collect();
        let entry = access.entry(AuditAction::PayloadsRead).with("kind", AuditDetail::Text(kind.to_owned()));
        Ok(self.records().note(reading(entry, &ids)).await?)
    }

    fn check_document(&self, document: &[u8]) -> Result<(), AppError> {
        let (bytes_max, depth_max) = (self.limits().data_bytes_max, self.limits().data_depth_max);
        if document.len() > bytes_max {
            let detail = format!("the document of a resource has at most {bytes_max} bytes, and here are {}", document.len());
            return Err(AppError::TooLarge(Fault::new("", detail)));
        }
        if !is_nested_at_most(depth_max, document) {
            return Err(AppError::invalid("", format!("a document is nested at most {depth_max} levels deep")));
        }
        Ok(())
    }

    /// The events that a document causes by what is stored now, with their filters asked about all endpoints. That may take long where there
    /// are many, and the transaction holds up everybody: it takes these events if they are what it comes to as well.
    async fn rehearse(
        &self,
        account: &Account,
        contract: &Arc<Contract>,
        wanted: &PutResource,
    ) -> Result<Vec<NewEvent>, AppError> {
        if !contract.has_filter() {
            return Ok(Vec::new());
        }
        let stored = self.records().find_resource(&account.id, &wanted.kind, &wanted.id).await?;
        // If it is refused, the transaction says so.
        let Ok(ResourceDecision::Changed(update)) = self.decide_resource(account, contract, wanted, stored.as_ref()) else {
            return Ok(Vec::new());
        };
        self.ask_filters(&account.id, &update.events).await?;
        Ok(update.events)
    }

    /// What a document changes, given what is stored. Runs inside the store's transaction.
    fn decide_resource(
        &self,
        account: &Account,
        contract: &Arc<Contract>,
        wanted: &PutResource,
        stored: Option<&bellwire_store::Resource>,
    ) -> Result<ResourceDecision, AppError> {
        let definition = check_kind(contract, &wanted.kind)?;
        let old = stored.map(open).transpose()?;
        let change = definition.decide(wanted.id.as_str(), old, &wanted.document).map_err(refused)?;
        if change.is_same {
            return Ok(ResourceDecision::Same);
        }
        let ResourceChange { state, states_ever, events, subjects, .. } = change;
        let reasons = subjects.iter().filter_map(|subject| subject_reason(subject, self.limits()));
        let faults: Vec<Fault> = reasons.map(|reason| Fault::new("", reason)).collect();
        no_faults(faults)?;
        let events = self.resource_events(account, contract, events, &subjects)?;
        Ok(ResourceDecision::Changed(ResourceUpdate { state, states_ever, events, subjects }))
    }

    fn resource_events(
        &self,
        account: &Account,
        contract: &Arc<Contract>,
        caused: Vec<ResourceEvent>,
        subjects: &[String],
    ) -> Result<Vec<NewEvent>, AppError> {
        let may_have = |event: &ResourceEvent| {
            contract.event(event.event_type.as_str()).is_some_and(|definition| entitled(account, definition))
        };
        let caused: Vec<ResourceEvent> = caused.into_iter().filter(may_have).collect();
        let (count, max) = (caused.iter().map(|event| event.count).sum::<usize>(), self.limits().batch_events_max);
        if count > max {
            let detail = format!("a change causes at most {max} events, and this one would cause {count}");
            return Err(AppError::TooLarge(Fault::new("", detail)));
        }
        let mut events = Vec::with_capacity(count);
        for event in caused {
            self.check_caused(contract, &event)?;
            for _ in 0..event.count {
                events.push(self.caused_event(contract, &event, subjects)?);
            }
        }
        Ok(events)
    }

    /// Checks data against the catalogue, whoever wrote it.
    fn check_caused(&self, contract: &Contract, event: &ResourceEvent) -> Result<(), AppError> {
        let max = self.limits().data_bytes_max;
        if event.data.len() > max {
            let detail = format!("the data of the event `{}` would have more than {max} bytes", event.event_type);
            return Err(AppError::TooLarge(Fault::new("", detail)));
        }
        let Some(definition) = contract.event(event.event_type.as_str()) else { return Ok(()) };
        let fault = |error: bellwire_contract::DataError| {
            if event.is_document {
                return Fault::new(error.pointer, format!("for the event `{}`: {}", event.event_type, error.message));
            }
            Fault::new("", format!("the data of the event `{}`: {}: {}", event.event_type, error.pointer, error.message))
        };
        let checked = contract.check_data(definition, &event.data);
        checked.map_err(|errors| AppError::Invalid(errors.into_iter().map(fault).collect()))
    }

    fn caused_event(&self, contract: &Arc<Contract>, event: &ResourceEvent, subjects: &[String]) -> Result<NewEvent, AppError> {
        let now = self.clock().now();
        let id = match &event.id {
            Some(id) => EventId::try_new(id)
                .map_err(|error| AppError::invalid("", format!("the id of the event `{}`: {error}", event.event_type)))?,
            None => self.draw_event_id(&contract.ids().event, now)?,
        };
        let event = NewEvent {
            id,
            id_chosen: event.id.is_some(),
            event_type: event.event_type.clone(),
            occurred_at: now,
            data: event.data.clone(),
            subjects: subjects.to_vec(),
            fingerprint: fingerprint(event.event_type.as_str(), &event.data, None, &[]),
            redeliver: false,
            is_test: false,
            only_endpoint: None,
            wanted: None,
            order: None,
        };
        let wanted = contract.has_filter().then(|| wanted(contract, &event));
        let order = order(contract, &event);
        Ok(NewEvent { wanted, order, ..event })
    }
}

/// The decision, with the events that were made before if they are the same.
fn as_rehearsed(decision: ResourceDecision, rehearsed: &[NewEvent]) -> ResourceDecision {
    let is_same = |one: &NewEvent, other: &NewEvent| {
        let has_its_id = if one.id_chosen { one.id == other.id } else { !other.id_chosen };
        has_its_id && one.fingerprint == other.fingerprint && one.subjects == other.subjects
    };
    match decision {
        ResourceDecision::Changed(update)
            if update.events.len() == rehearsed.len()
                && update.events.iter().zip(rehearsed).all(|(one, other)| is_same(one, other)) =>
        {
            ResourceDecision::Changed(ResourceUpdate { events: rehearsed.to_vec(), ..update })
        }
        other => other,
    }
}

fn check_kind<'c>(contract: &'c Contract, kind: &str) -> Result<&'c bellwire_contract::ResourceDefinition, AppError> {
    contract.resource(kind).ok_or_else(|| AppError::NoSuchKind(contract.no_such_resource(kind)))
}

fn open(stored: &bellwire_store::Resource) -> Result<StoredResource<'_>, AppError> {
    let document = std::str::from_utf8(&stored.document).map_err(|_| StoreError::Inconsistent {
        table: "resources",
        column: "document_sealed",
        id: stored.head.id.to_string(),
    })?;
    Ok(StoredResource { state: &stored.head.state, states_ever: &stored.states_ever, document })
}

fn refused(refusal: ResourceRefusal) -> AppError {
    match refusal {
        ResourceRefusal::Transition { rule, detail } => Conflict::IllegalTransition { rule, detail }.into(),
        ResourceRefusal::Invalid(errors) => {
            AppError::Invalid(errors.into_iter().map(|error| Fault::new(error.pointer, error.message)).collect())
        }
    }
}
