//! Posted events on their way into the store.

use std::fmt;
use std::sync::Arc;

use bellwire_domain::{AccountId, EndpointId, Entropy, EventId, EventType, Offer, Timestamp};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::tickets::Ticket;
use crate::StoreError;
use crate::seal::{DataKey, Place, SubjectHash};

/// An event to be published.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its id.
    pub id: EventId,
    /// Whether the publisher chose the id: only then can it exist already.
    pub id_chosen: bool,
    /// Its type.
    pub event_type: EventType,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The posted bytes of `data`.
    pub data: Bytes,
    /// Whom it is about.
    pub subjects: Vec<String>,
    /// A digest of what the publisher posted: the same id with another fingerprint is a conflict.
    pub fingerprint: [u8; 32],
    /// When the event exists: send it again to every endpoint that matches now.
    pub redeliver: bool,
    /// A test event.
    pub is_test: bool,
    /// Only this endpoint, whatever its filter.
    pub only_endpoint: Option<EndpointId>,
    /// To which endpoints it goes, by what they have chosen; `None`: to all that want its type.
    pub wanted: Option<Wanted>,
    /// What its deliveries have in common with those that wait for each other; `None`: they wait for none.
    pub order: Option<NewOrder>,
}

/// The order that an event's deliveries are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// What they have in common with those that wait for each other.
    pub key: String,
    /// Whether those before it that were tried in vain are dropped.
    pub drops_stale: bool,
}

/// Whether an event goes to an endpoint with these options, a JSON object. It is asked in the transaction that stores the event, so it
/// has to be quick.
#[derive(Clone)]
pub struct Wanted(Arc<Judge>);

type Judge = dyn Fn(Option<&str>) -> bool + Send + Sync;

impl Wanted {
    /// Asks `judge`.
    pub fn by(judge: impl Fn(Option<&str>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(judge))
    }

    /// Whether it does.
    pub fn by_options(&self, options: Option<&str>) -> bool {
        (self.0)(options)
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Wanted")
    }
}

/// What the publisher is told of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventReceipt {
    /// The event's id.
    pub id: EventId,
    /// Its place in the account's log.
    pub seq: i64,
    /// How many deliveries its first publication caused.
    pub deliveries: i64,
    /// Whether this call stored it; `false`: it was there already.
    pub created: bool,
}

/// Why nothing of a call was published.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
    /// An event with this id and other content exists.
    #[error("event {index}: an event with this id and other content exists")]
    Conflict {
        /// The event's place in the call.
        index: usize,
    },
    /// The event exists, and cannot be sent again: its data is gone.
    #[error("event {index}: its data is gone, and it cannot be sent again")]
    DataRemoved {
        /// The event's place in the call.
        index: usize,
    },
    /// The account does not exist.
    #[error("the account does not exist")]
    AccountNotFound,
    /// The account has changed since it was read: read it again and decide anew.
    #[error("the account has changed meanwhile")]
    AccountChanged,
    /// With these deliveries the account would have more live ones than it may.
    #[error("the account has {pending} live deliveries, and these would exceed its limit")]
    BacklogFull {
        /// Live deliveries now.
        pending: i64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Events of one account, which are published all together or not at all.
pub(crate) struct Publication {
    pub(crate) account_id: AccountId,
    /// The account that the caller decided by: one made anew under the same id is another.
    pub(crate) account_created_at: Timestamp,
    pub(crate) account_version: i64,
    pub(crate) events: Vec<SealedEvent>,
}

/// A publication that shares a commit with others.
pub(crate) struct PublishJob {
    pub(crate) publication: Publication,
    /// Held while it waits and until it is committed.
    #[expect(dead_code, reason = "held until it is dropped")]
    pub(crate) ticket: Ticket,
    pub(crate) reply: oneshot::Sender<Result<Vec<EventReceipt>, PublishError>>,
}

/// An event and its payload, sealed before it reached the writer.
pub(crate) struct SealedEvent {
    pub(crate) event: NewEvent,
    pub(crate) sealed: Vec<u8>,
    /// The event's, as it is stored.
    pub(crate) fingerprint: [u8; 32],
    /// Whom it is about, each once.
    pub(crate) subjects: Vec<SubjectHash>,
    /// Its order, as it is stored.
    pub(crate) order_key: Option<i64>,
}

impl SealedEvent {
    /// What fan-out has to know of it.
    pub(crate) fn offer(&self) -> Offer<'_> {
        let NewEvent { event_type, only_endpoint, is_test, .. } = &self.event;
        Offer { event_type, only: only_endpoint.as_ref(), is_test: *is_test }
    }

    pub(crate) fn new(event: NewEvent, key: &DataKey, entropy: &dyn Entropy, account: &AccountId) -> Self {
        let sealed = key.seal(entropy, &Place::payload(account, &event.id), &event.data);
        let fingerprint = key.conceal(&event.fingerprint);
        let mut subjects: Vec<SubjectHash> = event.subjects.iter().map(|subject| key.hash_subject(subject)).collect();
        subjects.sort_unstable();
        subjects.dedup();
        let order_key = event.order.as_ref().filter(|_| !event.is_test).map(|order| key.hash_order(&order.key));
        Self { event, sealed, fingerprint, subjects, order_key }
    }
}

impl PublishJob {
    /// How many events it has.
    pub(crate) fn size(&self) -> usize {
        self.publication.events.len()
    }

    pub(crate) fn fail(self, error: &StoreError) {
        let _ = self.reply.send(Err(error.clone().into()));
    }
}

/// What one job came to.
pub(crate) type PublishResult = Result<Vec<EventReceipt>, PublishError>;
