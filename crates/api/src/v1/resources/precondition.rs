//! `If-Match` and `If-None-Match` (RFC 9110 §13.1.1 and §13.1.2).

use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName};
use bellwire_http::problem::{Code, Problem};
use bellwire_store::Precondition;

use super::etag;

/// What the headers ask of what is stored. Where there are both, both must hold (§13.2.2).
pub(super) fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let present = read(headers, &IF_MATCH)?.map(|asked| match asked {
        Asked::Any => Precondition::Present,
        // Tags are compared strongly: a weak one is no version.
        Asked::Tags(tags) => Precondition::Versions(tags.iter().filter(|tag| !tag.is_weak).filter_map(Tag::version).collect()),
    });
    let absent = read(headers, &IF_NONE_MATCH)?.map(|asked| match asked {
        Asked::Any => Precondition::Absent,
        // Tags are compared weakly: that one is weak makes no difference.
        Asked::Tags(tags) => Precondition::OtherThan(tags.iter().filter_map(Tag::version).collect()),
    });
    Ok(match (present, absent) {
        (None, None) => Precondition::Any,
        (Some(one), None) | (None, Some(one)) => one,
        (Some(present), Some(absent)) => Precondition::All(vec![present, absent]),
    })
}

/// What one of the headers has.
#[derive(Debug, PartialEq, Eq)]
enum Asked<'a> {
    /// `*`
    Any,
    /// A list of entity tags.
    Tags(Vec<Tag<'a>>),
}

/// An entity tag (RFC 9110 §8.8.3).
#[derive(Debug, PartialEq, Eq)]
struct Tag<'a> {
    is_weak: bool,
    /// What is between its quotes.
    opaque: &'a str,
}

impl Tag<'_> {
    /// The version that has this tag, if one can have it.
    fn version(&self) -> Option<i64> {
        let version = self.opaque.parse().ok()?;
        (etag(version).trim_matches('"') == self.opaque).then_some(version)
    }
}

/// Reads one of the headers. `None`: the request does not have it. One that cannot be read is refused, since a condition that
/// nobody understood must not count as met.
fn read<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<Asked<'a>>, Problem> {
    let wrong = || Problem::new(Code::InvalidHeader, format!("the header `{name}` is neither `*` nor a list of entity tags"));
    let (mut tags, mut is_any, mut lines) = (Vec::new(), false, 0);
    for line in headers.get_all(name) {
        let line = line.to_str().map_err(|_| wrong())?;
        lines += 1;
        if line.trim() == "*" {
            is_any = true;
        } else {
            read_tags(line, &mut tags).ok_or_else(wrong)?;
        }
    }
    match (lines, is_any, tags.is_empty()) {
        (0, ..) => Ok(None),
        (1, true, _) => Ok(Some(Asked::Any)),
        (_, false, false) => Ok(Some(Asked::Tags(tags))),
        _ => Err(wrong()),
    }
}

/// Adds the tags of a list, in which empty elements do not count (RFC 9110 §5.6.1.2). `None`: it is no such list.
fn read_tags<'a>(list: &'a str, tags: &mut Vec<Tag<'a>>) -> Option<()> {
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(());
        }
        let strong = rest.strip_prefix("W/");
        let (opaque, after) = strong.unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
        let after = after.trim_start_matches([' ', '\t']);
        let is_opaque = opaque.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_opaque || !(after.is_empty() || after.starts_with(',')) {
            return None;
        }
        tags.push(Tag { is_weak: strong.is_some(), opaque });
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use Precondition::{Absent, All, Any, OtherThan, Present, Versions};

    use super::*;

    fn asked(lines: &[(HeaderName, &str)]) -> Option<Precondition> {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(name, line.parse().unwrap());
        }
        precondition(&headers).ok()
    }

    #[test]
    fn preconditions_are_read_as_rfc_9110_says() {
        for (line, present, absent) in [
            ("*", Some(Present), Some(Absent)),
            (" * ", Some(Present), Some(Absent)),
            ("\"7\"", Some(Versions(vec![7])), Some(OtherThan(vec![7]))),
            ("\"1\", \"2\"", Some(Versions(vec![1, 2])), Some(OtherThan(vec![1, 2]))),
            (",\"1\"\t,,\"2\" ,", Some(Versions(vec![1, 2])), Some(OtherThan(vec![1, 2]))),
            ("W/\"1\", \"2\"", Some(Versions(vec![2])), Some(OtherThan(vec![1, 2]))),
            ("\"x\", \"01\", \"+1\", \"\"", Some(Versions(vec![])), Some(OtherThan(vec![]))),
            ("\"1,2\"", Some(Versions(vec![])), Some(OtherThan(vec![]))),
            ("\"x,\", \"2\"", Some(Versions(vec![2])), Some(OtherThan(vec![2]))),
            ("", None, None),
            (",", None, None),
            ("1", None, None),
            ("\"1", None, None),
            ("\"1\"2", None, None),
            ("\"1\" \"2\"", None, None),
            ("w/\"1\"", None, None),
            ("W/ \"1\"", None, None),
            ("\"a b\"", None, None),
            ("*, \"1\"", None, None),
        ] {
            assert_eq!(asked(&[(IF_MATCH, line)]), present, "If-Match: {line}");
            assert_eq!(asked(&[(IF_NONE_MATCH, line)]), absent, "If-None-Match: {line}");
        }
        assert_eq!(asked(&[]), Some(Any));
        assert_eq!(asked(&[(IF_MATCH, "\"1\""), (IF_MATCH, "\"2\"")]), Some(Versions(vec![1, 2])));
        assert_eq!(asked(&[(IF_MATCH, "*"), (IF_MATCH, "*")]), None);
        assert_eq!(asked(&[(IF_MATCH, "*"), (IF_NONE_MATCH, "\"3\"")]), Some(All(vec![Present, OtherThan(vec![3])])));
    }
}
