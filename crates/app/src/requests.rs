//! Showing the request of an attempt. It is not stored, as it follows from what is: the contract, the event, the endpoint and the
//! secrets. So it is rendered again, for the instant at which the attempt was made.

use bellwire_contract::{
    AccountInput, AttemptInput, DeliveryInput, EndpointInput, EventInput as RenderedEvent, PreviousAttempt, RenderInput,
    SignedText, SigningSecret,
};
use bellwire_domain::{MASK, OutboundRequest, Secret, Trigger, mask_query};
use bellwire_store::{Attempt, Delivery, Endpoint, Event};
use serde_json::{Map, Value};

use crate::endpoints::lane;
use crate::{AccountAccess, Actor, App, AppError, Conflict, Operation, Resource};

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
    /// What its signatures were computed over.
    pub signed: Vec<SignedText>,
    /// Whether it may have had other events beside this one, which are not shown.
    pub is_shared: bool,
}

/// A request, and which attempt it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRequest {
    /// The attempt's number; `None`: none was made yet.
    pub attempt: Option<u32>,
    /// The request.
    pub request: ShownRequest,
}

impl App {
    /// The request of an attempt of a delivery; without a number, of the last. That the event was read is recorded before it is shown.
    pub async fn get_request(&self, actor: &Actor, id: &str, number: Option<u32>) -> Result<AttemptRequest, AppError> {
        let scope = self.permit(actor, Operation::PayloadRead)?;
        let (delivery, attempts) = self.get_delivery_head(&scope, id).await?;
        let access = self.open_account(actor, Operation::PayloadRead, delivery.account_id.as_str()).await?;
        let attempt = match number {
            None => attempts.last(),
            Some(number) => {
                let found = attempts.iter().find(|attempt| attempt.number == number);
                Some(found.ok_or(AppError::NotFound(Resource::Attempt))?)
            }
        };
        let event = self.get_event(&access, delivery.event_id.as_str()).await?;
        let request = self.show_request(&access, &delivery, attempt, &event).await?;
        Ok(AttemptRequest { attempt: attempt.map(|attempt| attempt.number), request })
    }

    /// The request of an attempt. It is what was sent, as long as nobody has changed the endpoint or its secrets since, except for what the
    /// contract draws at random. Before the first attempt it is what would be sent now. Secrets that it carries are hidden, and what is
    /// made from credentials is made from dots. The event is the delivery's, as [`App::get_event`] has recorded that it was read.
    pub async fn show_request(
        &self,
        access: &AccountAccess,
        delivery: &Delivery,
        attempt: Option<&Attempt>,
        event: &Event,
    ) -> Result<ShownRequest, AppError> {
        if !access.shows_contents {
            return Err(AppError::Forbidden("this key is not shown what was sent"));
        }
        if event.removed.is_some() {
            return Err(Conflict::DataRemoved.into());
        }
        let contract = access.contract()?;
        let lane = lane(access, delivery.endpoint_id.as_str())?;
        // Whole, as the request is made from it.
        let endpoint = self.records().find_endpoint(&lane).await?.ok_or(Conflict::EndpointDeleted)?;
        let signing = self.request_secrets(access, &lane).await?;
        let not_built = |reason: String| AppError::from(Conflict::RequestNotBuilt { reason });
        let data = std::str::from_utf8(&event.data).map_err(|_| not_built("the payload is not text".to_owned()))?;
        let data = &*contract.minimise(data, endpoint.payload.as_ref());
        let (id, credentials) = (delivery.id.to_string(), endpoint.credentials.as_ref().map(hidden));
        let earlier = match attempt {
            Some(attempt) if contract.looks_back() => self.attempts_before(delivery, attempt).await?,
            _ => Vec::new(),
        };
        let first = attempt.into_iter().chain(&earlier).find(|before| before.number == 1);
        let previous = earlier.iter().find(|before| attempt.is_some_and(|attempt| before.number + 1 == attempt.number));
        let input = RenderInput {
            event: rendered_event(event, data),
            attempt: AttemptInput {
                number: attempt.map_or(1, |attempt| attempt.number),
                at: attempt.map_or_else(|| self.clock().now(), |attempt| attempt.started_at),
                trigger: attempt.map_or(Trigger::Automatic, |attempt| attempt.trigger),
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
        let (request, signed) = contract.render_with_signed(&input).map_err(|error| not_built(error.to_string()))?;
        let shown = ShownRequest { is_shared, ..shown(&request, signed, &signing) };
        Ok(if access.shows_tokens { shown } else { shown.without_tokens(&endpoint) })
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
        for signed in &mut self.signed {
            signed.text = signed.text.replace(&endpoint.url, &masked);
            signed.claims = signed.claims.take().map(|claims| claims.replace(&endpoint.url, &masked));
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

fn shown(request: &OutboundRequest, signed: Vec<SignedText>, secrets: &[SigningSecret]) -> ShownRequest {
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
        signed: signed
            .into_iter()
            .map(|signed| SignedText { text: hide(&signed.text), claims: signed.claims.as_deref().map(hide), ..signed })
            .collect(),
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
        let signed = vec![SignedText { signature: "main".to_owned(), text: "hunter2.{}".to_owned(), claims: None }];
        let shown =
            shown(&request, signed, &SigningSecret::numbered(&[Secret::new("hunter2".to_owned()), Secret::new(String::new())]));
        assert_eq!(shown.url, format!("https://a.example/hook?key={HIDDEN}"));
        assert_eq!(shown.headers, [("apiKey".to_owned(), HIDDEN.to_owned())]);
        assert_eq!(shown.body, format!("{{\"key\":\"{HIDDEN}\"}}"));
        assert_eq!(shown.signed[0].text, format!("{HIDDEN}.{{}}"));
    }
}
