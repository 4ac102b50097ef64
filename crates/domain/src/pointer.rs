//! JSON pointers (RFC 6901), which name the place of a value inside a document.

use std::borrow::Cow;

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

    proptest! {
        #[test]
        fn a_step_reads_back_as_its_name(name in "[a~/01é]{0,12}") {
            let step = escape_pointer(&name);
            prop_assert!(!step.contains('/'));
            prop_assert_eq!(step.replace("~1", "/").replace("~0", "~"), name);
        }
    }
}
