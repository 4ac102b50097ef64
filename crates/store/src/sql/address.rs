//! Where the database is, as `postgres://user@host/name?…` says it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How long a server may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long data may stay unacknowledged before the connection is given up.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Whose certificates are trusted, and whether the host's name must be in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verification {
    /// Encrypted, with whoever answers.
    None,
    /// Signed by somebody who is trusted.
    Signer,
    /// And for the host that was asked.
    SignerAndName,
}

/// A PostgreSQL database, as a connection string names it.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    config: Box<Config>,
    pub(super) verification: Verification,
    /// The certificates to trust; `None`: the system's.
    pub(super) root_certificates: Option<PathBuf>,
}

/// Why a connection string is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(String);

impl PostgresUrl {
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The same without TLS, if that will do where the server refuses it.
    pub(super) fn without_tls(&self) -> Option<Config> {
        (self.config.get_ssl_mode() == SslMode::Prefer).then(|| {
            let mut plain = self.config().clone();
            plain.ssl_mode(SslMode::Disable);
            plain
        })
    }

    /// Whether nobody between here and the server can read or change what is said: the server proves who it is, or is on this machine.
    pub fn is_private(&self) -> bool {
        let is_socket = |host: &Host| matches!(host, Host::Unix(_));
        let hosts = self.config.get_hosts();
        let is_local = !hosts.is_empty() && self.config.get_hostaddrs().is_empty() && hosts.iter().all(is_socket);
        is_local || self.verification == Verification::SignerAndName
    }

    /// How long it may take until a session stands, whichever of the hosts it is with.
    pub(super) fn connect_max(&self) -> Duration {
        let hosts = self.config.get_hosts().len().max(self.config.get_hostaddrs().len()).max(1);
        let each = self.config.get_connect_timeout().copied().unwrap_or(CONNECT_MAX);
        each.saturating_mul(u32::try_from(hosts).unwrap_or(u32::MAX))
    }
}

impl FromStr for PostgresUrl {
    type Err = InvalidUrl;

    /// As libpq reads it. `sslmode` and `sslrootcert` are read here: the driver knows only some of their words.
    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut mode, mut root_certificates, mut others) = ("prefer".to_owned(), None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = || percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "sslmode" => mode = value(),
                "sslrootcert" => root_certificates = Some(PathBuf::from(value())),
                _ => others.push(pair),
            }
        }
        let rest = if others.is_empty() { address.to_owned() } else { format!("{address}?{}", others.join("&")) };
        let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
            let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            InvalidUrl(format!("{reason}; write it as postgres://user:password@host:5432/database"))
        })?;
        if config.get_dbname().is_none() {
            return Err(InvalidUrl("name the database, as in postgres://user@host/bellwire".to_owned()));
        }
        let (ssl, verification) = match mode.as_str() {
            "disable" => (SslMode::Disable, Verification::None),
            "prefer" => (SslMode::Prefer, Verification::None),
            // As libpq does: who names the certificates to trust wants them looked at.
            "require" if root_certificates.is_some() => (SslMode::Require, Verification::Signer),
            "require" => (SslMode::Require, Verification::None),
            "verify-ca" => (SslMode::Require, Verification::Signer),
            "verify-full" => (SslMode::Require, Verification::SignerAndName),
            _ => return Err(InvalidUrl("sslmode is disable, prefer, require, verify-ca or verify-full".to_owned())),
        };
        config.ssl_mode(ssl).keepalives_idle(KEEPALIVE).tcp_user_timeout(UNACKNOWLEDGED_MAX);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_MAX);
        }
        if config.get_application_name().is_none() {
            config.application_name("bellwire");
        }
        Ok(Self { config: Box::new(config), verification, root_certificates })
    }
}

/// Without the password.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(formatter, "{user}@")?;
        }
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            match host {
                Host::Tcp(name) => write!(formatter, "{separator}{name}")?,
                Host::Unix(path) => write!(formatter, "{separator}{}", path.display())?,
            }
            let ports = self.config.get_ports();
            if let Some(port) = ports.get(index).or_else(|| ports.first()) {
                write!(formatter, ":{port}")?;
            }
        }
        write!(formatter, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PostgresUrl {
        text.parse().unwrap()
    }

    #[test]
    fn reads_what_libpq_reads_and_shows_no_password() {
        let read = url("postgresql://ada:s%40cret@db.example:6432/bell?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem");
        assert_eq!(read.to_string(), "postgres://ada@db.example:6432/bell");
        assert!(!format!("{read:?}").contains("cret"));
        assert_eq!(read.root_certificates, Some("/etc/ca.pem".into()));
        assert_eq!((read.config.get_ssl_mode(), read.verification), (SslMode::Require, Verification::SignerAndName));
        assert_eq!(read.config.get_password(), Some("s@cret".as_bytes()));
        assert_eq!(url("postgres://a@one,two/x?target_session_attrs=read-write").to_string(), "postgres://a@one:5432,two:5432/x");
        assert_eq!(url("postgres:///x?host=/run/postgresql").config.get_hosts().len(), 1);
    }

    #[test]
    fn each_host_has_its_time_to_connect() {
        assert_eq!(url("postgres://h/d").connect_max(), CONNECT_MAX);
        assert_eq!(url("postgres://one,two/d?connect_timeout=7").connect_max(), Duration::from_secs(14));
    }

    #[test]
    fn it_is_private_over_a_socket_or_where_the_server_proves_who_it_is() {
        for (text, expected) in [
            ("postgres://ada@db.example/bell?sslmode=verify-full", true),
            ("postgres://ada@%2Frun%2Fpostgresql/bell", true),
            ("postgres://ada@db.example/bell", false),
            ("postgres://ada@db.example/bell?sslmode=verify-ca", false),
            ("postgres://ada@127.0.0.1/bell?sslmode=disable", false),
        ] {
            assert_eq!(url(text).is_private(), expected, "{text}");
        }
    }

    #[test]
    fn every_sslmode_means_what_it_means_to_libpq() {
        let modes = [
            ("disable", SslMode::Disable, Verification::None),
            ("prefer", SslMode::Prefer, Verification::None),
            ("require", SslMode::Require, Verification::None),
            ("require&sslrootcert=x", SslMode::Require, Verification::Signer),
            ("verify-ca", SslMode::Require, Verification::Signer),
            ("verify-full", SslMode::Require, Verification::SignerAndName),
        ];
        for (mode, ssl, verification) in modes {
            let read = url(&format!("postgres://h/d?sslmode={mode}"));
            assert_eq!((read.config.get_ssl_mode(), read.verification), (ssl, verification), "{mode}");
        }
        assert_eq!(url("postgres://h/d").config.get_ssl_mode(), SslMode::Prefer);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in ["postgres://", "postgres://h", "postgres://h/d?sslmode=maybe", "postgres://h:x/d", "postgres://h/d?who=me"] {
            assert!(text.parse::<PostgresUrl>().is_err(), "{text}");
        }
    }
}
