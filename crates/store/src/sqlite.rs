//! The store in an SQLite file, of which one process is the only writer.
//!
//! `open` takes the file, `migrations` bring its schema up to date, `writer` is the thread that commits, and `checkpointer` moves
//! what is committed out of the log. `load`, `write`, `claim` and `record` are the hot operations, row by row; `backend`
//! puts them together, and `recipients` are what the writer need not read anew.

mod backend;
mod checkpointer;
mod claim;
mod load;
pub(crate) mod migrations;
pub(crate) mod open;
mod recipients;
mod record;
mod write;
mod writer;

/// Every statement of this layer.
#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let fixed =
        load::statements().into_iter().chain(recipients::statements()).chain(write::statements()).chain(claim::statements());
    fixed.chain(record::statements()).chain(open::statements()).collect()
}
