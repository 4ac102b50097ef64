//! The pure decisions of webhook delivery.
//!
//! What it is for: every question whose answer does not need a socket, a disk or a clock. Is this answer a success? When is
//! the next attempt due? Is this endpoint now failed? May Bellwire connect to this address? Each is a function over values;
//! time and randomness come in as arguments, so that every decision can be replayed in a test.
//!
//! What it may not know: async, IO, clocks, random numbers, locks, wire formats, SQL, or any platform by name.
//!
//! To add a decision: write it as a function or a small state machine in a module of its own, give it a table or property
//! test at the foot of the file, and let `store`, `engine` or `app` carry it out.

pub mod address;
pub mod admission;
pub mod audit;
pub mod batch;
pub mod consumer;
pub mod delivery;
pub mod duration;
pub mod endpoint;
pub mod event;
pub mod fan_out;
pub mod filter;
pub mod health;
pub mod heartbeat;
pub mod ids;
pub mod incident;
pub mod lease;
pub mod name;
pub mod order;
pub mod outcome_kind;
pub mod pace;
pub mod payload;
pub mod phases;
pub mod pointer;
pub mod rate;
pub mod replay;
pub mod request;
pub mod resource;
pub mod retention;
pub mod role;
pub mod rollup;
pub mod room;
pub mod schedule;
pub mod secret;
pub mod share;
pub mod source;
pub mod success;
pub mod suspicion;
pub mod time;
pub mod trace;
pub mod trigger;
pub mod turns;
pub mod words;

pub use address::{AddressClass, AddressPolicy, AllowedNetwork, InvalidNetwork, Scope};
pub use admission::{Admission, Gate};
pub use audit::{AuditAction, AuditActor, AuditDetail, AuditEntry, AuditOrigin, AuditVia};
pub use batch::BatchRule;
pub use consumer::Consumer;
pub use delivery::{AttemptOutcome, Decision, DeliveryPolicy, DeliveryState, Judgement, TimeoutPhase};
pub use duration::{InvalidDuration, parse_duration, print_duration};
pub use endpoint::{EndpointUrl, InvalidUrl, MASK, URL_LENGTH_MAX, UrlPolicy, mask_query};
pub use event::{DataRemoval, EVENT_TYPE_LENGTH_MAX, ErasureState, EventType, InvalidEventType, SUBJECTS_MAX};
pub use fan_out::{Log, Offer, Recipient};
pub use filter::{EventFilter, FilterChange, Unchanged};
pub use health::{Health, HealthPolicy, HealthStatus};
pub use ids::{
    AccountId, BulkRetryId, ClientId, DeliveryId, EndpointId, ErasureId, EventId, ID_LENGTH_MAX, IdFormat, IncidentId, InvalidId,
    KeyId, ReplayId, ResourceId,
};
pub use incident::IncidentState;
pub use lease::{InvalidLease, Lease, LeasePolicy};
pub use name::unseen_reason;
pub use order::{OrderRule, OrderStep, OrderThen};
pub use outcome_kind::OutcomeKind;
pub use pace::{Pace, Signal};
pub use payload::{PAYLOAD_FIELDS_MAX, PayloadChoice, PayloadLevel, PayloadRules};
pub use phases::{Phase, Phases};
pub use pointer::{InvalidPointer, POINTER_LENGTH_MAX, Pointer, escape_pointer};
pub use rate::{InvalidRateLimit, RateLimit};
pub use replay::{PastEvent, ReplayCase, ReplayRange, ReplayState};
pub use request::{ClientTls, OutboundRequest};
pub use retention::RetentionPeriods;
pub use role::Role;
pub use rollup::{Figures, Span};
pub use room::{PayloadSize, Room, RoomLimits};
pub use schedule::RetrySchedule;
pub use secret::Secret;
pub use share::{Shares, account_max};
pub use source::{Clock, Entropy};
pub use success::SuccessRule;
pub use suspicion::Suspicion;
pub use time::Timestamp;
pub use trigger::Trigger;
pub use turns::{LaneName, Turns};
pub use words::UnknownWord;
