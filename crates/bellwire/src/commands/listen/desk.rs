//! Where what arrives is shown: as lines for people, as lines for programs, or on a screen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bellwire_domain::Timestamp;
use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;

use super::arrival::{Arrival, Judged};
use super::exchange::Answer;
use crate::telemetry;

/// How requests come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// They come here, or over a connection that stands.
    Open(Opening),
    /// The connection is gone, and is made again at that time.
    Lost { reason: String, until: Timestamp },
}

/// Where requests come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    /// In a sentence.
    pub(super) from: String,
    /// In a few words.
    pub(super) title: String,
    /// What they are signed with, where somebody has to know.
    pub(super) signs: Option<String>,
    /// What happens to them, in words.
    pub(super) then: String,
}

/// What a screen is told.
pub(super) enum Message {
    /// A request has arrived.
    Arrived(Arc<Arrival>),
    /// The request with that number was answered.
    Answered(u64, Answer),
    /// What cannot be shown as a request.
    Noted(String),
    /// How requests come in from now on.
    Link(Link),
}

/// How it is shown.
pub(super) enum Way {
    /// For people.
    Lines,
    /// For programs: an object a line.
    Json,
    /// By whoever receives these.
    Screen(UnboundedSender<Message>),
}

/// Shows what arrives, and counts it.
pub(super) struct Desk {
    way: Way,
    hide_body: bool,
    arrived: AtomicU64,
    genuine: AtomicU64,
    unsigned: AtomicU64,
    others: AtomicU64,
    withheld: AtomicU64,
}

impl Desk {
    pub(super) fn new(way: Way, hide_body: bool) -> Self {
        let [arrived, genuine, unsigned, others, withheld] = std::array::from_fn(|_| AtomicU64::new(0));
        Self { way, hide_body, arrived, genuine, unsigned, others, withheld }
    }

    /// The number of the next request.
    pub(super) fn next_number(&self) -> u64 {
        self.arrived.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Requests come in from here on.
    pub(super) fn open(&self, opening: Opening) {
        match &self.way {
            Way::Lines => {
                let Opening { from, signs, then, .. } = opening;
                let signs = signs.map(|signs| format!("; requests are signed with {signs}")).unwrap_or_default();
                telemetry::print(&format!("{from}{signs}; {then}"));
            }
            Way::Json => {
                let Opening { from, signs, then, .. } = opening;
                let line = json!({ "event": "listening", "from": from, "signed_with": signs, "then": then });
                telemetry::print(&line.to_string());
            }
            Way::Screen(screen) => drop(screen.send(Message::Link(Link::Open(opening)))),
        }
    }

    /// The connection is gone, and is made again at that time.
    pub(super) fn lost(&self, reason: &str, until: Timestamp) {
        match &self.way {
            Way::Lines | Way::Json => telemetry::say(&format!("bellwire: {reason}; trying again")),
            Way::Screen(screen) => drop(screen.send(Message::Link(Link::Lost { reason: reason.to_owned(), until }))),
        }
    }

    /// A request has arrived, and was judged.
    pub(super) fn arrived(&self, arrival: &Arc<Arrival>) {
        let counter = match arrival.judged {
            Judged::Genuine => &self.genuine,
            Judged::Unsigned => &self.unsigned,
            Judged::Rejected(_) | Judged::Unknown(_) => &self.others,
            Judged::Withheld(_) => &self.withheld,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Way::Screen(screen) = &self.way {
            let _ = screen.send(Message::Arrived(Arc::clone(arrival)));
        }
    }

    /// It was answered; whether somebody still reads what is printed.
    pub(super) fn answered(&self, arrival: &Arrival, answer: Answer) -> bool {
        match &self.way {
            Way::Lines => telemetry::print_while_read(&arrival.show(&answer, self.hide_body)),
            Way::Json => telemetry::print_while_read(&arrival.to_json(&answer, self.hide_body).to_string()),
            Way::Screen(screen) => screen.send(Message::Answered(arrival.number, answer)).is_ok(),
        }
    }

    /// What cannot be shown as a request.
    pub(super) fn note(&self, line: &str) {
        self.others.fetch_add(1, Ordering::Relaxed);
        match &self.way {
            Way::Lines => telemetry::print(line),
            Way::Json => telemetry::say(line),
            Way::Screen(screen) => drop(screen.send(Message::Noted(line.to_owned()))),
        }
    }

    /// What there was, in a line, for people.
    pub(super) fn close(&self) {
        let [genuine, unsigned, others, withheld] =
            [&self.genuine, &self.unsigned, &self.others, &self.withheld].map(|count| count.load(Ordering::Relaxed));
        let more = |word: &str, count: u64| if count > 0 { format!(", {word}: {count}") } else { String::new() };
        let total = genuine + unsigned + others;
        if !matches!(self.way, Way::Json) {
            let (unsigned, withheld) = (more("unsigned", unsigned), more("withheld", withheld));
            telemetry::print(&format!(
                "stopped; requests: {total}, genuine: {genuine}, not genuine: {others}{unsigned}{withheld}"
            ));
        }
    }
}
