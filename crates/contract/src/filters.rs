//! The filters that the expression library does not have: times, encodings, digests, JSON and parts of URLs.
//!
//! Each is a function from value to value. Plain expressions call it directly; for all others it is registered with the library.
//! To add a filter: a variant with its name in [`FilterName`], its arm in [`Filter::apply`], and a row in
//! `docs/contract/values.md`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bellwire_domain::time::Zone;
use md5::Md5;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::json;
use crate::meter::Meter;
use crate::piece::{EvalError, Piece};

bellwire_domain::words! {
    /// The names of the filters.
    pub(crate) enum FilterName {
        Unix = "unix",
        UnixMs = "unix_ms",
        Rfc3339 = "rfc3339",
        HttpDate = "http_date",
        Base64 = "base64",
        Base64Url = "base64url",
        Hex = "hex",
        Upper = "upper",
        Lower = "lower",
        String = "string",
        Json = "json",
        Md5 = "md5",
        Sha1 = "sha1",
        Sha256 = "sha256",
        Sha384 = "sha384",
        Sha512 = "sha512",
        Crc32 = "crc32",
        UrlScheme = "url_scheme",
        UrlHost = "url_host",
        UrlPort = "url_port",
        UrlPath = "url_path",
        UrlQuery = "url_query",
        UrlOrigin = "url_origin",
        UrlTarget = "url_target",
        UrlEncode = "urlencode",
        Xml = "xml",
        Length = "length",
    }
}

/// A filter with its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) name: FilterName,
    /// The arguments of `rfc3339`; the other filters take none.
    pub(crate) format: TimeFormat,
}

/// How a time is written in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeFormat {
    pub(crate) digits: u8,
    pub(crate) zone: Zone,
}

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl TimeFormat {
    /// Whole seconds and `Z`.
    const PLAIN: Self = Self { digits: 0, zone: Zone::Zulu };

    /// Reads the arguments of `rfc3339`.
    pub(crate) fn read(digits: Option<&str>, zone: Option<&str>) -> Result<Self, String> {
        let digits = match digits {
            None => 0,
            Some(text) => text.parse().ok().filter(|digits| *digits <= 6).ok_or("`digits` is 0 to 6, usually 0, 3 or 6")?,
        };
        let zone = match zone {
            None | Some("Z") => Zone::Zulu,
            Some("offset") => Zone::Offset,
            Some(_) => return Err("`zone` is 'Z' or 'offset' (which prints +00:00)".into()),
        };
        Ok(Self { digits, zone })
    }
}

impl From<FilterName> for Filter {
    /// The filter without arguments.
    fn from(name: FilterName) -> Self {
        Self { name, format: TimeFormat::PLAIN }
    }
}

impl Filter {
    /// The filtered value. What it makes is charged before it is made.
    pub(crate) fn apply<'p>(self, input: Piece<'p>, meter: &Meter) -> Result<Piece<'p>, EvalError> {
        if input == Piece::Absent {
            return Err(EvalError { message: "a filter was given a value that is missing".into(), absent: true });
        }
        meter.make(self.made(input.len()))?;
        let owned = |text: String| Ok(Piece::Text(Cow::Owned(text)));
        let bytes = |bytes: Vec<u8>| Ok(Piece::Bytes(Cow::Owned(bytes)));
        match self.name {
            FilterName::Unix => Ok(Piece::number(&time(&input)?.as_secs())),
            FilterName::UnixMs => Ok(Piece::number(&time(&input)?.as_millis())),
            FilterName::Rfc3339 => owned(time(&input)?.rfc3339(self.format.digits, self.format.zone)),
            FilterName::HttpDate => owned(time(&input)?.http_date()),
            FilterName::Base64 => owned(STANDARD.encode(input.to_text()?)),
            FilterName::Base64Url => owned(URL_SAFE_NO_PAD.encode(input.to_text()?)),
            FilterName::Hex => owned(hex::encode(input.to_text()?)),
            FilterName::Upper => owned(input.into_string()?.to_uppercase()),
            FilterName::Lower => owned(input.into_string()?.to_lowercase()),
            FilterName::String => owned(input.into_string()?),
            FilterName::Json => {
                let mut out = String::new();
                input.write_json(&mut out)?;
                owned(out)
            }
            FilterName::Md5 => bytes(Md5::digest(input.to_text()?).to_vec()),
            FilterName::Sha1 => bytes(Sha1::digest(input.to_text()?).to_vec()),
            FilterName::Sha256 => bytes(Sha256::digest(input.to_text()?).to_vec()),
            FilterName::Sha384 => bytes(Sha384::digest(input.to_text()?).to_vec()),
            FilterName::Sha512 => bytes(Sha512::digest(input.to_text()?).to_vec()),
            FilterName::Crc32 => Ok(Piece::number(&crc32fast::hash(&input.to_text()?))),
            FilterName::UrlScheme => owned(url_part(&input.into_string()?, UrlPart::Scheme)?),
            FilterName::UrlHost => owned(url_part(&input.into_string()?, UrlPart::Host)?),
            FilterName::UrlPort => owned(url_part(&input.into_string()?, UrlPart::Port)?),
            FilterName::UrlPath => owned(url_part(&input.into_string()?, UrlPart::Path)?),
            FilterName::UrlQuery => owned(url_part(&input.into_string()?, UrlPart::Query)?),
            FilterName::UrlOrigin => owned(url_part(&input.into_string()?, UrlPart::Origin)?),
            FilterName::UrlTarget => owned(url_part(&input.into_string()?, UrlPart::Target)?),
            FilterName::UrlEncode => owned(utf8_percent_encode(&input.into_string()?, RESERVED).to_string()),
            FilterName::Xml => owned(xml(&input.into_string()?)),
            FilterName::Length => length(&input),
        }
    }

    /// The most bytes that it makes from so many.
    fn made(self, bytes: usize) -> usize {
        let times = match self.name {
            FilterName::Base64 | FilterName::Base64Url | FilterName::Hex => 2,
            FilterName::Json | FilterName::Xml => json::ESCAPED_BYTES_MAX,
            // A character may take three times the bytes in the other case, and three when it is percent-encoded, as a URL is when
            // it is read.
            FilterName::Upper
            | FilterName::Lower
            | FilterName::UrlEncode
            | FilterName::String
            | FilterName::UrlScheme
            | FilterName::UrlHost
            | FilterName::UrlPort
            | FilterName::UrlPath
            | FilterName::UrlQuery
            | FilterName::UrlOrigin
            | FilterName::UrlTarget => 3,
            FilterName::Unix
            | FilterName::UnixMs
            | FilterName::Rfc3339
            | FilterName::HttpDate
            | FilterName::Md5
            | FilterName::Sha1
            | FilterName::Sha256
            | FilterName::Sha384
            | FilterName::Sha512
            | FilterName::Crc32
            | FilterName::Length => 0,
        };
        bytes.saturating_mul(times)
    }
}

/// Bytes are counted as bytes, text as characters, lists and objects by their items.
fn length(input: &Piece<'_>) -> Result<Piece<'static>, EvalError> {
    let length = match input {
        Piece::Bytes(bytes) => bytes.len(),
        Piece::Text(text) => text.chars().count(),
        Piece::Json(raw) => match raw.trim_start().as_bytes().first() {
            Some(b'"') => json::unquote(raw).unwrap_or_default().chars().count(),
            Some(b'[') => json::elements(raw).count(),
            Some(b'{') => json::members(raw).count(),
            _ => return Err(EvalError::new("has no length")),
        },
        Piece::Absent | Piece::Null | Piece::Bool(_) | Piece::Number(_) | Piece::Time(_) => {
            return Err(EvalError::new("has no length"));
        }
    };
    Ok(Piece::number(&length))
}

fn time(input: &Piece<'_>) -> Result<bellwire_domain::Timestamp, EvalError> {
    match input {
        Piece::Time(at) => Ok(*at),
        Piece::Text(text) => parse_time(text),
        Piece::Json(raw) => parse_time(&json::unquote(raw).unwrap_or_default()),
        _ => Err(EvalError::new("is not a time; this filter takes a time, or text in RFC 3339")),
    }
}

fn parse_time(text: &str) -> Result<bellwire_domain::Timestamp, EvalError> {
    bellwire_domain::Timestamp::parse_rfc3339(text).map_err(|_| EvalError::new("is not an RFC 3339 time"))
}

/// A part of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UrlPart {
    Scheme,
    Host,
    Port,
    Path,
    Query,
    Origin,
    Target,
}

/// The text of one part of a URL.
pub(crate) fn url_part(text: &str, part: UrlPart) -> Result<String, EvalError> {
    let url = url::Url::parse(text).map_err(|_| EvalError::new("is not a URL"))?;
    Ok(match part {
        UrlPart::Scheme => url.scheme().to_owned(),
        UrlPart::Host => url.host_str().unwrap_or_default().to_owned(),
        UrlPart::Port => url.port_or_known_default().map(|port| port.to_string()).unwrap_or_default(),
        UrlPart::Path => url.path().to_owned(),
        UrlPart::Query => url.query().unwrap_or_default().to_owned(),
        UrlPart::Origin => url.origin().ascii_serialization(),
        UrlPart::Target => match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        },
    })
}

fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            other => out.push(other),
        }
    }
    out
}
