//! What a flag gives: a text, `@FILE`, or `-` for standard input.

use std::io::Read as _;

use serde_json::value::RawValue;

use super::failure::Failure;

/// The most bytes that are read: more than the API takes.
const BYTES_MAX: u64 = 16 << 20;

/// The JSON that a flag gives, as it was written.
pub(crate) fn json(flag: &str, given: &str) -> Result<Box<RawValue>, Failure> {
    let text = text(flag, given)?;
    serde_json::from_str(&text).map_err(|error| Failure::Usage(format!("{flag}: not JSON: {error}")))
}

/// The text that a flag gives.
pub(crate) fn text(flag: &str, given: &str) -> Result<String, Failure> {
    if given == "-" {
        return stdin(flag);
    }
    match given.strip_prefix('@') {
        None => Ok(given.to_owned()),
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|error| Failure::Usage(format!("{flag}: {path}: {error}")))?;
            read(flag, file)
        }
    }
}

/// Standard input, without white space at its ends.
pub(crate) fn stdin(name: &str) -> Result<String, Failure> {
    Ok(read(name, std::io::stdin())?.trim().to_owned())
}

fn read(name: &str, from: impl std::io::Read) -> Result<String, Failure> {
    let mut text = String::new();
    let read = from.take(BYTES_MAX + 1).read_to_string(&mut text);
    match read.map(|length| length as u64 > BYTES_MAX) {
        Ok(false) => Ok(text),
        Ok(true) => Err(Failure::Usage(format!("{name}: more than {BYTES_MAX} bytes"))),
        Err(error) => Err(Failure::Usage(format!("{name}: {error}"))),
    }
}
