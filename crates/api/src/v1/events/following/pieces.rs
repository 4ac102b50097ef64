//! Events as text of `text/event-stream`.

use bellwire_http::problem::Problem;
use serde::Serialize;

/// An event: its `seq` as the id, its kind where the stream has several, and what is shown of it as JSON.
pub(in super::super) fn write_event(
    seq: i64,
    kind: Option<&str>,
    shown: &impl Serialize,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    let shown = serde_json::to_vec(shown);
    let shown = shown.map_err(|error| Problem::internal(&format!("event {seq} cannot be written: {error}")))?;
    out.extend_from_slice(format!("id: {seq}\n").as_bytes());
    if let Some(kind) = kind {
        out.extend_from_slice(format!("event: {kind}\n").as_bytes());
    }
    write_data(&shown, out);
    Ok(())
}

/// A comment, with how far the stream is: a client that comes back begins there.
pub(super) fn write_sign(after: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(format!(": so far\nid: {after}\n\n").as_bytes());
}

/// A line for each line of a JSON text. A break between lines is white space there: none stands within a string.
fn write_data(json: &[u8], out: &mut Vec<u8>) {
    let lines = json.split(|byte| matches!(byte, b'\n' | b'\r'));
    for line in lines.filter(|line| !line.is_empty()) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_several_lines_has_several_lines() {
        let mut out = Vec::new();
        write_data(b"{\"a\":\r\n 1,\n\n\"b\": 2}", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "data: {\"a\":\ndata:  1,\ndata: \"b\": 2}\n\n");
    }

    #[test]
    fn where_there_are_several_kinds_each_event_names_its_own() {
        let mut out = Vec::new();
        write_event(41, Some("request"), &[1], &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "id: 41\nevent: request\ndata: [1]\n\n");
    }
}
