//! What stands before each value of a signature: text, and which key made the value.

use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::failure::Failure;
use crate::grammar::KeySpec;
use crate::reader::Fields;
use crate::template::{Part, TEMPLATE, Template};
use crate::variables::{Builtin, Scope, Variable};

/// The key of the contract.
pub(crate) const PREFIX: KeySpec =
    KeySpec::optional("prefix", TEMPLATE, "Text before each value. It knows `key.version` and `key.id`.");
/// The characters of a key's id.
const KEY_ID_LENGTH: usize = 16;
/// The most digits of a version.
const VERSION_LENGTH_MAX: usize = 18;

/// What stands before each value.
#[derive(Debug)]
pub(crate) enum Prefix {
    /// The same before each value.
    Constant(String),
    Made(Template),
}

/// A part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece<'p> {
    Text(&'p str),
    Version,
    KeyId,
}

impl Prefix {
    /// Reads `prefix`. Whoever verifies has to see where a version ends.
    pub(crate) fn read(fields: &Fields<'_>, report: &mut Report) -> Option<Self> {
        let Some(node) = fields.get(PREFIX.name) else { return Some(Self::Constant(String::new())) };
        let path = fields.path_of(PREFIX.name);
        let template = Template::read(node, &path, &[], report)?;
        if let Some(text) = template.constant() {
            return Some(Self::Constant(text.to_owned()));
        }
        let unknown = template.expressions().find(|expression| piece(expression).is_none());
        if let Some(expression) = unknown {
            let message = "what stands before a value knows `key.version` and `key.id`, as they are";
            report.add(expression.at, &path, message, "put anything else into the header, before `{{ signature.… }}`");
            return None;
        }
        let prefix = Self::Made(template);
        let pieces: Vec<Piece<'_>> = prefix.pieces().collect();
        let ends = |index: usize| match pieces.get(index + 1) {
            Some(Piece::Text(text)) => !text.starts_with(|first: char| first.is_ascii_alphanumeric()),
            _ => false,
        };
        if (0..pieces.len()).any(|index| !matches!(pieces.get(index), Some(Piece::Text(_))) && !ends(index)) {
            let help = "write a sign after it, such as `prefix: \"v{{ key.version }}=\"`";
            report.add(node.at, &path, "nobody can tell where this ends and the value begins", help);
            return None;
        }
        Some(prefix)
    }

    /// The text, if it is the same before each value.
    pub(crate) const fn constant(&self) -> Option<&str> {
        match self {
            Self::Constant(text) => Some(text.as_str()),
            Self::Made(_) => None,
        }
    }

    /// Whether it shows the version of the key.
    pub(crate) fn shows_version(&self) -> bool {
        self.pieces().any(|piece| piece == Piece::Version)
    }

    /// As the contract has it.
    pub(crate) fn source(&self) -> String {
        match self {
            Self::Constant(text) => text.clone(),
            Self::Made(template) => template.source(),
        }
    }

    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.made().into_iter().flat_map(Template::expressions)
    }

    /// For the key that `scope` knows.
    pub(crate) fn write(&self, scope: Scope<'_>, out: &mut String) -> Result<(), Failure> {
        match self {
            Self::Constant(text) => out.push_str(text),
            Self::Made(template) => out.push_str(&template.render_text(scope)?),
        }
        Ok(())
    }

    /// What follows it in a captured text, and the version that it shows there.
    pub(crate) fn strip<'t>(&self, text: &'t str) -> Option<(&'t str, Option<i64>)> {
        if let Self::Constant(prefix) = self {
            return Some((text.strip_prefix(prefix.as_str())?, None));
        }
        let (mut rest, mut version) = (text, None);
        for piece in self.pieces() {
            rest = match piece {
                Piece::Text(literal) => rest.strip_prefix(literal)?,
                Piece::KeyId => rest.split_at_checked(KEY_ID_LENGTH)?.1,
                Piece::Version => {
                    let end = rest.find(|letter: char| !letter.is_ascii_digit()).filter(|end| *end <= VERSION_LENGTH_MAX)?;
                    let (digits, after) = rest.split_at_checked(end)?;
                    version = Some(digits.parse().ok()?);
                    after
                }
            };
        }
        Some((rest, version))
    }

    const fn made(&self) -> Option<&Template> {
        match self {
            Self::Constant(_) => None,
            Self::Made(template) => Some(template),
        }
    }

    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let parts = self.made().map(|template| template.parts.as_slice()).unwrap_or_default();
        parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(Piece::Text(text)),
            Part::Expression(expression) => piece(expression),
        })
    }
}

/// What an expression of a prefix shows, if a prefix may have it.
fn piece(expression: &Expression) -> Option<Piece<'static>> {
    match expression.direct()? {
        (Variable::Builtin(Builtin::KeyVersion), []) => Some(Piece::Version),
        (Variable::Builtin(Builtin::KeyId), []) => Some(Piece::KeyId),
        _ => None,
    }
}
