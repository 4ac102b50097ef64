//! Why a command that asks a server has no answer to show: in words, with what to do, and as an exit code.

use std::fmt::Write as _;

use serde_json::Value;

use super::plain::plain;

/// The answer is no: not found, refused as it stands, or a check that failed.
pub(crate) const NO: u8 = 1;
/// A flag, a file or an input is wrong.
pub(crate) const USAGE: u8 = 2;
/// The server cannot be reached, or cannot answer now.
pub(crate) const UNREACHABLE: u8 = 3;
/// Not signed in, or not allowed.
pub(crate) const REFUSED: u8 = 4;

/// Why there is no answer to show.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A flag, a file or an input is wrong.
    Usage(String),
    /// There is no server or no key to ask with.
    NotSignedIn(String),
    /// No whole answer came.
    Unreachable {
        /// Whom it was about.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// What was asked for is not there, although the server answered.
    Nothing(String),
    /// The server answered with a problem.
    Problem(Problem),
}

/// A problem that the API answered (RFC 9457).
#[derive(Debug)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The word to match; empty where the answer was none of the API's.
    pub(crate) code: String,
    title: String,
    detail: String,
    /// Pointers, and what is wrong there.
    errors: Vec<(String, String)>,
}

impl Problem {
    /// What an answer with this status and body says.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value, field: &str| plain(value.get(field).and_then(Value::as_str).unwrap_or_default());
        let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
        let errors = errors.map(|error| (text(error, "pointer"), text(error, "detail"))).collect();
        let mut title = text(&body, "title");
        if title.is_empty() {
            title = format!("The server answered {status} without a word of Bellwire's");
        }
        Self { status, code: text(&body, "code"), title, detail: text(&body, "detail"), errors }
    }

    const fn exit_code(&self) -> u8 {
        match self.status {
            401 | 403 => REFUSED,
            500.. => UNREACHABLE,
            _ => NO,
        }
    }

    /// What to do about it.
    fn fix(&self) -> String {
        match (self.status, self.code.as_str()) {
            (401, _) => "sign in with a key that works: bellwire login".to_owned(),
            (403, _) => "use a key whose role allows it: --key, or another --profile".to_owned(),
            (_, "") => "check --server: it may lead to something else than a Bellwire".to_owned(),
            (404, _) => "check the ids; `list` shows what this key may see".to_owned(),
            (400 | 422, _) => "correct what is named, then try again".to_owned(),
            (429 | 503, _) => "try again later".to_owned(),
            (_, code) => format!("see docs/errors.md#{code}"),
        }
    }
}

impl Failure {
    /// The code that the command ends with.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::NotSignedIn(_) => REFUSED,
            Self::Unreachable { .. } => UNREACHABLE,
            Self::Nothing(_) => NO,
            Self::Problem(problem) => problem.exit_code(),
        }
    }

    /// What is said on standard error: what is wrong, place by place, and what to do.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Usage(reason) | Self::NotSignedIn(reason) | Self::Nothing(reason) => format!("bellwire: {reason}"),
            Self::Unreachable { server, reason } => {
                format!("bellwire: {server} cannot be reached: {reason}\n  what to do: check --server, and that it runs")
            }
            Self::Problem(problem) => {
                let mut text = format!("bellwire: {}: {}", problem.title, problem.detail);
                for (pointer, detail) in problem.errors.iter().filter(|(pointer, _)| !pointer.is_empty()) {
                    let _ = write!(text, "\n  {pointer}: {detail}");
                }
                let _ = write!(text, "\n  what to do: {}", problem.fix());
                text
            }
        }
    }

    /// Whether the same request may get an answer a little later.
    pub(crate) const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Problem(problem) => problem.status == 429 || problem.status >= 500,
            Self::Usage(_) | Self::NotSignedIn(_) | Self::Nothing(_) => false,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Usage(crate::one_line(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_whole_and_says_what_to_do() {
        let body =
            br#"{"title":"Something is wrong","detail":"see","code":"invalid","errors":[{"pointer":"/url","detail":"is none"}]}"#;
        let failure = Failure::Problem(Problem::read(422, body));
        let text = "bellwire: Something is wrong: see\n  /url: is none\n  what to do: correct what is named, then try again";
        assert_eq!((failure.text().as_str(), failure.exit_code()), (text, NO));
    }

    #[test]
    fn codes_by_status() {
        let code = |status| Failure::Problem(Problem::read(status, b"<html>\x1b[2J")).exit_code();
        assert_eq!([401, 403, 404, 409, 422, 429, 500, 503].map(code), [4, 4, 1, 1, 1, 1, 3, 3]);
        assert!(!Failure::Problem(Problem::read(502, b"<html>\x1b[2J")).text().contains('\x1b'));
    }
}
