//! A short text that a regular expression fits.

use regex_syntax::hir::{Class, Hir, HirKind};

/// The longest text that is made, in characters.
const LENGTH_MAX: usize = 1_000;
/// The most parts of a pattern that are visited; repetitions of nothing would be visited without end.
const STEPS_MAX: usize = 100_000;

/// A short text that fits, with at least so many characters if the pattern lets it grow; `None` if there is none, or if the pattern is
/// not one that is understood.
pub(super) fn shortest(pattern: &str, length_min: usize) -> Option<String> {
    let hir = regex_syntax::ParserBuilder::new().nest_limit(64).build().parse(pattern).ok()?;
    // One more repetition each time, until the text is long enough.
    let mut longest = None;
    let mut steps = STEPS_MAX;
    for more in 0..=u32::try_from(length_min.min(LENGTH_MAX)).unwrap_or(0) {
        let mut text = String::new();
        write(&hir, more, &mut text, &mut steps)?;
        let length = text.chars().count();
        if length >= length_min {
            return Some(text);
        }
        if longest.replace(length) == Some(length) {
            break;
        }
    }
    None
}

fn write(hir: &Hir, more: u32, out: &mut String, steps: &mut usize) -> Option<()> {
    *steps = steps.checked_sub(1)?;
    if out.len() > LENGTH_MAX * 4 {
        return None;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => out.push(member(class)?),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX);
            for _ in 0..repetition.min.saturating_add(more).min(most) {
                write(&repetition.sub, more, out, steps)?;
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, more, out, steps)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, more, out, steps))?,
        HirKind::Alternation(branches) => write(branches.first()?, more, out, steps)?,
    }
    Some(())
}

/// One of the characters: a digit or letter if there is one.
fn member(class: &Class) -> Option<char> {
    let Class::Unicode(class) = class else { return None };
    let holds = |wanted: char| class.iter().any(|range| range.start() <= wanted && wanted <= range.end());
    let plain = ('0'..='9').chain('a'..='z').chain('A'..='Z').find(|wanted| holds(*wanted));
    plain.or_else(|| ('!'..='~').find(|wanted| holds(*wanted))).or_else(|| Some(class.iter().next()?.start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts() {
        for (pattern, length_min, text) in [
            ("^ord_[a-z0-9]{8}$", 0, Some("ord_00000000")),
            ("^[A-Z]{2,}-?\\d+$", 0, Some("AA0")),
            ("^(de|en)$", 0, Some("de")),
            ("^\\w+@[^@]+$", 8, Some("0000@0000")),
            ("x", 0, Some("x")),
            ("", 0, Some("")),
            ("^abc$", 4, None),
            ("(", 0, None),
            ("^(?!a)b$", 0, None),
            ("^(((a{99}){99}){99}){99}$", 0, None),
            ("^((((x{0}){99}){99}){99}){99}$", 0, Some("")),
        ] {
            assert_eq!(shortest(pattern, length_min).as_deref(), text, "{pattern}");
        }
    }
}
