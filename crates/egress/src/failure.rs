//! What went wrong, sorted by where it went wrong.

use std::error::Error;
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

/// What was wrong with an answer, in our own words, not a library's.
pub(crate) fn broken(error: &(dyn Error + 'static)) -> AttemptOutcome {
    if find::<hyper::Error>(error).is_some_and(|error| error.is_incomplete_message() || error.is_canceled()) {
        return closed("closed");
    }
    match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe) => closed("reset"),
        Some(io::ErrorKind::UnexpectedEof) => closed("closed"),
        Some(_) | None => AttemptOutcome::Protocol { detail: innermost(error) },
    }
}

/// The first cause of this type.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// The text of the cause at the bottom.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
