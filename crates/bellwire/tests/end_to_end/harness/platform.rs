//! A platform's operator: accounts and endpoints as each contract asks for them.

use std::sync::{Arc, LazyLock};

use bellwire_contract::{
    AccountInput, AttemptInput, Contract, Contracts, DeliveryInput, EndpointInput, EventChoice, EventInput, OutboundRequest,
    RenderInput, SecretSource, SigningSecret,
};
use bellwire_domain::{EventType, Secret, Timestamp, Trigger};
use serde_json::{Value, json};

use super::{Api, Seen};

/// A shipped contract.
pub(crate) fn shipped(name: &str) -> Arc<Contract> {
    static SHIPPED: LazyLock<Contracts> = LazyLock::new(|| Contracts::shipped().unwrap());
    Arc::clone(SHIPPED.get(name).unwrap())
}

/// One account under a contract, with its endpoints.
pub(crate) struct Platform {
    pub(crate) api: Api,
    pub(crate) contract: Arc<Contract>,
    pub(crate) account: String,
    /// What signs: chosen by whoever chooses it under this contract.
    pub(crate) secret: String,
}

impl Platform {
    /// An account entitled to everything.
    pub(crate) fn set_up(api: &Api, contract: &str) -> Self {
        Self::set_up_as(api, contract, "550e8400-e29b-41d4-a716-446655440000")
    }

    /// The same with an id of the caller's choice.
    pub(crate) fn set_up_as(api: &Api, contract: &str, account: &str) -> Self {
        let (contract, account) = (shipped(contract), account.to_owned());
        let secret = contract.draw_secret([42; 32]).expose().clone();
        let entitlements: Vec<_> = contract.events().iter().filter_map(|event| event.entitlement.clone()).collect();
        let mut wanted = json!({ "contract": contract.name(), "name": "Clinic 7", "entitlements": entitlements });
        if contract.subscription().secret.from == SecretSource::Account {
            wanted["secret"] = json!(secret);
        }
        api.put(&format!("/v1/accounts/{account}"), &wanted).expect(201);
        Self { api: api.clone(), contract, account, secret }
    }

    /// An enabled endpoint for everything; its id. Where Bellwire draws the secret, it is the one drawn from now on.
    pub(crate) fn add_endpoint(&mut self, url: &str) -> String {
        let subscription = self.contract.subscription();
        let mut wanted = json!({ "url": url, "name": "Intake" });
        if subscription.secret.from == SecretSource::Consumer {
            wanted["secret"] = json!(self.secret);
        }
        let types: Vec<_> = self.contract.events().iter().map(|event| event.event_type.as_str()).collect();
        if subscription.events == EventChoice::Choose && !types.is_empty() {
            wanted["events"] = json!(types);
        }
        let made = self.api.post(&self.path("/endpoints"), &wanted).expect(201);
        let id = made["id"].as_str().unwrap().to_owned();
        assert_eq!(made["enabled"], subscription.enabled);
        if !subscription.enabled {
            let enabled = self.api.post(&self.path(&format!("/endpoints/{id}/enable")), &Value::Null).expect(200);
            assert_eq!(enabled["enabled"], true);
        }
        match subscription.secret.from {
            SecretSource::Generated => made["secret"].as_str().unwrap().clone_into(&mut self.secret),
            SecretSource::Consumer => assert_eq!(made["secret"], self.secret),
            SecretSource::Account | SecretSource::Contract => assert_eq!(made["secret"], Value::Null),
        }
        id
    }

    /// A path under the account.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v1/accounts/{}{rest}", self.account)
    }

    pub(crate) fn publish(&self, event_type: &str, data: &str) -> String {
        self.api.publish(&self.account, event_type, data)
    }

    /// Publishes the first event of the catalogue with its example; its id.
    pub(crate) fn publish_any(&self) -> String {
        let (event_type, data) = self.catalogue().remove(0);
        self.publish(&event_type, &data)
    }

    /// Types and examples; of types made up here, where the contract takes any.
    pub(crate) fn catalogue(&self) -> Vec<(String, String)> {
        let events = self.contract.events().iter();
        let mut events: Vec<_> = events.map(|event| (event.event_type.to_string(), event.example.get().to_owned())).collect();
        if self.contract.any_event().is_some() {
            events.push(("invoice.paid".to_owned(), r#"{"id":"in_1","amount":1.10}"#.to_owned()));
            events.push(("claim.closed".to_owned(), r"[]".to_owned()));
        }
        events
    }

    /// An event's delivery once so many attempts of it are recorded.
    #[track_caller]
    pub(crate) fn attempted(&self, event: &str, attempts: usize) -> Value {
        self.api.attempted(&self.account, event, attempts)
    }

    pub(crate) fn endpoint(&self, id: &str) -> Value {
        self.api.get(&self.path(&format!("/endpoints/{id}"))).expect(200)
    }
}

/// What Bellwire would have sent at `at`: genuine in everything, and as old as that.
pub(crate) fn old_request(platform: &Platform, url: &str, at: Timestamp) -> Seen {
    let (event_type, data) = platform.catalogue().remove(0);
    let secrets = SigningSecret::numbered(&[Secret::new(platform.secret.clone())]);
    let event_type = EventType::try_new(&event_type).unwrap();
    let request = platform.contract.render(&RenderInput {
        event: EventInput {
            id: &platform.contract.ids().event.draw(at, [5; 10]),
            event_type: &event_type,
            occurred_at: at,
            seq: 1,
            data: &data,
            is_test: false,
        },
        attempt: AttemptInput { number: 1, at, trigger: Trigger::Automatic, random: [5; 24] },
        delivery: DeliveryInput {
            id: "dlv_0000000000001",
            number: 1,
            created_at: at,
            first_attempt_at: Some(at),
            previous: None,
        },
        endpoint: EndpointInput { id: "1", url, name: None, expires_at: None, headers: &[], options: None, credentials: None },
        account: AccountInput { id: &platform.account, name: None },
        secrets: &secrets,
        activation: None,
        others: &[],
        access_token: None,
    });
    captured(&request.unwrap())
}

/// A rendered request as if a receiver had seen it.
fn captured(request: &OutboundRequest) -> Seen {
    let headers = request.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    Seen {
        verified: true,
        reason: None,
        duplicate: false,
        event_type: None,
        event_id: None,
        status: 0,
        headers: headers.collect(),
        body: request.body.to_vec(),
    }
}
