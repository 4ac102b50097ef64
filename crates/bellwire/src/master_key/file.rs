//! The master key next to an SQLite database, in a file that only its owner can read.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bellwire_domain::{Entropy, Secret};

/// A key's 32 bytes.
pub(super) type Bytes = Secret<[u8; 32]>;

/// The file that belongs to a database.
pub(super) fn beside(database: &Path) -> PathBuf {
    with_ending(database, ".master-key")
}

/// The file of the key that takes the place of the one in this file.
pub(super) fn next(file: &Path) -> PathBuf {
    with_ending(file, ".new")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// What is in a file, if there is one.
pub(super) fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read the master key {}", path.display())),
    }
}

/// Makes a key for a new database.
pub(super) fn make(path: &Path, entropy: &dyn Entropy) -> anyhow::Result<Bytes> {
    let key = draw(path, entropy)?;
    tracing::warn!(
        path = %path.display(),
        "created a master key next to the database; without it the database cannot be read, so back it up elsewhere, or set BELLWIRE_MASTER_KEY"
    );
    Ok(key)
}

/// Draws a key and writes it to a file that is not there yet.
pub(super) fn draw(path: &Path, entropy: &dyn Entropy) -> anyhow::Result<Bytes> {
    let key = Secret::new(entropy.bytes());
    write(path, &key, Existing::Refused)?;
    Ok(key)
}

/// Puts a key in the place of the one in a file, and removes the file in which it was kept until then.
pub(super) fn replace(path: &Path, key: &Bytes) -> anyhow::Result<()> {
    write(path, key, Existing::Replaced)?;
    let kept = next(path);
    match fs::remove_file(&kept) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(|| kept.display().to_string()),
        _ => Ok(()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    Refused,
    Replaced,
}

/// Writes a file that has at every instant all of its content, the one before or this one.
fn write(path: &Path, key: &Bytes, existing: Existing) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || -> io::Result<()> {
        // It is for its owner only from the beginning.
        let mut file = tempfile::Builder::new().prefix(".master-key.").tempfile_in(folder)?;
        file.write_all(STANDARD.encode(key.expose()).as_bytes())?;
        file.as_file().sync_all()?;
        match existing {
            Existing::Refused => file.persist_noclobber(path)?,
            Existing::Replaced => file.persist(path)?,
        };
        File::open(folder)?.sync_all()
    };
    written().with_context(|| format!("cannot write a master key to {}", path.display()))
}
