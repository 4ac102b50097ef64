//! What went wrong, sorted by where it went wrong.

use std::io;

use bellwire_domain::AttemptOutcome;

use crate::connect::ConnectFailure;

impl From<ConnectFailure> for AttemptOutcome {
    fn from(failure: ConnectFailure) -> Self {
        match failure {
            ConnectFailure::Dns(detail) => Self::Dns { detail },
            ConnectFailure::Blocked(reason) => Self::Blocked { reason },
            ConnectFailure::Connect(detail) => Self::Connect { detail },
            ConnectFailure::Tls(detail) => Self::Tls { detail },
        }
    }
}

/// The connection ended too early.
pub(crate) fn closed(how: &str) -> AttemptOutcome {
    AttemptOutcome::Closed { detail: format!("the connection was {how} before the answer was complete") }
}

/// What went wrong while a connection was read or written.
pub(crate) fn broken(error: &io::Error) -> AttemptOutcome {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => closed("reset"),
        io::ErrorKind::UnexpectedEof => closed("closed"),
        // Only TLS finds fault with what it reads. A receiver that refuses our certificate says so after its own part of the handshake.
        io::ErrorKind::InvalidData => AttemptOutcome::Tls { detail: error.to_string() },
        _ => AttemptOutcome::Protocol { detail: error.to_string() },
    }
}

/// The same over HTTP/2, where a connection may also be ended in words.
pub(crate) fn broken_http2(error: &h2::Error) -> AttemptOutcome {
    match error.get_io() {
        // Its word for a connection that came to its end.
        Some(ended) if ended.kind() == io::ErrorKind::BrokenPipe => closed("closed"),
        Some(error) => broken(error),
        None => AttemptOutcome::Protocol { detail: error.to_string() },
    }
}
