//! The encoding of a request's body (RFC 9110 §8.4): none, or gzip.

use std::io::Read;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use flate2::bufread::GzDecoder;

/// What `Accept-Encoding` says in an answer that refuses an encoding (RFC 9110 §12.5.3).
pub const ACCEPTED: &str = "gzip";

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Not at all.
    Identity,
    /// As gzip (RFC 1952).
    Gzip,
}

impl Encoding {
    /// What the headers say. `None`: an encoding that is not taken, or several.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut found = None;
        for line in headers.get_all(CONTENT_ENCODING) {
            // Names have no case, and empty elements of a list do not count (RFC 9110 §5.6.1.2, §8.4.1).
            for name in line.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                let encoding = match name.to_ascii_lowercase().as_str() {
                    "identity" => Self::Identity,
                    "gzip" | "x-gzip" => Self::Gzip, // the same (RFC 9110 §8.4.1.3)
                    _ => return None,
                };
                if found.replace(encoding).is_some() {
                    return None;
                }
            }
        }
        Some(found.unwrap_or(Self::Identity))
    }
}

/// Why a body could not be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// Decodes one gzip member. `Ok(None)`: it has more than `max` bytes, and the rest was left alone.
///
/// A stream of several members is not taken: each of a great many empty ones would cost a new start.
pub(crate) fn decode(encoded: &[u8], max: usize) -> Result<Option<Vec<u8>>, Broken> {
    let mut decoder = GzDecoder::new(encoded);
    let mut body = Vec::new();
    let one_more = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    decoder.by_ref().take(one_more).read_to_end(&mut body).map_err(|_| Broken)?;
    if body.len() > max {
        return Ok(None);
    }
    if decoder.into_inner().is_empty() { Ok(Some(body)) } else { Err(Broken) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn one_encoding_or_none_is_understood() {
        for (lines, expected) in [
            (&[][..], Some(Encoding::Identity)),
            (&[""], Some(Encoding::Identity)),
            (&["identity"], Some(Encoding::Identity)),
            (&["gzip"], Some(Encoding::Gzip)),
            (&[" GZip ,"], Some(Encoding::Gzip)),
            (&["x-gzip"], Some(Encoding::Gzip)),
            (&["br"], None),
            (&["gzip;q=1"], None),
            (&["gzip, gzip"], None),
            (&["gzip", "identity"], None),
            (&["identity", "deflate"], None),
            (&["é"], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CONTENT_ENCODING, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            assert_eq!(Encoding::of(&headers), expected, "{lines:?}");
        }
    }

    #[test]
    fn no_more_than_the_limit_is_decoded_and_broken_streams_are_told_apart() {
        let text = b"{\"role\":\"publisher\"}";
        let encoded = gzip(text);
        assert_eq!(decode(&encoded, text.len()), Ok(Some(text.to_vec())));
        assert_eq!(decode(&encoded, text.len() - 1), Ok(None));
        assert_eq!(decode(&gzip(b""), 0), Ok(Some(Vec::new())));
        let two = [encoded.clone(), gzip(b"")].concat();
        let mut sum = encoded.clone();
        sum[encoded.len() - 8] ^= 1;
        for broken in [&b""[..], b"{}", &encoded[..encoded.len() - 1], &two, &sum] {
            assert_eq!(decode(broken, 1_000), Err(Broken), "{broken:?}");
        }
    }
}
