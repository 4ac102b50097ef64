//! The real world: the wall clock, the system's random numbers, its limit on open files, and the credentials that it hands over.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, bail};
use bellwire_domain::{Clock, Entropy, Secret, Timestamp};
use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one wall clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}

/// Random bytes fetched at once: a system call per id would cost as much as the id.
const BUFFER: usize = 4_096;

/// The operating system's random numbers, fetched in blocks.
#[derive(Debug)]
pub(crate) struct SystemEntropy(Mutex<Buffer>);

#[derive(Debug)]
struct Buffer {
    bytes: [u8; BUFFER],
    used: usize,
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self(Mutex::new(Buffer { bytes: [0; BUFFER], used: BUFFER }))
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut buffer = self.0.lock();
        for byte in bytes {
            if buffer.used == BUFFER {
                refill(&mut buffer);
            }
            let used = buffer.used;
            if let Some(fresh) = buffer.bytes.get_mut(used) {
                *byte = std::mem::take(fresh);
            }
            buffer.used += 1;
        }
    }
}

/// Without random numbers nothing can be signed or sealed, and no id is unique, so the process exits.
fn refill(buffer: &mut Buffer) {
    if let Err(error) = getrandom::fill(&mut buffer.bytes) {
        crate::telemetry::say(&format!("bellwire: the system gives no random numbers: {error}"));
        std::process::abort();
    }
    buffer.used = 0;
}

/// Raises the limit on open files as far as allowed. Every connection is a file, and requests in flight alone would exceed the
/// usual limit. An attempt that fails for lack of files is our fault, but would count against its endpoint.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(error = %error, current = limit.current, "the limit on open files cannot be raised");
    }
}

/// Where this user's settings are kept, as the XDG Base Directory Specification has it.
pub(crate) fn settings_folder() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))
}

/// Whether colours are wanted: <https://no-color.org>.
pub(crate) fn has_colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether the terminal can be drawn on.
pub(crate) fn has_screen() -> bool {
    std::env::var_os("TERM").is_some_and(|terminal| !terminal.is_empty() && terminal != "dumb")
}

/// The names of the flags and environment variables that this process was given, and those of its configuration file's keys, without
/// their values, which may be secret.
pub(crate) fn given_flags(file_keys: impl IntoIterator<Item = String>) -> Vec<String> {
    let flags = std::env::args_os().filter_map(|argument| {
        let text = argument.into_string().ok().filter(|text| text.starts_with("--"))?;
        Some(text.split('=').next().unwrap_or_default().to_owned())
    });
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let variables = variables.filter(|name| name.starts_with("BELLWIRE_"));
    let mut names: Vec<String> = flags.chain(variables).chain(file_keys).collect();
    names.sort();
    names.dedup();
    names
}

/// What a credential may hold.
const CREDENTIAL_BYTES_MAX: u64 = 4_096;

/// A credential by its name: a file in `$CREDENTIALS_DIRECTORY`, where systemd puts what `LoadCredential=` names.
pub(crate) fn credential(name: &str) -> anyhow::Result<Option<Secret<String>>> {
    match std::env::var_os("CREDENTIALS_DIRECTORY") {
        Some(folder) => read_credential(Path::new(&folder), name),
        None => Ok(None),
    }
}

fn read_credential(folder: &Path, name: &str) -> anyhow::Result<Option<Secret<String>>> {
    let path = folder.join(name);
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.with_context(|| format!("cannot read the credential {}", path.display()))?,
    };
    let mut text = String::new();
    let read = file.take(CREDENTIAL_BYTES_MAX + 1).read_to_string(&mut text);
    let read = read.with_context(|| format!("cannot read the credential {}", path.display()))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > CREDENTIAL_BYTES_MAX {
        bail!("the credential {} has more than {CREDENTIAL_BYTES_MAX} bytes", path.display());
    }
    Ok(Some(Secret::new(text.trim().to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_file_without_its_line_break_or_none_and_never_a_large_one() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| read_credential(folder.path(), name).map(|found| found.map(|text| text.expose().clone()));
        std::fs::write(folder.path().join("key"), "s3cret \n").unwrap();
        std::fs::write(folder.path().join("large"), "s3cret".repeat(1_000)).unwrap();
        std::fs::write(folder.path().join("bytes"), b"s3cret\xff").unwrap();
        assert_eq!(read("key").unwrap().as_deref(), Some("s3cret"));
        assert_eq!(read("other").unwrap(), None);
        for name in ["large", "bytes", "."] {
            let refused = format!("{:#}", read(name).unwrap_err());
            assert!(refused.contains(name) && !refused.contains("s3cret"), "{refused}");
        }
    }

    #[test]
    fn no_bytes_are_given_twice() {
        let entropy = SystemEntropy::default();
        let draws: std::collections::HashSet<[u8; 16]> = (0..1_000).map(|_| (&entropy as &dyn Entropy).bytes()).collect();
        assert_eq!(draws.len(), 1_000);
    }

    #[test]
    fn the_limit_on_open_files_is_raised_to_what_is_permitted() {
        let before = getrlimit(Resource::Nofile);
        let low = before.maximum.map(|maximum| maximum / 2);
        setrlimit(Resource::Nofile, Rlimit { current: low, maximum: before.maximum }).unwrap();
        raise_file_limit();
        assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
    }
}
