//! What came of an attempt, in one word.

crate::words! {
    /// What an attempt may come to, as the store, the API and metrics name it.
    pub enum OutcomeKind {
        /// The endpoint answered, with whatever status.
        Response = "response",
        /// The deadline passed while the name was looked up.
        TimeoutDns = "timeout_dns",
        /// The deadline passed while connecting.
        TimeoutConnect = "timeout_connect",
        /// The deadline passed in the TLS handshake.
        TimeoutTls = "timeout_tls",
        /// The deadline passed before the head of the answer came.
        TimeoutHeaders = "timeout_headers",
        /// The deadline passed within the body of the answer.
        TimeoutBody = "timeout_body",
        /// The name did not resolve.
        Dns = "dns",
        /// The egress guard refused the address.
        Blocked = "blocked",
        /// The TLS handshake failed.
        Tls = "tls",
        /// No connection could be made.
        Connect = "connect",
        /// The connection was closed before the answer was complete.
        Closed = "closed",
        /// The answer was not HTTP.
        Protocol = "protocol",
        /// No access token could be got for the request.
        AccessToken = "access_token",
        /// The request could not be built.
        Unbuildable = "unbuildable",
    }
}
