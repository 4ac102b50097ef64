//! Showing the request of an attempt. It is not stored, as it follows from what is: the contract, the event, the endpoint and the
//! secrets. So it is rendered again, for the instant at which the attempt was made.

use bellwire_contract::{
    AccountInput, AttemptInput, DeliveryInput, EndpointInput, EventInput as RenderedEvent, PreviousAttempt, RenderInput,
    SigningSecret,
};
use bellwire_domain::{MASK, OutboundRequest, Secret, mask_query};
use bellwire_store::{Attempt, Delivery, Endpoint, Event};
use serde_json::{Map, Value};

use crate::endpoints::lane;
use crate::{AccountAccess, App, AppError, Resource};

/// What stands for a secret that a request carries as it is.
const HIDDEN: &str = "••••••••";

/// A request for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownRequest {
    /// Its method.
    pub method: String,
    /// Its URL.
    pub url: String,
    /// Its headers as HTTP/1.1 carries them.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
    /// Whether it may have had other events beside this one, which are not shown.
    pub is_shared: bool,
}

impl App {
    /// The request of an attempt, or why it cannot be built. It is what was sent, as long as nobody has changed the endpoint or its
    /// secrets since, except for what the contract draws at random. Secrets that it carries are hidden, and what is made from credentials
    /// is made from dots. The event is the delivery's, as
    /// [`App::get_event`] has recorded that it was read.
    pub async fn show_request(
        &self,
        access: &AccountAccess,
        delivery: &Delivery,
        attempt: &Attempt,
        event: &Event,
    ) -> Result<Result<ShownRequest, String>, AppError> {
        if !access.shows_contents {
            return Ok(Err("this role is not shown requests".to_owned()));
        }
        if event.removed.is_some() {
            return Ok(Err("the data of this event was removed".to_owned()));
        }
        let contract = access.contract()?;
        // Whole, as the request is made from it.
        let endpoint = self.records().find_endpoint(&lane(access, delivery.endpoint_id.as_str())?).await?;
        let endpoint = endpoint.ok_or(AppError::NotFound(Resource::Endpoint))?;
        let signing = self.request_secrets(access, &lane(access, delivery.endpoint_id.as_str())?).await?;
        let Ok(data) = std::str::from_utf8(&event.data) else { return Ok(Err("the payload is not text".to_owned())) };
        let data = &*contract.minimise(data, endpoint.payload.as_ref());
        let (id, credentials) = (delivery.id.to_string(), endpoint.credentials.as_ref().map(hidden));
        let earlier = if contract.looks_back() { self.attempts_before(delivery, attempt).await? } else { Vec::new() };
        let first = std::iter::once(attempt).chain(&earlier).find(|before| before.number == 1);
        let previous = earlier.iter().find(|before| before.number + 1 == attempt.number);
        let input = RenderInput {
            event: rendered_event(event, data),
            attempt: AttemptInput {
                number: attempt.number,
                at: attempt.started_at,
                trigger: attempt.trigger,
                random: self.entropy().bytes(),
            },
            delivery: DeliveryInput {
                id: &id,
                number: delivery.number,
                created_at: delivery.created_at,
                first_attempt_at: first.map(|first| first.started_at),
                previous: previous.map(|before| PreviousAttempt { outcome: &before.outcome, status: before.status }),
            },
            endpoint: EndpointInput {
                options: endpoint.options.as_deref(),
                credentials: credentials.as_deref(),
                id: endpoint.id.as_str(),
                url: &endpoint.url,
                name: endpoint.name.as_deref(),
                expires_at: endpoint.expires_at,
                headers: &endpoint.headers,
            },
            account: AccountInput { id: access.account.id.as_str(), name: access.account.name.as_deref() },
            secrets: &signing,
            activation: None,
            others: &[],
            access_token: contract.access_token().map(|_| HIDDEN),
        };
        let policy = contract.delivery_of(endpoint.options.as_deref());
        let is_shared = policy.batch.is_some() && contract.carries_events(&event.event_type);
        let rendered = contract.render(&input).map(|request| ShownRequest { is_shared, ..shown(&request, &signing) });
        let shown = rendered.map(|request| if access.shows_tokens { request } else { request.without_tokens(&endpoint) });
        Ok(shown.map_err(|error| error.to_string()))
    }

    async fn attempts_before(&self, delivery: &Delivery, attempt: &Attempt) -> Result<Vec<Attempt>, AppError> {
        let mut attempts = self.records().find_delivery(delivery.id).await?.map_or_else(Vec::new, |(_, attempts)| attempts);
        attempts.retain(|before| before.number < attempt.number);
        Ok(attempts)
    }
}

/// An event of the log as requests are made from it, with what is left of its data.
pub(crate) fn rendered_event<'a>(event: &'a Event, data: &'a str) -> RenderedEvent<'a> {
    RenderedEvent {
        id: event.id.as_str(),
        event_type: &event.event_type,
        occurred_at: event.occurred_at,
        seq: event.seq,
        data,
        is_test: event.is_test,
    }
}

impl ShownRequest {
    /// For who is not shown the values in the endpoint's URL and headers.
    fn without_tokens(mut self, endpoint: &Endpoint) -> Self {
        let masked = mask_query(&endpoint.url);
        let is_own = |name: &str| endpoint.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        for (name, value) in &mut self.headers {
            *value = if is_own(name) { MASK.to_owned() } else { value.replace(&endpoint.url, &masked) };
        }
        Self { url: mask_query(&self.url), body: self.body.replace(&endpoint.url, &masked), ..self }
    }
}

/// Credentials with dots for each value, so that whatever a contract makes of them tells nothing.
fn hidden(credentials: &Secret<String>) -> String {
    let mut given: Map<String, Value> = serde_json::from_str(credentials.expose()).unwrap_or_default();
    given.values_mut().for_each(|value| *value = HIDDEN.into());
    Value::Object(given).to_string()
}

fn shown(request: &OutboundRequest, secrets: &[SigningSecret]) -> ShownRequest {
    let hide = |text: &str| {
        let secrets = secrets.iter().map(|signing| signing.secret.expose().as_str()).filter(|secret| !secret.is_empty());
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
    };
    let headers = request.headers.iter();
    ShownRequest {
        is_shared: false,
        method: request.method.to_string(),
        url: hide(&request.url),
        headers: headers
            .map(|(name, value)| (request.spelled(name).to_owned(), hide(&String::from_utf8_lossy(value.as_bytes()))))
            .collect(),
        body: hide(&String::from_utf8_lossy(&request.body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_a_request_carries_is_hidden_wherever_it_stands() {
        let request = OutboundRequest {
            method: "POST".parse().unwrap(),
            url: "https://a.example/hook?key=hunter2".to_owned(),
            headers: [("apikey".parse().unwrap(), "hunter2".parse().unwrap())].into_iter().collect(),
            spellings: vec!["apiKey".into()],
            body: "{\"key\":\"hunter2\"}".into(),
            heeded: std::sync::Arc::default(),
            tls: None,
        };
        let shown = shown(&request, &SigningSecret::numbered(&[Secret::new("hunter2".to_owned()), Secret::new(String::new())]));
        assert_eq!(shown.url, format!("https://a.example/hook?key={HIDDEN}"));
        assert_eq!(shown.headers, [("apiKey".to_owned(), HIDDEN.to_owned())]);
        assert_eq!(shown.body, format!("{{\"key\":\"{HIDDEN}\"}}"));
    }
}
