//! Filters of deliveries, as they stand in an address or in a form.

use bellwire_app::{DeliveryFilter, WrongFilter};
use bellwire_domain::{DeliveryState, OutcomeKind, Timestamp};
use bellwire_store::DeliveryQuery;
use url::form_urlencoded;

use crate::query::instant;
use crate::show::When;

/// A field of a form of filters.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) value: String,
    /// What may be chosen; empty: it is typed.
    pub(super) words: &'static [&'static str],
    pub(super) hint: &'static str,
    pub(super) wrong: Option<String>,
}

/// Name, label, what may be chosen, and an example.
pub(super) const FIELDS: [(&str, &str, &[&str], &str); 11] = [
    ("account", "Account", &[], ""),
    ("endpoint", "Endpoint", &[], ""),
    ("type", "Type", &[], ""),
    ("state", "State", DeliveryState::WORDS, ""),
    ("outcome", "Outcome", OutcomeKind::WORDS, ""),
    ("status", "Status", &[], "503"),
    ("attempts_min", "Attempts", &[], "at least"),
    ("since", "Since", &[], "24h or 2026-01-31"),
    ("until", "Until", &[], "1h or 2026-01-31"),
    ("event", "Event", &[], ""),
    ("subject", "Subject", &[], ""),
];

/// The filters as the API takes them: what was typed as a time is the instant that it means.
pub(super) struct Texts(Vec<(&'static str, String)>);

impl Texts {
    /// From the text of each that is given.
    pub(super) fn read<'t>(given: impl Fn(&str) -> Option<&'t str>, now: Timestamp) -> Self {
        let read = |name: &'static str| {
            let text = given(name)?;
            let at = if name == "since" || name == "until" { instant(text, now) } else { None };
            Some((name, at.map_or_else(|| text.to_owned(), |at| at.to_string())))
        };
        Self(DeliveryFilter::NAMES.iter().copied().filter_map(read).collect())
    }

    /// Those of a stored query.
    pub(super) fn of(query: &DeliveryQuery) -> Self {
        Self(DeliveryFilter::texts_of(query))
    }

    /// As the use-cases take them.
    pub(super) fn filter(&self) -> Result<DeliveryFilter<'_>, WrongFilter> {
        DeliveryFilter::read(|wanted| self.get(wanted))
    }

    /// The text of one.
    pub(super) fn get(&self, wanted: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == wanted).map(|(_, text)| text.as_str())
    }

    /// All of them, with this one set.
    pub(super) fn with(mut self, name: &'static str, text: String) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, text));
        self
    }

    /// Name, label and text of each, and the text as people read it, in the order of the fields.
    pub(super) fn shown(&self) -> Vec<(&'static str, &'static str, String, String)> {
        let shown = |(name, label, ..): (&'static str, &'static str, _, _)| {
            let text = self.get(name)?;
            let read = Timestamp::parse_rfc3339(text).map_or_else(|_| text.to_owned(), |at| When::new(at, at).full());
            Some((name, label, text.to_owned(), read))
        };
        FIELDS.into_iter().filter_map(shown).collect()
    }

    /// A path with these behind its `?`.
    pub(super) fn address(&self, path: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.0.iter().map(|(name, text)| (*name, text.as_str())));
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

/// What is wrong with a filter, to be read beside its field.
pub(super) fn sentence(wrong: &WrongFilter) -> String {
    let expected = match wrong.name {
        "since" | "until" if wrong.expected.contains("RFC") => {
            "is neither a span such as `24h` nor a time such as `2026-11-28T06:00:00Z`"
        }
        _ => &wrong.expected,
    };
    format!("This {expected}.")
}
