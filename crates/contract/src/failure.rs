//! Why something could not be rendered.

use std::fmt;

use crate::diagnostic::At;
use crate::expression::Expression;
use crate::piece::EvalError;

/// Something that could not be rendered.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) at: At,
    /// Where it happened, from the inside out.
    pub(crate) path: Vec<String>,
    pub(crate) message: String,
    /// A value is missing, which an optional key forgives.
    pub(crate) absent: bool,
}

impl Failure {
    /// A failure outside of any expression.
    pub(crate) fn new(at: At, message: impl Into<String>) -> Self {
        Self { at, path: Vec::new(), message: message.into(), absent: false }
    }

    /// An error that already names its expression.
    pub(crate) fn of(expression: &Expression, error: EvalError) -> Self {
        Self { at: expression.at, path: Vec::new(), message: error.message, absent: error.absent }
    }

    /// An error that does not name its expression yet.
    pub(crate) fn unnamed(expression: &Expression, error: &EvalError) -> Self {
        let message = format!("`{}` {}", expression.text, error.message);
        Self { at: expression.at, path: Vec::new(), message, absent: error.absent }
    }

    #[must_use]
    pub(crate) fn inside(mut self, name: impl Into<String>) -> Self {
        self.path.push(name.into());
        self
    }
}

/// Why a request could not be rendered. It never repeats data or secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderError {
    /// The place in the contract, such as `request.body.event.id`.
    pub path: String,
    /// The line in the contract, from 1; 0 when it has none.
    pub line: usize,
    /// The column in the contract, from 1; 0 when it has none.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl std::error::Error for RenderError {}

impl fmt::Display for RenderError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => formatter.write_str(&self.message),
            path => write!(formatter, "{path}: {}", self.message),
        }
    }
}

impl RenderError {
    pub(crate) fn plain(path: &str, message: &str) -> Self {
        Self { path: path.to_owned(), line: 0, column: 0, message: message.to_owned() }
    }

    /// A failure somewhere inside the part of the contract at `root`.
    pub(crate) fn of(root: String, failure: Failure) -> Self {
        let mut path = root;
        for name in failure.path.iter().rev() {
            if !name.starts_with('[') {
                path.push('.');
            }
            path.push_str(name);
        }
        let At { line, column } = failure.at;
        Self { path, line, column, message: failure.message }
    }
}
