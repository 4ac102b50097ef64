//! A table's columns, declared once: what is bound to each when a row is written, and what is copied when a store moves.

use super::param::{Kind, Param};

/// A column's name and what it holds.
pub(crate) type Column = (&'static str, Kind);

/// A table as the rest of the store knows it.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Every column that is written when a row is made: those of the key, then the others.
    pub(crate) columns: Vec<Column>,
    /// How many of these name a row.
    pub(crate) key_length: usize,
}

impl Table {
    /// The columns that name a row.
    pub(crate) fn key(&self) -> &[Column] {
        self.columns.get(..self.key_length).unwrap_or_default()
    }

    /// The others.
    pub(crate) fn others(&self) -> &[Column] {
        self.columns.get(self.key_length..).unwrap_or_default()
    }
}

/// Columns that are written together, in one table or in several.
pub(crate) trait ColumnGroup<'a> {
    /// Adds its columns to a list.
    fn columns(list: &mut Vec<Column>);

    /// Adds its cells, in the same order.
    fn bind(self, cells: &mut Vec<Param<'a>>);
}

/// A row on its way into its table.
pub(crate) trait TableRow<'a>: ColumnGroup<'a> {
    /// The table's name.
    const NAME: &'static str;
    /// How many of its columns, the first ones, name a row.
    const KEY_LENGTH: usize;

    /// The table.
    fn table() -> Table {
        let mut columns = Vec::new();
        Self::columns(&mut columns);
        Table { name: Self::NAME, columns, key_length: Self::KEY_LENGTH }
    }
}

/// Column names, joined.
pub(crate) fn names(columns: &[Column]) -> String {
    columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The arrays `$1`, `$2`, … of these kinds as rows.
pub(crate) fn unnest(kinds: impl Iterator<Item = Kind>) -> String {
    unnest_from(1, kinds)
}

/// The same, where the first one is `$first`.
pub(crate) fn unnest_from(first: usize, kinds: impl Iterator<Item = Kind>) -> String {
    let arrays: Vec<String> = kinds
        .enumerate()
        .map(|(index, kind)| {
            let name = match kind {
                Kind::Int => "bigint",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
            };
            format!("${}::{name}[]", first + index)
        })
        .collect();
    format!("UNNEST({})", arrays.join(", "))
}

/// Declares a row of a table. A field has its column's name, or the one that `as` gives; `with` takes a group of columns in:
///
/// ```ignore
/// table! {
///     /// An API key.
///     pub(crate) struct KeyRow<'a> in "api_keys" key { id: &'a str } {
///         role: &'a str,
///         expires_at: Option<Timestamp>,
///     }
/// }
/// ```
macro_rules! table {
    ($(#[$doc:meta])* $visibility:vis struct $name:ident<$life:lifetime> in $table:literal
        key { $($key:ident: $key_type:ty),* $(,)? }
        { $($(#[$field_doc:meta])* $field:ident: $type:ty $(as $column:literal)?,)* }
        $(with { $group:ident: $group_type:ty $(,)? })?
    ) => {
        $crate::sql::group! {
            $(#[$doc])* $visibility struct $name<$life> {
                $($key: $key_type,)*
                $($(#[$field_doc])* $field: $type $(as $column)?,)*
            } $(with { $group: $group_type })?
        }

        impl<$life> $crate::sql::TableRow<$life> for $name<$life> {
            const NAME: &'static str = $table;
            const KEY_LENGTH: usize = <[&str]>::len(&[$(stringify!($key)),*]);
        }
    };
}
pub(crate) use table;

/// Declares columns that are written together, as [`table!`] does.
macro_rules! group {
    ($(#[$doc:meta])* $visibility:vis struct $name:ident<$life:lifetime>
        { $($(#[$field_doc:meta])* $field:ident: $type:ty $(as $column:literal)?,)* }
        $(with { $group:ident: $group_type:ty })?
    ) => {
        $(#[$doc])*
        $visibility struct $name<$life> {
            $($(#[$field_doc])* pub(crate) $field: $type,)*
            $(pub(crate) $group: $group_type,)?
        }

        impl<$life> $crate::sql::ColumnGroup<$life> for $name<$life> {
            fn columns(list: &mut Vec<$crate::sql::Column>) {
                list.extend([$(($crate::sql::group!(@name $field $($column)?), <$type as $crate::sql::Bind>::KIND),)*]);
                $(<$group_type as $crate::sql::ColumnGroup<$life>>::columns(list);)?
            }

            fn bind(self, cells: &mut Vec<$crate::sql::Param<$life>>) {
                cells.extend([$($crate::sql::Param::from(self.$field),)*]);
                $($crate::sql::ColumnGroup::bind(self.$group, cells);)?
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $column:literal) => { $column };
}
pub(crate) use group;
