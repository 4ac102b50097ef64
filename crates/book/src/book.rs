//! The book: its pages in order, each rendered once.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::address;
use crate::answer::Kept;
use crate::embedded::{Chapter, FILES, File, PARTS};
use crate::markdown::{Rendered, render};
use crate::search::{Found, Index, Searched};

/// All pages.
pub(crate) struct Book {
    /// In the order of the table of contents.
    pages: Vec<Page>,
    by_address: BTreeMap<String, usize>,
    index: OnceLock<Index>,
}

/// One page.
pub(crate) struct Page {
    pub(crate) address: String,
    pub(crate) chapter: &'static Chapter,
    rendered: OnceLock<Rendered>,
    /// As it was answered; `None` where it could not be written.
    pub(crate) answered: OnceLock<Option<Kept>>,
}

/// A page, and those beside it.
pub(crate) struct Opened<'b> {
    pub(crate) page: &'b Page,
    pub(crate) before: Option<&'b Page>,
    pub(crate) after: Option<&'b Page>,
}

impl Page {
    pub(crate) fn title(&self) -> &'static str {
        self.chapter.title
    }

    pub(crate) fn rendered(&self) -> &Rendered {
        let resolve = |link: &str| address::resolve(self.chapter.path, link);
        self.rendered.get_or_init(|| render(self.chapter.text, &resolve))
    }
}

impl Book {
    pub(crate) fn new() -> Self {
        let chapters = PARTS.iter().flat_map(|part| part.chapters);
        let pages: Vec<Page> = chapters
            .map(|chapter| Page {
                address: address::of_page(chapter.path),
                chapter,
                rendered: OnceLock::new(),
                answered: OnceLock::new(),
            })
            .collect();
        let by_address = pages.iter().enumerate().map(|(number, page)| (page.address.clone(), number)).collect();
        Self { pages, by_address, index: OnceLock::new() }
    }

    /// The page at an address.
    pub(crate) fn open(&self, address: &str) -> Option<Opened<'_>> {
        let number = *self.by_address.get(address)?;
        let before = number.checked_sub(1).and_then(|before| self.pages.get(before));
        Some(Opened { page: self.pages.get(number)?, before, after: self.pages.get(number + 1) })
    }

    /// The file at an address.
    pub(crate) fn file(address: &str) -> Option<&'static File> {
        FILES.iter().find(|file| address::of_file(file.path) == address)
    }

    pub(crate) fn search(&self, query: &str) -> Vec<Found> {
        let pages =
            self.pages.iter().map(|page| Searched { address: &page.address, title: page.title(), rendered: page.rendered() });
        self.index.get_or_init(|| Index::new(pages)).find(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_an_address_of_its_own_and_a_heading() {
        let book = Book::new();
        assert_eq!(book.by_address.len(), book.pages.len());
        for page in &book.pages {
            assert!(!["/docs/search", "/docs/api", "/docs/assets"].contains(&page.address.as_str()), "{}", page.address);
            let headings = &page.rendered().headings;
            assert_eq!(headings.iter().filter(|heading| heading.level == 1).count(), 1, "{}", page.chapter.path);
            assert_eq!(headings[0].level, 1, "{}", page.chapter.path);
        }
    }

    #[test]
    fn a_page_knows_those_beside_it() {
        let book = Book::new();
        let first = book.open("/docs").unwrap();
        assert!(first.before.is_none());
        let second = book.open(&first.after.unwrap().address).unwrap();
        assert_eq!(second.before.unwrap().address, "/docs");
        let last = book.open(&book.pages.last().unwrap().address).unwrap();
        assert!(last.after.is_none());
        assert!(book.open("/docs/nowhere").is_none());
    }
}
