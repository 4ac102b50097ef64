//! What went wrong, in the words of the published request.

use bellwire_app::{AppError, Fault, Resource};
use bellwire_contract::{ErrorKind, FieldFault, PublishedRoute, RuledOut};
use bellwire_http::problem::{Code, Failure, Problem};

/// An error, to be put into the contract's envelope.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) kind: ErrorKind,
    pub(super) message: String,
    /// The first field that is wrong.
    pub(super) field: Option<String>,
    /// How to authenticate.
    pub(super) challenge: Option<String>,
    /// Whether the body's encoding is not taken: the answer says which are.
    pub(super) names_encodings: bool,
    /// Seconds to wait before trying again.
    pub(super) retry_after: Option<u64>,
    /// For the log; never sent.
    pub(super) failure: Option<Failure>,
}

impl Refusal {
    pub(super) fn new(kind: ErrorKind, message: &str) -> Self {
        let message = message.to_owned();
        Self { kind, message, field: None, challenge: None, names_encodings: false, retry_after: None, failure: None }
    }

    pub(super) fn internal(failure: Failure) -> Self {
        let message = "something failed inside; the log says what, under this answer's request id";
        Self { failure: Some(failure), ..Self::new(ErrorKind::Internal, message) }
    }

    /// What one of the route's own checks says.
    pub(super) fn ruled(ruled: RuledOut) -> Self {
        let RuledOut { kind, message, field } = ruled;
        Self { field, ..Self::new(kind, &message) }
    }

    /// Fields of the request that are wrong.
    pub(super) fn fields(faults: &[FieldFault]) -> Self {
        let said: Vec<String> = faults.iter().map(|fault| format!("`{}` {}", fault.field, fault.message)).collect();
        let field = faults.first().map(|fault| fault.field.clone());
        Self { field, ..Self::new(ErrorKind::Invalid, &said.join("; ")) }
    }

    /// A use-case's refusal. Its faults point into its own input; the route knows what the request calls that.
    pub(super) fn of(error: AppError, route: &PublishedRoute) -> Self {
        match error {
            AppError::Invalid(faults) => Self::faults(&faults, route),
            AppError::NotFound(resource) => {
                let field = inputs_of(resource).iter().find_map(|input| route.field_of(input));
                let message = match field {
                    Some(field) => format!("`{field}`: there is nothing of this id"),
                    None => "there is no such thing".to_owned(),
                };
                Self { field: field.map(ToOwned::to_owned), ..Self::new(ErrorKind::NotFound, &message) }
            }
            AppError::NoSuchKind(_) => Self::new(ErrorKind::NotFound, "there is no such thing"),
            other => Problem::from(other).into(),
        }
    }

    fn faults(faults: &[Fault], route: &PublishedRoute) -> Self {
        let field = |fault: &Fault| {
            let name = fault.pointer.split('/').nth(1).unwrap_or_default();
            let of = |section: &str| route.field_of(&format!("{section}.{name}"));
            of("endpoint").or_else(|| of("event")).map(ToOwned::to_owned)
        };
        let said: Vec<String> = faults
            .iter()
            .map(|fault| field(fault).map_or_else(|| fault.detail.clone(), |field| format!("`{field}`: {}", fault.detail)))
            .collect();
        Self { field: faults.first().and_then(field), ..Self::new(ErrorKind::Invalid, &said.join("; ")) }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let (code, detail, retry_after, failure) = problem.into_parts();
        let names_encodings = code == Code::UnsupportedEncoding;
        Self { names_encodings, retry_after, failure, ..Self::new(kind(code), &detail) }
    }
}

const fn inputs_of(resource: Resource) -> &'static [&'static str] {
    match resource {
        Resource::Account => &["account.id"],
        Resource::Endpoint => &["endpoint.id"],
        Resource::Resource => &["resource.id"],
        Resource::Choice => &["endpoint.has_event", "endpoint.remove_events"],
        Resource::Delivery => &["delivery.id"],
        Resource::Attempt
        | Resource::Client
        | Resource::Contract
        | Resource::Key
        | Resource::Event
        | Resource::Replay
        | Resource::Incident
        | Resource::BulkRetry
        | Resource::Erasure
        | Resource::Hold => &[],
    }
}

const fn kind(code: Code) -> ErrorKind {
    match code {
        Code::MalformedJson
        | Code::UnreadableBody
        | Code::InvalidQuery
        | Code::InvalidHeader
        | Code::Invalid
        | Code::ContractFiles => ErrorKind::Invalid,
        Code::Unauthenticated => ErrorKind::Unauthenticated,
        Code::Forbidden => ErrorKind::Forbidden,
        Code::NotFound | Code::RouteNotFound => ErrorKind::NotFound,
        Code::MethodNotAllowed => ErrorKind::MethodNotAllowed,
        Code::EventConflict
        | Code::ContractFixed
        | Code::ContractNotLoaded
        | Code::ContractInUse
        | Code::SandboxAccount
        | Code::AccountDeleted
        | Code::EndpointLimit
        | Code::ClientLimit
        | Code::NoTestEvent
        | Code::AccountSecret
        | Code::ContractSecret
        | Code::EndpointSecret
        | Code::SecretLimit
        | Code::DeliveryInFlight
        | Code::RequestNotBuilt
        | Code::EventChosen
        | Code::IncidentResolved
        | Code::LeaseEnded
        | Code::EndpointDeleted
        | Code::ReplayLimit
        | Code::BulkRetryLimit
        | Code::LastAdminKey
        | Code::DataRemoved
        | Code::SubjectHeld
        | Code::ErasureLimit
        | Code::DataKeyLimit
        | Code::IllegalTransition => ErrorKind::Conflict,
        Code::PreconditionFailed => ErrorKind::PreconditionFailed,
        Code::TooLarge => ErrorKind::TooLarge,
        Code::UnsupportedMediaType | Code::UnsupportedEncoding => ErrorKind::UnsupportedMediaType,
        Code::BacklogFull | Code::RateExceeded | Code::StreamLimit => ErrorKind::RateLimited,
        Code::Internal => ErrorKind::Internal,
        Code::Busy | Code::Unavailable => ErrorKind::Unavailable,
    }
}
