//! Streams of server-sent events, from bytes.

/// The longest message, in bytes: more than the API sends.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its id; none: the stream only said how far it is, or nothing.
    pub(crate) id: Option<String>,
    /// What kind of message it is, where the stream has several.
    pub(crate) kind: Option<String>,
    /// Its data, without the line break at its end; none: there is no event.
    pub(crate) data: Option<String>,
}

/// What has been read of a stream.
#[derive(Default)]
pub(crate) struct Parser {
    rest: Vec<u8>,
    /// How much of the rest has no end of a line in it.
    looked_at: usize,
    id: Option<String>,
    kind: Option<String>,
    data: Option<String>,
}

impl Parser {
    /// The messages that end within these bytes. An error: one is too long.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Message>, String> {
        self.rest.extend_from_slice(bytes);
        let mut messages = Vec::new();
        let mut start = 0;
        let mut from = self.looked_at;
        while let Some(ahead) = self.rest.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
            let end = from + ahead;
            let line = self.rest.get(start..end).unwrap_or_default();
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
            start = end + 1;
            from = start;
            messages.extend(self.line(&line));
        }
        self.rest.drain(..start);
        self.looked_at = self.rest.len();
        let held = self.rest.len() + self.data.as_ref().map_or(0, String::len);
        if held > MESSAGE_BYTES_MAX { Err(format!("a message has more than {MESSAGE_BYTES_MAX} bytes")) } else { Ok(messages) }
    }

    /// The message that this line ends.
    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let (id, kind, data) = (self.id.take(), self.kind.take(), self.data.take());
            return (id.is_some() || data.is_some()).then_some(Message { id, kind, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut self.data) {
            ("id", _) => self.id = Some(value.to_owned()),
            ("event", _) => self.kind = Some(value.to_owned()),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", none) => *none = Some(value.to_owned()),
            _ => {} // a comment, or a field that nobody needs here
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_however_they_are_cut() {
        let text = concat!(
            ": so far\nid: 4\n\nid: 5\ndata: {\"a\":\ndata:  1}\r\n\r\nretry: 1\n\n",
            "event: kind\ndata:x\n\nevent: kind\n\ndata:y\n\ndata: unfinished\n"
        );
        let message = |id: Option<&str>, kind: Option<&str>, data: Option<&str>| {
            let [id, kind, data] = [id, kind, data].map(|text| text.map(str::to_owned));
            Message { id, kind, data }
        };
        let expected = [
            message(Some("4"), None, None),
            message(Some("5"), None, Some("{\"a\":\n 1}")),
            message(None, Some("kind"), Some("x")),
            message(None, None, Some("y")),
        ];
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let found: Vec<Message> = text.as_bytes().chunks(size).flat_map(|piece| parser.push(piece).unwrap()).collect();
            assert_eq!(found, expected, "{size}");
        }
    }

    #[test]
    fn a_message_without_an_end_is_refused() {
        let (mut parser, piece) = (Parser::default(), vec![b'x'; 1 << 20]);
        assert!((0..64).any(|_| parser.push(&piece).is_err()));
    }
}
