//! An example of a request, without a server.

use bellwire_contract::{
    AccountInput, AttemptInput, BatchedEvent, Contract, DeliveryInput, EndpointInput, EventInput, OutboundRequest, RenderInput,
    SigningSecret,
};
use bellwire_domain::{EventType, Timestamp, Trigger};

/// Stand-ins for what a server would know.
pub(super) struct Example {
    now: Timestamp,
    expires_at: Option<Timestamp>,
    event_id: String,
    endpoint_id: String,
    credentials: Option<String>,
    access_token: Option<&'static str>,
}

impl Example {
    pub(super) fn new(contract: &Contract, now: Timestamp) -> Self {
        let ids = contract.ids();
        let credentials = contract.example_credentials().map(ToOwned::to_owned);
        let access_token = contract.example_access_token();
        let expires_at = contract.subscription().lease.and_then(|lease| lease.example(now));
        Self {
            expires_at,
            credentials,
            access_token,
            now,
            event_id: ids.event.draw(now, [7; 10]),
            endpoint_id: ids.endpoint.draw(now, [8; 10]),
        }
    }

    /// Ids of further events and of their deliveries.
    pub(super) fn more(&self, contract: &Contract, count: u16) -> Vec<(String, String)> {
        let of = |number: u16| {
            let [high, low] = (number + 2).to_be_bytes();
            let id = contract.ids().event.draw(self.now, [7, 7, 7, 7, 7, 7, 7, 7, high, low]);
            (id, format!("dlv_{:0>13}", number + 2))
        };
        (0..count).map(of).collect()
    }

    pub(super) fn input<'a>(
        &'a self,
        event_type: &'a EventType,
        data: &'a str,
        url: &'a str,
        secrets: &'a [SigningSecret],
    ) -> RenderInput<'a> {
        RenderInput {
            event: EventInput { id: &self.event_id, event_type, occurred_at: self.now, seq: 1, data, is_test: false },
            attempt: AttemptInput { number: 1, at: self.now, trigger: Trigger::Automatic, random: [7; 24] },
            delivery: DeliveryInput {
                id: "dlv_0000000000001",
                number: 1,
                created_at: self.now,
                first_attempt_at: Some(self.now),
                previous: None,
            },
            endpoint: EndpointInput {
                id: &self.endpoint_id,
                url,
                name: None,
                expires_at: self.expires_at,
                headers: &[],
                options: None,
                credentials: self.credentials.as_deref(),
            },
            account: AccountInput { id: "550e8400-e29b-41d4-a716-446655440000", name: None },
            secrets,
            activation: None,
            others: &[],
            access_token: self.access_token,
        }
    }
}

/// The same event again under other ids, as the others of its request.
pub(super) fn others<'a>(input: &RenderInput<'a>, ids: &'a [(String, String)]) -> Vec<BatchedEvent<'a>> {
    let of = |(number, (id, delivery_id)): (i64, &'a (String, String))| BatchedEvent {
        event: EventInput { id, seq: number, ..input.event },
        delivery_id,
        number,
        attempt: 1,
    };
    (2..).zip(ids).map(of).collect()
}

/// The request as HTTP/1.1 carries it and `bellwire verify` reads it.
pub(super) fn show(request: &OutboundRequest) -> Vec<u8> {
    let mut text = format!("{} {}\n", request.method, request.url).into_bytes();
    for (name, value) in &request.headers {
        text.extend_from_slice(request.spelled(name).as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(&request.body);
    text
}
