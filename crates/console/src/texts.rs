//! Texts for people: what went wrong with an attempt, whose side it is on, and what to do. One table for all outcomes, so that
//! a page and a test can see that none is missing.

use bellwire_domain::incident::LEASE_ENDING;

/// Whose side a failure is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The receiver's.
    Theirs,
    /// The sender's: a contract, a rule or this server.
    Ours,
    /// Somewhere between the two.
    Between,
}

impl Side {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Theirs => "on the receiver's side",
            Self::Ours => "on our side",
            Self::Between => "between us and the receiver",
        }
    }
}

/// A failure in words.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// What happened.
    pub what: &'static str,
    /// Whose side it is on.
    pub side: Side,
    /// What to do.
    pub advice: &'static str,
}

const fn theirs(what: &'static str, advice: &'static str) -> Words {
    Words { what, side: Side::Theirs, advice }
}

const fn ours(what: &'static str, advice: &'static str) -> Words {
    Words { what, side: Side::Ours, advice }
}

const fn between(what: &'static str, advice: &'static str) -> Words {
    Words { what, side: Side::Between, advice }
}

/// What each outcome without an answer means.
pub(crate) const OUTCOMES: &[(&str, Words)] = &[
    ("timeout_dns", between("The receiver's name was not resolved in time", "Check the name servers of the receiver's domain.")),
    (
        "timeout_connect",
        between(
            "The receiver's server did not accept a connection in time",
            "It is down, overloaded, or a firewall drops our packets: ask the receiver to let our addresses in.",
        ),
    ),
    (
        "timeout_tls",
        theirs(
            "The receiver's server accepted a connection and then did not finish the TLS handshake",
            "It is overloaded, or a proxy in front of it hangs.",
        ),
    ),
    (
        "timeout_headers",
        theirs(
            "The receiver took the request and did not answer in time",
            "Answer first and work afterwards: put the event into a queue of your own and answer 200 at once.",
        ),
    ),
    (
        "timeout_body",
        theirs("The receiver began to answer and did not finish in time", "Answer with a short body, or with none."),
    ),
    ("dns", theirs("The receiver's name does not resolve", "Check the URL for a typing error, and the domain's DNS records.")),
    (
        "blocked",
        ours(
            "The address is one that we do not send to",
            "Internal addresses are refused. If this receiver is meant to be internal, start the server with --allow-network.",
        ),
    ),
    (
        "tls",
        theirs(
            "The TLS handshake failed",
            "The receiver's certificate has expired, is for another name, or lacks its intermediate certificates.",
        ),
    ),
    ("connect", theirs("No connection could be made", "The receiver's server is down, or the port in the URL is wrong.")),
    (
        "closed",
        theirs(
            "The connection was closed before the answer was complete",
            "The receiver's server or a proxy in front of it crashed or restarted.",
        ),
    ),
    (
        "protocol",
        theirs("What came back was not HTTP", "The URL leads to something else than a web server, or to the wrong port."),
    ),
    (
        "access_token",
        theirs(
            "No access token could be got, so nothing was sent",
            "The receiver's token server is down, or does not take the credentials that the endpoint has.",
        ),
    ),
    (
        "unbuildable",
        ours(
            "The request could not be built, so nothing was sent",
            "The contract does not fit this event: correct the contract, then retry.",
        ),
    ),
];

/// What common statuses mean. Others are told by their hundred.
const STATUSES: &[(u16, Words)] = &[
    (
        400,
        theirs(
            "The receiver says that the request is wrong",
            "Look at the response: its verification or its parser refuses the body.",
        ),
    ),
    (
        401,
        theirs(
            "The receiver does not accept our signature or credentials",
            "Compare the secret on both sides; rotate it if in doubt.",
        ),
    ),
    (
        403,
        theirs(
            "The receiver forbids the request",
            "Its firewall or its verification refuses us: compare the secret on both sides, and let our addresses in.",
        ),
    ),
    (404, theirs("The receiver has nothing at this path", "Check the path of the URL.")),
    (405, theirs("The receiver does not take POST at this path", "Check the path of the URL, and the routes of the receiver.")),
    (408, theirs("The receiver gave up waiting for the request", "It is overloaded, or a proxy in front of it is slow.")),
    (410, theirs("The receiver says that the endpoint is gone for good", "Remove the endpoint, or correct its URL.")),
    (413, theirs("The request is too large for the receiver", "Raise the limit of the receiver's server or proxy.")),
    (
        415,
        theirs("The receiver does not take this content type", "Let the receiver take the content type that the contract sends."),
    ),
    (422, theirs("The receiver understood the request and refuses it", "Look at the response for the reason.")),
    (429, theirs("The receiver gets more than it takes", "Set a rate limit for this endpoint, below what the receiver allows.")),
    (500, theirs("The receiver's program failed", "Its log at this time has the reason.")),
    (
        502,
        theirs(
            "A proxy in front of the receiver got no valid answer from it",
            "The receiver's program is down behind its proxy.",
        ),
    ),
    (503, theirs("The receiver is not available", "It is starting, stopping or overloaded.")),
    (504, theirs("A proxy in front of the receiver waited too long for it", "Answer first and work afterwards.")),
];

const REDIRECT: Words =
    theirs("The receiver answered with a redirect, which is not followed", "Register the URL that it leads to.");
const REFUSED: Words = theirs("The receiver refused the request", "Look at the response for the reason.");
const FAILED: Words = theirs("The receiver's server failed", "Its log at this time has the reason.");
const OTHER: Words = theirs("The receiver's answer does not count as success", "The contract says which answers do.");
const SUCCESS: Words = theirs("The receiver took it", "");

/// An attempt in words.
#[must_use]
pub fn words(outcome: &str, status: Option<u16>, is_success: bool) -> Words {
    if is_success {
        return SUCCESS;
    }
    if let Some((_, words)) = OUTCOMES.iter().find(|(known, _)| *known == outcome) {
        return *words;
    }
    if outcome == LEASE_ENDING {
        return ENDING;
    }
    let status = status.unwrap_or(0);
    if let Some((_, words)) = STATUSES.iter().find(|(known, _)| *known == status) {
        return *words;
    }
    match status / 100 {
        3 => REDIRECT,
        4 => REFUSED,
        5 => FAILED,
        _ => OTHER,
    }
}

/// No failure: an endpoint is about to expire.
const ENDING: Words = theirs(
    "The endpoint is about to expire",
    "Renew it on its page, or by the API with a new expires_at. From then on nothing is sent.",
);

/// What has just been done, by the word in the address.
pub(crate) fn said(word: &str) -> Option<&'static str> {
    Some(match word {
        "saved" => "Saved.",
        "added" => "Added.",
        "deleted" => "Deleted. What was waiting for it is cancelled.",
        "enabled" => "Switched on: new events are sent here.",
        "disabled" => "Switched off: new events are not sent here.",
        "resumed" => "Resumed: what waits is sent now.",
        "retried" => "It is sent again now.",
        "tested" => "The test event is on its way.",
        "acknowledged" => "Acknowledged: the incident stays until the endpoint succeeds.",
        "resolved" => "Resolved. It opens again if the endpoint fails again.",
        "replaying" => "The replay has begun.",
        "cancelled" => "Cancelled: what was sent again stays sent.",
        "held" => "Held: nothing about this subject is removed.",
        "released" => "Lifted: this subject is not under a hold any more.",
        "erasing" => "The erasure has begun.",
        "revoked" => "Revoked: the key works no more.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use bellwire_domain::{AttemptOutcome, TimeoutPhase};

    use super::*;

    #[test]
    fn every_outcome_has_its_words() {
        let text = String::new;
        let phases = [TimeoutPhase::Dns, TimeoutPhase::Connect, TimeoutPhase::Tls, TimeoutPhase::Headers, TimeoutPhase::Body];
        let mut all: Vec<AttemptOutcome> = phases.into_iter().map(|phase| AttemptOutcome::Timeout { phase }).collect();
        all.extend([
            AttemptOutcome::Dns { detail: text() },
            AttemptOutcome::Blocked { reason: text() },
            AttemptOutcome::Tls { detail: text() },
            AttemptOutcome::Connect { detail: text() },
            AttemptOutcome::Closed { detail: text() },
            AttemptOutcome::Protocol { detail: text() },
            AttemptOutcome::AccessToken { reason: text() },
            AttemptOutcome::Unbuildable { reason: text() },
        ]);
        let kinds: Vec<&str> = all.iter().map(AttemptOutcome::kind).collect();
        let known: Vec<&str> = OUTCOMES.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(known.len(), kinds.len());
        for kind in kinds {
            assert!(known.contains(&kind), "{kind}");
        }
    }

    #[test]
    fn every_failure_says_what_to_do() {
        let answers = (100..600).map(|status| words("response", Some(status), false));
        for words in answers.chain(OUTCOMES.iter().map(|(_, words)| *words)) {
            assert!(!words.what.ends_with('.') && words.advice.ends_with('.') && !words.side.words().is_empty(), "{words:?}");
        }
    }
}
