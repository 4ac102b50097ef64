//! Which schema this code works with. A migration is a file for each database; it only adds, and is never edited once it has been
//! on `main`.

/// The first version: those before it were changed in place, when nothing was released yet.
pub(crate) const FIRST_VERSION: i64 = 6;

/// The version this code works with.
pub(crate) const KNOWN_VERSION: i64 = 6;
