//! The filters of the expression language beyond those of the library: times, encodings, digests, JSON and URL parts.
//!
//! Each is a function from value to value, used directly for plain expressions and registered with the library for the rest.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bellwire_domain::time::Zone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::piece::{EvalError, Piece};

/// A filter with its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    Unix,
    UnixMs,
    Rfc3339 { digits: u8, zone: Zone },
    HttpDate,
    Base64,
    Base64Url,
    Hex,
    Upper,
    Lower,
    String,
    Json,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
    Crc32,
    Url(UrlPart),
    UrlEncode,
    Xml,
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

/// The filters without arguments.
pub(crate) const FILTERS: &[(&str, Filter)] = &[
    ("unix", Filter::Unix),
    ("unix_ms", Filter::UnixMs),
    ("rfc3339", Filter::Rfc3339 { digits: 0, zone: Zone::Zulu }),
    ("http_date", Filter::HttpDate),
    ("base64", Filter::Base64),
    ("base64url", Filter::Base64Url),
    ("hex", Filter::Hex),
    ("upper", Filter::Upper),
    ("lower", Filter::Lower),
    ("string", Filter::String),
    ("json", Filter::Json),
    ("sha1", Filter::Sha1),
    ("sha256", Filter::Sha256),
    ("sha384", Filter::Sha384),
    ("sha512", Filter::Sha512),
    ("crc32", Filter::Crc32),
    ("url_scheme", Filter::Url(UrlPart::Scheme)),
    ("url_host", Filter::Url(UrlPart::Host)),
    ("url_port", Filter::Url(UrlPart::Port)),
    ("url_path", Filter::Url(UrlPart::Path)),
    ("url_query", Filter::Url(UrlPart::Query)),
    ("url_origin", Filter::Url(UrlPart::Origin)),
    ("url_target", Filter::Url(UrlPart::Target)),
    ("urlencode", Filter::UrlEncode),
    ("xml", Filter::Xml),
];

/// What RFC 3986 calls unreserved stays as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The filter of that name, without arguments.
pub(crate) fn find(name: &str) -> Option<Filter> {
    FILTERS.iter().find(|(known, _)| *known == name).map(|(_, filter)| *filter)
}

/// `rfc3339` with arguments.
pub(crate) fn rfc3339(digits: Option<&str>, zone: Option<&str>) -> Result<Filter, String> {
    let digits = match digits {
        None => 0,
        Some(text) => text.parse::<u8>().ok().filter(|digits| *digits <= 6).ok_or("`digits` is 0 to 6, usually 0, 3 or 6")?,
    };
    let zone = match zone {
        None | Some("Z") => Zone::Zulu,
        Some("offset") => Zone::Offset,
        Some(_) => return Err("`zone` is 'Z' or 'offset' (which prints +00:00)".into()),
    };
    Ok(Filter::Rfc3339 { digits, zone })
}

impl Filter {
    /// The filtered value.
    pub(crate) fn apply(self, input: Piece<'_>) -> Result<Piece<'_>, EvalError> {
        if input == Piece::Absent {
            return Err(EvalError { message: "a filter got a value that is not there".into(), absent: true });
        }
        let owned = |text: String| Ok(Piece::Text(Cow::Owned(text)));
        let bytes = |bytes: Vec<u8>| Ok(Piece::Bytes(Cow::Owned(bytes)));
        match self {
            Self::Unix => Ok(Piece::number(&time(&input)?.as_secs())),
            Self::UnixMs => Ok(Piece::number(&time(&input)?.as_millis())),
            Self::Rfc3339 { digits, zone } => owned(time(&input)?.rfc3339(digits, zone)),
            Self::HttpDate => owned(time(&input)?.http_date()),
            Self::Base64 => owned(STANDARD.encode(input.to_text()?)),
            Self::Base64Url => owned(URL_SAFE_NO_PAD.encode(input.to_text()?)),
            Self::Hex => owned(hex::encode(input.to_text()?)),
            Self::Upper => owned(input.into_string()?.to_uppercase()),
            Self::Lower => owned(input.into_string()?.to_lowercase()),
            Self::String => owned(input.into_string()?),
            Self::Json => {
                let mut out = String::new();
                input.write_json(&mut out)?;
                owned(out)
            }
            Self::Sha1 => bytes(Sha1::digest(input.to_text()?).to_vec()),
            Self::Sha256 => bytes(Sha256::digest(input.to_text()?).to_vec()),
            Self::Sha384 => bytes(Sha384::digest(input.to_text()?).to_vec()),
            Self::Sha512 => bytes(Sha512::digest(input.to_text()?).to_vec()),
            Self::Crc32 => Ok(Piece::number(&crc32(&input.to_text()?))),
            Self::Url(part) => owned(part.of(&input.into_string()?)?),
            Self::UrlEncode => owned(utf8_percent_encode(&input.into_string()?, RESERVED).to_string()),
            Self::Xml => owned(xml(&input.into_string()?)),
        }
    }
}

fn time(input: &Piece<'_>) -> Result<bellwire_domain::Timestamp, EvalError> {
    match input {
        Piece::Time(at) => Ok(*at),
        Piece::Text(text) => parse_time(text),
        Piece::Json(raw) => parse_time(&crate::json::unquote(raw).unwrap_or_default()),
        _ => Err(EvalError::new("is not a time; only a time or an RFC 3339 text has these formats")),
    }
}

fn parse_time(text: &str) -> Result<bellwire_domain::Timestamp, EvalError> {
    bellwire_domain::Timestamp::parse_rfc3339(text).map_err(|_| EvalError::new("is not a time as in RFC 3339"))
}

impl UrlPart {
    pub(crate) fn of(self, text: &str) -> Result<String, EvalError> {
        let url = url::Url::parse(text).map_err(|_| EvalError::new("is not a URL"))?;
        Ok(match self {
            Self::Scheme => url.scheme().to_owned(),
            Self::Host => url.host_str().unwrap_or_default().to_owned(),
            Self::Port => url.port_or_known_default().map(|port| port.to_string()).unwrap_or_default(),
            Self::Path => url.path().to_owned(),
            Self::Query => url.query().unwrap_or_default().to_owned(),
            Self::Origin => url.origin().ascii_serialization(),
            Self::Target => match url.query() {
                Some(query) => format!("{}?{query}", url.path()),
                None => url.path().to_owned(),
            },
        })
    }
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

/// CRC-32 as in zip and PNG, as an unsigned number.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
