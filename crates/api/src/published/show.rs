//! What use-cases return, as answers of published APIs may show it.

use bellwire_app::{AccountAccess, App, ListedKey, NumberedDelivery, ShownSecret};
use bellwire_contract::{
    AccountView, AttemptView, DeliveryView, EndpointView, EventView, KeyView, ResourceView, RetriedView, TestedView,
};
use bellwire_store::{Attempt, Delivery, Endpoint, Event, EventReceipt};

pub(super) fn key_view(listed: ListedKey) -> KeyView {
    KeyView { key: listed.key, version: listed.version, created_at: listed.created_at }
}

pub(super) fn account_view(access: &AccountAccess) -> AccountView {
    AccountView { id: access.account().id.to_string(), name: access.account().name.clone() }
}

pub(super) fn show(app: &App, access: &AccountAccess, endpoint: Endpoint, secret: Option<&ShownSecret>) -> EndpointView {
    EndpointView {
        events: app.endpoint_events(access, &endpoint),
        options: app.endpoint_options(access, endpoint.options.as_deref()),
        credentials: endpoint.credential_names(),
        id: endpoint.id.to_string(),
        url: endpoint.url,
        name: endpoint.name,
        enabled: endpoint.enabled,
        health: endpoint.health.status.as_str(),
        error: None,
        last_number: endpoint.last_number,
        version: endpoint.version,
        headers: endpoint.headers,
        payload: endpoint.payload,
        rate_limit: endpoint.rate_limit.map(|limit| limit.to_string()),
        expires_at: endpoint.expires_at,
        created_at: endpoint.created_at,
        updated_at: endpoint.updated_at,
        key: secret.and_then(ShownSecret::key).cloned().map(Box::new),
        secret: secret.and_then(ShownSecret::text).cloned(),
        secret_version: secret.and_then(ShownSecret::version),
    }
}

pub(super) fn show_resource(kind: &str, resource: bellwire_store::Resource) -> ResourceView {
    ResourceView {
        kind: kind.to_owned(),
        id: resource.head.id.to_string(),
        state: resource.head.state,
        version: resource.head.version,
        created_at: resource.head.created_at,
        updated_at: resource.head.updated_at,
        document: text(&resource.document),
    }
}

pub(super) fn show_delivery(numbered: NumberedDelivery) -> DeliveryView {
    let NumberedDelivery { delivery, event } = numbered;
    DeliveryView {
        id: delivery.id.to_string(),
        number: delivery.number,
        state: delivery.state.as_str(),
        created_at: delivery.created_at,
        event: show_event(&event),
    }
}

pub(super) fn show_event(event: &Event) -> EventView {
    EventView {
        id: event.id.to_string(),
        seq: event.seq,
        event_type: event.event_type.to_string(),
        occurred_at: event.occurred_at,
        is_test: event.is_test,
        data: text(&event.data),
    }
}

pub(super) fn show_test(receipt: &EventReceipt) -> TestedView {
    TestedView { id: receipt.id.to_string(), seq: receipt.seq }
}

pub(super) fn show_retried(delivery: &Delivery, attempts: Vec<Attempt>) -> RetriedView {
    RetriedView {
        id: delivery.id.to_string(),
        number: delivery.number,
        state: delivery.state.as_str(),
        event: delivery.event_id.to_string(),
        event_type: delivery.event_type.to_string(),
        endpoint: delivery.endpoint_id.to_string(),
        created_at: delivery.created_at,
        due_at: delivery.due_at,
        attempt_count: delivery.attempts,
        attempts: attempts.into_iter().map(show_attempt).collect(),
    }
}

fn show_attempt(attempt: Attempt) -> AttemptView {
    AttemptView {
        number: attempt.number,
        trigger: attempt.trigger.as_str(),
        started_at: attempt.started_at,
        outcome: attempt.outcome,
        status: attempt.status,
        detail: attempt.detail,
    }
}

/// Stored JSON as text: it was UTF-8 when it was accepted.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
