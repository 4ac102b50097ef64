//! Where the body of an HTTP/1.1 answer ends (RFC 9112 §6 and §7).

use http::{Method, StatusCode};
use httparse::Status;

/// The way to a body's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// Chunks, and the next thing to come.
    Chunked(Part),
    /// It ends with the connection.
    UntilClose,
}

/// A part of a body in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The line with the size of a chunk.
    Size,
    /// So many bytes of a chunk.
    Data(u64),
    /// The end of the line after a chunk.
    DataEnd,
    /// A line after the last chunk.
    Trailer,
    /// Nothing.
    End,
}

/// What was taken at once.
pub(crate) struct Taken<'i> {
    /// Bytes of the input that are done with. None, and not over: more have to come first.
    pub(crate) used: usize,
    /// Bytes of the body.
    pub(crate) piece: &'i [u8],
}

impl Framing {
    /// As an answer's head says. `lengths` and `codings` are the values of `Content-Length` and `Transfer-Encoding`, separated
    /// by commas.
    pub(crate) fn of_answer(
        status: StatusCode,
        method: &Method,
        is_http10: bool,
        lengths: &str,
        codings: &str,
    ) -> Result<Self, String> {
        let has_none = status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if has_none || *method == Method::HEAD {
            return Ok(Self::Length(0));
        }
        if !codings.is_empty() {
            let is_chunked = codings.rsplit(',').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("chunked"));
            return Ok(if is_chunked && !is_http10 { Self::Chunked(Part::Size) } else { Self::UntilClose });
        }
        if lengths.is_empty() {
            return Ok(Self::UntilClose);
        }
        let mut stated = lengths.split(',').map(|length| digits(length.trim()));
        match stated.next().flatten() {
            Some(length) if stated.all(|other| other == Some(length)) => Ok(Self::Length(length)),
            _ => Err(format!("`{lengths}` is not the length of an answer")),
        }
    }

    /// Whether all of the body has come.
    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Part::End))
    }

    /// Takes what the input begins with.
    pub(crate) fn take<'i>(&mut self, input: &'i [u8]) -> Result<Taken<'i>, String> {
        match self {
            Self::Length(left) => Ok(take_data(left, input)),
            Self::UntilClose => Ok(Taken { used: input.len(), piece: input }),
            Self::Chunked(part) => part.take(input),
        }
    }
}

impl Part {
    fn take<'i>(&mut self, input: &'i [u8]) -> Result<Taken<'i>, String> {
        let line = |used| Taken { used, piece: &[] };
        match self {
            Self::Size => match httparse::parse_chunk_size(input) {
                Ok(Status::Complete((used, size))) => {
                    *self = if size == 0 { Self::Trailer } else { Self::Data(size) };
                    Ok(line(used))
                }
                Ok(Status::Partial) => Ok(line(0)),
                Err(_) => Err("the size of a chunk is not a number".to_owned()),
            },
            Self::Data(left) => {
                let taken = take_data(left, input);
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                Ok(taken)
            }
            Self::DataEnd if input.starts_with(b"\r\n") => {
                *self = Self::Size;
                Ok(line(2))
            }
            Self::DataEnd if b"\r\n".starts_with(input) => Ok(line(0)),
            Self::DataEnd => Err("a chunk is longer than it says".to_owned()),
            Self::Trailer => {
                let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return Ok(line(0)) };
                if matches!(input.get(..end), Some(b"" | b"\r")) {
                    *self = Self::End;
                }
                Ok(line(end + 1))
            }
            Self::End => Ok(line(0)),
        }
    }
}

fn take_data<'i>(left: &mut u64, input: &'i [u8]) -> Taken<'i> {
    let used = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= used as u64;
    Taken { used, piece: input.get(..used).unwrap_or_default() }
}

/// A number in digits and nothing else.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
