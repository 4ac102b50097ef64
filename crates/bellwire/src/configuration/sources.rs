//! What `serve` is configured with, and where each value comes from.

use std::path::Path;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::file::ConfigurationFile;
use super::keys::{self, Key};
use super::masking::{MASK, without_password};

/// What a command was configured with.
#[derive(Debug, Default)]
pub(crate) struct Configured {
    /// What `serve` and `config show` were given.
    pub(super) matches: Option<ArgMatches>,
    pub(super) file: Option<ConfigurationFile>,
}

/// One key, for people.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) key: String,
    /// `None`: nothing is set. A secret is masked.
    pub(crate) value: Option<String>,
    pub(crate) source: String,
}

impl Configured {
    /// The file, and how many keys it holds.
    pub(crate) fn file(&self) -> Option<(&Path, usize)> {
        self.file.as_ref().map(|file| (file.path.as_path(), file.settings.len()))
    }

    /// The keys that the file sets, without their values.
    pub(crate) fn file_keys(&self) -> impl Iterator<Item = String> {
        self.file.iter().flat_map(|file| file.settings.iter().map(|setting| setting.key.name.clone()))
    }

    /// Every key, its value, and where that comes from.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        keys::all().iter().map(|key| self.shown_key(key)).collect()
    }

    fn shown_key(&self, key: &Key) -> Shown {
        let matches = self.matches.as_ref();
        let values: Vec<String> = matches
            .and_then(|matches| matches.get_raw(&key.id))
            .map(|values| values.map(|value| masked(key, &value.to_string_lossy())).collect())
            .unwrap_or_default();
        let from_file = self.file.as_ref().and_then(|file| Some((file, file.used.get(&key.id)?)));
        let source = match (from_file, matches.and_then(|matches| matches.value_source(&key.id))) {
            (Some((file, line)), _) => format!("{}:{line}", file.path.display()),
            (None, Some(ValueSource::CommandLine)) => format!("flag --{}", key.name),
            (None, Some(ValueSource::EnvVariable)) => format!("variable {}", key.variable),
            (None, Some(_)) => "default".to_owned(),
            (None, None) => "not set".to_owned(),
        };
        Shown { key: key.name.clone(), value: Some(values.join(",")).filter(|text| !text.is_empty()), source }
    }
}

fn masked(key: &Key, value: &str) -> String {
    if key.is_secret { MASK.to_owned() } else { without_password(value) }
}
