//! The store in a PostgreSQL database, over which any number of nodes work.
//!
//! Statements run as on SQLite, in order on the thread that asks. `load`, `write`, `claim` and `record` are the hot operations,
//! each one statement over a whole set; `backend` puts them together, and `writer` sends several of them in one round trip.
//! `nodes` are the rows by which nodes know of each other. `keeper` is the thread that keeps this node's row, takes over from nodes
//! that are gone, and listens. `tidying` keeps the queue's table small, and `history` makes the partitions.

mod backend;
mod claim;
pub(crate) mod history;
mod keeper;
mod load;
mod locks;
pub(crate) mod migrations;
pub(crate) mod nodes;
pub(crate) mod open;
mod record;
#[cfg(test)]
mod tests;
mod tidying;
mod write;
mod writer;

/// The statements over whole sets.
#[cfg(test)]
pub(crate) fn set_statements() -> Vec<String> {
    let sets = load::statements().into_iter().chain(write::statements()).chain(claim::statements());
    sets.chain(record::statements()).chain(writer::statements()).chain(crate::queue::order::set_statements()).collect()
}

/// Every other statement of this layer.
#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let fixed = nodes::STATEMENTS.iter().chain(&history::STATEMENTS).chain(&tidying::STATEMENTS);
    let fixed = fixed.chain(&locks::STATEMENTS).chain(&migrations::STATEMENTS).map(|text| (*text).to_owned());
    fixed.chain(history::queries()).chain(nodes::queries()).chain(tidying::queries()).chain(migrations::queries()).collect()
}
