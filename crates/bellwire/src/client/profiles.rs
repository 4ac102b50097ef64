//! Servers and keys that somebody has signed in with, by name, in a file that nobody else may read.

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use super::http::ServerUrl;

/// The file below the folder of settings.
const FILE: &str = "bellwire/profiles.json";
/// What others may do with a file.
const OTHERS: u32 = 0o077;

/// A server and the key for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) server: ServerUrl,
    pub(crate) key: String,
    /// A file of certificate authorities to trust for it too.
    pub(crate) cacert: Option<PathBuf>,
}

/// All of them, as they stand in the file.
pub(crate) struct Profiles {
    path: PathBuf,
    all: Map<String, Value>,
}

impl Profiles {
    /// Those below this folder of settings; none, where there is no file.
    pub(crate) fn load(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self { path, all: Map::new() }),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let mode = file.metadata().with_context(|| path.display().to_string())?.permissions().mode();
        if mode & OTHERS != 0 {
            bail!(
                "{}: others may read the keys in it; chmod 600 it, and revoke the keys if others could see them",
                path.display()
            );
        }
        let read: Result<Value, _> = serde_json::from_reader(file);
        match read {
            Ok(Value::Object(all)) => Ok(Self { path, all }),
            _ => bail!("{}: it is not as `bellwire login` writes it; remove it and sign in again", path.display()),
        }
    }

    /// Where they are kept.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The one with this name.
    pub(crate) fn get(&self, name: &str) -> anyhow::Result<Option<Profile>> {
        let Some(found) = self.all.get(name) else { return Ok(None) };
        let text = |field: &str| found.get(field).and_then(Value::as_str);
        let profile = text("server").and_then(|server| server.parse().ok()).zip(text("key"));
        let (server, key) =
            profile.with_context(|| format!("{}: the profile `{name}` has no server or no key", self.path.display()))?;
        Ok(Some(Profile { server, key: key.to_owned(), cacert: text("cacert").map(PathBuf::from) }))
    }

    /// Keeps one under a name.
    pub(crate) fn put(&mut self, name: &str, profile: &Profile) -> anyhow::Result<()> {
        let kept = json!({ "server": profile.server.to_string(), "key": profile.key, "cacert": profile.cacert });
        self.all.insert(name.to_owned(), kept);
        self.save()
    }

    /// Forgets one; whether there was one.
    pub(crate) fn remove(&mut self, name: &str) -> anyhow::Result<bool> {
        let was_there = self.all.remove(name).is_some();
        if was_there {
            self.save()?;
        }
        Ok(was_there)
    }

    /// Writes the file as a whole, beside the old one and then in its place.
    fn save(&self) -> anyhow::Result<()> {
        let name = || self.path.display().to_string();
        let folder = self.path.parent().with_context(name)?;
        DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(name)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).with_context(name)?; // only its owner may read it
        serde_json::to_writer_pretty(&mut file, &self.all).with_context(name)?;
        file.write_all(b"\n").and_then(|()| file.as_file().sync_all()).with_context(name)?;
        file.persist(&self.path).map(drop).with_context(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again_and_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile { server: "https://hooks.example".parse().unwrap(), key: "k".to_owned(), cacert: None };
        let mut profiles = Profiles::load(folder.path()).unwrap();
        assert_eq!(profiles.get("default").unwrap(), None);
        profiles.put("default", &profile).unwrap();
        profiles.put("other", &profile).unwrap();
        let path = profiles.path().to_owned();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut again = Profiles::load(folder.path()).unwrap();
        assert_eq!(again.get("default").unwrap(), Some(profile));
        assert!(again.remove("default").unwrap() && !again.remove("default").unwrap());
        assert_eq!(Profiles::load(folder.path()).unwrap().get("default").unwrap(), None);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Profiles::load(folder.path()).err().unwrap().to_string().contains("chmod 600"));
    }
}
