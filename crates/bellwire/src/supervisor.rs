//! What systemd is told of this process (`Type=notify`, `WatchdogSec=`): that it serves, that it stops, and that it is alive.
//!
//! It is told over the datagram socket that `$NOTIFY_SOCKET` names. Without one, nobody is told anything.

use std::ffi::{OsStr, OsString};
use std::future::pending;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use bellwire_engine::Pulse;

/// How often the engine's pulse is felt within the time after which systemd restarts a silent process.
const LOOKS: u32 = 4;

/// Whoever supervises this process.
pub(crate) struct Supervisor {
    told_at: Option<(UnixDatagram, SocketAddr)>,
    /// How long it may be silent.
    silence_max: Option<Duration>,
}

impl Supervisor {
    /// As the environment names it.
    pub(crate) fn from_environment() -> Self {
        let variable = |name: &str| std::env::var_os(name);
        let told_at = variable("NOTIFY_SOCKET").and_then(|name| match connect(&name) {
            Ok(told_at) => Some(told_at),
            Err(error) => {
                tracing::warn!(%error, "NOTIFY_SOCKET: whoever supervises this process cannot be told how it is");
                None
            }
        });
        let silence_max = silence_max(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), std::process::id());
        Self { told_at, silence_max }
    }

    /// From now on it serves.
    pub(crate) fn ready(&self) {
        self.tell("READY=1");
    }

    /// From now on it stops.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Says that this process is alive, as long as the engine's pulse is felt. It never returns.
    pub(crate) async fn watch(&self, mut pulse: Pulse) {
        let Some(silence_max) = self.silence_max.filter(|_| self.told_at.is_some()) else { return pending().await };
        let mut felt_at = Instant::now();
        loop {
            tokio::time::sleep(silence_max / LOOKS).await;
            if pulse.is_felt() {
                felt_at = Instant::now();
                self.tell("WATCHDOG=1");
            } else {
                tracing::warn!(silent_s = felt_at.elapsed().as_secs(), "{} does not answer", pulse.missing());
            }
        }
    }

    fn tell(&self, state: &str) {
        let Some((socket, address)) = &self.told_at else { return };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), address) {
            tracing::warn!(%error, state, "whoever supervises this process cannot be told");
        }
    }
}

/// A socket that never waits, and the address to send to: a path, or after an `@` a name that is in no folder.
fn connect(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// How long this process may be silent, if it is the one that is meant.
fn silence_max(microseconds: Option<OsString>, meant: Option<OsString>, own: u32) -> Option<Duration> {
    let is_meant = meant.is_none_or(|meant| meant.to_str() == Some(own.to_string().as_str()));
    let microseconds: u64 = microseconds?.to_str()?.parse().ok()?;
    Some(Duration::from_micros(microseconds)).filter(|silence| is_meant && !silence.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_process_that_is_meant_is_watched() {
        let silence =
            |microseconds: Option<&str>, meant: Option<&str>| silence_max(microseconds.map(Into::into), meant.map(Into::into), 7);
        let second = Some(Duration::from_secs(1));
        assert_eq!((silence(Some("1000000"), None), silence(Some("1000000"), Some("7"))), (second, second));
        for (microseconds, meant) in [(Some("1000000"), Some("8")), (Some("0"), None), (Some("soon"), None), (None, Some("7"))] {
            assert_eq!(silence(microseconds, meant), None, "{microseconds:?} {meant:?}");
        }
    }

    #[test]
    fn a_socket_has_a_path_or_a_name_that_is_in_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("bellwire-test-{}", std::process::id());
        let sockets = [
            (UnixDatagram::bind(&path).unwrap(), path.clone().into_os_string()),
            (UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap(), format!("@{name}").into()),
        ];
        for (socket, named) in sockets {
            let supervisor = Supervisor { told_at: Some(connect(&named).unwrap()), silence_max: None };
            supervisor.ready();
            supervisor.stopping();
            let mut read = [0; 64];
            for told in ["READY=1", "STOPPING=1"] {
                let length = socket.recv(&mut read).unwrap();
                assert_eq!(&read[..length], told.as_bytes());
            }
        }
    }
}
