//! What the build has embedded: see `build/main.rs`.

/// Chapters under a heading of `SUMMARY.md`.
pub(crate) struct Part {
    /// Empty for what stands before the first one.
    pub(crate) title: &'static str,
    pub(crate) chapters: &'static [Chapter],
}

/// A page as it stands in the repository.
pub(crate) struct Chapter {
    pub(crate) title: &'static str,
    /// How far below the others of its part.
    pub(crate) depth: usize,
    /// From the root of the repository.
    pub(crate) path: &'static str,
    /// Markdown.
    pub(crate) text: &'static str,
}

/// A file that pages show or lead to.
pub(crate) struct File {
    /// From the root of the repository.
    pub(crate) path: &'static str,
    /// Its media type.
    pub(crate) kind: &'static str,
    pub(crate) bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Swagger UI's script, as gzip.
pub(crate) const SWAGGER_SCRIPT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.js.gz"));
/// Its style sheet, as gzip.
pub(crate) const SWAGGER_STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz"));
