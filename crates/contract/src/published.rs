//! Published APIs: the routes that a platform has published, what each of them does, and what it answers.
//!
//! `read` compiles what a contract says about them. `refusals` are its own checks of requests, `inputs` takes requests apart accordingly,
//! `views` are what use-cases hand over for answers, and `api` finds the route of a request and writes the answer. `tokens` says who gets an
//! access token, and for what. `verb` lists what routes can do.

mod api;
mod bindings;
mod body;
mod error_kind;
mod inputs;
mod read;
mod refusals;
mod tokens;
mod verb;
mod views;

pub(crate) use api::Answer;
pub use api::{Authentication, PublishedAnswer, PublishedApi, PublishedRoute, RouteMatch};
pub(crate) use bindings::{Bindings, object, quoted, write};
pub use error_kind::ErrorKind;
pub use inputs::{FieldFault, Inputs, PublishedRequest, pairs_object};
pub(crate) use read::{Offered, PUBLISHED, read};
pub use refusals::RuledOut;
pub use tokens::{GrantedScope, ScopeRight, TokenRules};
pub use verb::Verb;
pub use views::{
    AccountView, AttemptView, DeliveryView, EndpointView, EventView, KeyView, Passed, ResourceView, RetriedView, TestedView,
};
