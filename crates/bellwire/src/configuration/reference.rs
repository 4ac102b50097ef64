//! The reference of keys in docs/configuration.md, held to what clap knows.

use std::fs;
use std::path::PathBuf;

use super::keys::{self, Key, Kind};

const BEGIN: &str = "<!-- made from the flags of `bellwire serve` -->\n\n";

fn page() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md"))
}

fn table() -> String {
    let rows: String = keys::all().iter().map(row).collect();
    format!("| key | takes | default | meaning |\n| --- | --- | --- | --- |\n{rows}")
}

fn row(key: &Key) -> String {
    let takes = match key.value_name.as_ref().filter(|_| key.kind != Kind::Switch) {
        Some(name) => format!("{}: `{name}`", key.kind.name()),
        None => key.kind.name().to_owned(),
    };
    let takes = if key.is_secret { format!("{takes}; a secret") } else { takes };
    let default = key.default.as_ref().map(|default| format!("`{default}`")).unwrap_or_default();
    format!("| `{}`, `{}` | {takes} | {default} | {} |\n", key.name, key.variable, key.help.replace('|', "\\|"))
}

/// With `BELLWIRE_REGENERATE=1` in the environment this writes the table instead.
#[test]
fn the_page_of_keys_has_every_key() {
    let text = fs::read_to_string(page()).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let after = rest.find("\n\n").map_or("", |end| &rest[end + 1..]);
    let current = format!("{before}{BEGIN}{}{after}", table());
    if std::env::vars_os().any(|(name, _)| name == "BELLWIRE_REGENERATE") {
        fs::write(page(), &current).unwrap();
    }
    let is_current = fs::read_to_string(page()).unwrap() == current;
    assert!(
        is_current,
        "docs/configuration.md is stale; write it anew with: BELLWIRE_REGENERATE=1 cargo test -p bellwire page_of_keys"
    );
}
