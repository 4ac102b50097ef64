//! Parses the head of a captured request, as people and tools write it down.

use anyhow::bail;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// A request's head, and what follows it.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) method: String,
    /// The target, as in the request line.
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    /// What follows the blank line; `None` if there is no blank line.
    pub(super) body: Option<&'a [u8]>,
}

impl<'a> Head<'a> {
    /// Parses the request line, if there is one, and the headers. Lines end in LF or CRLF. Errors name the line number and do
    /// not repeat its text, which may be confidential.
    pub(super) fn parse(capture: &'a [u8]) -> anyhow::Result<Self> {
        let mut head = Self { method: "POST".to_owned(), url: "/".to_owned(), headers: HeaderMap::new(), body: None };
        let mut rest = capture;
        for number in 1_usize.. {
            if rest.is_empty() {
                break;
            }
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let line = rest.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            rest = rest.get(end + 1..).unwrap_or_default();
            if line.is_empty() && number > 1 {
                head.body = Some(rest);
                break;
            }
            if let Some((name, value)) = header(line) {
                head.headers.append(name, value);
            } else if let (1, Some((method, url))) = (number, request_line(line)) {
                (head.method, head.url) = (method, url);
            } else if number == 1 {
                bail!(
                    "standard input: line 1 is neither a request line nor a header; it begins as in `POST /path` or `name: value`"
                );
            } else {
                bail!("standard input: line {number} is not a header; write `name: value`, and a blank line before the body");
            }
        }
        if head.headers.is_empty() {
            bail!("standard input: there is no request; give its headers, a blank line and its body");
        }
        Ok(head)
    }
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
    let value = HeaderValue::from_bytes(line.get(colon + 1..)?.trim_ascii()).ok()?;
    Some((name, value))
}

/// `POST /path HTTP/1.1`; the version is optional, and the target may be a whole URL.
fn request_line(line: &[u8]) -> Option<(String, String)> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (method, url, version) = (words.next()?, words.next()?, words.next());
    let fits = method.bytes().all(|byte| byte.is_ascii_uppercase())
        && Method::from_bytes(method.as_bytes()).is_ok()
        && (url.starts_with('/') || url.contains("://"))
        && version.is_none_or(|version| version.starts_with("HTTP/"))
        && words.next().is_none();
    fits.then(|| (method.to_owned(), url.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(capture: &str) -> (String, String, Vec<String>, Option<&[u8]>) {
        let head = Head::parse(capture.as_bytes()).unwrap();
        let headers = head.headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap()));
        (head.method, head.url, headers.collect(), head.body)
    }

    #[test]
    fn heads_as_people_write_them() {
        let headers = vec!["a=1".to_owned(), "b=x: y".to_owned()];
        let body = Some(&b"{\r\n\n}\n"[..]);
        let expected = ("PUT".to_owned(), "/p?q".to_owned(), headers.clone(), body);
        assert_eq!(parse("PUT /p?q HTTP/1.1\r\nA: 1\r\nb:  x: y \r\n\r\n{\r\n\n}\n"), expected);
        assert_eq!(parse("PUT /p?q\nA: 1\nb: x: y\n\n{\r\n\n}\n"), expected);
        assert_eq!(parse("A: 1\nb: x: y"), ("POST".to_owned(), "/".to_owned(), headers, None));
        assert_eq!(parse("POST https://a.example/b\na: 1\n\n").1, "https://a.example/b");
        assert_eq!(parse("a: 1\r\n\r\n").3, Some(&b""[..]));
    }

    #[test]
    fn what_is_no_request_is_named_by_its_line() {
        for (capture, words) in [
            ("", "no request"),
            ("\n\n", "line 1"),
            ("POST / HTTP/1.1\n\nbody", "no request"),
            ("{\"ssn\":\"078\"}", "line 1"),
            ("GET\n", "line 1"),
            ("POST / HTTP/1.1\na: 1\n{\"ssn\":1}", "line 3"),
            ("a: 1\n folded\n\n", "line 2"),
        ] {
            let error = Head::parse(capture.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("ssn"), "{capture:?}: {error}");
        }
    }
}
