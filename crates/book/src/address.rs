//! Where something of the repository is served, and where a link of a page leads.

use crate::embedded::{FILES, PARTS};

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// To something that a server has.
    Here(String),
    /// To another site.
    Elsewhere,
    /// To what is in the repository alone: its path.
    Repository(String),
    /// Nowhere that a page may lead.
    Nowhere,
}

/// The API's own document: served by the API, as it is now.
pub(crate) const API_DOCUMENT: &str = "/v1/openapi.json";
const API_DOCUMENT_FILE: &str = "docs/openapi.json";
/// How links to other sites may begin.
const SCHEMES: [&str; 3] = ["https", "http", "mailto"];

/// Where the page of a Markdown file is served: `docs/install.md` at `/docs/install`, `docs/adr/README.md` at `/docs/adr`, and
/// `ARCHITECTURE.md` at `/docs/architecture`.
pub(crate) fn of_page(path: &str) -> String {
    let below = path.strip_prefix("docs/");
    let name = below.unwrap_or(path).trim_end_matches(".md").to_lowercase();
    let name = match name.strip_suffix("/readme") {
        Some(folder) => folder,
        None if below.is_some() && name == "readme" => "",
        None => &name,
    };
    if name.is_empty() { "/docs".to_owned() } else { format!("/docs/{name}") }
}

/// Where a file of `docs` is served.
pub(crate) fn of_file(path: &str) -> String {
    format!("/{path}")
}

/// Where a link leads that stands on the page with this path.
pub(crate) fn resolve(page: &str, link: &str) -> Target {
    if let Some(scheme) = scheme(link) {
        return if SCHEMES.contains(&scheme) { Target::Elsewhere } else { Target::Nowhere };
    }
    let (path, anchor) = link.split_at(link.find('#').unwrap_or(link.len()));
    if path.is_empty() {
        return Target::Here(link.to_owned());
    }
    let path = join(page, path);
    if path == API_DOCUMENT_FILE {
        Target::Here(API_DOCUMENT.to_owned())
    } else if PARTS.iter().any(|part| part.chapters.iter().any(|chapter| chapter.path == path)) {
        Target::Here(of_page(&path) + anchor)
    } else if FILES.iter().any(|file| file.path == path) {
        Target::Here(of_file(&path))
    } else {
        Target::Repository(path)
    }
}

/// What a link begins with that names its scheme, as in `https:`.
fn scheme(link: &str) -> Option<&str> {
    let (scheme, _) = link.split_once(':')?;
    (!scheme.contains(['/', '#', '?'])).then_some(scheme)
}

/// The path that a relative link means, from the root of the repository.
fn join(page: &str, link: &str) -> String {
    let mut steps: Vec<&str> = page.split('/').collect();
    steps.pop();
    for step in link.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    steps.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_short_addresses() {
        for (path, address) in [
            ("docs/README.md", "/docs"),
            ("README.md", "/docs/readme"),
            ("ARCHITECTURE.md", "/docs/architecture"),
            ("docs/contract/start.md", "/docs/contract/start"),
            ("docs/adr/README.md", "/docs/adr"),
            ("clients/python/README.md", "/docs/clients/python"),
        ] {
            assert_eq!(of_page(path), address);
        }
    }

    #[test]
    fn links_lead_where_they_lead_in_the_repository() {
        let here = |address: &str| Target::Here(address.to_owned());
        for (page, link, target) in [
            ("docs/install.md", "operations.md#flags", here("/docs/operations#flags")),
            ("docs/contract/start.md", "../errors.md", here("/docs/errors")),
            ("docs/errors.md", "../README.md", here("/docs/readme")),
            ("README.md", "docs/openapi.json", here("/v1/openapi.json")),
            ("README.md", "docs/console/delivery-desktop-light.webp", here("/docs/console/delivery-desktop-light.webp")),
            ("docs/errors.md", "#forbidden", here("#forbidden")),
            ("docs/errors.md", "https://example.com/a.md", Target::Elsewhere),
            ("docs/errors.md", "mailto:somebody@example.com", Target::Elsewhere),
            ("docs/errors.md", "javascript:alert(1)", Target::Nowhere),
            ("docs/errors.md", "../crates/api/src/lib.rs", Target::Repository("crates/api/src/lib.rs".to_owned())),
            ("docs/errors.md", "../../../etc/passwd", Target::Repository("etc/passwd".to_owned())),
        ] {
            assert_eq!(resolve(page, link), target, "{link} on {page}");
        }
    }
}
