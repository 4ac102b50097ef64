//! Enums whose variants are words: in the API, in the store, in a contract, or for people.
//!
//! [`words!`](crate::words) declares such an enum together with its words, so that neither can be forgotten.

/// A text that is none of an enum's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not one of {}", expected.join(", "))]
pub struct UnknownWord {
    /// The text.
    pub found: String,
    /// The words there are.
    pub expected: &'static [&'static str],
}

/// Declares an enum of words, with `ALL`, `WORDS`, `as_str`, `parse`, [`Display`](std::fmt::Display) and
/// [`FromStr`](std::str::FromStr).
///
/// ```
/// bellwire_domain::words! {
///     /// What a light shows.
///     pub enum Light {
///         /// Stop.
///         Red = "red",
///         /// Go.
///         Green = "green",
///     }
/// }
/// assert_eq!(Light::parse("green"), Some(Light::Green));
/// assert_eq!(Light::Red.to_string(), "red");
/// assert!("blue".parse::<Light>().is_err());
/// ```
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* $visibility:vis enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        #[allow(dead_code, reason = "not every enum of words needs each of these")]
        impl $name {
            /// Every variant, in the order of declaration.
            $visibility const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Every word, in the same order.
            $visibility const WORDS: &'static [&'static str] = &[$($word),+];

            /// The variant's word.
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The variant with this word.
            $visibility fn parse(text: &str) -> Option<Self> {
                match text {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                formatter.pad(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::UnknownWord;

            fn from_str(text: &str) -> ::std::result::Result<Self, $crate::UnknownWord> {
                let unknown = || $crate::UnknownWord { found: text.to_owned(), expected: Self::WORDS };
                Self::parse(text).ok_or_else(unknown)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    crate::words! {
        /// Two words.
        enum Answer {
            Yes = "yes",
            No = "no",
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for answer in Answer::ALL {
            assert_eq!(Answer::parse(answer.as_str()), Some(*answer));
        }
        let unknown = "maybe".parse::<Answer>().unwrap_err();
        assert_eq!(unknown.to_string(), "`maybe` is not one of yes, no");
        assert_eq!(Answer::parse("Yes"), None);
    }
}
