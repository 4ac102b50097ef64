//! Messages of an AsyncAPI document, 2.x and 3.x.

use super::document::{Fault, Node, shortened};
use super::found::{Found, Header, Message};
use super::openapi::is_json;
use super::references::follow;
use super::schema::Dialect;

/// Reads the messages that the application of a document sends, whose `asyncapi` is `version`.
pub(super) fn read<'d>(root: &'d Node, version: &str) -> Result<Found<'d>, Fault> {
    let info = root.get("info");
    let mut found = Found {
        title: info.and_then(|info| info.text_of("title")),
        description: info.and_then(|info| info.text_of("description")),
        ..Found::default()
    };
    match version.split('.').next() {
        Some("2") => channels(root, &mut found)?,
        Some("3") => operations(root, &mut found)?,
        _ => {
            let message = format!("AsyncAPI {} is not read; convert the document to 2.x or 3.x", shortened(version));
            return Err(Fault::fatal(root.line, message));
        }
    }
    Ok(found)
}

/// A message where it is mentioned, the names that it has if it has none of its own, and who speaks of it.
struct Mention<'d> {
    message: &'d Node,
    name: &'d str,
    operation: Option<&'d Node>,
}

/// 2.x: in `subscribe` stands what others may subscribe to.
fn channels<'d>(root: &'d Node, found: &mut Found<'d>) -> Result<(), Fault> {
    for (action, note) in
        [("subscribe", None), ("publish", Some("no channel has `subscribe`, so what is in `publish` is drafted"))]
    {
        let mut mentions = Vec::new();
        for (address, channel) in root.get("channels").map_or(&[][..], Node::members) {
            let (channel, _) = follow(root, channel)?;
            let Some(operation) = channel.get(action) else { continue };
            let Some(message) = operation.get("message") else { continue };
            let branches = message.get("oneOf").map_or(std::slice::from_ref(message), Node::items);
            mentions.extend(branches.iter().map(|message| Mention { message, name: address, operation: Some(operation) }));
        }
        if !mentions.is_empty() {
            found.notes.extend(note.map(|note| (root.line, note.to_owned())));
            return take_all(root, &mentions, found);
        }
    }
    Ok(())
}

/// 3.x: operations say what the application sends; without any, all messages of all channels count.
fn operations<'d>(root: &'d Node, found: &mut Found<'d>) -> Result<(), Fault> {
    for (action, note) in [("send", None), ("receive", Some("no operation has `action: send`, so what is received is drafted"))] {
        let mut mentions = Vec::new();
        for (_, operation) in root.get("operations").map_or(&[][..], Node::members) {
            let (operation, _) = follow(root, operation)?;
            if operation.text_of("action") != Some(action) {
                continue;
            }
            if let Some(messages) = operation.get("messages") {
                let named = messages.items().iter();
                mentions.extend(named.map(|message| Mention { message, name: "message", operation: Some(operation) }));
            } else if let Some(channel) = operation.get("channel") {
                in_channel(follow(root, channel)?.0, Some(operation), &mut mentions);
            }
        }
        if !mentions.is_empty() {
            found.notes.extend(note.map(|note| (root.line, note.to_owned())));
            return take_all(root, &mentions, found);
        }
    }
    let mut mentions = Vec::new();
    for (_, channel) in root.get("channels").map_or(&[][..], Node::members) {
        in_channel(follow(root, channel)?.0, None, &mut mentions);
    }
    take_all(root, &mentions, found)
}

fn in_channel<'d>(channel: &'d Node, operation: Option<&'d Node>, mentions: &mut Vec<Mention<'d>>) {
    let messages = channel.get("messages").map_or(&[][..], Node::members);
    mentions.extend(messages.iter().map(|(name, message)| Mention { message, name, operation }));
}

/// Adds the messages, each of them once.
fn take_all<'d>(root: &'d Node, mentions: &[Mention<'d>], found: &mut Found<'d>) -> Result<(), Fault> {
    let mut seen: Vec<&Node> = Vec::new();
    for mention in mentions {
        match follow(root, mention.message) {
            Ok((message, _)) if seen.iter().any(|known| std::ptr::eq(*known, message)) => {}
            Ok((message, referred)) => {
                seen.push(message);
                found.messages.push(take(root, mention, message, referred)?);
            }
            Err(fault) if fault.is_fatal => return Err(fault),
            Err(fault) => found.notes.push((fault.line, format!("a message is left out: {}", fault.message))),
        }
    }
    Ok(())
}

fn take<'d>(root: &'d Node, mention: &Mention<'d>, message: &'d Node, referred: Option<&'d str>) -> Result<Message<'d>, Fault> {
    let name = message.text_of("name").or_else(|| message.text_of("messageId")).or(referred).unwrap_or(mention.name);
    let payload = message.get("payload");
    // From 3.0 on, a schema may come with its format.
    let wrapped = payload.filter(|payload| payload.get("schemaFormat").is_some());
    let format = wrapped.and_then(|payload| payload.text_of("schemaFormat")).or_else(|| message.text_of("schemaFormat"));
    let schema = wrapped.map_or(payload, |payload| payload.get("schema"));
    let content_type = message.text_of("contentType").or_else(|| root.text_of("defaultContentType"));
    let schema = match (format, content_type) {
        (Some(format), _) if !is_json_schema(format) => Err(format!("its schema is {}, not JSON Schema", shortened(format))),
        (_, Some(content_type)) if !is_json(content_type) => Err(format!("its body is {}, not JSON", shortened(content_type))),
        _ => Ok(schema),
    };
    let mut examples: Vec<&Node> = Vec::new();
    for example in message.get("examples").map_or(&[][..], Node::items) {
        examples.extend(example.get("payload"));
    }
    let mut headers = Vec::new();
    if let Some(declared) = message.get("headers") {
        let (declared, _) = follow(root, declared)?;
        for (name, schema) in declared.get("properties").map_or(&[][..], Node::members) {
            headers.push(Header { name, schema: Some(schema), example: None });
        }
    }
    let of_operation = |key: &str| mention.operation.and_then(|operation| operation.text_of(key));
    Ok(Message {
        name: name.to_owned(),
        line: message.line,
        title: message.text_of("title").or_else(|| message.text_of("summary")).or_else(|| of_operation("summary")),
        description: message.text_of("description").or_else(|| of_operation("description")),
        dialect: Dialect::Draft07,
        schema,
        examples,
        headers,
        method: "POST",
    })
}

/// Whether a schema of this format is JSON Schema, or AsyncAPI's own form of it.
fn is_json_schema(format: &str) -> bool {
    ["asyncapi", "schema+json", "schema+yaml"].iter().any(|known| format.contains(known))
}
