//! The ground of the store: one small facade over the two database drivers.
//!
//! Statements are written once, in the subset that SQLite and PostgreSQL share: parameters as `$1`, `$2`, … in the order of
//! their first use; ids as TEXT; times, counts and truth as BIGINT; bytes as BLOB or BYTEA. A parameter that may be NULL is
//! first compared with a column or cast, because PostgreSQL infers its type from its first use.
//!
//! Columns are named, never counted. [`columns!`] declares what a query reads together with the SQL of each field, and
//! [`table!`] declares a table's columns together with what is bound to them; SELECT lists, INSERTs and readers are made from
//! these. A cell of the wrong kind is [`StoreError::Inconsistent`](crate::StoreError::Inconsistent), never a panic.
//!
//! [`Session`] is a connection to PostgreSQL, [`Db`] is either database, [`Readers`] a pool of reading connections. Nothing
//! here knows a table.

mod address;
mod answer;
mod bound;
mod cell;
mod columns;
mod db;
mod fault;
mod insert;
mod param;
mod pipeline;
mod readers;
mod row;
mod select;
mod session;
mod table;
mod tls;
mod values;

pub use address::{InvalidUrl, PostgresUrl};
pub(crate) use answer::Answer;
pub(crate) use bound::{Bound, Step};
pub(crate) use cell::{Bind, Cell, write_filter, write_list, write_payload};
pub(crate) use columns::{Columns, columns, select};
pub(crate) use db::{Db, Prepared, aside};
pub(crate) use fault::{CommitFaults, Fault};
pub(crate) use insert::Insert;
pub(crate) use param::{Kind, Param, Set, params};
pub(crate) use readers::{Carried, Readers, Source};
pub(crate) use row::{Cells, Row};
pub(crate) use select::Select;
pub(crate) use session::Session;
pub(crate) use table::{Column, ColumnGroup, TableRow, group, names, table, unnest, unnest_from};
