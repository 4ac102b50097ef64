//! The pages over a store of their own, without a network.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use bellwire_app::{
    AccountInput, Actor, App, AppOptions, DeliveryFilter, EndpointInput, EventInput, IncidentFilter, Limits, Operation,
};
use bellwire_console::{ConsoleOptions, router};
use bellwire_contract::Contracts;
use bellwire_domain::{
    AddressPolicy, AttemptOutcome, AuditOrigin, AuditVia, Decision, DeliveryId, HealthPolicy, Phases, RetentionPeriods, Secret,
};
use bellwire_store::{ClaimedDelivery, Location, MasterKey, Outcome, PageRequest, Queue, StoreOptions};
use bellwire_testkit::{ManualClock, SeededEntropy};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::watch;
use tower::ServiceExt;

/// From where the tests ask, where that is of no interest.
pub(crate) const NOWHERE: AuditOrigin = AuditOrigin { via: AuditVia::Console, address: None };
pub(crate) const ADMIN: &str = "the-admin-key-of-these-tests";

pub(crate) struct Site {
    router: Router,
    pub(crate) app: App,
    pub(crate) queue: Queue,
    pub(crate) clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Site {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let entropy = Arc::new(SeededEntropy::new(7));
        let location = Location::Sqlite(folder.path().join("bellwire.db"));
        let options = StoreOptions::new(location, MasterKey::new([7; 32]), clock.clone(), entropy.clone());
        let (records, queue) = bellwire_store::open(options).unwrap();
        let app = App::new(AppOptions {
            records,
            contracts: watch::Sender::new(Arc::new(Contracts::shipped().unwrap())),
            contract_files: None,
            clock: clock.clone(),
            entropy,
            addresses: AddressPolicy::default(),
            allow_http: false,
            limits: Limits::default(),
            key_fetcher: None,
            erasure_list: None,
            traces: None,
            seen: watch::channel(None).1,
            retention: RetentionPeriods::default(),
        });
        assert_eq!(app.ensure_admin_key(Some(ADMIN)).await.unwrap(), None);
        let options = ConsoleOptions {
            app: app.clone(),
            plain_http: false,
            portal_refresh_url: None,
            frame_origins: Vec::new(),
            sso: None,
        };
        Self { router: router(options), app, queue, clock, _folder: folder }
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], form: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if method == "POST" {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        let response = self.router.clone().oneshot(request.body(Body::from(form.to_owned())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// The cookie of whoever holds this key.
    pub(crate) async fn sign_in(&self, key: &str) -> String {
        cookie(&self.send("POST", "/console/sign-in", &[], &format!("key={key}")).await)
    }

    async fn admin(&self) -> Actor {
        self.app.authenticate(Some(ADMIN), NOWHERE).await.unwrap()
    }

    pub(crate) async fn account(&self, id: &str, contract: &str) {
        let scope = self.app.permit(&self.admin().await, Operation::AccountManage).unwrap();
        let input = AccountInput {
            contract_version: None,
            id,
            contract,
            name: None,
            secret: None,
            sandbox: false,
            entitlements: Vec::new(),
            retention: RetentionPeriods::default(),
        };
        self.app.put_account(&scope, input).await.unwrap();
    }

    /// Has a delivery, which is held in memory, refused once: that opens an incident.
    pub(crate) async fn refuse(&self, id: DeliveryId) {
        let delivery: ClaimedDelivery = loop {
            let batch = self.queue.next_claimed().await.unwrap();
            if let Some(found) = batch.into_iter().find(|delivery| delivery.id == id) {
                break found;
            }
        };
        let now = self.app.clock().now();
        let outcome = Outcome {
            delivery,
            started_at: now,
            duration: Duration::from_millis(84),
            phases: Phases::default(),
            outcome: AttemptOutcome::Response {
                status: 503,
                retry_after: None,
                headers: Vec::new(),
                body: b"try later".to_vec(),
            },
            decision: Decision::Retry { due_at: now.plus(Duration::from_secs(60)) },
            health: HealthPolicy::default(),
            told: None,
            relays_answer: false,
            order: bellwire_domain::OrderStep::default(),
        };
        self.queue.record_outcomes([outcome].into()).await.unwrap();
    }

    /// The same, once the delivery was refused, with the incident that it opened.
    pub(crate) async fn refused_things(&self, account: &str) -> Vec<(&'static str, String)> {
        let mut things = self.things(account).await;
        let of = |name: &str| things.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        let (delivery, endpoint) = (of("{delivery}"), of("{endpoint}"));
        self.refuse(DeliveryId::try_new(&delivery).unwrap()).await;
        let scope = self.app.permit(&self.admin().await, Operation::DeliveryRead).unwrap();
        let filter = IncidentFilter { account: Some(account), endpoint: Some(&endpoint), state: None };
        let page = PageRequest { limit: 1, after: None };
        let incident = self.app.list_incidents(&scope, filter, page).await.unwrap().items.remove(0);
        things.push(("{incident}", incident.id.to_string()));
        let filter = DeliveryFilter { account: Some(account), endpoint: Some(&endpoint), ..DeliveryFilter::default() };
        let retry = self.app.start_bulk_retry(&self.admin().await, filter, Some("to see")).await.unwrap();
        while self.app.advance_bulk_retry(None).await.unwrap().is_some() {}
        things.push(("{bulk_retry}", retry.id.to_string()));
        things
    }

    /// A new endpoint of an account, an event and its delivery, as parts of paths.
    pub(crate) async fn things(&self, account: &str) -> Vec<(&'static str, String)> {
        let admin = self.admin().await;
        let access = self.app.open_account(&admin, Operation::EndpointChange, account).await.unwrap();
        let contract = access.contract().unwrap();
        let event = &contract.events()[0];
        let endpoint = EndpointInput {
            url: "https://clinic.example/hook?token=planted".to_owned(),
            secret: Some(Secret::new("a secret that nobody guesses".to_owned())),
            events: (contract.name() != "noyo").then(|| vec![event.event_type.to_string()]),
            enabled: Some(true),
            ..EndpointInput::default()
        };
        let (endpoint, _) = self.app.create_endpoint(&access, endpoint).await.unwrap();
        let input = EventInput {
            pointer: String::new(),
            event_type: event.event_type.as_str().into(),
            data: Bytes::copy_from_slice(event.example.get().as_bytes()),
            id: None,
            occurred_at: None,
            subjects: Vec::new(),
            redeliver: false,
        };
        let publish = self.app.open_account(&admin, Operation::EventPublish, account).await.unwrap();
        let receipt = self.app.publish(&publish, &[input]).await.unwrap().remove(0);
        let scope = self.app.permit(&admin, Operation::DeliveryRead).unwrap();
        let filter = DeliveryFilter { account: Some(account), endpoint: Some(endpoint.id.as_str()), ..DeliveryFilter::default() };
        let page = PageRequest { limit: 1, after: None };
        let delivery = self.app.list_deliveries(&scope, filter, page).await.unwrap().items.remove(0);
        vec![
            ("{account}", account.to_owned()),
            ("{endpoint}", endpoint.id.to_string()),
            ("{event}", receipt.id.to_string()),
            ("{delivery}", delivery.id.to_string()),
            ("{contract}", contract.name().to_owned()),
            ("{key}", "key_none".to_owned()),
        ]
    }
}

/// The session that an answer sets.
pub(crate) fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text);
    let set = answer.headers["set-cookie"].to_str().unwrap();
    for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/console"] {
        assert!(set.contains(part), "{set}");
    }
    set.split(';').next().unwrap().to_owned()
}
