//! The master key: from the environment, or kept next to the database.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bellwire_domain::Entropy;
use bellwire_store::{Location, MasterKey};

/// The configured key, or the one in the file next to the database, which is created on first use.
pub(crate) fn load(configured: Option<&str>, location: &Location, entropy: &dyn Entropy) -> anyhow::Result<MasterKey> {
    let key = find(configured, location)?;
    let database = match location {
        Location::Sqlite(database) => database,
        // Every node needs the same key, and no node is the place to keep it.
        Location::Postgres(_) => return key.context("set BELLWIRE_MASTER_KEY, the same for every node over this database"),
    };
    let path = beside(database);
    match key {
        Some(key) => Ok(key),
        None if database.exists() => {
            bail!(
                "the database {} has no master key next to it ({}); set BELLWIRE_MASTER_KEY",
                database.display(),
                path.display()
            )
        }
        None => make(&path, entropy),
    }
}

/// The configured key, or the one in the file next to the database, if there is one.
pub(crate) fn find(configured: Option<&str>, location: &Location) -> anyhow::Result<Option<MasterKey>> {
    if let Some(text) = configured {
        return decode(text).context("BELLWIRE_MASTER_KEY").map(Some);
    }
    let Location::Sqlite(database) = location else { return Ok(None) };
    let path = beside(database);
    match fs::read_to_string(&path) {
        Ok(text) => decode(&text).with_context(|| path.display().to_string()).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read the master key {}", path.display())),
    }
}

/// The file next to the database, if it exists.
pub(crate) fn beside_if_any(database: &Path) -> Option<PathBuf> {
    Some(beside(database)).filter(|path| path.exists())
}

fn beside(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".master-key");
    path.into()
}

fn make(path: &Path, entropy: &dyn Entropy) -> anyhow::Result<MasterKey> {
    let bytes: [u8; 32] = entropy.bytes();
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(STANDARD.encode(bytes).as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write a master key to {}", path.display()))?;
    tracing::warn!(
        path = %path.display(),
        "created a master key next to the database; without it the database cannot be read, so back it up elsewhere, or set BELLWIRE_MASTER_KEY"
    );
    Ok(MasterKey::new(bytes))
}

fn decode(text: &str) -> anyhow::Result<MasterKey> {
    let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    match bytes {
        Some(bytes) => Ok(MasterKey::new(bytes)),
        None => bail!("a master key is 32 bytes in base64, as `openssl rand -base64 32` prints"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::environment::SystemEntropy;

    #[test]
    fn is_made_once_and_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("b.db");
        let location = Location::Sqlite(database.clone());
        load(None, &location, &SystemEntropy::default()).unwrap();
        let file = beside(&database);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let first = fs::read(&file).unwrap();
        fs::write(&database, b"").unwrap();
        load(None, &location, &SystemEntropy::default()).unwrap();
        assert_eq!(fs::read(&file).unwrap(), first);
        fs::remove_file(&file).unwrap();
        assert!(load(None, &location, &SystemEntropy::default()).is_err(), "a database never gets a second key");
    }

    #[test]
    fn a_key_of_the_wrong_form_is_refused_without_repeating_it() {
        for text in ["", "short", "bm90IDMyIGJ5dGVz"] {
            let error = decode(text).unwrap_err().to_string();
            assert!(error.contains("32 bytes") && (text.is_empty() || !error.contains(text)), "{error}");
        }
        assert!(decode(&STANDARD.encode([7; 32])).is_ok());
    }
}
