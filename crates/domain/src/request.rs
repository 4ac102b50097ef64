//! A webhook request between the contract that renders it and the client that sends it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};

use crate::Secret;

/// What a TLS connection shows, and whom it trusts, where that is not what all others do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// The certificate that is shown, with those between it and its authority, and its private key, both as PEM.
    pub certificate: Option<(Secret<String>, Secret<String>)>,
    /// The authorities that are trusted instead of the public ones, as PEM.
    pub ca: Option<Secret<String>>,
}

/// A rendered request, ready to send as it is.
#[derive(Debug, Clone)]
pub struct OutboundRequest {
    /// The method.
    pub method: Method,
    /// The endpoint's URL.
    pub url: String,
    /// The headers, without `Host` and `Content-Length`.
    pub headers: HeaderMap,
    /// Names of headers as HTTP/1.1 carries them, where that is not in lower case. HTTP/2 has lower case only (RFC 9113 §8.2.1).
    pub spellings: Vec<Arc<str>>,
    /// The body.
    pub body: Bytes,
    /// Headers of the answer that are to be kept.
    pub heeded: Arc<[HeaderName]>,
    /// What its connection is made with; `None`: as all others.
    pub tls: Option<Arc<ClientTls>>,
}

impl OutboundRequest {
    /// A header's name as HTTP/1.1 carries it.
    pub fn spelled<'r>(&'r self, name: &'r HeaderName) -> &'r str {
        let spelled = self.spellings.iter().find(|spelled| spelled.eq_ignore_ascii_case(name.as_str()));
        spelled.map_or(name.as_str(), |spelled| spelled)
    }
}
