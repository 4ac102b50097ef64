//! A configuration file: TOML whose keys are flags. No message repeats a value, which may be secret.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use toml::de::{DeTable, DeValue};

use super::keys::{self, Key, Kind};
use super::masking::has_password;
use crate::cli;

/// What a file may hold.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// What lets people in who are neither the file's owner nor of its group.
const OTHERS: u32 = 0o007;

/// A file as it was read.
#[derive(Debug, Clone)]
pub(crate) struct ConfigurationFile {
    pub(super) path: PathBuf,
    pub(super) settings: Vec<Setting>,
    /// The lines of the keys that nothing else took the place of, by clap's name.
    pub(super) used: BTreeMap<String, usize>,
}

/// One key of it.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) key: Key,
    pub(super) line: usize,
    /// What somebody would type for it.
    pub(super) words: Vec<String>,
}

/// Reads a file and checks each of its keys; otherwise all that is wrong, with file and line.
pub(super) fn read(path: &Path) -> Result<ConfigurationFile, Vec<String>> {
    let (text, mode) = open(path).map_err(|reason| vec![format!("cannot read {}: {reason}", path.display())])?;
    let settings = parse(&text, mode).map_err(|faults| {
        let located = |(line, reason): (usize, String)| format!("{}:{line}: {reason}", path.display());
        faults.into_iter().map(located).collect::<Vec<_>>()
    })?;
    Ok(ConfigurationFile { path: path.to_owned(), settings, used: BTreeMap::new() })
}

/// The text and the mode of one and the same file.
fn open(path: &Path) -> Result<(String, u32), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mode = file.metadata().map_err(|error| error.to_string())?.permissions().mode();
    let mut text = String::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if u64::try_from(read).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    Ok((text, mode))
}

/// A line, and what is wrong there.
type Fault = (usize, String);

/// The settings of a text whose file has this mode.
fn parse(text: &str, mode: u32) -> Result<Vec<Setting>, Vec<Fault>> {
    let line = |offset: usize| text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        vec![(line(offset), error.message().lines().collect::<Vec<_>>().join(", "))]
    })?;
    let mut entries: Vec<(usize, &str, &DeValue<'_>)> = Vec::new();
    for (key, value) in table.get_ref() {
        entries.push((line(key.span().start), key.get_ref(), value.get_ref()));
    }
    entries.sort_by_key(|(line, ..)| *line);
    let (reading, mut settings, mut faults) = (Reading::new(mode), Vec::<Setting>::new(), Vec::new());
    for (line, name, value) in entries {
        match reading.setting(line, name, value) {
            Ok(setting) if settings.iter().any(|known| known.key.id == setting.key.id) => {
                faults.push((line, format!("`{name}` is set twice")));
            }
            Ok(setting) => settings.push(setting),
            Err(reason) => faults.push((line, reason)),
        }
    }
    if faults.is_empty() { Ok(settings) } else { Err(faults) }
}

/// What is needed to understand one key.
struct Reading {
    keys: Vec<Key>,
    /// `serve` as it takes flags, whatever the environment says.
    command: Command,
    mode: u32,
}

impl Reading {
    fn new(mode: u32) -> Self {
        let command = keys::serve().mut_args(|argument| argument.env(None::<&'static str>));
        Self { keys: keys::all(), command, mode }
    }

    fn setting(&self, line: usize, name: &str, value: &DeValue<'_>) -> Result<Setting, String> {
        let flag = name.replace('_', "-");
        let key = self.keys.iter().find(|key| key.name == flag).ok_or_else(|| self.unknown(name, &flag))?;
        let wrong = || format!("`{name}` takes {}", key.kind.name());
        let words = words(key, value).ok_or_else(wrong)?;
        if self.mode & OTHERS != 0 && words.iter().any(|word| key.is_secret || has_password(word)) {
            return Err(format!(
                "`{name}` holds a secret, and the file's mode {:03o} lets everybody at it; run: chmod o= FILE, or set {} instead",
                self.mode & 0o777,
                key.variable
            ));
        }
        match self.refused(&words) {
            Some(reason) => Err(format!("`{name}`: {reason}")),
            None => Ok(Setting { key: key.clone(), line, words }),
        }
    }

    /// Why clap would not take this, looked at alone.
    fn refused(&self, words: &[String]) -> Option<String> {
        let words = std::iter::once("serve").chain(words.iter().map(String::as_str));
        let error = self.command.clone().try_get_matches_from(words).err()?;
        let is_about_others = matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict);
        (!is_about_others).then(|| match std::error::Error::source(&error) {
            Some(reason) => reason.to_string(),
            None => cli::one_line(&error),
        })
    }

    fn unknown(&self, name: &str, flag: &str) -> String {
        let tried = self.command.clone().try_get_matches_from(["serve".to_owned(), format!("--{flag}")]);
        let error = tried.err();
        let meant = error.as_ref().and_then(|error| match error.get(ContextKind::SuggestedArg)? {
            ContextValue::String(meant) => Some(meant.trim_start_matches('-')),
            _ => None,
        });
        let known = meant.filter(|meant| self.keys.iter().any(|key| key.name == *meant));
        match known {
            Some(meant) => format!("there is no key `{name}`; did you mean `{meant}`?"),
            None => format!("there is no key `{name}`; keys are the flags of `bellwire serve`"),
        }
    }
}

/// What somebody would type for a value of a key; `None`: the value is of another kind.
fn words(key: &Key, value: &DeValue<'_>) -> Option<Vec<String>> {
    let word = |value: &str| format!("--{}={value}", key.name);
    match (key.kind, value) {
        (Kind::Switch, DeValue::Boolean(true)) => Some(vec![format!("--{}", key.name)]),
        (Kind::Switch, DeValue::Boolean(false)) => Some(Vec::new()),
        (Kind::Number, DeValue::Integer(number)) => {
            let number = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
            Some(vec![word(&number.to_string())])
        }
        (Kind::Text, DeValue::String(text)) => Some(vec![word(text)]),
        (Kind::List, DeValue::Array(items)) => {
            let text = |item: &DeValue<'_>| item.as_str().map(word);
            items.iter().map(|item| text(item.get_ref())).collect()
        }
        _ => None,
    }
}
