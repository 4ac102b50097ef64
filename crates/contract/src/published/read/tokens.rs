//! Reads `published.authentication.tokens`.

use std::time::Duration;

use crate::assertion::AssertionAlgorithm;
use crate::diagnostic::Report;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::published::read::route::read_path;
use crate::published::tokens::{ScopeRight, TokenRules};
use crate::reader::{Fields, entries, items, join, word};
use crate::yaml::Node;

/// How long a token is good unless the contract says otherwise.
const LIFETIME: Duration = Duration::from_secs(5 * 60);
const LIFETIME_MAX: Duration = Duration::from_secs(60 * 60);
/// Scopes, and bytes of all their names: an answer and a token have them all.
const SCOPES_MAX: usize = 50;
const SCOPES_BYTES_MAX: usize = 2_048;
const SCOPES_HELP: &str = "name what tokens are for, and what each may do: `scopes: { \"system/*.rs\": read }`";
const ALGORITHMS_HELP: &str = "list `RS384`, `ES384` or both";

/// The value of `tokens`.
pub(super) const TOKENS: Shape = Shape::Named(&Definition {
    name: "published_tokens",
    about: "Access tokens, which clients get for an assertion that they have signed.",
    shape: Shape::Keys(KEYS),
    examples: &[],
});
const KEYS: &[KeySpec] = &[
    KeySpec::required("path", Shape::Pattern("^/"), "Where they are asked for.", "write a path such as `/auth/token`"),
    KeySpec::required("scopes", Shape::MapOf(&Shape::Words(ScopeRight::WORDS)), "What they are for.", SCOPES_HELP),
    KeySpec::optional(
        "algorithms",
        Shape::List { of: &Shape::Words(AssertionAlgorithm::WORDS), min: Some(1), max: None },
        "How assertions may be signed; any of these unless given.",
    ),
    KeySpec::optional("lifetime", Shape::DURATION, "How long a token is good; `5m` unless given."),
    KeySpec::optional("configuration", Shape::Pattern("^/"), "The path of a public document about all this."),
];

/// Reads it. `url` is where consumers reach the API.
pub(super) fn read_tokens(node: &Node, place: &str, url: Option<&str>, report: &mut Report) -> Option<TokenRules> {
    let fields = Fields::open(node, place, KEYS, report)?;
    if url.is_none() {
        let help = "say where consumers reach the API: `published: { url: https://api.example.com, … }`";
        report.add(node.at, place, "tokens need the `url` of the API, which assertions name", help);
    }
    let path = fixed_path(&fields, "path", report);
    let configuration = fields.get("configuration").map(|_| fixed_path(&fields, "configuration", report));
    if path.is_some() && configuration.as_ref() == Some(&path) {
        let help = "put the document elsewhere, such as at `/.well-known/smart-configuration`";
        report.add(fields.at("configuration"), &fields.path_of("configuration"), "tokens are asked for at this path", help);
    }
    let algorithms = read_algorithms(&fields, report);
    let lifetime = read_lifetime(&fields, report);
    let scopes = read_scopes(&fields, report);
    let path = path?;
    Some(TokenRules {
        url: format!("{}{path}", url.unwrap_or_default()),
        path,
        algorithms: algorithms?,
        lifetime: lifetime?,
        configuration: configuration.map_or(Some(None), |path| path.map(Some))?,
        scopes: scopes?,
    })
}

/// A path in which nothing varies.
fn fixed_path(fields: &Fields<'_>, key: &str, report: &mut Report) -> Option<String> {
    let node = fields.get(key)?;
    let path = read_path(node, &fields.path_of(key), report)?;
    if path.contains('{') {
        report.add(node.at, &fields.path_of(key), "nothing varies in this path", "write it without `{…}`");
        return None;
    }
    Some(path)
}

fn read_algorithms(fields: &Fields<'_>, report: &mut Report) -> Option<Vec<AssertionAlgorithm>> {
    let Some(node) = fields.get("algorithms") else { return Some(AssertionAlgorithm::ALL.to_vec()) };
    let place = fields.path_of("algorithms");
    let listed = items(node, &place, ALGORITHMS_HELP, report)?;
    if listed.is_empty() {
        report.add(node.at, &place, "the list is empty", ALGORITHMS_HELP);
    }
    listed.iter().enumerate().map(|(index, node)| word(node, &format!("{place}[{index}]"), report)).collect()
}

fn read_lifetime(fields: &Fields<'_>, report: &mut Report) -> Option<Duration> {
    if fields.get("lifetime").is_none() {
        return Some(LIFETIME);
    }
    let lifetime = fields.duration("lifetime", report)?;
    if lifetime < Duration::from_secs(1) || lifetime > LIFETIME_MAX || lifetime.subsec_nanos() > 0 {
        let help = "write whole seconds, from `1s` to `1h`";
        report.add(fields.at("lifetime"), &fields.path_of("lifetime"), "this is no lifetime for a token", help);
        return None;
    }
    Some(lifetime)
}

/// The names are for the platform and its clients to understand (RFC 6749 §3.3 says which characters they have).
fn read_scopes(fields: &Fields<'_>, report: &mut Report) -> Option<Vec<(String, ScopeRight)>> {
    let (node, place) = (fields.get("scopes")?, fields.path_of("scopes"));
    let listed = entries(node, &place, SCOPES_HELP, report)?;
    if listed.is_empty() || listed.len() > SCOPES_MAX {
        report.add(node.at, &place, format!("there are {} scopes", listed.len()), format!("name 1 to {SCOPES_MAX}"));
    }
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    let mut scopes = Vec::new();
    for (key, node) in listed {
        let place = join(&place, &key.text);
        if key.text.is_empty() || !key.text.bytes().all(is_plain) {
            let help = "write letters, digits and signs, without spaces, `\"` and `\\`";
            report.add(key.at, &place, "this is not the name of a scope", help);
        }
        scopes.push((key.text.clone(), word(node, &place, report)?));
    }
    if scopes.iter().map(|(name, _)| name.len() + 1).sum::<usize>() > SCOPES_BYTES_MAX {
        report.add(
            node.at,
            &place,
            "the names of all scopes are too long",
            format!("use at most {SCOPES_BYTES_MAX} bytes in all"),
        );
    }
    Some(scopes)
}
