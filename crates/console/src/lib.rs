//! Bellwire's pages for people: the operator's console at `/console`, and the portal, the same pages cut down to one account.
//!
//! Its job: HTML. It reads forms, calls the use-cases of `bellwire-app` as the actor who is signed in, and renders what they
//! answer; it decides nothing itself. Every page works without JavaScript; the one script (`assets/console.js`) makes it livelier.
//!
//! Its promises: nobody sees a page without a session, and nobody sees more on it than `/v1` would say to the same actor; state
//! changes only by a POST that comes from these pages; no script or style but its own runs on them; a payload is shown only to
//! who asks for it.
//!
//! What it must not know: the store, sockets, how a request is signed, any platform by name.
//!
//! To add a page: a file in `pages/` with its template's struct and its handler, the template in `templates/`, a route in
//! [`pages::routes`], and a row in the matrix of `tests/pages.rs`.

mod assets;
mod bar;
mod charts;
mod defence;
mod figures;
mod form;
mod layout;
mod pages;
mod query;
mod refusal;
mod show;
mod texts;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use bellwire_app::App;
use bellwire_sso::SingleSignOn;

use crate::assets::Assets;
use crate::refusal::Refusal;

pub use texts::{Side, Words, words};

/// What the pages need.
#[derive(Clone)]
pub struct ConsoleOptions {
    /// The use-cases.
    pub app: App,
    /// Whether browsers come by plain http, which only loopback may: cookies are sent then without TLS.
    pub plain_http: bool,
    /// Where an expired portal session is sent for a new link.
    pub portal_refresh_url: Option<String>,
    /// Origins that may show the portal in a frame.
    pub frame_origins: Vec<String>,
    /// The identity provider to sign in with, if there is one.
    pub sso: Option<Arc<SingleSignOn>>,
}

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Console(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) options: ConsoleOptions,
    pub(crate) assets: Assets,
}

impl Console {
    pub(crate) fn app(&self) -> &App {
        &self.0.options.app
    }
}

impl std::ops::Deref for Console {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// Where the pages' style sheet and icon are served, for other pages that are to look like them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The path of the style sheet.
    pub style: String,
    /// The path of the icon.
    pub icon: String,
}

/// The look of these pages.
pub fn look() -> Look {
    let assets = Assets::new();
    Look { style: assets.style.path, icon: assets.icon.path }
}

/// All routes of the pages. Everything is below `/console`.
pub fn router(options: ConsoleOptions) -> Router {
    let console = Console(Arc::new(Shared { options, assets: Assets::new() }));
    pages::routes()
        .merge(assets::routes())
        .layer(from_fn(defence::refuse_foreign_posts))
        .layer(from_fn_with_state(console.clone(), defence::add_headers))
        .with_state(console)
}
