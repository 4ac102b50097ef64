//! Errors on the wire: RFC 9457 problems, and the one table of their codes.

use axum::http::header::{ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bellwire_app::{Allowance, AppError, Conflict, Fault};
use bellwire_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{allowance, encoding};

/// The most faults in one answer.
const FAULTS_MAX: usize = 50;
/// Seconds that a publisher is asked to wait when its account has too many live deliveries.
const BACKLOG_RETRY_AFTER: u64 = 5;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $status:ident $title:literal;)*) => {
        /// What went wrong, for callers to match on. Codes are part of the API: they may be added, but never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// The whole table.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word in `code`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// The same sentence for every problem with this code.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    MalformedJson = "malformed_json" BAD_REQUEST "The body is not JSON";
    /// The connection closed before the end of the body, or its encoding is broken.
    UnreadableBody = "unreadable_body" BAD_REQUEST "The body could not be read";
    /// A query parameter is unknown or wrong.
    InvalidQuery = "invalid_query" BAD_REQUEST "A query parameter is wrong";
    /// A header is wrong.
    InvalidHeader = "invalid_header" BAD_REQUEST "A header is wrong";
    /// No key, or none that works.
    Unauthenticated = "unauthenticated" UNAUTHORIZED "No valid API key";
    /// The key may not do this.
    Forbidden = "forbidden" FORBIDDEN "The API key does not allow this";
    /// The resource does not exist, or this key may not see it.
    NotFound = "not_found" NOT_FOUND "No such resource";
    /// The route does not exist.
    RouteNotFound = "route_not_found" NOT_FOUND "No such route";
    /// The route has other methods.
    MethodNotAllowed = "method_not_allowed" METHOD_NOT_ALLOWED "The route does not take this method";
    /// An event with this id and different content exists.
    EventConflict = "event_conflict" CONFLICT "An event with this id and different content exists";
    /// An account cannot change its contract.
    ContractFixed = "contract_fixed" CONFLICT "An account cannot change its contract";
    /// The account's contract is not loaded.
    ContractNotLoaded = "contract_not_loaded" CONFLICT "The contract of this account is not loaded";
    /// Accounts could not go on with what the contracts' files say.
    ContractInUse = "contract_in_use" CONFLICT "Accounts could not go on with what the files say";
    /// No webhooks for sandbox accounts.
    SandboxAccount = "sandbox_account" CONFLICT "The contract has no webhooks for sandbox accounts";
    /// The account is being deleted.
    AccountDeleted = "account_deleted" CONFLICT "The account is being deleted";
    /// The account has reached its limit of endpoints.
    EndpointLimit = "endpoint_limit" CONFLICT "The account has reached its limit of endpoints";
    /// The account has reached its limit of clients.
    ClientLimit = "client_limit" CONFLICT "The account has reached its limit of clients";
    /// The contract has no test event.
    NoTestEvent = "no_test_event" CONFLICT "The contract has no test event";
    /// The account has the secret.
    AccountSecret = "account_secret" CONFLICT "The secret belongs to the account";
    /// The contract has the keys.
    ContractSecret = "contract_secret" CONFLICT "The keys belong to the contract";
    /// The endpoints have the secrets.
    EndpointSecret = "endpoint_secret" CONFLICT "The secrets belong to the endpoints";
    /// The limit of active secrets is reached.
    SecretLimit = "secret_limit" CONFLICT "The limit of active secrets is reached";
    /// The delivery is in flight.
    DeliveryInFlight = "delivery_in_flight" CONFLICT "The delivery is in flight";
    /// The delivery's endpoint was deleted.
    EndpointDeleted = "endpoint_deleted" CONFLICT "The endpoint of this delivery was deleted";
    /// The contract cannot make the request of this attempt now.
    RequestNotBuilt = "request_not_built" CONFLICT "The request cannot be built";
    /// The endpoint's lease is over.
    LeaseEnded = "lease_ended" CONFLICT "The endpoint has expired";
    /// The endpoint has chosen the event type, or all of them.
    EventChosen = "event_chosen" CONFLICT "The endpoint has chosen this already";
    /// The incident is over.
    IncidentResolved = "incident_resolved" CONFLICT "The incident is resolved";
    /// The limit of running replays is reached.
    ReplayLimit = "replay_limit" CONFLICT "The limit of running replays is reached";
    /// Without the key nobody could administer the store.
    LastAdminKey = "last_admin_key" CONFLICT "The last admin key cannot be revoked";
    /// The limit of running retries of many deliveries is reached.
    BulkRetryLimit = "bulk_retry_limit" CONFLICT "The limit of running bulk retries is reached";
    /// The data of the event is gone.
    DataRemoved = "data_removed" CONFLICT "The data of this event was removed";
    /// The subject is under a hold.
    SubjectHeld = "subject_held" CONFLICT "The subject is under a hold";
    /// There is no room for another data key.
    DataKeyLimit = "data_key_limit" CONFLICT "The limit of data keys is reached";
    /// The limit of running erasures is reached.
    ErasureLimit = "erasure_limit" CONFLICT "The limit of running erasures is reached";
    /// The contract does not allow the change of state.
    IllegalTransition = "illegal_transition" CONFLICT "The contract does not allow this change of state";
    /// What is stored is not what the request expects.
    PreconditionFailed = "precondition_failed" PRECONDITION_FAILED "The resource is not what the request expects";
    /// The body, or a part of it, is too large.
    TooLarge = "too_large" PAYLOAD_TOO_LARGE "Larger than allowed";
    /// The body is not declared as JSON.
    UnsupportedMediaType = "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "The body must be application/json";
    /// The body has an encoding that is not taken.
    UnsupportedEncoding = "unsupported_encoding" UNSUPPORTED_MEDIA_TYPE "The body must be encoded as gzip or not at all";
    /// The content is wrong; `errors` says where.
    Invalid = "invalid" UNPROCESSABLE_ENTITY "The content is not valid";
    /// A file of a contract is wrong.
    ContractFiles = "contract_files" UNPROCESSABLE_ENTITY "A file of a contract is wrong";
    /// The account has too many live deliveries.
    BacklogFull = "backlog_full" TOO_MANY_REQUESTS "Too many deliveries of the account are waiting";
    /// The key sends too many requests.
    RateExceeded = "rate_exceeded" TOO_MANY_REQUESTS "It is asked for too often";
    /// An account's streams of events, or those of all, are as many as may be open.
    StreamLimit = "stream_limit" TOO_MANY_REQUESTS "Too many streams of events are open";
    /// A failure inside Bellwire.
    Internal = "internal" INTERNAL_SERVER_ERROR "Bellwire failed";
    /// Too many writes are waiting.
    Busy = "busy" SERVICE_UNAVAILABLE "Too many requests are waiting";
    /// Starting, stopping, or without its store.
    Unavailable = "unavailable" SERVICE_UNAVAILABLE "Not available now";
}

/// An error of the API.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    faults: Vec<Fault>,
    /// Seconds to wait before trying again.
    retry_after: Option<u64>,
    /// What is not allowed any more for now.
    allowance: Option<Box<Allowance>>,
    /// For the log; never sent.
    failure: Option<Failure>,
}

/// An internal failure, for the middleware that logs it.
#[derive(Debug, Clone)]
pub struct Failure(pub String);

/// A problem as sent (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Where the code is described.
    #[serde(rename = "type")]
    type_url: String,
    /// The same sentence for every problem with this code.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What is wrong this time.
    detail: &'a str,
    /// What went wrong, in a word to match.
    code: &'a str,
    /// What is wrong with the content, place by place.
    errors: Vec<FaultBody<'a>>,
}

/// One thing that is wrong with the content.
#[derive(Serialize, ToSchema)]
#[schema(as = ProblemError)]
pub struct FaultBody<'a> {
    /// Where, as a JSON pointer (RFC 6901) into the body.
    pointer: &'a str,
    /// What is wrong, and what would be right.
    detail: &'a str,
}

impl Problem {
    /// A problem without places.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = match code {
            Code::Busy | Code::Unavailable => Some(1),
            Code::BacklogFull | Code::StreamLimit => Some(BACKLOG_RETRY_AFTER),
            _ => None,
        };
        Self { code, detail: detail.into(), faults: Vec::new(), retry_after, allowance: None, failure: None }
    }

    /// A problem with places.
    pub fn at(code: Code, detail: impl Into<String>, faults: Vec<Fault>) -> Self {
        Self { faults, ..Self::new(code, detail) }
    }

    /// Content with these faults.
    pub fn invalid(mut faults: Vec<Fault>) -> Self {
        let detail = match faults.as_slice() {
            [only] => only.detail.clone(),
            several => format!("{} things are wrong; see `errors`", several.len()),
        };
        faults.truncate(FAULTS_MAX);
        Self::at(Code::Invalid, detail, faults)
    }

    /// What another envelope needs of it: code, detail, seconds to wait before trying again, and what is for the log.
    pub fn into_parts(self) -> (Code, String, Option<u64>, Option<Failure>) {
        (self.code, self.detail, self.retry_after, self.failure)
    }

    /// An internal failure; only the log has the details.
    pub fn internal(error: &impl std::fmt::Display) -> Self {
        let detail = "something failed inside Bellwire; its log says what, under this answer's request id";
        Self { failure: Some(Failure(error.to_string())), ..Self::new(Code::Internal, detail) }
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        let detail = error.to_string();
        match error {
            AppError::Unauthenticated(_) => Self::new(Code::Unauthenticated, detail),
            AppError::Forbidden(_) => Self::new(Code::Forbidden, detail),
            AppError::NotFound(_) | AppError::NoSuchKind(_) => Self::new(Code::NotFound, detail),
            AppError::Invalid(faults) => Self::invalid(faults),
            AppError::ContractFiles(_) => Self::new(Code::ContractFiles, detail),
            AppError::TooLarge(fault) => Self::at(Code::TooLarge, detail, vec![fault]),
            AppError::BacklogFull { .. } => Self::new(Code::BacklogFull, detail),
            AppError::PreconditionFailed { .. } => Self::new(Code::PreconditionFailed, detail),
            AppError::RateExceeded { retry_after, allowance } => {
                let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
                let allowance = Some(Box::new(allowance));
                Self { retry_after: Some(seconds.max(1)), allowance, ..Self::new(Code::RateExceeded, detail) }
            }
            AppError::Conflict(conflict) => Self::conflict(&conflict, detail),
            AppError::Store(StoreError::Busy) => Self::new(Code::Busy, "too much is waiting to be written: try again shortly"),
            AppError::Store(StoreError::Closed) => Self::new(Code::Unavailable, "Bellwire is stopping"),
            AppError::Store(error @ StoreError::Unavailable(_)) => {
                let detail = "the store cannot be used at present; nothing of the request is stored: try again shortly";
                Self { failure: Some(Failure(error.to_string())), ..Self::new(Code::Unavailable, detail) }
            }
            AppError::Store(
                error @ (StoreError::Database(_)
                | StoreError::Inconsistent { .. }
                | StoreError::Unsealable { .. }
                | StoreError::Altered { .. }),
            ) => Self::internal(&error),
        }
    }
}

impl Problem {
    fn conflict(conflict: &Conflict, detail: String) -> Self {
        let code = match conflict {
            Conflict::EventExists { .. } | Conflict::ResourceEvent => Code::EventConflict,
            Conflict::IllegalTransition { .. } => Code::IllegalTransition,
            Conflict::ContractFixed { .. } => Code::ContractFixed,
            Conflict::ContractNotLoaded { .. } => Code::ContractNotLoaded,
            Conflict::ContractInUse { .. } => Code::ContractInUse,
            Conflict::SandboxAccount => Code::SandboxAccount,
            Conflict::AccountDeleted => Code::AccountDeleted,
            Conflict::EndpointLimit { .. } => Code::EndpointLimit,
            Conflict::ClientLimit { .. } => Code::ClientLimit,
            Conflict::NoTestEvent => Code::NoTestEvent,
            Conflict::AccountSecret => Code::AccountSecret,
            Conflict::ContractSecret => Code::ContractSecret,
            Conflict::EndpointSecret => Code::EndpointSecret,
            Conflict::SecretLimit { .. } => Code::SecretLimit,
            Conflict::DeliveryInFlight => Code::DeliveryInFlight,
            Conflict::RequestNotBuilt { .. } => Code::RequestNotBuilt,
            Conflict::EndpointDeleted => Code::EndpointDeleted,
            Conflict::LeaseEnded { .. } => Code::LeaseEnded,
            Conflict::EventChosen | Conflict::EventsUnlisted => Code::EventChosen,
            Conflict::IncidentResolved => Code::IncidentResolved,
            Conflict::ReplayLimit { .. } | Conflict::AccountReplayLimit { .. } => Code::ReplayLimit,
            Conflict::BulkRetryLimit { .. } => Code::BulkRetryLimit,
            Conflict::LastAdminKey => Code::LastAdminKey,
            Conflict::DataRemoved => Code::DataRemoved,
            Conflict::SubjectHeld => Code::SubjectHeld,
            Conflict::ErasureLimit { .. } => Code::ErasureLimit,
            Conflict::DataKeyLimit { .. } => Code::DataKeyLimit,
        };
        let faults = match conflict {
            Conflict::EventExists { pointer, .. } => vec![Fault::new(pointer.as_str(), detail.as_str())],
            Conflict::ContractFixed { .. } => vec![Fault::new("/contract", detail.as_str())],
            Conflict::ContractNotLoaded { .. }
            | Conflict::ContractInUse { .. }
            | Conflict::SandboxAccount
            | Conflict::AccountDeleted
            | Conflict::EndpointLimit { .. }
            | Conflict::ClientLimit { .. }
            | Conflict::NoTestEvent
            | Conflict::AccountSecret
            | Conflict::ContractSecret
            | Conflict::EndpointSecret
            | Conflict::SecretLimit { .. }
            | Conflict::DeliveryInFlight
            | Conflict::RequestNotBuilt { .. }
            | Conflict::EndpointDeleted
            | Conflict::LeaseEnded { .. }
            | Conflict::EventChosen
            | Conflict::EventsUnlisted
            | Conflict::IncidentResolved
            | Conflict::IllegalTransition { .. }
            | Conflict::ResourceEvent
            | Conflict::ReplayLimit { .. }
            | Conflict::AccountReplayLimit { .. }
            | Conflict::BulkRetryLimit { .. }
            | Conflict::LastAdminKey
            | Conflict::DataRemoved
            | Conflict::SubjectHeld
            | Conflict::ErasureLimit { .. }
            | Conflict::DataKeyLimit { .. } => Vec::new(),
        };
        Self { allowance: conflict.allowance().map(Box::new), ..Self::at(code, detail, faults) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let body = ProblemBody {
            type_url: format!("/docs/errors#{}", self.code.as_str()),
            title: self.code.title(),
            status: status.as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            errors: self.faults.iter().map(|fault| FaultBody { pointer: &fault.pointer, detail: &fault.detail }).collect(),
        };
        let text = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (status, text).into_response();
        let mut set = |name: HeaderName, value| response.headers_mut().insert(name, HeaderValue::from_static(value));
        set(CONTENT_TYPE, "application/problem+json");
        if self.code == Code::Unauthenticated {
            set(WWW_AUTHENTICATE, "Bearer realm=\"bellwire\"");
        }
        if self.code == Code::UnsupportedEncoding {
            set(ACCEPT_ENCODING, encoding::ACCEPTED);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if let Some(allowance) = &self.allowance {
            allowance::write(allowance, response.headers_mut());
        }
        if let Some(failure) = self.failure {
            response.extensions_mut().insert(failure);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error: impl Into<AppError>) -> Response {
        Problem::from(error.into()).into_response()
    }

    #[test]
    fn a_busy_store_asks_to_come_back() {
        let busy = answer(StoreError::Busy);
        assert_eq!(
            (busy.status(), &busy.headers()[RETRY_AFTER]),
            (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from_static("1"))
        );
        assert_eq!(answer(StoreError::Closed).status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn a_disk_that_is_full_asks_to_come_back_and_says_why_only_in_the_log() {
        let full = answer(StoreError::Unavailable("database or disk is full".into()));
        assert_eq!(full.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(full.headers().contains_key(RETRY_AFTER));
        assert!(full.extensions().get::<Failure>().is_some_and(|failure| failure.0.contains("full")));
    }

    #[test]
    fn what_fails_inside_is_for_the_log_only() {
        let failed = answer(StoreError::Database("disk I/O error at page 7".into()));
        assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(failed.extensions().get::<Failure>().is_some_and(|failure| failure.0.contains("page 7")));
        let problem = Problem::from(AppError::from(StoreError::Database("page 7".into())));
        assert!(!problem.detail.contains("page 7"));
    }

    #[test]
    fn an_answer_names_so_many_faults_and_no_more() {
        let faults = (0..1_000).map(|index| Fault::new(format!("/{index}"), "wrong")).collect();
        let problem = Problem::invalid(faults);
        assert_eq!((problem.faults.len(), problem.detail.as_str()), (FAULTS_MAX, "1000 things are wrong; see `errors`"));
    }
}
