//! The names of headings that links lead to, made as the places that show the repository make them.

use std::collections::BTreeMap;

/// The names that a page has used.
#[derive(Default)]
pub(crate) struct Slugs(BTreeMap<String, usize>);

impl Slugs {
    /// The name of the next heading with this text: the second of two that read alike ends in `-1`.
    pub(crate) fn name(&mut self, heading: &str) -> String {
        let slug = slug(heading);
        let seen = self.0.entry(slug.clone()).or_insert(0);
        *seen += 1;
        if *seen == 1 { slug } else { format!("{slug}-{}", *seen - 1) }
    }
}

/// Letters and digits in lower case, hyphens for spaces, no other punctuation.
fn slug(heading: &str) -> String {
    let letters = heading.trim().chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        letter => letter.is_alphanumeric().then_some(letter),
    });
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_is_named_as_links_to_it_are_written() {
        let mut slugs = Slugs::default();
        assert_eq!(slugs.name("Prior authorizations (Da Vinci PAS)"), "prior-authorizations-da-vinci-pas");
        assert_eq!(slugs.name("b.well"), "bwell");
        assert_eq!(slugs.name("`snake_case` & Co"), "snake_case--co");
        assert_eq!([slugs.name("TLS"), slugs.name("TLS"), slugs.name("tls")], ["tls", "tls-1", "tls-2"]);
    }
}
