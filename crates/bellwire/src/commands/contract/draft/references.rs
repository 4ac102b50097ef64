//! `$ref` inside one document.

use bellwire_contract::nearest;
use percent_encoding::percent_decode_str;

use super::document::{Content, Fault, Node, shortened};

/// The longest chain of references that is followed.
const CHAIN_MAX: usize = 32;

/// What a reference leads to. One that leads out of the document is refused, as nothing else is read.
pub(super) fn find<'d>(root: &'d Node, reference: &str, line: usize) -> Result<&'d Node, Fault> {
    let Some(pointer) = reference.strip_prefix('#') else {
        let message = format!(
            "`$ref: {}` leads to another document, which is not read; bundle the documents into one file first",
            shortened(reference)
        );
        return Err(Fault::fatal(line, message));
    };
    let nowhere = |help: String| Fault::new(line, format!("`$ref: {}` leads nowhere{help}", shortened(reference)));
    let pointer = percent_decode_str(pointer).decode_utf8().map_err(|_| nowhere(String::new()))?;
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err(nowhere("; write where it is, as in #/components/schemas/Order".to_owned()));
    }
    let mut node = root;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let next = match &node.content {
            Content::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => node.get(&step),
        };
        node = next.ok_or_else(|| {
            let meant = nearest(&step, node.members().iter().map(|(name, _)| name.as_str()));
            nowhere(meant.map_or_else(String::new, |meant| format!("; did you mean `{}`?", shortened(meant))))
        })?;
    }
    Ok(node)
}

/// The node itself, or what its `$ref` leads to in the end, with the last step's name: what is not a schema is either the one or the
/// other.
pub(super) fn follow<'d>(root: &'d Node, node: &'d Node) -> Result<(&'d Node, Option<&'d str>), Fault> {
    let (mut node, mut name) = (node, None);
    for _ in 0..CHAIN_MAX {
        let Some(reference) = node.text_of("$ref") else { return Ok((node, name)) };
        name = reference.rsplit('/').next();
        node = find(root, reference, node.line)?;
    }
    Err(Fault::new(node.line, "this `$ref` leads to another one, and so on, without an end"))
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::*;

    #[test]
    fn references() {
        let root = document::read(
            "a/b: { \"c~d\": [zero, one], 'e f': two }\nx: { $ref: '#/y' }\ny: { $ref: '#/z/end' }\nz: { end: here }\nl: { $ref: '#/l' }\n",
        )
        .unwrap();
        let found = |reference: &str| find(&root, reference, 7).map(|node| node.text().unwrap_or("?").to_owned());
        assert_eq!(found("#/a~1b/c~0d/1"), Ok("one".to_owned()));
        assert_eq!(found("#/a~1b/e%20f"), Ok("two".to_owned()));
        for (reference, words) in [
            ("#/a~1b/c~0d/2", "leads nowhere"),
            ("#/z/emd", "did you mean `end`?"),
            ("#z", "write where it is"),
            ("#/%ff", "leads nowhere"),
        ] {
            let fault = found(reference).unwrap_err();
            assert!(!fault.is_fatal && fault.line == 7 && fault.message.contains(words), "{fault:?}");
        }
        for reference in ["other.yaml#/a", "https://x.example/a.json", "file:///a", ""] {
            let fault = found(reference).unwrap_err();
            assert!(fault.is_fatal && fault.message.contains(&format!("`$ref: {reference}`")), "{fault:?}");
        }
        let follow = |name: &str| follow(&root, root.get(name).unwrap()).map(|(node, name)| (node.line, name));
        assert_eq!(follow("x"), Ok((4, Some("end"))));
        assert!(follow("l").unwrap_err().message.contains("without an end"));
    }
}
