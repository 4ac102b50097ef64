//! What stands after the `?` of a page's address: its filters, and where its list goes on.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use bellwire_domain::{Timestamp, parse_duration};
use bellwire_store::PageRequest;
use url::form_urlencoded;

/// Rows of a page.
pub(crate) const ROWS: u32 = 50;

/// The names and values after the `?`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    path: String,
    pairs: Vec<(String, String)>,
}

impl Query {
    /// A value that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// All values of a name, such as the checked boxes of a group.
    pub(crate) fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.pairs.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The page of the list that is asked for.
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { limit: ROWS, after: self.get("after").map(str::to_owned) }
    }

    /// The same address with `name` set to `value`, or without it. Another filter begins at the first page.
    pub(crate) fn with(&self, name: &str, value: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (known, kept) in &self.pairs {
            if known != name && known != "after" && known != "said" && !kept.trim().is_empty() {
                query.append_pair(known, kept.trim());
            }
        }
        if let Some(value) = value {
            query.append_pair(name, value);
        }
        let query = query.finish();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }

    /// The address of the next page.
    pub(crate) fn next(&self, cursor: Option<&String>) -> Option<String> {
        cursor.map(|cursor| self.with("after", Some(cursor)))
    }
}

/// An instant as somebody types it: in RFC 3339, as a day or a minute in UTC, or as a span before now such as `24h`.
pub(crate) fn instant(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(span) = parse_duration(text) {
        return Some(now.minus(span.min(SPAN_MAX)));
    }
    let forms = [text.to_owned(), format!("{text}Z"), format!("{text}:00Z"), format!("{text}T00:00:00Z")];
    forms.iter().find_map(|form| Timestamp::parse_rfc3339(form).ok())
}

/// Ten years, before which there is nothing.
const SPAN_MAX: Duration = Duration::from_secs(366 * 86_400 * 10);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let pairs = parts.uri.query().map(|query| form_urlencoded::parse(query.as_bytes()).into_owned().collect());
        Ok(Self { path: parts.uri.path().to_owned(), pairs: pairs.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_typed_as_a_day_a_minute_a_time_or_a_span() {
        let now = Timestamp::parse_rfc3339("2026-11-28T12:00:00Z").unwrap();
        for (text, expected) in [
            ("24h", "2026-11-27T12:00:00Z"),
            ("2026-11-28", "2026-11-28T00:00:00Z"),
            ("2026-11-28T06:30", "2026-11-28T06:30:00Z"),
            ("2026-11-28T06:30:15", "2026-11-28T06:30:15Z"),
            ("2026-11-28T06:30:15+01:00", "2026-11-28T05:30:15Z"),
        ] {
            assert_eq!(instant(text, now), Timestamp::parse_rfc3339(expected).ok(), "{text}");
        }
        assert_eq!(instant("yesterday", now), None);
    }

    #[test]
    fn a_filter_is_added_changed_and_taken_away_and_begins_at_the_first_page() {
        let pairs = [("state", "failed"), ("after", "dlv_1"), ("type", ""), ("said", "saved")];
        let query = Query {
            path: "/console/deliveries".to_owned(),
            pairs: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        };
        assert_eq!(query.with("account", Some("a&b")), "/console/deliveries?state=failed&account=a%26b");
        assert_eq!(query.with("state", Some("pending")), "/console/deliveries?state=pending");
        assert_eq!(query.with("state", None), "/console/deliveries");
        assert_eq!(query.next(Some(&"dlv_9".to_owned())).unwrap(), "/console/deliveries?state=failed&after=dlv_9");
    }
}
