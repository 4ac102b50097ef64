//! Endpoint URLs: what a consumer may register.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

/// The longest URL, in bytes.
pub const URL_LENGTH_MAX: usize = 2_048;

crate::words! {
    /// Which schemes a contract lets endpoints use.
    pub enum UrlPolicy {
        /// `http` and `https`.
        Any = "any",
        /// Only `https`.
        Https = "https",
    }
}

/// A checked endpoint URL, kept as it was typed, because some contracts repeat it in requests.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    text: String,
    parsed: Url,
}

/// Why a text cannot be the URL of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Not a URL at all.
    #[error("not a URL; write for example https://example.com/webhooks")]
    Syntax,
    /// Longer than [`URL_LENGTH_MAX`].
    #[error("a URL has at most {URL_LENGTH_MAX} characters")]
    TooLong,
    /// A scheme other than http and https.
    #[error("the scheme must be https{}", if *http_allowed { " or http" } else { "" })]
    Scheme {
        /// Whether plain http would have been accepted.
        http_allowed: bool,
    },
    /// A user name or password inside the URL.
    #[error("a URL with a user name or password in it would leak them; leave them out")]
    Credentials,
    /// A `#fragment`, which is never sent.
    #[error("a URL with a #fragment cannot be sent to; leave the fragment out")]
    Fragment,
    /// No host, or an empty one. Browsers would take the next part of the path for it.
    #[error("the URL names no host")]
    Host,
    /// A host with nothing between two dots, or before the first.
    #[error("the host has an empty part; remove the extra dot")]
    EmptyLabel,
    /// A backslash, which some take for a slash and others do not.
    #[error("a URL has no backslash; write / or, within a name, %5C")]
    Backslash,
    /// Port 0, which nobody can connect to.
    #[error("the port must be 1 to 65535")]
    Port,
}

impl EndpointUrl {
    /// Checks `text` against `policy`.
    pub fn try_new(text: &str, policy: UrlPolicy) -> Result<Self, InvalidUrl> {
        if text.len() > URL_LENGTH_MAX {
            return Err(InvalidUrl::TooLong);
        }
        if text.chars().any(|character| character.is_control() || character.is_whitespace()) {
            return Err(InvalidUrl::Syntax);
        }
        if text.contains('\\') {
            return Err(InvalidUrl::Backslash);
        }
        let parsed = Url::parse(text).map_err(|error| match error {
            url::ParseError::EmptyHost => InvalidUrl::Host,
            url::ParseError::InvalidPort => InvalidUrl::Port,
            _ => InvalidUrl::Syntax,
        })?;
        let http_allowed = policy == UrlPolicy::Any;
        match parsed.scheme() {
            "https" => {}
            "http" if http_allowed => {}
            _ => return Err(InvalidUrl::Scheme { http_allowed }),
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(InvalidUrl::Credentials);
        }
        if parsed.fragment().is_some() {
            return Err(InvalidUrl::Fragment);
        }
        // The parser overlooks missing and extra slashes: what follows them it takes for the host.
        let after_scheme = text.split_once(':').map_or("", |(_, rest)| rest);
        let is_named = after_scheme.strip_prefix("//").is_some_and(|rest| !rest.starts_with('/'));
        let host = parsed.host_str().filter(|host| is_named && !host.is_empty()).ok_or(InvalidUrl::Host)?;
        if host.strip_suffix('.').unwrap_or(host).split('.').any(str::is_empty) {
            return Err(InvalidUrl::EmptyLabel);
        }
        if parsed.port() == Some(0) {
            return Err(InvalidUrl::Port);
        }
        Ok(Self { text: text.to_owned(), parsed })
    }

    /// The URL as it was typed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL, parsed.
    pub const fn parsed(&self) -> &Url {
        &self.parsed
    }

    /// The port it names, or its scheme's.
    pub fn port(&self) -> u16 {
        self.parsed.port_or_known_default().unwrap_or_default() // http and https have one
    }

    /// The address, if the host is an address in any spelling (`127.1`, `0x7f.1`, `[::1]`) and not a name.
    pub fn literal_address(&self) -> Option<IpAddr> {
        match self.parsed.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }
}

/// What stands for a value that is not shown.
pub const MASK: &str = "…";

/// A URL without the values in its query, which may be tokens. A part that is no more than a name, or has nothing behind its name, may be
/// a token itself.
pub fn mask_query(url: &str) -> String {
    let Some((place, query)) = url.split_once('?') else { return url.to_owned() };
    let masked = query.split('&').map(|part| match part.split_once('=') {
        Some((name, value)) if !value.trim_matches('=').is_empty() => format!("{name}={MASK}"),
        _ => MASK.to_owned(),
    });
    format!("{place}?{}", masked.collect::<Vec<_>>().join("&"))
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_stays_as_typed() {
        for text in ["https://example.com", "https://Example.com/a?b=c", "https://example.com:8443/hook"] {
            assert_eq!(EndpointUrl::try_new(text, UrlPolicy::Https).unwrap().as_str(), text);
        }
        assert!(EndpointUrl::try_new("http://example.com/", UrlPolicy::Any).is_ok());
        assert!(EndpointUrl::try_new("https://example.com./", UrlPolicy::Https).is_ok());
    }

    #[test]
    fn what_is_refused_says_why() {
        let long = format!("https://example.com/{}", "x".repeat(URL_LENGTH_MAX));
        for (text, error) in [
            ("", InvalidUrl::Syntax),
            ("example.com/hook", InvalidUrl::Syntax),
            ("https://exam ple.com", InvalidUrl::Syntax),
            ("https://example.com/\n", InvalidUrl::Syntax),
            ("http://example.com", InvalidUrl::Scheme { http_allowed: false }),
            ("ftp://example.com", InvalidUrl::Scheme { http_allowed: false }),
            ("file:///etc/passwd", InvalidUrl::Scheme { http_allowed: false }),
            ("https://user:pw@example.com", InvalidUrl::Credentials),
            ("https://example.com/#top", InvalidUrl::Fragment),
            ("https://", InvalidUrl::Host),
            ("https:///x", InvalidUrl::Host),
            ("https:example.com", InvalidUrl::Host),
            ("https:/example.com/", InvalidUrl::Host),
            ("https://example.com:0/", InvalidUrl::Port),
            ("https://example.com:65536/", InvalidUrl::Port),
            ("https://127.0.0.1:9\\@evil.test/x", InvalidUrl::Backslash),
            ("https:\\\\example.com/", InvalidUrl::Backslash),
            ("https://example.com/a\\b", InvalidUrl::Backslash),
            ("https://hook..test/", InvalidUrl::EmptyLabel),
            ("https://.hook.test/", InvalidUrl::EmptyLabel),
            ("https://hook.test../", InvalidUrl::EmptyLabel),
            (&long, InvalidUrl::TooLong),
        ] {
            assert_eq!(EndpointUrl::try_new(text, UrlPolicy::Https).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn what_is_masked_keeps_its_place_and_its_names() {
        for (url, masked) in [
            ("https://h.example", "https://h.example"),
            ("https://h.example/p/t0ken", "https://h.example/p/t0ken"),
            ("https://h.example/p?token=a", "https://h.example/p?token=…"),
            ("https://h.example/p?token=a&x=1&token=b", "https://h.example/p?token=…&x=…&token=…"),
            ("https://h.example/p?a=b=c?d", "https://h.example/p?a=…"),
            ("https://h.example/p?t0ken", "https://h.example/p?…"),
            ("https://h.example/p?x=1&t0ken&", "https://h.example/p?x=…&…&…"),
            ("https://h.example/p?dDBrZW4==&x=", "https://h.example/p?…&…"),
            ("https://h.example/p?", "https://h.example/p?…"),
            ("https://h.example?=a", "https://h.example?=…"),
            ("no URL", "no URL"),
            ("", ""),
        ] {
            assert_eq!(mask_query(url), masked, "{url}");
            assert_eq!(mask_query(masked), masked, "what is masked stays as it is");
        }
    }

    #[test]
    fn every_spelling_of_an_address_is_seen_as_one() {
        for (text, port) in [("http://a.example/", 80), ("https://a.example/", 443), ("https://a.example:8443/", 8_443)] {
            assert_eq!(EndpointUrl::try_new(text, UrlPolicy::Any).unwrap().port(), port);
        }
        for text in ["http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f.0.0.1/", "http://0177.0.0.1/"] {
            let url = EndpointUrl::try_new(text, UrlPolicy::Any).unwrap();
            assert_eq!(url.literal_address(), Some("127.0.0.1".parse().unwrap()), "{text}");
        }
        assert_eq!(
            EndpointUrl::try_new("http://[::1]/", UrlPolicy::Any).unwrap().literal_address(),
            Some("::1".parse().unwrap())
        );
        assert_eq!(EndpointUrl::try_new("http://localhost/", UrlPolicy::Any).unwrap().literal_address(), None);
    }
}
