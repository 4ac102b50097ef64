//! Webhooks of an OpenAPI document: `webhooks` of 3.1, `x-webhooks`, and callbacks.

use super::document::{Fault, Node, shortened};
use super::found::{Found, Header, Message};
use super::references::follow;
use super::schema::Dialect;

/// The methods that a contract can have, the likeliest first.
const METHODS: [(&str, &str); 5] = [("post", "POST"), ("put", "PUT"), ("patch", "PATCH"), ("delete", "DELETE"), ("get", "GET")];

/// Reads the webhooks of a document whose `openapi` is `version`.
pub(super) fn read<'d>(root: &'d Node, version: &str) -> Result<Found<'d>, Fault> {
    if !version.starts_with("3.") {
        let message = format!("OpenAPI {} is not read; convert the document to 3.1", shortened(version));
        return Err(Fault::fatal(root.line, message));
    }
    let dialect = if version.starts_with("3.0") { Dialect::OpenApi30 } else { Dialect::Draft2020 };
    let info = root.get("info");
    let mut found = Found {
        title: info.and_then(|info| info.text_of("title")),
        description: info.and_then(|info| info.text_of("summary").or_else(|| info.text_of("description"))),
        ..Found::default()
    };
    for key in ["webhooks", "x-webhooks"] {
        for (name, item) in root.get(key).map_or(&[][..], Node::members) {
            path_item(root, name, item, dialect, &mut found)?;
        }
    }
    for (_, path) in root.get("paths").map_or(&[][..], Node::members) {
        for (_, operation) in path.members() {
            for (name, callback) in operation.get("callbacks").map_or(&[][..], Node::members) {
                let (callback, _) = follow(root, callback)?;
                for (_, item) in callback.members().iter().filter(|(expression, _)| !expression.starts_with("x-")) {
                    path_item(root, name, item, dialect, &mut found)?;
                }
            }
        }
    }
    Ok(found)
}

/// Adds what one path item describes.
fn path_item<'d>(root: &'d Node, name: &str, item: &'d Node, dialect: Dialect, found: &mut Found<'d>) -> Result<(), Fault> {
    let line = item.line;
    let (item, _) = match follow(root, item) {
        Ok(followed) => followed,
        Err(fault) if fault.is_fatal => return Err(fault),
        Err(fault) => {
            found.notes.push((fault.line, format!("the webhook `{}` is left out: {}", shortened(name), fault.message)));
            return Ok(());
        }
    };
    let mut operations = METHODS.iter().filter_map(|(key, method)| Some((*method, item.get(key)?)));
    let Some((method, operation)) = operations.next() else {
        found.notes.push((line, format!("the webhook `{}` is left out: it has no operation", shortened(name))));
        return Ok(());
    };
    for (other, _) in operations {
        found.notes.push((line, format!("the webhook `{}` is drafted with {method}; its {other} is left out", shortened(name))));
    }
    let (schema, examples) = body(root, operation)?;
    let mut headers = Vec::new();
    for parameters in [item.get("parameters"), operation.get("parameters")].into_iter().flatten() {
        for parameter in parameters.items() {
            let (parameter, _) = follow(root, parameter)?;
            if parameter.text_of("in") == Some("header")
                && let Some(name) = parameter.text_of("name")
            {
                headers.retain(|known: &Header<'_>| !known.name.eq_ignore_ascii_case(name));
                headers.push(Header { name, schema: parameter.get("schema"), example: first_example(root, parameter) });
            }
        }
    }
    found.messages.push(Message {
        name: name.to_owned(),
        line: operation.line,
        title: operation.text_of("summary").or_else(|| item.text_of("summary")),
        description: operation.text_of("description").or_else(|| item.text_of("description")),
        dialect,
        schema,
        examples,
        headers,
        method,
    });
    Ok(())
}

/// The schema of a body, or why there is none.
type BodySchema<'d> = Result<Option<&'d Node>, String>;

/// The body's schema and examples.
fn body<'d>(root: &'d Node, operation: &'d Node) -> Result<(BodySchema<'d>, Vec<&'d Node>), Fault> {
    let Some(body) = operation.get("requestBody") else { return Ok((Ok(None), Vec::new())) };
    let (body, _) = match follow(root, body) {
        Ok(followed) => followed,
        Err(fault) if fault.is_fatal => return Err(fault),
        Err(fault) => return Ok((Err(fault.message), Vec::new())),
    };
    let contents = body.get("content").map_or(&[][..], Node::members);
    let json = contents.iter().find(|(media_type, _)| is_json(media_type));
    let Some((_, content)) = json else {
        let Some((media_type, _)) = contents.first() else { return Ok((Ok(None), Vec::new())) };
        return Ok((Err(format!("its body is {}, not JSON", shortened(media_type))), Vec::new()));
    };
    let mut examples: Vec<&Node> = content.get("example").into_iter().collect();
    for (_, example) in content.get("examples").map_or(&[][..], Node::members) {
        examples.extend(follow(root, example).ok().and_then(|(example, _)| example.get("value")));
    }
    if let Some(schema) = content.get("schema") {
        let listed = schema.get("examples").map_or(&[][..], Node::items);
        examples.extend(schema.get("example").into_iter().chain(listed));
    }
    Ok((Ok(content.get("schema")), examples))
}

/// Whether data of this media type is JSON.
pub(super) fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json") || essence == "*/*" || essence == "application/*"
}

fn first_example<'d>(root: &'d Node, parameter: &'d Node) -> Option<&'d Node> {
    parameter.get("example").or_else(|| {
        let (_, example) = parameter.get("examples")?.members().first()?;
        follow(root, example).ok()?.0.get("value")
    })
}
