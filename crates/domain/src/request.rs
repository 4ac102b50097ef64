//! A webhook request between the contract that renders it and the client that sends it.

use bytes::Bytes;
use http::{HeaderMap, Method};

/// A rendered request, ready to send as it is.
#[derive(Debug, Clone)]
pub struct OutboundRequest {
    /// The method.
    pub method: Method,
    /// The endpoint's URL.
    pub url: String,
    /// The headers, without `Host` and `Content-Length`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}
