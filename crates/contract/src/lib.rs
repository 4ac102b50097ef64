//! The contract language: one file says everything in which one platform's webhooks differ from another's.
//!
//! What it is for: [`Contract::compile`] reads a contract, checks it and refuses it with file, line and column, or makes it into
//! something that renders and signs a request in microseconds ([`Contract::render`]), judges a captured one
//! ([`Contract::verify`]) and says which event it names ([`Contract::identify`]), and answers what the contract says about
//! registration, secrets, retries and health.
//!
//! What it may not know: async, IO, clocks, random numbers, locks, or any platform by name. Time and randomness are arguments.
//!
//! The way of a file: `yaml` reads a tree with places; `reader` takes keys out of it; `catalogue`, `subscription`, `policy`,
//! `signature`, `request`, `resource` and `published` each read one part; `template`, `tree` and `expression` compile what has `{{ … }}` in it; `trial`
//! renders every example once. The way of a request: `render` follows the plan of `request`, part by part.
//!
//! To add a key: read it in the module of its part, add it to that module's list of keys and to `json_schema`, write an example
//! into `docs/contract-language.md`. To add a filter: a variant, a name and an arm in `filters`. To add a value: a variant and a
//! name in `variables`, an arm in `render` and in `verify`. To add a verb of published
//! APIs: a variant, its inputs in `published/read`, its names in `published/subject`, a sample in `published/trial`. To ship a contract: a file in `contracts/` and a line in `shipped`.

mod captured;
mod catalogue;
mod compile;
mod contract;
mod diagnostic;
mod expression;
mod failure;
mod filters;
mod grammar;
mod identify;
mod jinja;
mod json;
mod json_schema;
mod lexer;
mod path;
mod piece;
mod policy;
mod proofs;
mod published;
mod reader;
mod render;
mod request;
mod resource;
mod schema;
mod shipped;
mod signature;
mod subscription;
mod template;
mod tree;
mod trial;
mod variables;
mod verify;
mod yaml;

pub use bellwire_domain::OutboundRequest;
pub use captured::CapturedRequest;
pub use catalogue::{EventDefinition, TestEvent};
pub use contract::Contract;
pub use diagnostic::{ContractError, Diagnostic};
pub use failure::RenderError;
pub use identify::NamedEvent;
pub use json_schema::json_schema;
pub use proofs::Proof;
pub use published::{
    AccountView, Authentication, EndpointView, ErrorKind, EventView, FieldFault, Inputs, Passed, PublishedAnswer, PublishedApi,
    PublishedRequest, PublishedRoute, ResourceView, RouteMatch, Verb,
};
pub use render::{AccountInput, AttemptInput, DeliveryInput, EndpointInput, EventInput, RenderInput};
pub use resource::{ResourceChange, ResourceDefinition, ResourceEvent, ResourceRefusal, StoredResource};
pub use schema::DataError;
pub use shipped::{Contracts, DuplicateContract};
pub use subscription::{EventChoice, IdFormats, Registrar, SecretRules, SecretSource, Subscription};
pub use verify::Verdict;
