//! Events as text of `text/event-stream`.

use bellwire_store::Event;

use crate::problem::Problem;
use crate::v1::events::list::EventAnswer;

/// An event: its `seq` as the id, and what the list shows as data.
pub(super) fn write_event(event: &Event, out: &mut Vec<u8>) -> Result<(), Problem> {
    let answer = serde_json::to_vec(&EventAnswer::show(event)?);
    let answer = answer.map_err(|error| Problem::internal(&format!("event {} cannot be written: {error}", event.seq)))?;
    out.extend_from_slice(format!("id: {}\n", event.seq).as_bytes());
    write_data(&answer, out);
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
}
