//! How `serve` is configured: by flags, then variables, then a file, then defaults.
//!
//! There is one list of keys, and it is that of the flags: [`keys`] reads it from what clap knows. What a file says is handed to clap as
//! if it had been typed, so that a value means the same wherever it is written.

mod file;
mod keys;
mod masking;
mod sources;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};

use crate::cli::{self, Cli};
use file::{ConfigurationFile, Setting};
pub(crate) use sources::{Configured, Shown};

/// Why what was given cannot be used.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Flags or variables are wrong; or it is no error: somebody asks for help.
    Flags(Box<clap::Error>),
    /// A configuration file is wrong: each fault with file and line.
    File(Vec<String>),
}

impl Refusal {
    /// Each thing that is wrong, in a line.
    pub(crate) fn faults(&self) -> Vec<String> {
        match self {
            Self::Flags(error) => vec![cli::one_line(error)],
            Self::File(faults) => faults.clone(),
        }
    }

    /// The same in one line: the first of them, and how many follow.
    pub(crate) fn one_line(&self) -> String {
        let faults = self.faults();
        match faults.as_slice() {
            [] => String::new(),
            [only] => only.clone(),
            [first, more @ ..] => format!("{first}; and {} more: see `bellwire config check`", more.len()),
        }
    }
}

/// What was typed, completed by the configuration file that it names, if it names one.
pub(crate) fn parse(words: Vec<OsString>) -> Result<(Cli, Configured), Refusal> {
    let Some((path, given)) = named_file(&words) else { return parse_words(words, None) };
    let file = file::read(&path).map_err(Refusal::File)?;
    let command = keys::serve();
    let taken = |setting: &&Setting| !is_given(&given, &setting.key.id) && !is_replaced(&given, &command, setting);
    let settings: Vec<&Setting> = file.settings.iter().filter(taken).collect();
    let added = settings.iter().flat_map(|setting| setting.words.iter().map(OsString::from));
    let words = words.into_iter().chain(added).collect();
    let used = settings.iter().map(|setting| (setting.key.id.clone(), setting.line)).collect();
    parse_words(words, Some(ConfigurationFile { used, ..file }))
}

fn parse_words(words: Vec<OsString>, file: Option<ConfigurationFile>) -> Result<(Cli, Configured), Refusal> {
    let wrong = |error: clap::Error| match &file {
        // What is wrong between two keys may be wrong because of the file.
        Some(file) if !cli::is_answer(&error) => {
            Refusal::File(vec![format!("{} (with {})", cli::one_line(&error), file.path.display())])
        }
        _ => Refusal::Flags(Box::new(error)),
    };
    let matches = Cli::command().try_get_matches_from(words).map_err(wrong)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| Refusal::Flags(Box::new(error)))?;
    Ok((cli, Configured { matches: served(&matches).cloned(), file }))
}

/// What flags and variables say where the command is one that a file may configure.
fn served(matches: &ArgMatches) -> Option<&ArgMatches> {
    match matches.subcommand()? {
        ("serve", matches) => Some(matches),
        ("config", matches) => matches.subcommand_matches("show"),
        _ => None,
    }
}

/// The configuration file that flags or variables name. Whatever else is wrong with them is found later.
fn named_file(words: &[OsString]) -> Option<(PathBuf, ArgMatches)> {
    let matches = Cli::command().ignore_errors(true).try_get_matches_from(words).ok()?;
    let given = served(&matches)?;
    let path = given.try_get_one::<PathBuf>("config").ok().flatten()?;
    Some((path.clone(), given.clone()))
}

/// Whether a flag or a variable says something for a key.
fn is_given(given: &ArgMatches, id: &str) -> bool {
    matches!(given.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

/// Whether a flag or a variable says something that can only be said in place of this.
fn is_replaced(given: &ArgMatches, command: &clap::Command, setting: &Setting) -> bool {
    keys::conflicts(command, &setting.key.id).iter().any(|other| is_given(given, other))
}
