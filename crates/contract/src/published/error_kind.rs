//! Why requests are refused.

use http::StatusCode;

bellwire_domain::words! {
    /// Why a request was refused, as contracts distinguish it.
    pub enum ErrorKind {
        /// The request is wrong.
        Invalid = "invalid",
        /// No key, or none that works.
        Unauthenticated = "unauthenticated",
        /// The key may not do this.
        Forbidden = "forbidden",
        /// It does not exist, at least not for this caller.
        NotFound = "not_found",
        /// The path has only other methods.
        MethodNotAllowed = "method_not_allowed",
        /// It conflicts with what is stored.
        Conflict = "conflict",
        /// It is not, or not any more, as the request expects.
        PreconditionFailed = "precondition_failed",
        /// The body is too large.
        TooLarge = "too_large",
        /// The body is declared as something other than JSON.
        UnsupportedMediaType = "unsupported_media_type",
        /// Too many requests with this key.
        RateLimited = "rate_limited",
        /// An internal failure.
        Internal = "internal",
        /// Starting, stopping, busy.
        Unavailable = "unavailable",
    }
}

impl ErrorKind {
    /// The status, unless the contract sets another.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
