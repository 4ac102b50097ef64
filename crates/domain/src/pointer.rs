//! JSON pointers (RFC 6901), which name the place of a value inside a document.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// The most characters of a pointer.
pub const POINTER_LENGTH_MAX: usize = 256;

/// A pointer to a value inside a document, never to the whole document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer(String);

/// Why a text is not a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a JSON pointer such as `/patient/id` has at most {POINTER_LENGTH_MAX} characters, starts with `/`, and writes `~` as `~0`"
)]
pub struct InvalidPointer;

impl Pointer {
    /// Checks a text.
    pub fn try_new(text: &str) -> Result<Self, InvalidPointer> {
        let escaped = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
        if !text.starts_with('/') || !escaped || text.chars().count() > POINTER_LENGTH_MAX || text.chars().any(char::is_control) {
            return Err(InvalidPointer);
        }
        Ok(Self(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names and indexes on its way, without escapes.
    pub fn steps(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.0.split('/').skip(1).map(|step| {
            if step.contains('~') { Cow::Owned(step.replace("~1", "/").replace("~0", "~")) } else { Cow::Borrowed(step) }
        })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Pointer {
    type Err = InvalidPointer;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_new(text)
    }
}

/// A member's name as one step of a JSON pointer: `~` becomes `~0`, and `/` becomes `~1`.
pub fn escape_pointer(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) { Cow::Owned(name.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(name) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_two_special_characters_change() {
        for (name, step) in [("", ""), ("plain", "plain"), ("a/b", "a~1b"), ("m~n", "m~0n"), ("~1", "~01"), ("é", "é")] {
            assert_eq!(escape_pointer(name), step);
        }
    }

    #[test]
    fn a_pointer_leads_into_the_document() {
        for wrong in ["", "id", "/a~", "/a~2", "/a\n", &format!("/{}", "x".repeat(POINTER_LENGTH_MAX))] {
            assert_eq!(Pointer::try_new(wrong), Err(InvalidPointer), "{wrong:?}");
        }
        for (text, steps) in [("/", vec![""]), ("/a/0", vec!["a", "0"]), ("/a~1b/~01", vec!["a/b", "~1"]), ("/é", vec!["é"])] {
            assert_eq!(Pointer::try_new(text).unwrap().steps().collect::<Vec<_>>(), steps, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_step_reads_back_as_its_name(name in "[a~/01é]{0,12}") {
            let step = escape_pointer(&name);
            prop_assert!(!step.contains('/'));
            prop_assert_eq!(step.replace("~1", "/").replace("~0", "~"), name);
        }
    }
}
