//! Shapes that several answers share.

use bellwire_store::Matched;
use serde::Serialize;
use utoipa::ToSchema;

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// The `after` of the next page; null: this is the last one.
    pub(crate) next: Option<String>,
}

impl<T> List<T> {
    /// The last page of a list, for the documentation.
    pub(crate) fn sample(item: T) -> Self {
        Self { items: vec![item], next: None }
    }

    /// A page of the store, each item as `show` shows it.
    pub(crate) fn of<S>(page: bellwire_store::Page<S>, show: impl FnMut(S) -> T) -> Self {
        Self { items: page.items.into_iter().map(show).collect(), next: page.next }
    }
}

/// How many deliveries something would concern, or make.
#[derive(Serialize, ToSchema)]
#[schema(as = Preview)]
pub(crate) struct PreviewAnswer {
    /// So many.
    matched: i64,
    /// Whether they were all counted; if not, there are more.
    exact: bool,
}

impl PreviewAnswer {
    pub(crate) const fn sample() -> Self {
        Self { matched: 812, exact: true }
    }

    pub(crate) const fn show(matched: Matched) -> Self {
        Self { matched: matched.count, exact: matched.is_exact }
    }
}
