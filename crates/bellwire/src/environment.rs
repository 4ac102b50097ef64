//! The real world, as the crates take it: the wall clock and the system's random numbers.

use std::time::UNIX_EPOCH;

use bellwire_domain::{Clock, Entropy, Timestamp};
use parking_lot::Mutex;

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

/// Random bytes asked for at once: a system call for every id would cost as much as the id.
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

/// Without random numbers nothing may be signed or sealed, and no id is unique: the process ends.
fn refill(buffer: &mut Buffer) {
    if let Err(error) = getrandom::fill(&mut buffer.bytes) {
        crate::telemetry::say(&format!("bellwire: the system gives no random numbers: {error}"));
        std::process::abort();
    }
    buffer.used = 0;
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
}
