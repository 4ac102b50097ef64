//! Which files of `docs` pages show or lead to, beside other pages.

use std::collections::BTreeMap;
use std::path::Path;

/// What may be served beside pages, by how its name ends.
const KINDS: [(&str, &str); 4] =
    [(".webp", "image/webp"), (".png", "image/png"), (".svg", "image/svg+xml"), (".schema.json", "application/schema+json")];

/// Files by their path from the root of the repository, with their media type.
#[derive(Default)]
pub(crate) struct Found(pub(crate) BTreeMap<String, &'static str>);

impl Found {
    /// Adds the files that a page names.
    pub(crate) fn look(&mut self, root: &Path, page: &str, text: &str) {
        let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
        for word in text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "/._-".contains(letter))) {
            let Some((_, kind)) = KINDS.iter().find(|(ending, _)| word.ends_with(ending)) else { continue };
            let path = if folder.is_empty() { word.to_owned() } else { format!("{folder}/{word}") };
            if path.starts_with("docs/") && !path.contains("..") && root.join(&path).is_file() {
                self.0.insert(path, kind);
            }
        }
    }
}
