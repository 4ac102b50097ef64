//! PostgreSQL below the store: what a fleet of nodes over one database needs beyond the statements that both databases share.
//!
//! Statements run as on SQLite, in order on the thread that asks: a [`Session`] is a connection with a runtime of its own, so
//! that a statement costs no hop between threads. `writer` commits groups as its pair does, over statements on whole sets;
//! `nodes` are the rows by which nodes know of each other; `keeper` keeps this node's, takes over from those that are gone, and
//! listens; `tidying` keeps the queue's table small, and `history` makes the partitions.

mod address;
mod history;
mod keeper;
mod migrations;
mod nodes;
mod open;
#[cfg(test)]
mod plans;
mod session;
mod tidying;
mod tls;
mod values;
mod writer;

pub use address::{InvalidUrl, PostgresUrl};
pub(crate) use history::make_of as make_partitions;
pub(crate) use keeper::{Duties, Keeper, Message, look_inline};
pub(crate) use nodes::{fence, keep_nodes_out};
pub(crate) use open::{aside, drop_history, examined, open, prepared};
pub(crate) use session::{Bound, Session, Step};
pub(crate) use writer::{start as start_writer, start_inline as start_writer_inline};

/// The statements over whole groups.
#[cfg(test)]
fn set_statements() -> Vec<String> {
    let sets = crate::publish::set_statements().into_iter().chain(crate::outcomes::set_statements());
    sets.chain(crate::claims::set_statements()).chain([writer::LOCK_ACCOUNTS.to_owned()]).collect()
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    nodes::STATEMENTS.iter().chain(&history::STATEMENTS).chain(&tidying::STATEMENTS).map(|text| (*text).to_owned()).collect()
}
