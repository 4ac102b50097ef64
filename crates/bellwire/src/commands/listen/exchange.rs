//! A request, and what came of it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Map, Value, json};

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Received {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What came of a request.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// It was shown, and nobody waits for an answer.
    Shown,
    /// It was answered here, with this status.
    Here(StatusCode),
    /// It was passed on, and this is what the server said.
    Forwarded { status: StatusCode, headers: HeaderMap, body: Bytes, took: Duration },
    /// It was passed on, and there is no answer; whoever sent it was told this status, if anybody did.
    Failed { reason: String, told: Option<StatusCode>, took: Duration },
}

impl Answer {
    /// In words; nothing: there is none.
    pub(super) fn text(&self, tells_time: bool) -> Option<String> {
        match self {
            Self::Shown => None,
            Self::Here(status) => Some(format!("answered {}", status.as_u16())),
            Self::Forwarded { status, took, .. } => {
                let time = if tells_time { format!(" in {} ms", took.as_millis()) } else { String::new() };
                Some(format!("forwarded, answered {}{time}", status.as_u16()))
            }
            Self::Failed { reason, told: Some(status), .. } => {
                Some(format!("not forwarded: {reason}; answered {}", status.as_u16()))
            }
            Self::Failed { reason, told: None, .. } => Some(format!("not forwarded: {reason}")),
        }
    }

    pub(super) fn to_json(&self, hide_body: bool) -> Value {
        let millis = |took: &Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match self {
            Self::Shown => Value::Null,
            Self::Here(status) => json!({ "status": status.as_u16(), "forwarded": false }),
            Self::Forwarded { status, headers, body, took } => {
                let mut answer = Map::new();
                answer.insert("status".to_owned(), status.as_u16().into());
                answer.insert("forwarded".to_owned(), true.into());
                answer.insert("took_ms".to_owned(), millis(took).into());
                answer.insert("headers".to_owned(), pairs(headers));
                insert_body(&mut answer, body, hide_body);
                Value::Object(answer)
            }
            Self::Failed { reason, told, took } => {
                let status = told.map(|status| status.as_u16());
                json!({ "status": status, "forwarded": false, "took_ms": millis(took), "error": reason })
            }
        }
    }
}

/// Headers as a list of pairs.
pub(super) fn pairs(headers: &HeaderMap) -> Value {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| json!([name.as_str(), text(value)])).collect()
}

/// A body as text, or else in base64.
pub(super) fn insert_body(into: &mut Map<String, Value>, body: &[u8], hide_body: bool) {
    if hide_body {
        return;
    }
    let _ = match std::str::from_utf8(body) {
        Ok(text) => into.insert("body".to_owned(), text.into()),
        Err(_) => into.insert("body_base64".to_owned(), STANDARD.encode(body).into()),
    };
}
