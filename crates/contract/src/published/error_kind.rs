//! Why requests are refused.

use http::StatusCode;

bellwire_domain::words! {
    /// Why a request was refused, as far as a contract tells refusals apart.
    pub enum ErrorKind {
        /// The request is wrong.
        Invalid = "invalid",
        /// No key, or none that works.
        Unauthenticated = "unauthenticated",
        /// The key may not do this.
        Forbidden = "forbidden",
        /// It does not exist, or not for this caller.
        NotFound = "not_found",
        /// The path has other methods.
        MethodNotAllowed = "method_not_allowed",
        /// It does not fit what is stored.
        Conflict = "conflict",
        /// The body is too large.
        TooLarge = "too_large",
        /// The body is not JSON by its name.
        UnsupportedMediaType = "unsupported_media_type",
        /// The key asks too often.
        RateLimited = "rate_limited",
        /// A failure inside.
        Internal = "internal",
        /// Starting, stopping, busy.
        Unavailable = "unavailable",
    }
}

impl ErrorKind {
    /// The status, unless the contract says another one.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
