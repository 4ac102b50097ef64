//! Characters that no id and no name for people may hold: they cannot be seen, or they change how the rest is shown.
//!
//! Letters of every script may stand in a name, and emoji too. What a script or an emoji needs to be written stays: a joiner
//! (U+200C, U+200D) between two characters beyond ASCII, and a variation selector after a character that can be seen.

/// The first character that a name may not hold; `None` if there is none. Source: General_Category Cc, Cf, Zl and Zp, and
/// Default_Ignorable_Code_Point, of the Unicode Character Database.
pub fn unseen_character(text: &str) -> Option<char> {
    let mut before: Option<char> = None;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let allowed = match character {
            '\u{200c}' | '\u{200d}' => joins(before) && joins(rest.peek().copied()),
            '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => before.is_some_and(|before| !before.is_whitespace()),
            _ => !is_unseen(character),
        };
        if !allowed {
            return Some(character);
        }
        // A selector belongs to what stands before it, so two in a row are one too many.
        before = if is_unseen(character) && !is_selector(character) { None } else { Some(character) };
        if is_selector(character) && rest.peek().copied().is_some_and(is_selector) {
            return rest.next();
        }
    }
    None
}

/// A character as Unicode writes it, such as `U+202E`.
pub fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

fn joins(character: Option<char>) -> bool {
    character.is_some_and(|character| {
        !character.is_ascii() && !character.is_whitespace() && (is_selector(character) || !is_unseen(character))
    })
}

const fn is_selector(character: char) -> bool {
    matches!(character, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

const fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_every_script_and_emoji_and_nothing_that_cannot_be_seen() {
        for name in [
            "Müller & Söhne",
            "日本語",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "👩\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}",
            "❤\u{fe0f}\u{200d}🔥",
            "葛\u{e0100}",
        ] {
            assert_eq!(unseen_character(name), None, "{name}");
        }
        for (name, found) in [
            ("a\u{202e}b", "U+202E"),
            ("\u{200b}", "U+200B"),
            ("a\u{200d}b", "U+200D"),
            ("\u{200d}", "U+200D"),
            ("é\u{200c}", "U+200C"),
            ("\u{fe0f}", "U+FE0F"),
            (" \u{fe0f}", "U+FE0F"),
            ("❤\u{fe0f}\u{fe0f}", "U+FE0F"),
            ("a\u{ad}b", "U+00AD"),
            ("\u{feff}a", "U+FEFF"),
            ("a\u{85}", "U+0085"),
            ("a\nb", "U+000A"),
            ("\u{e0041}", "U+E0041"),
            ("a\u{2066}", "U+2066"),
            ("a\u{61c}", "U+061C"),
            ("\u{3164}", "U+3164"),
        ] {
            assert_eq!(unseen_character(name).map(code_point).as_deref(), Some(found), "{name:?}");
        }
    }
}
