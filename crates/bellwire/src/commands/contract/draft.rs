//! `bellwire contract draft`: a contract from a document in OpenAPI or AsyncAPI.

mod asyncapi;
mod document;
mod events;
mod example;
mod file;
mod found;
mod headers;
mod openapi;
mod pattern;
mod references;
mod schema;
mod types;
mod yaml;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use bellwire_contract::Contract;

use super::new::next_steps;
use super::output::Output;
use crate::cli::DraftArguments;
use crate::telemetry;
use document::{DOCUMENT_LENGTH_MAX, Fault, Node};

/// Reads the document and writes the draft; on standard error, what was left out.
pub(super) fn run(arguments: &DraftArguments) -> anyhow::Result<()> {
    let output = Output::open(arguments.output.as_deref(), arguments.force)?;
    if let Some(name) = &arguments.name {
        check_name(name)?;
    }
    let shown = arguments.openapi.display();
    let drafted = draft(&read(&arguments.openapi)?, arguments.name.as_deref());
    let drafted = drafted.map_err(|fault| anyhow!("{shown}:{}: {}", fault.line.max(1), fault.message))?;
    // Whatever a document says, no draft is written that `contract check` refuses.
    let contract = Contract::compile(&drafted.text, "draft")?;
    output.write(&drafted.text)?;
    for (line, note) in &drafted.notes {
        telemetry::say(&format!("{shown}:{}: {note}", (*line).max(1)));
    }
    let event = contract.events().first().map_or("test.ping", |event| event.event_type.as_str());
    telemetry::say("Decide what the comments with `decide:` leave open.");
    telemetry::say(&next_steps(output.file(), event, Some("once the signature is decided")));
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    let cannot = || format!("cannot read {}", file.display());
    let mut bytes = Vec::new();
    File::open(file).with_context(cannot)?.take(DOCUMENT_LENGTH_MAX + 1).read_to_end(&mut bytes).with_context(cannot)?;
    String::from_utf8(bytes).map_err(|_| anyhow!("{} is not UTF-8", file.display()))
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let contract =
        format!("contract: {}\ntitle: Draft\nevents: any\nrequest: {{ body: {{}} }}\n", super::yaml_text::quoted(name));
    if let Err(error) = Contract::compile(&contract, "draft") {
        let reasons: Vec<_> = error.diagnostics.into_iter().map(|one| format!("{}; {}", one.message, one.help)).collect();
        bail!("--name: {}", reasons.join("; "));
    }
    Ok(())
}

/// A draft, and what its author should know.
#[derive(Debug)]
struct Draft {
    text: String,
    /// Each with its line in the document.
    notes: Vec<(usize, String)>,
}

/// Makes a contract of a document. Without a name, it is made from the document's title.
fn draft(source: &str, name: Option<&str>) -> Result<Draft, Fault> {
    let root = document::read(source)?;
    let version = |key: &str| match root.get(key).map(|version| &version.content) {
        Some(document::Content::Text(text) | document::Content::Number(text)) => Some(text.as_str()),
        _ => None,
    };
    let (kind, version, mut found) = if let Some(version) = version("openapi") {
        ("OpenAPI", version, openapi::read(&root, version)?)
    } else if let Some(version) = version("asyncapi") {
        ("AsyncAPI", version, asyncapi::read(&root, version)?)
    } else if root.get("swagger").is_some() {
        return Err(Fault::fatal(
            root.line,
            "OpenAPI 2 (`swagger`) knows no webhooks; convert the document to 3.1 and describe them",
        ));
    } else {
        let message = "this is neither OpenAPI nor AsyncAPI: there is no `openapi` and no `asyncapi` at the top";
        return Err(Fault::fatal(root.line, message));
    };
    let events = events::draft(&root, &mut found)?;
    if events.is_empty() {
        return Err(nothing_found(&root, kind, &found.notes));
    }
    let kind = format!("{kind} {}", document::shortened(version));
    let name = name.map_or_else(|| short_name(found.title.unwrap_or_default()), ToOwned::to_owned);
    Ok(Draft { text: file::write(&name, &kind, &found, &events), notes: found.notes })
}

fn nothing_found(root: &Node, kind: &str, notes: &[(usize, String)]) -> Fault {
    if let Some((line, note)) = notes.first() {
        return Fault::fatal(*line, format!("no event is left: {note}"));
    }
    let message = match kind {
        "OpenAPI" => "the document describes no webhooks: there is nothing in `webhooks`, `x-webhooks` and `callbacks`",
        _ => "the document describes no messages: there is nothing in `channels` and `operations`",
    };
    Fault::fatal(root.line, message)
}

/// A title as the short name of a contract.
fn short_name(title: &str) -> String {
    let plain: String = title.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    let name: String = plain.split_whitespace().collect::<Vec<_>>().join("-").chars().take(64).collect();
    if name.is_empty() { "draft".to_owned() } else { name }
}

#[cfg(test)]
mod tests;
