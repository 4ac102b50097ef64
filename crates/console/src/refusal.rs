//! Why a page is not shown, as a page.

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use bellwire_app::{AppError, Fault};
use bellwire_store::StoreError;
use url::form_urlencoded;

/// Why a page is not shown.
pub(crate) enum Refusal {
    /// Nobody is signed in; afterwards they go on to this page.
    SignIn { to: Option<String> },
    /// The use-case refused.
    App(AppError),
    /// There is no such page.
    NoPage,
    /// A page could not be rendered.
    Render(askama::Error),
}

impl From<AppError> for Refusal {
    fn from(error: AppError) -> Self {
        Self::App(error)
    }
}

impl From<askama::Error> for Refusal {
    fn from(error: askama::Error) -> Self {
        Self::Render(error)
    }
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage {
    status: u16,
    title: String,
    text: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn { to } => {
                let to = to.filter(|to| to != "/console");
                let query = to.map(|to| form_urlencoded::Serializer::new(String::new()).append_pair("to", &to).finish());
                let path = query.map_or_else(|| "/console/sign-in".to_owned(), |query| format!("/console/sign-in?{query}"));
                Redirect::to(&path).into_response()
            }
            Self::App(error) => {
                let (status, title) = kind(&error);
                page(status, title, sentence(&error))
            }
            Self::NoPage => page(StatusCode::NOT_FOUND, "Not found", "There is no such page.".to_owned()),
            Self::Render(error) => {
                tracing::error!(%error, "a page could not be rendered");
                page(StatusCode::INTERNAL_SERVER_ERROR, "Not shown", "This page could not be rendered.".to_owned())
            }
        }
    }
}

fn page(status: StatusCode, title: &str, text: String) -> Response {
    let page = RefusalPage { status: status.as_u16(), title: title.to_owned(), text };
    match page.render() {
        Ok(html) => (status, [(header::CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(_) => status.into_response(),
    }
}

/// The status of a refusal, and a title for it.
pub(crate) fn kind(error: &AppError) -> (StatusCode, &'static str) {
    match error {
        AppError::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, "Not signed in"),
        AppError::Forbidden(_) => (StatusCode::FORBIDDEN, "Not allowed"),
        AppError::NotFound(_) | AppError::NoSuchKind(_) => (StatusCode::NOT_FOUND, "Not found"),
        AppError::Invalid(_) | AppError::ContractFiles(_) => (StatusCode::UNPROCESSABLE_ENTITY, "Not valid"),
        AppError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "Too large"),
        AppError::BacklogFull { .. } | AppError::RateExceeded { .. } => (StatusCode::TOO_MANY_REQUESTS, "Too often"),
        AppError::PreconditionFailed { .. } | AppError::Conflict(_) => (StatusCode::CONFLICT, "Not possible now"),
        AppError::Store(StoreError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, "Busy"),
        AppError::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Failed"),
    }
}

/// What is wrong, as a sentence.
pub(crate) fn sentence(error: &AppError) -> String {
    let text = match error {
        AppError::Invalid(faults) => faults.iter().map(|fault| fault.detail.as_str()).collect::<Vec<_>>().join("; "),
        AppError::Store(StoreError::Busy) => "too much is waiting to be written: try again shortly".to_owned(),
        AppError::Store(error) => {
            tracing::error!(%error, "a page could not be read from the store");
            "the store failed; its log says why".to_owned()
        }
        AppError::Unauthenticated(_)
        | AppError::Forbidden(_)
        | AppError::NotFound(_)
        | AppError::NoSuchKind(_)
        | AppError::ContractFiles(_)
        | AppError::TooLarge(_)
        | AppError::BacklogFull { .. }
        | AppError::PreconditionFailed { .. }
        | AppError::RateExceeded { .. }
        | AppError::Conflict(_) => error.to_string(),
    };
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", characters.as_str().trim_end_matches('.'))
}

/// What is wrong with one field of a form.
pub(crate) fn fault_of(faults: &[Fault], pointer: &str) -> Option<String> {
    let found: Vec<&str> =
        faults.iter().filter(|fault| is_below(&fault.pointer, pointer)).map(|fault| fault.detail.as_str()).collect();
    (!found.is_empty()).then(|| found.join("; "))
}

fn is_below(found: &str, pointer: &str) -> bool {
    found.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
