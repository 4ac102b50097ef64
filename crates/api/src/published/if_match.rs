//! What a request expects of an endpoint's version, as `If-Match` says it.

use bellwire_store::Precondition;

/// What is said of a value that is none.
pub(super) const EXPECTED: &str = "must be `*`, or entity tags such as W/\"3\", with commas between them";

/// Reads a list of entity tags, strong or weak, or bare versions; `None`: it is no such list. A tag that is no version is that of none.
pub(super) fn read(text: &str) -> Option<Precondition> {
    if text.trim() == "*" {
        return Some(Precondition::Present);
    }
    let tags: Vec<&str> = text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
    if tags.is_empty() {
        return None;
    }
    let opaque: Vec<&str> = tags.into_iter().map(opaque).collect::<Option<_>>()?;
    Some(Precondition::Versions(opaque.into_iter().filter_map(|tag| tag.parse().ok()).collect()))
}

/// What stands in a tag.
fn opaque(tag: &str) -> Option<&str> {
    if tag.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(tag);
    }
    tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_either_strength_and_bare_versions_are_read() {
        let versions = |text| match read(text) {
            Some(Precondition::Versions(versions)) => Some(versions),
            _ => None,
        };
        assert_eq!(versions(r#"W/"3""#), Some(vec![3]));
        assert_eq!(versions(r#""3", W/"4","x""#), Some(vec![3, 4]));
        assert_eq!((versions("7"), versions(r#""abc""#)), (Some(vec![7]), Some(vec![])));
        assert_eq!(read(" * "), Some(Precondition::Present));
        for wrong in ["", " , ", "abc", r#""3"#, "W/3", "w/\"3\""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
