//! The real world: the wall clock, the system's random numbers, its limit on open files.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use bellwire_domain::{Clock, Entropy, Timestamp};
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

/// The names of the flags and environment variables that this process was given, without their values, which may be secret.
pub(crate) fn given_flags() -> Vec<String> {
    let flags = std::env::args_os().filter_map(|argument| {
        let text = argument.into_string().ok().filter(|text| text.starts_with("--"))?;
        Some(text.split('=').next().unwrap_or_default().to_owned())
    });
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let variables = variables.filter(|name| name.starts_with("BELLWIRE_"));
    let mut names: Vec<String> = flags.chain(variables).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

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
