//! What a query reads: fields with the SQL of each, declared once.

use super::row::{Cells, Row};
use crate::StoreError;

/// A value that is read from some columns of a row.
pub(crate) trait Columns<'r>: Sized {
    /// Where its rows come from, for errors.
    const TABLE: &'static str;
    /// How many columns it has.
    const COUNT: usize;

    /// Adds its columns to a SELECT list.
    fn select(list: &mut Vec<&'static str>);

    /// Reads them, in the same order.
    fn read(cells: &mut Cells<'r>) -> Result<Self, StoreError>;
}

impl Row {
    /// What its query selected.
    pub(crate) fn read<'r, C: Columns<'r>>(&'r self) -> Result<C, StoreError> {
        C::read(&mut self.cells())
    }
}

/// The SELECT list of `C`, before `rest`: `FROM …`.
pub(crate) fn select<'r, C: Columns<'r>>(rest: &str) -> String {
    let mut list = Vec::with_capacity(C::COUNT);
    C::select(&mut list);
    format!("SELECT {} {rest}", list.join(", "))
}

macro_rules! tuples {
    ($($first:ident $($other:ident)*;)+) => {
        $(impl<'r, $first: Columns<'r>, $($other: Columns<'r>),*> Columns<'r> for ($first, $($other,)*) {
            const TABLE: &'static str = $first::TABLE;
            const COUNT: usize = $first::COUNT $(+ $other::COUNT)*;

            fn select(list: &mut Vec<&'static str>) {
                $first::select(list);
                $($other::select(list);)*
            }

            fn read(cells: &mut Cells<'r>) -> Result<Self, StoreError> {
                Ok(($first::read(cells)?, $($other::read(cells)?,)*))
            }
        })+
    };
}
tuples! {
    A B;
    A B C;
}

/// The other side of an outer join, which may have no row.
impl<'r, C: Columns<'r>> Columns<'r> for Option<C> {
    const TABLE: &'static str = C::TABLE;
    const COUNT: usize = C::COUNT;

    fn select(list: &mut Vec<&'static str>) {
        C::select(list);
    }

    fn read(cells: &mut Cells<'r>) -> Result<Self, StoreError> {
        if cells.skip_nulls(C::COUNT) { Ok(None) } else { C::read(cells).map(Some) }
    }
}

/// Declares a struct together with the SQL that each of its fields is read by:
///
/// ```ignore
/// columns! {
///     /// What publishing needs to know of an account.
///     pub(crate) struct Counters of "accounts" {
///         last_seq: i64 = "a.last_seq",
///     }
/// }
/// ```
macro_rules! columns {
    ($(#[$doc:meta])* $visibility:vis struct $name:ident<$life:lifetime> of $table:literal {
        $($(#[$field_doc:meta])* $field_visibility:vis $field:ident: $type:ty = $sql:literal,)+
    }) => {
        $(#[$doc])*
        $visibility struct $name<$life> { $($(#[$field_doc])* $field_visibility $field: $type,)+ }
        $crate::sql::columns!(@read [$life] $table, $name<$life> { $($field = $sql,)+ });
    };
    ($(#[$doc:meta])* $visibility:vis struct $name:ident of $table:literal {
        $($(#[$field_doc:meta])* $field_visibility:vis $field:ident: $type:ty = $sql:literal,)+
    }) => {
        $(#[$doc])*
        $visibility struct $name { $($(#[$field_doc])* $field_visibility $field: $type,)+ }
        $crate::sql::columns!(@read ['r] $table, $name { $($field = $sql,)+ });
    };
    (@read [$life:lifetime] $table:literal, $name:ty { $($field:ident = $sql:literal,)+ }) => {
        impl<$life> $crate::sql::Columns<$life> for $name {
            const TABLE: &'static str = $table;
            const COUNT: usize = [$($sql),+].len();

            fn select(list: &mut Vec<&'static str>) {
                list.extend([$($sql),+]);
            }

            fn read(cells: &mut $crate::sql::Cells<$life>) -> Result<Self, $crate::StoreError> {
                Ok(Self { $($field: cells.take(stringify!($field))?,)+ })
            }
        }
    };
}
pub(crate) use columns;
