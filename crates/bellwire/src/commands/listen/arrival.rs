//! What has arrived, and what came of it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bellwire_contract::Verdict;
use bellwire_domain::Timestamp;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Map, Value, json};

use super::forward::Forwarder;
use super::show::{body, plain, time};

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Received {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Whether a request is genuine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judged {
    /// It is.
    Genuine,
    /// The contract signs nothing.
    Unsigned,
    /// It is not, and why.
    Rejected(String),
    /// Nobody can tell here, and why.
    Unknown(String),
    /// The server has an event and shows no request for it, and why.
    Withheld(String),
}

impl From<Verdict> for Judged {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Genuine => Self::Genuine,
            Verdict::Unsigned => Self::Unsigned,
            Verdict::Rejected { reason } => Self::Rejected(reason),
        }
    }
}

impl Judged {
    /// In a word or two.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Genuine => "genuine",
            Self::Unsigned => "unsigned",
            Self::Rejected(_) => "not genuine",
            Self::Unknown(_) => "not judged",
            Self::Withheld(_) => "withheld",
        }
    }

    /// Why.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Genuine | Self::Unsigned => None,
            Self::Rejected(reason) | Self::Unknown(reason) | Self::Withheld(reason) => Some(reason),
        }
    }

    fn text(&self) -> String {
        self.reason().map_or_else(|| self.word().to_owned(), |reason| format!("{}: {}", self.word(), plain(reason)))
    }
}

/// One request.
pub(super) struct Arrival {
    /// Which one it is since the start, from 1.
    pub(super) number: u64,
    pub(super) at: Timestamp,
    /// The place of its event in the account's log, where a server says it.
    pub(super) seq: Option<i64>,
    /// The event's type, as far as the request names it.
    pub(super) event_type: Option<String>,
    /// Its id, likewise.
    pub(super) id: Option<String>,
    pub(super) request: Received,
    pub(super) judged: Judged,
    /// What passes it on, where something does.
    pub(super) forwarder: Option<Arc<Forwarder>>,
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
    fn text(&self, tells_time: bool) -> Option<String> {
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

    fn to_json(&self, hide_body: bool) -> Value {
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

impl Arrival {
    /// What it is about: the event's type and id, or else the method and target of the request.
    pub(super) fn what(&self) -> String {
        match (&self.event_type, &self.id) {
            (Some(event_type), Some(id)) => format!("{}  {}", plain(event_type), plain(id)),
            (Some(name), None) | (None, Some(name)) => plain(name),
            (None, None) => plain(&self.target()),
        }
    }

    /// Method and target.
    pub(super) fn target(&self) -> String {
        let target = self.request.uri.path_and_query().map_or("/", |target| target.as_str());
        format!("{} {target}", self.request.method)
    }

    /// One line, and the body below it unless it is hidden. Where nobody else gets the answer, it is below that.
    pub(super) fn show(&self, answer: &Answer, hide_body: bool) -> String {
        let mut text = time(self.at);
        if let Some(seq) = self.seq {
            let _ = write!(text, "  {seq}");
        }
        let _ = write!(text, "  {}", self.what());
        if !matches!(self.judged, Judged::Withheld(_)) {
            let _ = write!(text, "  {} bytes", self.request.body.len());
        }
        let _ = write!(text, "  {}", self.judged.text());
        if let Some(said) = answer.text(self.seq.is_some()) {
            let _ = write!(text, "  ({said})");
        }
        if !hide_body && !self.request.body.is_empty() {
            let _ = write!(text, "\n{}\n", body(&self.request.body));
        }
        if let (Answer::Forwarded { body: answer, .. }, Some(_), false) = (answer, self.seq, hide_body)
            && !answer.is_empty()
        {
            let _ = write!(text, "\nanswer:\n{}\n", body(answer));
        }
        text
    }

    /// The same for programs, on one line.
    pub(super) fn to_json(&self, answer: &Answer, hide_body: bool) -> Value {
        let kind = if matches!(self.judged, Judged::Withheld(_)) { "withheld" } else { "request" };
        let mut shown = Map::new();
        shown.insert("event".to_owned(), kind.into());
        shown.insert("at".to_owned(), time(self.at).into());
        shown.insert("seq".to_owned(), self.seq.into());
        shown.insert("type".to_owned(), self.event_type.clone().into());
        shown.insert("id".to_owned(), self.id.clone().into());
        shown.insert("verdict".to_owned(), self.judged.word().into());
        shown.insert("reason".to_owned(), self.judged.reason().into());
        if !matches!(self.judged, Judged::Withheld(_)) {
            shown.insert("method".to_owned(), self.request.method.as_str().into());
            shown.insert("url".to_owned(), self.request.uri.to_string().into());
            shown.insert("headers".to_owned(), pairs(&self.request.headers));
            insert_body(&mut shown, &self.request.body, hide_body);
        }
        shown.insert("answer".to_owned(), answer.to_json(hide_body));
        Value::Object(shown)
    }
}

fn pairs(headers: &HeaderMap) -> Value {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| json!([name.as_str(), text(value)])).collect()
}

/// A body as text, or else in base64.
fn insert_body(into: &mut Map<String, Value>, body: &[u8], hide_body: bool) {
    if hide_body {
        return;
    }
    let _ = match std::str::from_utf8(body) {
        Ok(text) => into.insert("body".to_owned(), text.into()),
        Err(_) => into.insert("body_base64".to_owned(), STANDARD.encode(body).into()),
    };
}
