//! Bellwire's documentation at `/docs`, and the API reference at `/docs/api`.
//!
//! Its job: the Markdown of the repository, as pages. The build embeds what `docs/SUMMARY.md` lists, in its order; a page is rendered
//! when somebody first asks for it, and kept. Links lead where they lead in the repository; what is not in the binary, such as a
//! source file, is named and not linked.
//!
//! Its promises: everything here is public and the same for everybody; no page needs a script, but for the API reference; nothing
//! comes from elsewhere, and nothing that Markdown says reaches a page as HTML.
//!
//! What it must not know: accounts, keys, the store, the engine; what the API takes and answers is read from its own document, by
//! the reader's browser.
//!
//! To add a page: write it below `docs` and name it in `docs/SUMMARY.md`. Tests say when a page is missing there, or when a link or
//! an anchor leads nowhere.

mod address;
mod answer;
mod assets;
mod book;
mod embedded;
mod frame;
mod markdown;
mod pages;
mod picture;
mod reference;
mod search;
mod slugs;

use std::sync::Arc;

use axum::Router;

use crate::book::Book;
use crate::frame::Frame;

/// What the pages need.
#[derive(Debug, Clone)]
pub struct BookOptions {
    /// The path of the style sheet that gives the pages their look.
    pub style: String,
    /// The path of their icon.
    pub icon: String,
}

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Library(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) book: Book,
    pub(crate) frame: Frame,
}

impl std::ops::Deref for Library {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// All routes of the documentation. Everything is below `/docs`.
pub fn router(options: BookOptions) -> Router {
    let library = Library(Arc::new(Shared { book: Book::new(), frame: Frame::new(options) }));
    pages::routes().merge(reference::routes()).merge(assets::routes()).with_state(library)
}
