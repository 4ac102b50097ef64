//! The contract language: one file says everything in which one platform's webhooks differ from another's.
//!
//! What it is for: [`Contract::compile`] reads a contract and either refuses it with file, line and column, or turns it into
//! something that renders and signs a request in microseconds ([`Contract::render`]), verifies a captured request
//! ([`Contract::verify`]) and says which event it names ([`Contract::identify`]). A compiled contract also answers what the file says
//! about registration, secrets, retries and health.
//!
//! What it may not know: async, IO, clocks, random numbers, locks, or any platform by name. Time and randomness are arguments.
//!
//! The layers, lowest first:
//!
//! - `diagnostic`, `yaml`, `grammar` and `reader`: a tree with places, tables of keys, and what is wrong where;
//! - `key_pair`: private keys and their public halves;
//! - `json`, `piece`, `meter`, `filters`, `python`, `variables`, `path`, `jinja`, `expression`, `failure`, `template` and `tree`: what has `{{ … }}` in it;
//! - `assertion`: what clients of published APIs sign;
//! - `access_token`, `client_tls`, `signature`, `request`, `catalogue`, `answer_rules`, `policy`, `own_request`, `activation`, `heartbeat`, `facts`, `options`, `variants`, `lease`, `subscription`, `console`, `resource`, `published` and `version`: each reads one part of a contract;
//! - `contract`: the compiled contract, and on top of it `warnings`, `render`, `choosing`, `handshake`, `heartbeats`, `standing`, `token_request`, `captured`, `verify`, `identify`, `proofs` and `code`;
//! - `trial`, `compile`, `json_schema`, `shipped` and `changes`.
//!
//! To add
//!
//! - a **key**: a line in the table of its part (a `const` of `grammar::KeySpec`), and the code beside it that reads the key. The
//!   JSON Schema and "did you mean" follow from the table. Then an example in `docs/contract-language.md` or the page below `docs/contract` where it belongs.
//! - a **filter**: a variant in `filters::FilterName` and its arm in `Filter::apply`, which charges what it makes.
//! - a filter **of the library**: its name in `jinja/library`, and what it makes at most.
//! - a **value** that expressions can name: a variant in `variables::Builtin` and its arm in `render`.
//! - a **signature scheme**: a file like `signature/hmac.rs`, and its line in `SCHEMES` in `signature.rs`.
//! - a **verb** of published APIs: a variant in `published/verb.rs` with its inputs and names, and its sample in `trial/answers.rs`.
//! - a **contract**: a file in `contracts/` and its line in `shipped.rs`.
//!
//! Tests say what is missing on the page about the language, and when `docs/contract.schema.json` is stale.

mod access_token;
mod activation;
mod answer_rules;
mod assertion;
mod captured;
mod catalogue;
mod changes;
mod choosing;
mod client_tls;
mod code;
mod compile;
mod console;
mod contract;
mod diagnostic;
mod expression;
mod facts;
mod failure;
mod filters;
mod grammar;
mod handshake;
mod heartbeat;
mod heartbeats;
mod identify;
mod jinja;
mod json;
mod json_schema;
mod key_pair;
mod lease;
mod lexer;
mod meter;
mod minimise;
mod options;
mod own_request;
mod path;
mod piece;
mod policy;
mod proofs;
mod published;
mod python;
mod reader;
mod reduce;
mod render;
mod request;
mod resource;
mod schema;
mod shipped;
mod signature;
mod standing;
mod subscription;
mod template;
mod token_request;
mod tree;
mod trial;
mod variables;
mod variants;
mod verify;
mod version;
mod warnings;
mod yaml;

pub use access_token::AccessToken;
pub use activation::{Activation, Confirmer, Granted};
pub use answer_rules::{AnswerInput, AnsweredEvent};
pub use assertion::{Assertion, AssertionAlgorithm, AssertionFault, AssertionTerms, ClientKeys, InvalidClientKeys};
pub use bellwire_domain::OutboundRequest;
pub use bellwire_schema::DataError;
pub use captured::CapturedRequest;
pub use catalogue::{EventDefinition, TestEvent};
pub use changes::ContractChanges;
pub use code::{CodeError, CodeLanguage, VerificationCode};
pub use console::{ConsoleWords, FieldWords};
pub use contract::Contract;
pub use diagnostic::{ContractError, Diagnostic, nearest};
pub use facts::{EventValues, FilteredEvent};
pub use failure::RenderError;
pub use identify::NamedEvent;
pub use json_schema::json_schema;
pub use key_pair::{KeyKind, PublicKey};
pub use options::EndpointOption;
pub use proofs::Proof;
pub use published::{
    AccountView, AttemptView, Authentication, DeliveryView, EndpointView, ErrorKind, EventView, FieldFault, GrantedScope, Inputs,
    KeyView, Passed, PublishedAnswer, PublishedApi, PublishedRequest, PublishedRoute, ResourceView, RetriedView, RouteMatch,
    RuledOut, ScopeRight, TestedView, TokenRules, Verb, pairs_object,
};
pub use render::{
    AccountInput, AttemptInput, BatchedEvent, DeliveryInput, EndpointInput, EventInput, PreviousAttempt, RenderInput, SignedText,
};
pub use resource::{ResourceChange, ResourceDefinition, ResourceEvent, ResourceRefusal, StoredResource};
pub use shipped::{Contracts, DuplicateContract};
pub use signature::SigningSecret;
pub use subscription::{EventChoice, IdFormats, Registrar, SecretRules, SecretSource, Subscription};
pub use token_request::{IssuedToken, TokenInput};
pub use verify::Verdict;
pub use version::ContractLabel;
