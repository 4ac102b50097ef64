//! The master key: from the environment, from a command, from a credential that systemd hands over, or kept next to the database;
//! and the one that takes its place.

mod command;
mod file;

use file::Bytes;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bellwire_domain::{Entropy, Secret};
use bellwire_store::{Location, MasterKey};

use crate::cli::{MasterKeyArguments, MasterKeysArguments};
use crate::environment::credential;

/// The credentials that hold the key, and the one that takes its place.
const CREDENTIAL: &str = "master-key";
const NEXT_CREDENTIAL: &str = "new-master-key";

/// The configured keys, or those in the files next to the database, where one is made on first use.
pub(crate) fn load(arguments: &MasterKeysArguments, location: &Location, entropy: &dyn Entropy) -> anyhow::Result<MasterKey> {
    let current = find_current(&arguments.current, location)?;
    let database = match location {
        Location::Sqlite(database) => database,
        // Every node needs the same key, and no node is the place to keep it.
        Location::Postgres(_) => {
            let current = current.context("set BELLWIRE_MASTER_KEY, the same for every node over this database")?;
            return together(&current, arguments);
        }
    };
    let path = file::beside(database);
    match current {
        Some(current) => together(&current, arguments),
        None if database.exists() => {
            bail!(
                "the database {} has no master key next to it ({}); set BELLWIRE_MASTER_KEY",
                database.display(),
                path.display()
            )
        }
        None => together(&Current { key: file::make(&path, entropy)?, file: Some(path) }, arguments),
    }
}

/// The configured keys, or those in the files next to the database, if there are any.
pub(crate) fn find(arguments: &MasterKeysArguments, location: &Location) -> anyhow::Result<Option<MasterKey>> {
    match find_current(&arguments.current, location)? {
        Some(current) => together(&current, arguments).map(Some),
        None => Ok(configured_next(arguments)?.as_ref().map(known)),
    }
}

/// The configured key, or the one in the file next to the database, if there is one.
pub(crate) fn find_one(arguments: &MasterKeyArguments, location: &Location) -> anyhow::Result<Option<MasterKey>> {
    Ok(find_current(arguments, location)?.map(|current| known(&current.key)))
}

/// Whether keys that are given as text have the form of one. No command is run and no file is read.
pub(crate) fn check(arguments: &MasterKeysArguments) -> anyhow::Result<()> {
    let form = |text: Option<&str>, name| text.map_or(Ok(()), |text| decode(text).map(drop).context(name));
    form(arguments.current.master_key.as_deref(), "BELLWIRE_MASTER_KEY")?;
    form(arguments.new_master_key.as_deref(), "BELLWIRE_NEW_MASTER_KEY")
}

/// The keys of a rotation.
pub(crate) struct Replacement {
    pub(crate) from: MasterKey,
    pub(crate) to: MasterKey,
    to_bytes: Bytes,
    /// Where the old one is kept next to the database.
    file: Option<PathBuf>,
    /// Where the new one is kept there meanwhile, if it was not configured.
    pub(crate) kept: Option<PathBuf>,
}

/// The keys of a rotation. Where the old one is kept next to the database and no new one is configured, the new one is drawn, and
/// kept there too before anything is done with it.
pub(crate) fn replacement(
    arguments: &MasterKeysArguments,
    location: &Location,
    entropy: &dyn Entropy,
) -> anyhow::Result<Replacement> {
    let current = find_current(&arguments.current, location)?
        .context("there is no master key: set BELLWIRE_MASTER_KEY to the one that the database has")?;
    let (next, kept) = match (configured_next(arguments)?, current.file.as_deref()) {
        (Some(next), _) => (next, None),
        (None, Some(file)) => {
            let kept = file::next(file);
            let next = match read_file(&kept)? {
                Some(next) => next,
                None => file::draw(&kept, entropy)?,
            };
            (next, Some(kept))
        }
        (None, None) => {
            bail!("set BELLWIRE_NEW_MASTER_KEY to the new key: 32 bytes in base64, as `openssl rand -base64 32` prints")
        }
    };
    let (from, to) = (known(&current.key), known(&next));
    Ok(Replacement { from, to, to_bytes: next, file: current.file, kept })
}

impl Replacement {
    /// Puts the new key in the place of the old one where that is kept next to the database; where that is.
    pub(crate) fn conclude(&self) -> anyhow::Result<Option<&Path>> {
        let Some(path) = &self.file else { return Ok(None) };
        file::replace(path, &self.to_bytes)?;
        Ok(Some(path))
    }
}

/// The file next to the database, if it exists.
pub(crate) fn beside_if_any(database: &Path) -> Option<PathBuf> {
    Some(file::beside(database)).filter(|path| path.exists())
}

/// A key, and the file that it comes from if it was not configured.
struct Current {
    key: Bytes,
    file: Option<PathBuf>,
}

fn find_current(arguments: &MasterKeyArguments, location: &Location) -> anyhow::Result<Option<Current>> {
    if let Some(text) = &arguments.master_key {
        return Ok(Some(Current { key: decode(text).context("BELLWIRE_MASTER_KEY")?, file: None }));
    }
    if let Some(command) = &arguments.master_key_command {
        let printed = command::run(command, command::TIME_MAX).context("--master-key-command")?;
        return Ok(Some(Current { key: decode(&printed).context("--master-key-command")?, file: None }));
    }
    if let Some(text) = credential(CREDENTIAL)? {
        return Ok(Some(Current { key: decode(text.expose()).with_context(|| named(CREDENTIAL))?, file: None }));
    }
    let Location::Sqlite(database) = location else { return Ok(None) };
    let path = file::beside(database);
    Ok(read_file(&path)?.map(|key| Current { key, file: Some(path) }))
}

fn configured_next(arguments: &MasterKeysArguments) -> anyhow::Result<Option<Bytes>> {
    if let Some(text) = arguments.new_master_key.as_deref() {
        return decode(text).context("BELLWIRE_NEW_MASTER_KEY").map(Some);
    }
    let text = credential(NEXT_CREDENTIAL)?;
    text.map(|text| decode(text.expose())).transpose().with_context(|| named(NEXT_CREDENTIAL))
}

/// What to call a credential in a message.
fn named(credential: &str) -> String {
    format!("the credential `{credential}`")
}

/// The key with the one that takes its place, if there is one.
fn together(current: &Current, arguments: &MasterKeysArguments) -> anyhow::Result<MasterKey> {
    let next = match (configured_next(arguments)?, &current.file) {
        (None, Some(file)) => read_file(&file::next(file))?,
        (next, _) => next,
    };
    let key = known(&current.key);
    Ok(match next {
        Some(next) => key.replaced_by(known(&next)),
        None => key,
    })
}

fn known(bytes: &Bytes) -> MasterKey {
    MasterKey::new(*bytes.expose())
}

fn read_file(path: &Path) -> anyhow::Result<Option<Bytes>> {
    match file::read(path)? {
        Some(text) => decode(&text).with_context(|| path.display().to_string()).map(Some),
        None => Ok(None),
    }
}

fn decode(text: &str) -> anyhow::Result<Bytes> {
    let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    match bytes {
        Some(bytes) => Ok(Secret::new(bytes)),
        None => bail!("a master key is 32 bytes in base64, as `openssl rand -base64 32` prints"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::environment::SystemEntropy;

    fn nothing() -> MasterKeysArguments {
        let current = MasterKeyArguments { master_key: None, master_key_command: None };
        MasterKeysArguments { current, new_master_key: None }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn is_made_once_and_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("b.db");
        let location = Location::Sqlite(database.clone());
        load(&nothing(), &location, &SystemEntropy::default()).unwrap();
        let file = file::beside(&database);
        assert_eq!(mode(&file), 0o600);
        let first = fs::read(&file).unwrap();
        fs::write(&database, b"").unwrap();
        load(&nothing(), &location, &SystemEntropy::default()).unwrap();
        assert_eq!(fs::read(&file).unwrap(), first);
        fs::remove_file(&file).unwrap();
        assert!(load(&nothing(), &location, &SystemEntropy::default()).is_err(), "a database never gets a second key");
    }

    #[test]
    fn a_key_that_is_drawn_for_a_rotation_is_kept_until_it_takes_the_place_of_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("b.db");
        let location = Location::Sqlite(database.clone());
        let entropy = SystemEntropy::default();
        load(&nothing(), &location, &entropy).unwrap();
        let (file, before) = (file::beside(&database), fs::read(file::beside(&database)).unwrap());
        let first = replacement(&nothing(), &location, &entropy).unwrap();
        let kept = first.kept.clone().unwrap();
        assert_eq!((mode(&kept), fs::read(&file).unwrap()), (0o600, before.clone()));
        let again = replacement(&nothing(), &location, &entropy).unwrap();
        assert_eq!(first.to_bytes.expose(), again.to_bytes.expose(), "the next one goes on with the same");
        assert_eq!(again.conclude().unwrap(), Some(file.as_path()));
        assert_eq!(decode(&fs::read_to_string(&file).unwrap()).unwrap().expose(), first.to_bytes.expose());
        assert_eq!((mode(&file), kept.exists()), (0o600, false));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");
    }

    #[test]
    fn without_a_file_nothing_is_drawn_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("b.db"));
        let mut arguments = nothing();
        arguments.current.master_key = Some(STANDARD.encode([7; 32]));
        let refused = replacement(&arguments, &location, &SystemEntropy::default()).err().unwrap();
        assert!(refused.to_string().contains("BELLWIRE_NEW_MASTER_KEY"), "{refused}");
        arguments.new_master_key = Some(STANDARD.encode([8; 32]));
        let made = replacement(&arguments, &location, &SystemEntropy::default()).unwrap();
        assert_eq!(made.conclude().unwrap(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
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
