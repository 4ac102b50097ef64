//! What a document tells of its webhooks, whichever kind of document it is.

use super::document::Node;
use super::schema::Dialect;

/// A document's webhooks.
#[derive(Debug, Default)]
pub(super) struct Found<'d> {
    pub(super) title: Option<&'d str>,
    pub(super) description: Option<&'d str>,
    pub(super) messages: Vec<Message<'d>>,
    /// What its author should know, each with a line.
    pub(super) notes: Vec<(usize, String)>,
}

/// A request that the document describes. It may stand for several events.
#[derive(Debug)]
pub(super) struct Message<'d> {
    /// What the document calls it.
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) title: Option<&'d str>,
    pub(super) description: Option<&'d str>,
    pub(super) dialect: Dialect,
    /// The body's schema, or why it is none that a contract can hold.
    pub(super) schema: Result<Option<&'d Node>, String>,
    pub(super) examples: Vec<&'d Node>,
    pub(super) headers: Vec<Header<'d>>,
    /// The request's method, in upper case.
    pub(super) method: &'static str,
}

/// A header that the document declares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header<'d> {
    pub(super) name: &'d str,
    pub(super) schema: Option<&'d Node>,
    pub(super) example: Option<&'d Node>,
}
