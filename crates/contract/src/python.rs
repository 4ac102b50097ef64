//! JSON byte for byte as Python's `json.dumps` writes it by default, after `json.loads` has read it.
//!
//! Some platforms sign what that function prints, and their receivers print what they have parsed once more. So nothing may keep the
//! spelling it was posted with: not spaces, escapes, fractions, or names that occur twice.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::json;
use crate::meter::Meter;
use crate::piece::EvalError;

/// The deepest nesting. Python stops at about a thousand.
const DEPTH_MAX: usize = 500;
/// What a member takes beside its name and its value, in bytes.
const MEMBER_BYTES: usize = 64;
/// What a number takes at most, in bytes.
const NUMBER_BYTES: usize = 32;

/// The JSON in `raw`, written once more.
pub(crate) fn dumps(raw: &str, meter: &Meter) -> Result<String, EvalError> {
    let mut out = String::new();
    write_value(raw, 0, &mut out, meter)?;
    Ok(out)
}

fn write_value(raw: &str, depth: usize, out: &mut String, meter: &Meter) -> Result<(), EvalError> {
    if depth > DEPTH_MAX {
        return Err(EvalError::new(format!("makes a body that is nested deeper than {DEPTH_MAX}")));
    }
    let raw = raw.trim();
    meter.step(raw.len())?;
    match raw.as_bytes().first() {
        Some(b'{') => write_object(raw, depth, out, meter),
        Some(b'[') => write_list(raw, depth, out, meter),
        Some(b'"') => write_text(raw, out, meter),
        Some(b'-' | b'0'..=b'9') => {
            meter.make(raw.len() + NUMBER_BYTES)?;
            write_number(raw, out)
        }
        _ => {
            out.push_str(raw);
            Ok(())
        }
    }
}

/// Of members with one name, the last value stands in the place of the first, as in a `dict`.
fn write_object(raw: &str, depth: usize, out: &mut String, meter: &Meter) -> Result<(), EvalError> {
    let mut members: Vec<(String, &str)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (name, value) in json::raw_members(raw) {
        meter.make(MEMBER_BYTES)?;
        let mut written = String::new();
        write_text(name, &mut written, meter)?;
        if let Some(member) = places.get(&written).and_then(|place| members.get_mut(*place)) {
            member.1 = value;
        } else {
            places.insert(written.clone(), members.len());
            members.push((written, value));
        }
    }
    out.push('{');
    for (index, (name, value)) in members.iter().enumerate() {
        out.push_str(if index > 0 { ", " } else { "" });
        out.push_str(name);
        out.push_str(": ");
        write_value(value, depth + 1, out, meter)?;
    }
    out.push('}');
    Ok(())
}

fn write_list(raw: &str, depth: usize, out: &mut String, meter: &Meter) -> Result<(), EvalError> {
    out.push('[');
    for (index, item) in json::elements(raw).enumerate() {
        meter.make(2)?;
        out.push_str(if index > 0 { ", " } else { "" });
        write_value(item, depth + 1, out, meter)?;
    }
    out.push(']');
    Ok(())
}

/// A text in ASCII. It goes by the escapes that it has, since half of a surrogate pair is no text to us but is one to Python.
fn write_text(raw: &str, out: &mut String, meter: &Meter) -> Result<(), EvalError> {
    let long = raw.bytes().filter(|byte| !byte.is_ascii() || *byte == 0x7f).count();
    meter.make(raw.len().saturating_add(long.saturating_mul(json::ESCAPED_BYTES_MAX)))?;
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    let mut characters = inner.chars();
    out.push('"');
    while let Some(character) = characters.next() {
        if character != '\\' {
            character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write_unit(*unit, out));
            continue;
        }
        let unit = match characters.next() {
            Some('b') => 0x08,
            Some('f') => 0x0c,
            Some('n') => 0x0a,
            Some('r') => 0x0d,
            Some('t') => 0x09,
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                u16::from_str_radix(&digits, 16).map_err(|_| EvalError::new("has an escape that is not JSON"))?
            }
            Some(other) => u16::try_from(u32::from(other)).unwrap_or_default(),
            None => break,
        };
        write_unit(unit, out);
    }
    out.push('"');
    Ok(())
}

fn write_unit(unit: u16, out: &mut String) {
    match unit {
        0x22 => out.push_str("\\\""),
        0x5c => out.push_str("\\\\"),
        0x08 => out.push_str("\\b"),
        0x09 => out.push_str("\\t"),
        0x0a => out.push_str("\\n"),
        0x0c => out.push_str("\\f"),
        0x0d => out.push_str("\\r"),
        0x20..=0x7e => out.extend(char::from_u32(u32::from(unit))),
        _ => {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
}

fn write_number(raw: &str, out: &mut String) -> Result<(), EvalError> {
    if !raw.contains(['.', 'e', 'E']) {
        out.push_str(if raw == "-0" { "0" } else { raw });
        return Ok(());
    }
    match raw.parse::<f64>() {
        Ok(number) if number.is_finite() => write_fraction(number, out),
        _ => return Err(EvalError::new("has a number that is too large for Python's `float`")),
    }
    Ok(())
}

/// As `repr` does: the fewest digits that mean this number, with an exponent if it is below 0.0001 or has more than 16 digits.
fn write_fraction(number: f64, out: &mut String) {
    let shortest = format!("{:e}", number.abs());
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let digits: String = mantissa.chars().filter(|character| *character != '.').collect();
    if number.is_sign_negative() {
        out.push('-');
    }
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{mantissa}e{sign}{:02}", exponent.abs());
        return;
    }
    if let Ok(exponent) = usize::try_from(exponent) {
        let whole = exponent + 1;
        let padded = format!("{digits:0<whole$}");
        let (whole, fraction) = padded.split_at_checked(whole).unwrap_or((&padded, ""));
        let _ = write!(out, "{whole}.{}", if fraction.is_empty() { "0" } else { fraction });
    } else {
        let zeros = usize::try_from(-exponent - 1).unwrap_or_default();
        let _ = write!(out, "0.{}{digits}", "0".repeat(zeros));
    }
}
