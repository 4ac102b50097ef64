//! What surrounds every page: the look, the search, the table of contents.

use crate::BookOptions;
use crate::address::of_page;
use crate::assets;
use crate::embedded::{Chapter, PARTS};

/// What surrounds every page.
pub(crate) struct Frame {
    /// The style sheet that the look comes from.
    pub(crate) look: String,
    pub(crate) icon: String,
    /// The book's own.
    pub(crate) style: String,
    pub(crate) contents: Vec<Group>,
}

/// A part of the table of contents.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) entries: Vec<Entry>,
}

/// A page in the table of contents.
pub(crate) struct Entry {
    pub(crate) title: &'static str,
    pub(crate) address: String,
    pub(crate) depth: usize,
}

impl Entry {
    fn of(chapter: &Chapter) -> Self {
        Self { title: chapter.title, address: of_page(chapter.path), depth: chapter.depth }
    }
}

impl Group {
    fn has(&self, address: &str) -> bool {
        self.entries.iter().any(|entry| entry.address == address)
    }
}

impl Frame {
    pub(crate) fn new(options: BookOptions) -> Self {
        let groups = PARTS.iter().map(|part| Group { title: part.title, entries: part.chapters.iter().map(Entry::of).collect() });
        Self { look: options.style, icon: options.icon, style: assets::path(&assets::style_name()), contents: groups.collect() }
    }

    /// Whether a part shows its pages: the one that somebody reads in, or all of them where that is none.
    pub(crate) fn is_open(&self, group: &Group, current: &str) -> bool {
        group.has(current) || !self.contents.iter().any(|part| !part.title.is_empty() && part.has(current))
    }
}
