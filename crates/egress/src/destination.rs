//! A URL, parsed once: where to connect, and what a request to it says.

use bellwire_domain::OutboundRequest;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Uri, Version};

/// Where an endpoint's URL leads.
pub(crate) struct Destination {
    /// Scheme, host and port.
    pub(crate) origin: String,
    /// The host without brackets, as resolved and as named in certificates.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_tls: bool,
    /// As HTTP/2 wants it, with scheme and authority.
    absolute: Uri,
    /// As HTTP/1.1 wants it: path and query.
    pub(crate) path: String,
    /// The `Host` of HTTP/1.1.
    pub(crate) authority: String,
}

impl Destination {
    /// Normalised as a browser would, so that every spelling of a host reaches the guard in one form.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let invalid = |error: &dyn std::fmt::Display| format!("the URL is not valid: {error}");
        let parsed = url::Url::parse(url).map_err(|error| invalid(&error))?;
        let is_tls = match parsed.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(format!("the URL is not valid: `{other}` is neither http nor https")),
        };
        let shown = parsed.host_str().ok_or_else(|| invalid(&"it names no host"))?;
        let authority = match parsed.port() {
            Some(port) => format!("{shown}:{port}"),
            None => shown.to_owned(),
        };
        let query = parsed.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!("{}{query}", parsed.path());
        let origin = format!("{}://{authority}", parsed.scheme());
        Ok(Self {
            host: shown.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: parsed.port().unwrap_or(if is_tls { 443 } else { 80 }),
            is_tls,
            absolute: Uri::try_from(format!("{origin}{path}")).map_err(|error| invalid(&error))?,
            path,
            authority,
            origin,
        })
    }

    /// The head of a request as HTTP/2 wants it.
    pub(crate) fn http2(&self, request: &OutboundRequest) -> Request<()> {
        let mut head = Request::new(());
        *head.method_mut() = request.method.clone();
        *head.uri_mut() = self.absolute.clone();
        *head.version_mut() = Version::HTTP_2;
        *head.headers_mut() = request.headers.clone();
        if states_length(&request.method, &request.body) {
            head.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(request.body.len()));
        }
        head
    }
}

/// Whether a request says how long its body is (RFC 9110 §8.6).
pub(crate) fn states_length(method: &Method, body: &[u8]) -> bool {
    !body.is_empty() || matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

#[cfg(test)]
mod tests {
    use bellwire_domain::{EndpointUrl, UrlPolicy};
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (url, origin, host, port, path, header) in [
            ("http://a.example/x?y=1#z", "http://a.example", "a.example", 80, "/x?y=1", "a.example"),
            ("https://A.Example:443", "https://a.example", "a.example", 443, "/", "a.example"),
            ("https://[::1]:8443/", "https://[::1]:8443", "::1", 8443, "/", "[::1]:8443"),
            ("http://user:word@127.1:81/é", "http://127.0.0.1:81", "127.0.0.1", 81, "/%C3%A9", "127.0.0.1:81"),
        ] {
            let destination = Destination::parse(url).unwrap();
            assert_eq!(destination.absolute.to_string(), format!("{origin}{path}"));
            assert_eq!((destination.origin.as_str(), destination.host.as_str(), destination.port), (origin, host, port), "{url}");
            assert_eq!((destination.path.as_str(), destination.authority.as_str()), (path, header), "{url}");
        }
    }

    proptest! {
        /// A contract sees the parts of the parsed URL; the wire must say the same.
        #[test]
        fn the_wire_says_of_a_registered_url_what_a_contract_sees(
            scheme in "[hH][tT]{2}[pP][sS]?",
            host in "([a-zA-Z0-9é-]{1,8}|[0-9]{1,3})(\\.[a-zA-Z0-9-]{1,8}){0,3}\\.?|\\[::[0-9a-f]{1,4}\\]",
            port in "(:[0-9]{0,5})?",
            rest in "([/?][!-~é€]{0,20}){0,3}",
        ) {
            let Ok(registered) = EndpointUrl::try_new(&format!("{scheme}://{host}{port}{rest}"), UrlPolicy::Any) else {
                return Ok(());
            };
            let (url, target) = (registered.parsed(), |url: &Url| match url.query() {
                Some(query) => format!("{}?{query}", url.path()),
                None => url.path().to_owned(),
            });
            // As a contract renders it: printed, and parsed again to be sent.
            let destination = Destination::parse(url.as_str()).map_err(TestCaseError::fail)?;
            let request = OutboundRequest {
                method: http::Method::GET,
                url: url.as_str().to_owned(),
                headers: http::HeaderMap::new(),
                spellings: Vec::new(),
                body: bytes::Bytes::new(),
                heeded: std::sync::Arc::default(),
                tls: None,
            };
            let head = String::from_utf8(crate::head::write(&request, &destination)).unwrap();
            let authority = url.port().map_or(url.host_str().unwrap().to_owned(), |port| format!("{}:{port}", url.host_str().unwrap()));
            prop_assert_eq!(head, format!("GET {} HTTP/1.1\r\nHost: {authority}\r\n\r\n", target(url)));
            let http2 = destination.http2(&request);
            let wire = http2.uri();
            prop_assert_eq!(wire.authority().map(http::uri::Authority::as_str), Some(authority.as_str()));
            prop_assert_eq!(wire.path_and_query().map(|target| target.as_str().to_owned()), Some(target(url)));
            prop_assert_eq!(Destination::parse(registered.as_str()).unwrap().path, destination.path, "however it was typed");
        }
    }

    #[test]
    fn what_is_no_url_of_the_web_is_refused() {
        for url in ["", "a.example/x", "ftp://a.example/", "http://", "https://a b/"] {
            assert!(Destination::parse(url).is_err(), "{url}");
        }
    }
}
