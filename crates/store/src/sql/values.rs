//! Values on their way to the server and back: parameters, alone or as whole columns, and the cells of rows.

use std::borrow::Cow;

use bytes::BytesMut;
use rusqlite::types::Value;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::fault::describe;
use super::param::{Kind, Param};
use super::row::Row;
use crate::StoreError;

/// A row as the rest of the store knows it.
pub(super) fn read(row: &tokio_postgres::Row, table: &'static str) -> Result<Row, StoreError> {
    let cells = row.columns().iter().enumerate().map(|(index, column)| {
        let read: Result<Option<Value>, tokio_postgres::Error> = match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(index).map(|cell| cell.map(Value::Integer)),
            Type::INT4 => row.try_get::<_, Option<i32>>(index).map(|cell| cell.map(|value| Value::Integer(value.into()))),
            Type::BOOL => row.try_get::<_, Option<bool>>(index).map(|cell| cell.map(|value| Value::Integer(value.into()))),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(index).map(|cell| cell.map(Value::Blob)),
            _ => row.try_get::<_, Option<String>>(index).map(|cell| cell.map(Value::Text)),
        };
        read.map(|cell| cell.unwrap_or(Value::Null)).map_err(|error| describe(&error).1)
    });
    Row::new(cells, table)
}

/// Each column of the rows in `cells` as one array.
pub(super) fn arrays<'a>(kinds: &[Kind], cells: &[Param<'a>]) -> Vec<Box<dyn ToSql + Sync + 'a>> {
    let column = |index: usize| cells.iter().skip(index).step_by(kinds.len().max(1));
    kinds
        .iter()
        .enumerate()
        .map(|(index, kind)| -> Box<dyn ToSql + Sync + 'a> {
            match kind {
                Kind::Int => Box::new(column(index).map(Param::int).collect::<Vec<_>>()),
                Kind::Text => Box::new(column(index).map(Param::text).collect::<Vec<_>>()),
                Kind::Bytes => Box::new(column(index).map(Param::bytes).collect::<Vec<_>>()),
            }
        })
        .collect()
}

/// PostgreSQL's TEXT holds everything but U+0000.
fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

impl<'a> Param<'a> {
    const fn int(&self) -> Option<i64> {
        if let Self::Int(value) = self { Some(*value) } else { None }
    }

    fn text(&self) -> Option<Cow<'a, str>> {
        if let Self::Text(value) = self { Some(storable(value)) } else { None }
    }

    const fn bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(value) = self { Some(value) } else { None }
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) if *kind == Type::INT4 => i32::try_from(*value)?.to_sql(kind, out),
            Self::Int(value) => value.to_sql(kind, out),
            Self::Text(value) => storable(value).to_sql(kind, out),
            Self::Bytes(value) => value.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true // which of them it is, is known only with the value
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_made_of_columns_and_texts_hold_no_zero() {
        assert_eq!(storable("a\0b"), "a\u{fffd}b");
        let cells = [Param::Int(1), Param::Text("a"), Param::Null, Param::Text("b")];
        let made = arrays(&[Kind::Int, Kind::Text], &cells);
        let shown: Vec<String> = made.iter().map(|array| format!("{array:?}")).collect();
        assert_eq!(shown, ["[Some(1), None]", r#"[Some("a"), Some("b")]"#]);
    }
}
