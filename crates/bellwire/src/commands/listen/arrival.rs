//! What has arrived, and whether it is genuine.

use std::fmt::Write as _;
use std::sync::Arc;

use bellwire_contract::Verdict;
use bellwire_domain::Timestamp;
use serde_json::{Map, Value};

use super::exchange::{Answer, Received, insert_body, pairs};
use super::forward::Forwarder;
use super::show::{body, plain, time};

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
