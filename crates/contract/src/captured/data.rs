//! Puts an event's data together again from the fields of it that a request shows, each in a place of its own.

use crate::json;
use crate::path::Segment;

/// The largest index of an item that is put into a list.
const INDEX_MAX: usize = 1_000;

/// A value as JSON, and where in the data it stands.
pub(super) type Field<'p> = (&'p [Segment], String);

/// The data as JSON; `None` when nothing of it is shown.
pub(super) fn assembled(fields: &[Field<'_>]) -> Option<String> {
    let whole = fields.iter().find(|(path, _)| path.is_empty()).map(|(_, raw)| raw.as_str());
    if let Some(raw) = whole.filter(|raw| !raw.trim_start().starts_with('{')) {
        return Some(raw.to_owned());
    }
    let known = |name: &str| whole.is_some_and(|raw| json::member(raw, name).is_some());
    let mut names: Vec<&Segment> = Vec::new();
    for first in fields.iter().filter_map(|(path, _)| path.first()) {
        if !names.contains(&first) && !first.key().is_some_and(known) {
            names.push(first);
        }
    }
    let inside = |name: &Segment| {
        let deeper = fields.iter().filter(|(path, _)| path.first() == Some(name));
        let deeper: Vec<Field<'_>> = deeper.map(|(path, raw)| (path.get(1..).unwrap_or_default(), raw.clone())).collect();
        assembled(&deeper)
    };
    match (whole, names.first()) {
        (None, None) => None,
        (Some(raw), None) => Some(raw.to_owned()),
        (None, Some(Segment::Index(_))) => Some(list(&names, inside)),
        (_, Some(_)) => {
            let shown = whole.into_iter().flat_map(json::members).map(|(name, raw)| (name.into_owned(), raw.to_owned()));
            let own = names.iter().filter_map(|name| Some((name.key()?.to_owned(), inside(name)?)));
            Some(object(shown.chain(own)))
        }
    }
}

/// A list with the items that are known, and null in the place of the others.
fn list(names: &[&Segment], inside: impl Fn(&Segment) -> Option<String>) -> String {
    let index = |name: &&Segment| if let Segment::Index(index) = name { Some(*index) } else { None };
    let last = names.iter().filter_map(index).filter(|index| *index <= INDEX_MAX).max().unwrap_or(0);
    let items = (0..=last).map(|index| inside(&Segment::Index(index)).unwrap_or_else(|| "null".to_owned()));
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// An object as JSON.
pub(super) fn object(members: impl Iterator<Item = (String, String)>) -> String {
    let members: Vec<String> = members.map(|(name, raw)| format!("{}:{raw}", quoted(&name))).collect();
    format!("{{{}}}", members.join(","))
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::new();
    json::write_string(&mut out, text);
    out
}
