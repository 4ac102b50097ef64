//! Which deliveries somebody wants to see, as words: of a query string, of a form, or of a body.

use bellwire_domain::{AccountId, DeliveryState, EventType, OutcomeKind, Timestamp};
use bellwire_store::DeliveryQuery;

/// Which deliveries: those that all of it holds for.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter<'a> {
    /// Of this account.
    pub account: Option<&'a str>,
    /// Of this endpoint.
    pub endpoint: Option<&'a str>,
    /// Of this event, which is named within its account.
    pub event: Option<&'a str>,
    /// Of an event of this type.
    pub event_type: Option<EventType>,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Whose last attempt came to this.
    pub outcome: Option<OutcomeKind>,
    /// Whose last attempt was answered with this status.
    pub status: Option<u16>,
    /// With so many attempts at least.
    pub attempts_min: Option<u32>,
    /// Made at or after this instant, to the millisecond.
    pub since: Option<Timestamp>,
    /// Made before this instant.
    pub until: Option<Timestamp>,
    /// Of an event about this subject.
    pub subject: Option<&'a str>,
}

/// A filter that means nothing, by its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` {expected}")]
pub struct WrongFilter {
    /// Which.
    pub name: &'static str,
    /// What is wrong, and what it may be: after the name, this makes a sentence.
    pub expected: String,
}

/// The HTTP statuses that a receiver may answer with (RFC 9110 §15).
pub const STATUS_RANGE: std::ops::RangeInclusive<u16> = 100..=599;

impl<'a> DeliveryFilter<'a> {
    /// The filters there are, by name.
    pub const NAMES: [&'static str; 11] =
        ["account", "endpoint", "event", "type", "state", "outcome", "status", "attempts_min", "since", "until", "subject"];

    /// From the text of each that is given.
    pub fn read(text: impl Fn(&str) -> Option<&'a str>) -> Result<Self, WrongFilter> {
        let wrong = |name, expected: String| WrongFilter { name, expected };
        let one_of = |name, words: &[&str]| wrong(name, format!("is not one of {}", words.join(", ")));
        let instant = |name| {
            let expected = || wrong(name, "is not a date and time as in RFC 3339, for example 2025-01-15T10:30:00Z".to_owned());
            text(name).map(|text| Timestamp::parse_rfc3339(text).map_err(|_| expected())).transpose()
        };
        let filter = Self {
            account: text("account"),
            endpoint: text("endpoint"),
            event: text("event"),
            event_type: text("type")
                .map(|text| EventType::try_new(text).map_err(|_| wrong("type", "is not an event type".to_owned())))
                .transpose()?,
            state: text("state")
                .map(|text| DeliveryState::parse(text).ok_or_else(|| one_of("state", DeliveryState::WORDS)))
                .transpose()?,
            outcome: text("outcome")
                .map(|text| OutcomeKind::parse(text).ok_or_else(|| one_of("outcome", OutcomeKind::WORDS)))
                .transpose()?,
            status: text("status")
                .map(|text| status(text).ok_or_else(|| wrong("status", "is not an HTTP status from 100 to 599".to_owned())))
                .transpose()?,
            attempts_min: text("attempts_min")
                .map(|text| number(text).ok_or_else(|| wrong("attempts_min", format!("is not a number from 0 to {}", u32::MAX))))
                .transpose()?,
            since: instant("since")?,
            until: instant("until")?,
            subject: text("subject"),
        };
        match (filter.since, filter.until) {
            (Some(since), Some(until)) if until <= since => Err(wrong("until", "is not after `since`".to_owned())),
            _ => Ok(filter),
        }
    }

    /// The text of each that a stored query has, by name: what [`DeliveryFilter::read`] would read.
    pub fn texts_of(query: &DeliveryQuery) -> Vec<(&'static str, String)> {
        let texts = [
            query.account_id.as_ref().map(ToString::to_string),
            query.endpoint_id.as_ref().map(ToString::to_string),
            query.event_id.as_ref().map(ToString::to_string),
            query.event_type.as_ref().map(ToString::to_string),
            query.state.map(|state| state.to_string()),
            query.outcome.map(|outcome| outcome.to_string()),
            query.status.map(|status| status.to_string()),
            query.attempts_min.map(|attempts| attempts.to_string()),
            query.since.map(|at| at.to_string()),
            query.until.map(|at| at.to_string()),
            query.subject.map(|subject| subject.to_string()),
        ];
        Self::NAMES.into_iter().zip(texts).filter_map(|(name, text)| Some((name, text?))).collect()
    }

    /// As a caller asks that has an account of its own, or none. An event is named within its account, and so is a subject.
    pub fn asked_by(self, own: Option<&'a AccountId>) -> Result<Self, WrongFilter> {
        let account = self.account.or(own.map(AccountId::as_str));
        if self.event.is_some() && account.is_none() {
            let expected = "goes with `account`: ids of events are unique within one".to_owned();
            return Err(WrongFilter { name: "event", expected });
        }
        if self.subject.is_some() && account.is_none() {
            let expected = "goes with `account`: a subject is looked up within one".to_owned();
            return Err(WrongFilter { name: "subject", expected });
        }
        Ok(Self { account, ..self })
    }
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn status(text: &str) -> Option<u16> {
    number(text).and_then(|number| u16::try_from(number).ok()).filter(|status| STATUS_RANGE.contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: &str = "sub_abababababababababababababababab";

    fn read(name: &str, text: &str) -> Result<(), String> {
        let result = DeliveryFilter::read(|known| (known == name).then_some(text));
        result.map(drop).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn a_filter_that_means_nothing_is_named_with_what_it_may_be() {
        let table = [
            ("state", "lost", "`state` is not one of pending, delivered, failed, cancelled"),
            ("status", "99", "`status` is not an HTTP status from 100 to 599"),
            ("status", "+200", "`status` is not an HTTP status from 100 to 599"),
            ("status", "600", "`status` is not an HTTP status from 100 to 599"),
            ("attempts_min", "-1", "`attempts_min` is not a number from 0 to 4294967295"),
            ("attempts_min", "", "`attempts_min` is not a number from 0 to 4294967295"),
            ("since", "yesterday", "`since` is not a date and time as in RFC 3339, for example 2025-01-15T10:30:00Z"),
            ("type", "", "`type` is not an event type"),
        ];
        for (name, text, expected) in table {
            assert_eq!(read(name, text), Err(expected.to_owned()));
        }
        let unknown = read("outcome", "lost").unwrap_err();
        assert!(OutcomeKind::WORDS.iter().all(|word| unknown.contains(word)), "{unknown}");
        let good = [("state", "failed"), ("status", "503"), ("attempts_min", "0"), ("until", "2025-01-15T10:30:00Z")];
        assert!(good.iter().all(|(name, text)| read(name, text).is_ok()));
    }

    #[test]
    fn a_range_ends_after_it_starts() {
        let range = |name: &str| (name == "since" || name == "until").then_some("2025-01-15T10:30:00Z");
        assert_eq!(DeliveryFilter::read(range).unwrap_err().to_string(), "`until` is not after `since`");
    }

    #[test]
    fn an_event_is_asked_for_with_its_account_or_by_one_who_has_an_account() {
        let event = || DeliveryFilter { event: Some("e1"), ..DeliveryFilter::default() };
        assert_eq!(event().asked_by(None).unwrap_err().name, "event");
        let subject = DeliveryFilter { subject: Some("patient:1"), ..DeliveryFilter::default() };
        assert_eq!(subject.asked_by(None).unwrap_err().name, "subject");
        let own = AccountId::try_new("a").unwrap();
        assert_eq!(event().asked_by(Some(&own)).unwrap().account, Some("a"));
        let named = DeliveryFilter { account: Some("b"), ..event() };
        assert_eq!(named.asked_by(None).unwrap().account, Some("b"));
    }

    #[test]
    fn a_stored_query_is_named_as_it_is_read() {
        let at = Timestamp::parse_rfc3339("2025-01-15T10:30:00Z").unwrap();
        let query = DeliveryQuery {
            account_id: AccountId::try_new("a").ok(),
            endpoint_id: bellwire_domain::EndpointId::try_new("e").ok(),
            event_id: bellwire_domain::EventId::try_new("v").ok(),
            state: Some(DeliveryState::Failed),
            event_type: EventType::try_new("t").ok(),
            outcome: Some(OutcomeKind::Tls),
            status: Some(503),
            attempts_min: Some(2),
            since: Some(at),
            until: Some(at.plus(std::time::Duration::from_secs(1))),
            subject: bellwire_store::SubjectHash::parse(SUBJECT),
        };
        let texts = DeliveryFilter::texts_of(&query);
        assert_eq!(texts.len(), DeliveryFilter::NAMES.len());
        let text = |wanted: &str| texts.iter().find(|(name, _)| *name == wanted).map(|(_, text)| text.as_str());
        let filter = DeliveryFilter::read(text).unwrap();
        assert_eq!((filter.account, filter.endpoint, filter.event), (Some("a"), Some("e"), Some("v")));
        assert_eq!(filter.subject, Some(SUBJECT), "as the database knows it");
        assert_eq!((filter.state, filter.outcome, filter.status), (query.state, query.outcome, query.status));
        assert_eq!((filter.event_type, filter.attempts_min), (query.event_type, query.attempts_min));
        assert_eq!((filter.since, filter.until), (query.since, query.until));
    }

    #[test]
    fn every_filter_that_is_read_has_its_name_in_the_list() {
        let asked = std::cell::RefCell::new(Vec::new());
        let _ = DeliveryFilter::read(|name| {
            asked.borrow_mut().push(name.to_owned());
            None
        });
        assert_eq!(asked.into_inner(), DeliveryFilter::NAMES);
    }
}
