//! Where a new file goes: to a path where nothing is yet, or to standard output.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::telemetry;

/// A place for a new file.
#[derive(Debug)]
pub(super) struct Output {
    file: Option<PathBuf>,
    force: bool,
}

impl Output {
    /// `-` and no file at all are standard output. A file that is there already is refused before any work is done, unless `force`.
    pub(super) fn open(file: Option<&Path>, force: bool) -> anyhow::Result<Self> {
        let file = file.filter(|file| *file != Path::new("-")).map(Path::to_owned);
        match &file {
            Some(file) if !force && file.symlink_metadata().is_ok() => bail!("{}", taken(file)),
            _ => Ok(Self { file, force }),
        }
    }

    /// The file, if it is one.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Writes the text. A file that has come into being meanwhile is not touched.
    pub(super) fn write(&self, text: &str) -> anyhow::Result<()> {
        let Some(file) = &self.file else {
            telemetry::print_exactly(text.as_bytes());
            return Ok(());
        };
        let cannot = || format!("cannot write {}", file.display());
        if self.force {
            return fs::write(file, text).with_context(cannot);
        }
        match OpenOptions::new().write(true).create_new(true).open(file) {
            Ok(mut opened) => opened.write_all(text.as_bytes()).with_context(cannot),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!("{}", taken(file)),
            Err(error) => Err(error).with_context(cannot),
        }
    }
}

fn taken(file: &Path) -> String {
    format!("{} exists already; --force replaces it", file.display())
}
