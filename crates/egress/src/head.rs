//! The heads of HTTP/1.1: a request's as bytes, an answer's from bytes.

use std::sync::Arc;

use bellwire_domain::OutboundRequest;
use http::{HeaderName, Method, StatusCode};
use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};

use crate::answer::Said;
use crate::destination::{Destination, states_length};
use crate::framing::Framing;

/// Header lines of an answer that are parsed without allocation.
const LINES_USUAL: usize = 64;
/// The shortest header line: a letter, a colon, the line's end.
const LINE_BYTES_MIN: usize = 4;

/// The head of a request, with the names of headers as the request spells them.
pub(crate) fn write(request: &OutboundRequest, destination: &Destination) -> Vec<u8> {
    let (path, host) = (destination.path.as_str(), destination.authority.as_str());
    let headers: usize = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let mut head = Vec::with_capacity(path.len() + host.len() + headers + 80);
    for part in [request.method.as_str(), " ", path, " HTTP/1.1\r\nHost: ", host, "\r\n"] {
        head.extend_from_slice(part.as_bytes());
    }
    for (name, value) in &request.headers {
        head.extend_from_slice(request.spelled(name).as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    if states_length(&request.method, &request.body) {
        head.extend_from_slice(format!("Content-Length: {}\r\n", request.body.len()).as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// What of a request has to be known to read its answer.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Headers of the answer that are kept.
    pub(crate) heeded: Arc<[HeaderName]>,
}

impl Asked {
    pub(crate) fn by(request: &OutboundRequest) -> Self {
        Self { method: request.method.clone(), heeded: Arc::clone(&request.heeded) }
    }
}

/// What an answer's head says.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) said: Said,
    pub(crate) framing: Framing,
    /// Whether the connection may carry another request.
    pub(crate) stays_open: bool,
}

/// Reads the head of an answer to what was asked, and how many bytes it takes. `None`: it is not complete.
///
/// Headers may be many, and folded (RFC 9112 §5.2).
pub(crate) fn parse(input: &[u8], asked: &Asked) -> Result<Option<(usize, Head)>, String> {
    let mut usual = [EMPTY_HEADER; LINES_USUAL];
    match parse_into(&mut usual, input, asked) {
        Err(httparse::Error::TooManyHeaders) => {
            let mut all = vec![EMPTY_HEADER; input.len() / LINE_BYTES_MIN + 1];
            parse_into(&mut all, input, asked)
        }
        parsed => parsed,
    }
    .map_err(|error| error.to_string())?
    .transpose()
}

type Parsed = Result<Option<Result<(usize, Head), String>>, httparse::Error>;

fn parse_into<'b>(headers: &mut [Header<'b>], input: &'b [u8], asked: &Asked) -> Parsed {
    let mut response = httparse::Response::new(headers);
    let mut config = ParserConfig::default();
    config
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true);
    let Status::Complete(used) = config.parse_response(&mut response, input)? else { return Ok(None) };
    Ok(Some(understood(&response, asked).map(|head| (used, head))))
}

fn understood(response: &httparse::Response<'_, '_>, asked: &Asked) -> Result<Head, String> {
    let status = response.code.unwrap_or_default();
    let status = StatusCode::from_u16(status).map_err(|_| format!("{status:03} is no status code"))?;
    let is_http10 = response.version == Some(0);
    let values = |name: &'static str| {
        let named = response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| unfolded(header.value))
    };
    let heeded = response.headers.iter().filter_map(|header| {
        let name = asked.heeded.iter().find(|name| header.name.eq_ignore_ascii_case(name.as_str()))?;
        Some((name.to_string(), unfolded(header.value)))
    });
    let listed = |name: &'static str, token: &str| {
        values(name).any(|value| value.split(',').any(|listed| listed.trim().eq_ignore_ascii_case(token)))
    };
    let lengths = values("content-length").collect::<Vec<_>>().join(",");
    let codings = values("transfer-encoding").collect::<Vec<_>>().join(",");
    let framing = Framing::of_answer(status, &asked.method, is_http10, &lengths, &codings)?;
    let says_open = if is_http10 { listed("connection", "keep-alive") } else { !listed("connection", "close") };
    // With both, a receiver and what stands before it may disagree on where the answer ends (RFC 9112 §6.3).
    let is_clear = codings.is_empty() || lengths.is_empty() && !is_http10;
    Ok(Head {
        said: Said {
            status,
            retry_after: values("retry-after").next(),
            content_encoding: values("content-encoding").next(),
            headers: heeded.collect(),
        },
        stays_open: says_open && is_clear && framing != Framing::UntilClose && status != StatusCode::SWITCHING_PROTOCOLS,
        framing,
    })
}

/// A header's value in one line.
fn unfolded(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split('\n').map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn request(method: &str, body: &'static str, headers: &[(&str, &str)]) -> OutboundRequest {
        let named = |(name, value): &(&str, &str)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        OutboundRequest {
            method: method.parse().unwrap(),
            url: "http://a.example/hook?a=b".to_owned(),
            headers: headers.iter().map(named).collect::<HeaderMap>(),
            spellings: headers.iter().map(|(name, _)| Arc::from(*name)).collect(),
            body: Bytes::from_static(body.as_bytes()),
            heeded: Arc::default(),
            tls: None,
        }
    }

    fn written(request: &OutboundRequest) -> String {
        String::from_utf8(write(request, &Destination::parse(&request.url).unwrap())).unwrap()
    }

    #[test]
    fn a_request_says_how_long_it_is() {
        for (method, body, length) in [
            ("POST", "{}", "Content-Length: 2\r\n"),
            ("PUT", "", "Content-Length: 0\r\n"),
            ("GET", "", ""),
            ("DELETE", "{}", "Content-Length: 2\r\n"),
            ("NOTIFY", "{}", "Content-Length: 2\r\n"),
        ] {
            let expected = format!("{method} /hook?a=b HTTP/1.1\r\nHost: a.example\r\n{length}\r\n");
            assert_eq!(written(&request(method, body, &[])), expected);
        }
    }

    #[test]
    fn names_are_spelled_as_the_request_says() {
        let spelled = request("GET", "", &[("apiKey", "a"), ("X-Webhook-Secret", "b"), ("x-lower", "c")]);
        let expected = "GET /hook?a=b HTTP/1.1\r\nHost: a.example\r\napiKey: a\r\nX-Webhook-Secret: b\r\nx-lower: c\r\n\r\n";
        assert_eq!(written(&spelled), expected);
        let lower = OutboundRequest { spellings: Vec::new(), ..spelled };
        assert!(written(&lower).contains("\r\napikey: a\r\n"));
    }
}
