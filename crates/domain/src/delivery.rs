//! What one attempt means for its delivery.
//!
//! The egress crate says what happened ([`AttemptOutcome`], a value and never an error). [`DeliveryPolicy::decide`] says what that
//! means under the contract: delivered, to be retried at some time, or failed.

use std::fmt;
use std::time::Duration;

use crate::health::CountedFailures;
use crate::{BatchRule, HealthPolicy, OrderRule, OutcomeKind, RateLimit, RetrySchedule, SuccessRule, Timestamp};

crate::words! {
    /// The state of a delivery.
    pub enum DeliveryState {
        /// Waiting for its first or next attempt, or in flight.
        Pending = "pending",
        /// The endpoint answered with success, as the contract defines it.
        Delivered = "delivered",
        /// It has no attempts left, or its request cannot be built.
        Failed = "failed",
        /// Its endpoint was deleted or disabled before it arrived.
        Cancelled = "cancelled",
    }
}

/// Where an attempt was when its deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeoutPhase {
    /// Resolving the name.
    Dns,
    /// Connecting.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Sending the request or waiting for the head of the answer.
    Headers,
    /// Reading the body of the answer.
    Body,
}

/// What happened in one HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The endpoint answered.
    Response {
        /// The HTTP status code.
        status: u16,
        /// How long the `Retry-After` header asks to wait.
        retry_after: Option<Duration>,
        /// Of its headers, those that the request asks for, by their names in lower case.
        headers: Vec<(String, String)>,
        /// The first bytes of the answer's body.
        body: Vec<u8>,
    },
    /// The deadline passed.
    Timeout {
        /// Where it was then.
        phase: TimeoutPhase,
    },
    /// The name did not resolve.
    Dns {
        /// What the resolver said.
        detail: String,
    },
    /// The egress guard refused the address.
    Blocked {
        /// Why.
        reason: String,
    },
    /// The TLS handshake failed.
    Tls {
        /// What TLS said.
        detail: String,
    },
    /// No connection could be made.
    Connect {
        /// What the system said.
        detail: String,
    },
    /// The connection was closed or reset before the answer was complete.
    Closed {
        /// Which of these.
        detail: String,
    },
    /// The answer was not HTTP.
    Protocol {
        /// What was wrong.
        detail: String,
    },
    /// No access token could be got for the request, so it was not sent.
    AccessToken {
        /// Which token server, and what it said.
        reason: String,
    },
    /// The request could not be built: nothing was sent, and a retry would not help.
    Unbuildable {
        /// Why.
        reason: String,
    },
}

impl AttemptOutcome {
    /// An answer that says nothing but its status.
    pub const fn answered(status: u16) -> Self {
        Self::Response { status, retry_after: None, headers: Vec::new(), body: Vec::new() }
    }

    /// The word for it in the store, in the API and in metrics.
    pub const fn kind(&self) -> &'static str {
        let kind = match self {
            Self::Response { .. } => OutcomeKind::Response,
            Self::Timeout { phase: TimeoutPhase::Dns } => OutcomeKind::TimeoutDns,
            Self::Timeout { phase: TimeoutPhase::Connect } => OutcomeKind::TimeoutConnect,
            Self::Timeout { phase: TimeoutPhase::Tls } => OutcomeKind::TimeoutTls,
            Self::Timeout { phase: TimeoutPhase::Headers } => OutcomeKind::TimeoutHeaders,
            Self::Timeout { phase: TimeoutPhase::Body } => OutcomeKind::TimeoutBody,
            Self::Dns { .. } => OutcomeKind::Dns,
            Self::Blocked { .. } => OutcomeKind::Blocked,
            Self::Tls { .. } => OutcomeKind::Tls,
            Self::Connect { .. } => OutcomeKind::Connect,
            Self::Closed { .. } => OutcomeKind::Closed,
            Self::Protocol { .. } => OutcomeKind::Protocol,
            Self::AccessToken { .. } => OutcomeKind::AccessToken,
            Self::Unbuildable { .. } => OutcomeKind::Unbuildable,
        };
        kind.as_str()
    }

    /// What attempts are counted by: the class of the status where there was an answer, such as `2xx`, or else [its
    /// word](Self::kind).
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Response { status: 100..=199, .. } => "1xx",
            Self::Response { status: 200..=299, .. } => "2xx",
            Self::Response { status: 300..=399, .. } => "3xx",
            Self::Response { status: 400..=499, .. } => "4xx",
            Self::Response { status: 500..=599, .. } => "5xx",
            Self::Response { .. } => "6xx",
            Self::Timeout { .. }
            | Self::Dns { .. }
            | Self::Blocked { .. }
            | Self::Tls { .. }
            | Self::Connect { .. }
            | Self::Closed { .. }
            | Self::Protocol { .. }
            | Self::AccessToken { .. }
            | Self::Unbuildable { .. } => self.kind(),
        }
    }

    /// The same without the answer's body.
    #[must_use]
    pub fn without_body(self) -> Self {
        match self {
            Self::Response { status, retry_after, headers, .. } => {
                Self::Response { status, retry_after, headers, body: Vec::new() }
            }
            other @ (Self::Timeout { .. }
            | Self::Dns { .. }
            | Self::Blocked { .. }
            | Self::Tls { .. }
            | Self::Connect { .. }
            | Self::Closed { .. }
            | Self::Protocol { .. }
            | Self::AccessToken { .. }
            | Self::Unbuildable { .. }) => other,
        }
    }

    /// Whether the request may have reached a receiver: all of it may have gone out before this happened.
    pub const fn may_have_arrived(&self) -> bool {
        match self {
            Self::Response { .. }
            | Self::Closed { .. }
            | Self::Protocol { .. }
            | Self::Timeout { phase: TimeoutPhase::Headers | TimeoutPhase::Body } => true,
            Self::Timeout { phase: TimeoutPhase::Dns | TimeoutPhase::Connect | TimeoutPhase::Tls }
            | Self::Dns { .. }
            | Self::Blocked { .. }
            | Self::Tls { .. }
            | Self::Connect { .. }
            | Self::AccessToken { .. }
            | Self::Unbuildable { .. } => false,
        }
    }

    /// Whether the receiver answered, whatever it said.
    pub const fn is_answer(&self) -> bool {
        matches!(self, Self::Response { .. })
    }

    /// The HTTP status, when there was an answer.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Response { status, .. } => Some(*status),
            Self::Timeout { .. }
            | Self::Dns { .. }
            | Self::Blocked { .. }
            | Self::Tls { .. }
            | Self::Connect { .. }
            | Self::Closed { .. }
            | Self::Protocol { .. }
            | Self::AccessToken { .. }
            | Self::Unbuildable { .. } => None,
        }
    }
}

/// One sentence for people.
impl fmt::Display for AttemptOutcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response { status, .. } => write!(formatter, "answered {status}"),
            Self::Timeout { phase } => formatter.write_str(match phase {
                TimeoutPhase::Dns => "timed out resolving the name",
                TimeoutPhase::Connect => "timed out connecting",
                TimeoutPhase::Tls => "timed out in the TLS handshake",
                TimeoutPhase::Headers => "timed out waiting for an answer",
                TimeoutPhase::Body => "timed out reading the answer's body",
            }),
            Self::Dns { detail } => write!(formatter, "name not resolved: {detail}"),
            Self::Blocked { reason } => write!(formatter, "address refused: {reason}"),
            Self::Tls { detail } => write!(formatter, "TLS failed: {detail}"),
            Self::Connect { detail } => write!(formatter, "not connected: {detail}"),
            Self::Closed { detail } => formatter.write_str(detail),
            Self::Protocol { detail } => write!(formatter, "not a valid HTTP answer: {detail}"),
            Self::AccessToken { reason } => write!(formatter, "no access token: {reason}"),
            Self::Unbuildable { reason } => write!(formatter, "request not made: {reason}"),
        }
    }
}

/// How the deliveries of one contract are judged.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryPolicy {
    /// Which statuses count as received, where the contract does not look at more of an answer than that.
    pub success: SuccessRule,
    /// Which statuses end the delivery at once, likewise; `None`: none does.
    pub stop: Option<SuccessRule>,
    /// The deadline of one attempt, from name resolution to the last byte.
    pub timeout: Duration,
    /// When to try again.
    pub schedule: RetrySchedule,
    /// How far a `Retry-After` may put off the next attempt. `None`: the header is ignored.
    pub retry_after_max: Option<Duration>,
    /// Whether 410 Gone ends the delivery and disables the endpoint.
    pub gone_disables: bool,
    /// The most requests in flight to one endpoint.
    pub in_flight_max: u32,
    /// The most requests to one endpoint in a span of time. `None`: no limit.
    pub rate_limit: Option<RateLimit>,
    /// How deliveries share a request. `None`: each has one of its own.
    pub batch: Option<BatchRule>,
    /// How deliveries wait for the one before. `None`: they do not.
    pub order: Option<OrderRule>,
    /// Whether the first bytes of answers are kept with their attempts.
    pub keeps_answers: bool,
    /// Whether the operator is told the answer that ends a delivery.
    pub relays_answers: bool,
    /// The health rules.
    pub health: HealthPolicy,
    /// Which failures count for the health; `None`: every one.
    pub health_on: Option<CountedFailures>,
}

/// What a contract makes of an answer of which it looks at more than the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Judgement {
    /// Whether it was received; `None`: the status decides.
    pub is_received: Option<bool>,
    /// Whether nothing is to be tried again; `None`: the status decides.
    pub is_over: Option<bool>,
}

/// What an attempt's outcome means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Received.
    Delivered,
    /// To be retried.
    Retry {
        /// When it is due.
        due_at: Timestamp,
    },
    /// Over.
    Failed {
        /// The endpoint said that it is gone for good, and the contract honours that.
        endpoint_gone: bool,
    },
}

impl DeliveryPolicy {
    /// The health rules for an attempt that ended so.
    pub fn health_after(&self, outcome: &AttemptOutcome) -> HealthPolicy {
        let ignores_failure = self.health_on.as_ref().is_some_and(|counted| !counts(counted, outcome));
        HealthPolicy { ignores_failure, ..self.health }
    }

    /// Judges the `attempts`-th attempt, which ended at `now`, by what the contract makes of it. `random` in 0..1 decides the jitter.
    pub fn decide(
        &self,
        attempts: u32,
        (outcome, judged): (&AttemptOutcome, Judgement),
        now: Timestamp,
        random: f64,
    ) -> Decision {
        let is_received = |status| judged.is_received.unwrap_or_else(|| self.success.accepts(status));
        let is_over = |status| judged.is_over.unwrap_or_else(|| self.stop.as_ref().is_some_and(|stop| stop.accepts(status)));
        let retry_after = match outcome {
            AttemptOutcome::Response { status, .. } if is_received(*status) => return Decision::Delivered,
            AttemptOutcome::Response { status: 410, .. } if self.gone_disables => {
                return Decision::Failed { endpoint_gone: true };
            }
            AttemptOutcome::Response { status, .. } if is_over(*status) => return Decision::Failed { endpoint_gone: false },
            AttemptOutcome::Unbuildable { .. } => return Decision::Failed { endpoint_gone: false },
            AttemptOutcome::Response { retry_after, .. } => *retry_after,
            AttemptOutcome::Timeout { .. }
            | AttemptOutcome::Dns { .. }
            | AttemptOutcome::Blocked { .. }
            | AttemptOutcome::Tls { .. }
            | AttemptOutcome::Connect { .. }
            | AttemptOutcome::Closed { .. }
            | AttemptOutcome::Protocol { .. }
            | AttemptOutcome::AccessToken { .. } => None,
        };
        let Some(scheduled) = self.schedule.next(attempts, now, random) else {
            return Decision::Failed { endpoint_gone: false };
        };
        let asked = retry_after.zip(self.retry_after_max).map(|(asked, cap)| now.plus(asked.min(cap)));
        Decision::Retry { due_at: asked.map_or(scheduled, |asked| asked.max(scheduled)) }
    }
}

/// Whether a failed attempt that ended so counts.
fn counts(counted: &CountedFailures, outcome: &AttemptOutcome) -> bool {
    match (outcome, outcome.status()) {
        (_, Some(status)) => counted.statuses.as_ref().is_some_and(|rule| rule.accepts(status)),
        (AttemptOutcome::Unbuildable { .. }, None) => false, // nothing was sent
        (_, None) => counted.no_answer,
    }
}

/// Reads a `Retry-After` header (RFC 9110 §10.2.3), seconds or an HTTP date, as a span from `now`. More seconds than fit are as many
/// as fit.
pub fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    date_with_short_year(text, now).or_else(|| Timestamp::parse_http_date(text)).map(|at| at.since(now))
}

/// The instant of a date whose year has two digits, as in `Sunday, 06-Nov-94 08:49:37 GMT`: the latest that is at most 50 years
/// ahead (RFC 9110 §5.6.7).
fn date_with_short_year(text: &str, now: Timestamp) -> Option<Timestamp> {
    let (day, rest) = text.split_once(", ")?.1.split_once('-')?;
    let (month, rest) = rest.split_once('-')?;
    let (year, time) = rest.split_once(' ').filter(|(year, _)| year.len() == 2)?;
    let latest = now.plus(FIFTY_YEARS);
    let in_century = |century: u32| Timestamp::parse_http_date(&format!("{day} {month} {century}{year} {time}"));
    (19..=21).rev().filter_map(in_century).find(|at| *at <= latest)
}

/// Of 365.25 days.
const FIFTY_YEARS: Duration = Duration::from_secs(50 * 31_557_600);

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn policy(delays: &[u64]) -> DeliveryPolicy {
        DeliveryPolicy {
            success: SuccessRule::any_2xx(),
            stop: None,
            timeout: Duration::from_secs(30),
            schedule: RetrySchedule::list(delays.iter().map(|seconds| Duration::from_secs(*seconds)).collect()).unwrap(),
            retry_after_max: Some(Duration::from_secs(3_600)),
            gone_disables: true,
            in_flight_max: 32,
            batch: None,
            order: None,
            rate_limit: None,
            keeps_answers: true,
            relays_answers: false,
            health: HealthPolicy::default(),
            health_on: None,
        }
    }

    pub(crate) fn answer(status: u16, retry_after: Option<u64>) -> AttemptOutcome {
        let retry_after = retry_after.map(Duration::from_secs);
        AttemptOutcome::Response { status, retry_after, headers: Vec::new(), body: Vec::new() }
    }

    #[test]
    fn a_failure_counts_by_its_status_or_as_no_answer() {
        let of = |no_answer| Some(CountedFailures { statuses: SuccessRule::parse("404,5xx").ok(), no_answer });
        let (with, without) =
            (DeliveryPolicy { health_on: of(true), ..policy(&[]) }, DeliveryPolicy { health_on: of(false), ..policy(&[]) });
        let ignores = [404, 410, 503].map(|status| with.health_after(&AttemptOutcome::answered(status)).ignores_failure);
        assert_eq!(ignores, [false, true, false]);
        let refused = AttemptOutcome::Connect { detail: String::new() };
        let unbuilt = AttemptOutcome::Unbuildable { reason: String::new() };
        assert!(!with.health_after(&refused).ignores_failure && without.health_after(&refused).ignores_failure);
        assert!(with.health_after(&unbuilt).ignores_failure);
        assert!(!policy(&[]).health_after(&unbuilt).ignores_failure, "without a choice everything counts");
    }

    #[test]
    fn only_what_the_contract_calls_success_is_success() {
        let policy = policy(&[60]);
        let now = Timestamp::from_secs(0);
        for (status, delivered) in [(200, true), (204, true), (302, false), (307, false), (404, false), (500, false)] {
            let decision = policy.decide(1, (&answer(status, None), Judgement::default()), now, 0.0);
            assert_eq!(decision == Decision::Delivered, delivered, "{status}");
        }
    }

    #[test]
    fn a_dns_error_is_retried_and_an_unbuildable_request_is_not() {
        let policy = policy(&[60]);
        let now = Timestamp::from_secs(0);
        let due_at = now.plus(Duration::from_secs(60));
        let dns = AttemptOutcome::Dns { detail: "no such host".into() };
        assert_eq!(policy.decide(1, (&dns, Judgement::default()), now, 0.0), Decision::Retry { due_at });
        let unbuildable = AttemptOutcome::Unbuildable { reason: "no secret".into() };
        assert_eq!(policy.decide(1, (&unbuildable, Judgement::default()), now, 0.0), Decision::Failed { endpoint_gone: false });
    }

    #[test]
    fn a_receiver_ends_retries_by_its_status_or_by_what_the_contract_makes_of_its_answer() {
        let mut policy = policy(&[60]);
        let now = Timestamp::from_secs(0);
        policy.stop = SuccessRule::parse("400,422").ok();
        let decide = |status, is_received, is_over| {
            policy.decide(1, (&answer(status, None), Judgement { is_received, is_over }), now, 0.0)
        };
        let over = Decision::Failed { endpoint_gone: false };
        for (status, is_over) in [(400, true), (422, true), (404, false), (500, false)] {
            assert_eq!(decide(status, None, None) == over, is_over, "{status}");
        }
        assert_eq!(decide(500, None, Some(true)), over);
        assert!(matches!(decide(400, None, Some(false)), Decision::Retry { .. }));
        assert_eq!(decide(500, Some(true), Some(true)), Decision::Delivered);
        assert!(matches!(decide(200, Some(false), None), Decision::Retry { .. }));
    }

    #[test]
    fn gone_ends_the_endpoint_only_where_the_contract_says_so() {
        let mut policy = policy(&[60]);
        let now = Timestamp::from_secs(0);
        assert_eq!(
            policy.decide(1, (&answer(410, None), Judgement::default()), now, 0.0),
            Decision::Failed { endpoint_gone: true }
        );
        policy.gone_disables = false;
        assert!(matches!(policy.decide(1, (&answer(410, None), Judgement::default()), now, 0.0), Decision::Retry { .. }));
    }

    #[test]
    fn retry_after_is_honoured_within_its_cap_and_never_hurries() {
        let mut policy = policy(&[60]);
        let now = Timestamp::from_secs(0);
        let due = |policy: &DeliveryPolicy, asked| match policy.decide(1, (&answer(429, asked), Judgement::default()), now, 0.0) {
            Decision::Retry { due_at } => due_at.as_secs(),
            Decision::Delivered | Decision::Failed { .. } => panic!("a retry is left"),
        };
        assert_eq!(due(&policy, Some(120)), 120);
        assert_eq!(due(&policy, Some(1)), 60);
        assert_eq!(due(&policy, Some(1_000_000)), 3_600);
        assert_eq!(due(&policy, None), 60);
        policy.retry_after_max = None;
        assert_eq!(due(&policy, Some(120)), 60);
    }

    #[test]
    fn every_legal_form_of_retry_after_is_understood() {
        let now = Timestamp::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        for (text, seconds) in [
            ("120", 120),
            (" 120 ", 120),
            ("0", 0),
            ("4294967295", 4_294_967_295),
            ("4294967296", 4_294_967_296),
            ("18446744073709551615", u64::MAX),
            ("99999999999999999999999999", u64::MAX),
            ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
            ("Sun, 06 Nov 1994 08:48:37 GMT", 0),
            ("Sunday, 06-Nov-94 08:50:37 GMT", 60),
            ("Sun Nov  6 08:50:37 1994", 60),
            ("Friday, 06-Nov-15 08:49:37 GMT", 662_688_000),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 252_618_189_022),
        ] {
            let read = parse_retry_after(text, now);
            assert_eq!(read.map(|span| span.as_secs()), Some(seconds), "{text}");
        }
        for text in ["", "soon", "-1", "+1", "1.5", "1 2"] {
            assert_eq!(parse_retry_after(text, now), None, "{text}");
        }
    }

    #[test]
    fn a_year_of_two_digits_is_at_most_50_years_ahead() {
        let now = Timestamp::parse_http_date("Sat, 28 Nov 2026 12:00:00 GMT").unwrap();
        for (text, meant) in [
            ("Saturday, 28-Nov-26 12:01:00 GMT", "Sat, 28 Nov 2026 12:01:00 GMT"),
            ("Wednesday, 06-Nov-75 08:49:37 GMT", "Wed, 06 Nov 2075 08:49:37 GMT"),
            ("Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ] {
            let meant = Timestamp::parse_http_date(meant).unwrap();
            assert_eq!(parse_retry_after(text, now), Some(meant.since(now)), "{text}");
        }
    }

    #[test]
    fn however_far_a_retry_after_reaches_the_contract_s_cap_holds() {
        let policy = policy(&[60]);
        let now = Timestamp::from_secs(1_800_000_000);
        for text in ["4294967296", "99999999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            let retry_after = parse_retry_after(text, now);
            let outcome = AttemptOutcome::Response { status: 503, retry_after, headers: Vec::new(), body: Vec::new() };
            let due_at = now.plus(Duration::from_secs(3_600));
            assert_eq!(policy.decide(1, (&outcome, Judgement::default()), now, 0.0), Decision::Retry { due_at }, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_delivery_ends(delays in proptest::collection::vec(0u64..100_000, 0..20), status in 300u16..600) {
            let policy = policy(&delays);
            let mut now = Timestamp::from_secs(0);
            let mut attempts = 0u32;
            loop {
                attempts += 1;
                match policy.decide(attempts, (&answer(status, None), Judgement::default()), now, 0.0) {
                    Decision::Retry { due_at } => {
                        prop_assert!(due_at >= now);
                        now = due_at;
                    }
                    Decision::Failed { .. } => break,
                    Decision::Delivered => prop_assert!(false, "no success was answered"),
                }
            }
            let expected = if status == 410 { 1 } else { delays.len() + 1 };
            prop_assert_eq!(attempts as usize, expected);
        }
    }
}
