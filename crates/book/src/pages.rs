//! The pages of the book, what is found in it, and the files that pages show.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;

use crate::Library;
use crate::answer::{Kept, PAGE_POLICY, html};
use crate::book::{Book, Opened};
use crate::frame::Frame;
use crate::markdown::Heading;
use crate::search::{Found, QUERY_MAX};

const HTML: &str = "text/html; charset=utf-8";

pub(crate) fn routes() -> Router<Library> {
    Router::new()
        .route("/docs", get(first))
        .route("/docs/", get(async || Redirect::permanent("/docs")))
        .route("/docs/search", get(search))
        .route("/docs/{*path}", get(page))
}

#[derive(Template)]
#[template(path = "page.html")]
struct BookPage<'p> {
    frame: &'p Frame,
    title: &'p str,
    current: &'p str,
    query: &'p str,
    opened: &'p Opened<'p>,
    html: &'p str,
    headings: Vec<&'p Heading>,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage<'p> {
    frame: &'p Frame,
    title: &'p str,
    current: &'p str,
    query: &'p str,
    found: &'p [Found],
}

#[derive(Template)]
#[template(path = "missing.html")]
struct MissingPage<'p> {
    frame: &'p Frame,
    title: &'p str,
    current: &'p str,
    query: &'p str,
}

async fn first(State(library): State<Library>, headers: HeaderMap) -> Response {
    show(&library, "/docs", &headers)
}

async fn page(State(library): State<Library>, Path(path): Path<String>, headers: HeaderMap) -> Response {
    let address = format!("/docs/{path}");
    if let Some(file) = Book::file(&address) {
        return Kept::new(file.kind, file.bytes).answer(&headers);
    }
    // As the page is named in the repository, or with a slash at its end.
    let plain = address.trim_end_matches('/').trim_end_matches(".md");
    if plain != address && library.book.open(plain).is_some() {
        return Redirect::permanent(plain).into_response();
    }
    show(&library, &address, &headers)
}

fn show(library: &Library, address: &str, headers: &HeaderMap) -> Response {
    let Some(opened) = library.book.open(address) else {
        let page = MissingPage { frame: &library.frame, title: "No such page", current: "", query: "" };
        return html(StatusCode::NOT_FOUND, &page, PAGE_POLICY);
    };
    match opened.page.answered.get_or_init(|| write(library, &opened)) {
        Some(kept) => kept.answer(headers),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn write(library: &Library, opened: &Opened<'_>) -> Option<Kept> {
    let rendered = opened.page.rendered();
    let page = BookPage {
        frame: &library.frame,
        title: opened.page.title(),
        current: &opened.page.address,
        query: "",
        opened,
        html: &rendered.html,
        headings: rendered.headings.iter().filter(|heading| (2..=3).contains(&heading.level)).collect(),
    };
    Some(Kept::new(HTML, page.render().ok()?))
}

/// What is looked for.
#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

async fn search(State(library): State<Library>, Query(search): Query<Search>) -> Response {
    let query: String = search.q.trim().chars().take(QUERY_MAX).collect();
    let found = library.book.search(&query);
    let page = SearchPage { frame: &library.frame, title: "Search", current: "/docs/search", query: &query, found: &found };
    html(StatusCode::OK, &page, PAGE_POLICY)
}
