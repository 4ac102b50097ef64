//! Reading query strings: known parameters once each, and everything else refused by name.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use bellwire_app::{AppError, Fault, Limits, STATUS_RANGE};
use bellwire_domain::{AuditAction, DeliveryState, IncidentState, OutcomeKind, Span, Timestamp};
use bellwire_http::body::rules;
use bellwire_http::problem::{Code, Problem};
use bellwire_store::PageRequest;
use url::form_urlencoded;
use utoipa::openapi::schema::{Schema, SchemaType, Type};

/// The most query parameters of a request.
const PARAMETERS_MAX: usize = 32;

/// The parameters of a query string that are still to be read.
pub(crate) struct Query(Vec<(String, String)>);

/// The first names and values of a query string.
pub(crate) fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.take(PARAMETERS_MAX).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// What to say about a text that is not an instant, or not a cursor.
pub(crate) const INSTANT_EXPECTED: &str = "is not a date and time as in RFC 3339, for example 2025-01-15T10:30:00Z";
pub(crate) const CURSOR_EXPECTED: &str = "is not the `next` of an earlier page";

/// An RFC 3339 instant.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text).ok()
}

/// A text that could be the `next` of a page.
pub(crate) fn cursor(text: &str) -> Option<String> {
    (!text.is_empty() && text.len() <= CURSOR_LENGTH_MAX).then(|| text.to_owned())
}

/// Items of a page, from 1 to `max`.
pub(crate) fn page_limit(text: &str, max: u32) -> Option<u32> {
    text.parse().ok().filter(|limit| (1..=max).contains(limit))
}

/// What to say about a text that is not such a number.
pub(crate) fn page_limit_expected(max: u32) -> String {
    format!("is not a number from 1 to {max}")
}

/// The longest `after`, in bytes.
const CURSOR_LENGTH_MAX: usize = 200;

/// Says in the schema of a parameter of an operation with this tag what is read here.
pub(crate) fn describe(tag: &str, name: &str, schema: &mut Schema) {
    match name {
        "type" => rules::event_type(schema),
        "by" => rules::words(schema, Span::WORDS),
        "state" if tag == "incidents" => rules::words(schema, IncidentState::WORDS),
        "state" => rules::words(schema, DeliveryState::WORDS),
        "outcome" => rules::words(schema, OutcomeKind::WORDS),
        "action" => rules::words(schema, AuditAction::WORDS),
        "status" => rules::range(schema, u32::from(*STATUS_RANGE.start()), Some(u32::from(*STATUS_RANGE.end()))),
        "attempt" => rules::range(schema, 1, Some(u32::MAX)),
        "attempts_min" => rules::range(schema, 0, Some(u32::MAX)),
        "limit" => rules::range(schema, 1, Some(rules::LIMITS.page_limit_max)),
        "after" => match schema {
            Schema::Object(object) if object.schema_type == SchemaType::Type(Type::Integer) => rules::range(schema, 0, None),
            _ => rules::length(schema, CURSOR_LENGTH_MAX),
        },
        "since" | "until" => rules::instant(schema),
        _ => {}
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(pairs(parts.uri.query())))
    }
}

impl Query {
    /// A parameter's text.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let Some(place) = self.0.iter().position(|(key, _)| key == name) else { return Ok(None) };
        let (_, value) = self.0.swap_remove(place);
        if self.0.iter().any(|(key, _)| key == name) {
            return Err(wrong(name, "is given more than once"));
        }
        Ok(Some(value))
    }

    /// A parameter that `parse` understands.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let text = self.text(name)?;
        text.map(|text| parse(&text).ok_or_else(|| wrong(name, expected))).transpose()
    }

    /// An RFC 3339 instant.
    pub(crate) fn instant(&mut self, name: &str) -> Result<Option<Timestamp>, Problem> {
        self.parsed(name, INSTANT_EXPECTED, instant)
    }

    /// `limit` and `after`.
    pub(crate) fn page(&mut self, limits: &Limits) -> Result<PageRequest, Problem> {
        let max = limits.page_limit_max;
        let limit = self.parsed("limit", &page_limit_expected(max), |text| page_limit(text, max))?;
        let after = self.parsed("after", CURSOR_EXPECTED, cursor)?;
        Ok(PageRequest { limit: limit.unwrap_or(limits.page_limit_default), after })
    }

    /// Ends the reading: parameters that are left are unknown.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let shown: String = name.chars().take(64).collect();
                Err(wrong(&shown, "is not a parameter of this route"))
            }
        }
    }

    /// `limit` and an `after` that `is_cursor` accepts, and nothing else.
    pub(crate) fn only_page_after(self, limits: &Limits, is_cursor: impl Fn(&str) -> bool) -> Result<PageRequest, Problem> {
        let page = self.only_page(limits)?;
        match &page.after {
            Some(after) if !is_cursor(after) => Err(wrong("after", CURSOR_EXPECTED)),
            _ => Ok(page),
        }
    }

    /// `limit` and `after`, and nothing else.
    pub(crate) fn only_page(mut self, limits: &Limits) -> Result<PageRequest, Problem> {
        let page = self.page(limits)?;
        self.finish()?;
        Ok(page)
    }
}

/// The refusal of a use-case, where all of its input stands in the query.
pub(crate) fn refused(error: AppError) -> Problem {
    match error {
        AppError::Invalid(faults) if !faults.is_empty() => {
            let tell =
                |fault: &Fault| format!("the query parameter `{}` {}", fault.pointer.trim_start_matches('/'), fault.detail);
            Problem::new(Code::InvalidQuery, faults.iter().map(tell).collect::<Vec<_>>().join("; "))
        }
        other => other.into(),
    }
}

/// A parameter that is wrong, and how: after its name, this makes a sentence.
pub(crate) fn wrong(name: &str, what: &str) -> Problem {
    Problem::new(Code::InvalidQuery, format!("the query parameter `{name}` {what}"))
}
