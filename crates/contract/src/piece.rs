//! The values that expressions yield.

use std::borrow::Cow;

use bellwire_domain::Timestamp;

use crate::json;

/// A value on its way into a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece<'a> {
    /// Not there.
    Absent,
    /// There, but null.
    Null,
    Bool(bool),
    /// A number as JSON writes it.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    Time(Timestamp),
    Bytes(Cow<'a, [u8]>),
    /// Raw JSON, spliced in unchanged.
    Json(Cow<'a, str>),
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EvalError {
    pub(crate) message: String,
    /// It failed because something is missing, which an optional key forgives.
    pub(crate) absent: bool,
}

impl EvalError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), absent: false }
    }
}

impl<'a> Piece<'a> {
    pub(crate) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(crate) fn number(number: &impl ToString) -> Self {
        Self::Number(Cow::Owned(number.to_string()))
    }

    /// The same value, copied only where that costs nothing.
    pub(crate) fn borrowed(&self) -> Piece<'_> {
        match self {
            Self::Absent => Piece::Absent,
            Self::Null => Piece::Null,
            Self::Bool(value) => Piece::Bool(*value),
            Self::Number(text) => Piece::Number(Cow::Borrowed(text)),
            Self::Text(text) => Piece::Text(Cow::Borrowed(text)),
            Self::Time(time) => Piece::Time(*time),
            Self::Bytes(bytes) => Piece::Bytes(Cow::Borrowed(bytes)),
            Self::Json(raw) => Piece::Json(Cow::Borrowed(raw)),
        }
    }

    /// The same value, of its own.
    pub(crate) fn into_owned(self) -> Piece<'static> {
        match self {
            Self::Absent => Piece::Absent,
            Self::Null => Piece::Null,
            Self::Bool(value) => Piece::Bool(value),
            Self::Number(text) => Piece::Number(Cow::Owned(text.into_owned())),
            Self::Text(text) => Piece::Text(Cow::Owned(text.into_owned())),
            Self::Time(time) => Piece::Time(time),
            Self::Bytes(bytes) => Piece::Bytes(Cow::Owned(bytes.into_owned())),
            Self::Json(raw) => Piece::Json(Cow::Owned(raw.into_owned())),
        }
    }

    pub(crate) fn is_missing(&self) -> bool {
        match self {
            Self::Absent | Self::Null => true,
            Self::Json(raw) => raw.trim() == "null",
            Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Time(_) | Self::Bytes(_) => false,
        }
    }

    /// Whether a `$when` with this value holds.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Absent | Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(number) => number.parse::<f64>().is_ok_and(|number| number != 0.0),
            Self::Text(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::Time(_) => true,
            Self::Json(raw) => !matches!(raw.trim(), "null" | "false" | "0" | "\"\"" | "[]" | "{}"),
        }
    }

    /// How much it holds, in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Absent | Self::Null | Self::Bool(_) | Self::Time(_) => 0,
            Self::Number(text) | Self::Text(text) | Self::Json(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Appends the value as JSON.
    pub(crate) fn write_json(&self, out: &mut String) -> Result<(), EvalError> {
        match self {
            Self::Absent => return Err(EvalError { message: "has no value".into(), absent: true }),
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(text) | Self::Json(text) => out.push_str(text),
            Self::Text(text) => json::write_string(out, text),
            Self::Time(_) => return Err(unformatted_time()),
            Self::Bytes(bytes) => json::write_string(out, utf8(bytes)?),
        }
        Ok(())
    }

    /// The value as bytes inside text. A JSON string is unescaped; other JSON stays as it is.
    pub(crate) fn to_text(&self) -> Result<Cow<'_, [u8]>, EvalError> {
        let text = match self {
            Self::Absent => return Err(EvalError { message: "has no value".into(), absent: true }),
            Self::Null => return Err(EvalError { message: "is null inside text".into(), absent: true }),
            Self::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::Number(text) | Self::Text(text) => Cow::Borrowed(text.as_ref()),
            Self::Json(raw) if raw.trim() == "null" => {
                return Err(EvalError { message: "is null inside text".into(), absent: true });
            }
            Self::Json(raw) => json::unquote(raw).unwrap_or(Cow::Borrowed(raw.as_ref())),
            Self::Time(_) => return Err(unformatted_time()),
            Self::Bytes(bytes) => return Ok(Cow::Borrowed(bytes)),
        };
        Ok(match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }

    /// The value as text by itself.
    pub(crate) fn into_string(self) -> Result<String, EvalError> {
        match self {
            Self::Text(text) | Self::Number(text) => Ok(text.into_owned()),
            other => Ok(utf8(&other.to_text()?)?.to_owned()),
        }
    }
}

fn unformatted_time() -> EvalError {
    EvalError::new("is a time without a format; add a filter: `| unix`, `| unix_ms`, `| rfc3339` or `| http_date`")
}

fn utf8(bytes: &[u8]) -> Result<&str, EvalError> {
    std::str::from_utf8(bytes)
        .map_err(|_| EvalError::new("is bytes, not text; add a filter: `| hex`, `| base64` or `| base64url`"))
}
