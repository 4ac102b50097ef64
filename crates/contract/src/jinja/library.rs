//! The filters and functions of the expression library that the language has, each behind a charge.
//!
//! The environment that expressions run in has no filter but those in [`PLAIN`] and [`NESTED`] and our own. Each first charges what
//! it is about to make and to look at, so that it cannot make more than one rendering may.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, filters, functions};
use regex::RegexBuilder;

use super::carried::{charged, failed, meter_of};
use super::guards::{NUMBER, SIZED};
use crate::meter::{Counter, Meter};

/// The library's filters that look at their arguments and nothing else.
pub(super) const PLAIN: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "lines",
    "list",
    "max",
    "min",
    "replace",
    "reverse",
    "round",
    "slice",
    "sort",
    "split",
    "sum",
    "title",
    "trim",
    "unique",
];
/// The library's filters that apply another filter or test to each item.
pub(super) const NESTED: &[&str] = &["map", "reject", "rejectattr", "select", "selectattr"];

/// Filters of ours that only the library calls.
pub(super) const OWN: &[&str] = &["matches"];
/// Of a compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 256 * 1_024;

/// What a value takes in a list, twice because a growing list doubles.
const ITEM_BYTES: usize = 2 * size_of::<Value>();
/// The filters of the library that the language does not have.
const REMOVED: &[&str] = &["chain", "e", "escape", "format", "pprint", "safe", "zip"];

/// The library as it comes, which the guarded filters call.
static LIBRARY: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment
});

/// Puts the guarded filters and functions into an environment.
pub(super) fn install(environment: &mut Environment<'static>) {
    for name in REMOVED {
        environment.remove_filter(name);
    }
    for name in PLAIN {
        environment.add_filter(*name, move |state: &mut State<'_, '_>, arguments: Rest<ValueOrKwargs>| {
            plain(name, state, arguments.into_values())
        });
    }
    environment.add_filter("map", map);
    environment.add_filter("select", select);
    environment.add_filter("reject", reject);
    environment.add_filter("selectattr", select_attribute);
    environment.add_filter("rejectattr", reject_attribute);
    environment.add_filter("matches", matches);
    environment.add_filter(SIZED, sized);
    environment.add_filter(NUMBER, number);
    environment.remove_global("debug");
    environment.remove_global("namespace");
    environment.add_function("range", range);
    environment.add_function("dict", dict);
}

/// Whether a text fits a pattern, anywhere in it. Patterns are looked for in time that grows with the text alone, whatever they are.
fn matches(state: &State<'_, '_>, value: &Value, pattern: &Value) -> Result<bool, Error> {
    let meter = meter_of(state)?;
    let (text, pattern) = (as_text(value, &meter)?, as_text(pattern, &meter)?);
    let (text, pattern) = (text.as_str().unwrap_or_default(), pattern.as_str().unwrap_or_default());
    charged(meter.step(text.len().saturating_add(pattern.len().saturating_mul(64))))?;
    let compiled = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
    let compiled = compiled.map_err(|_| failed(format!("has `{pattern}`, which is no regular expression"), false))?;
    Ok(compiled.is_match(text))
}

/// A filter of [`PLAIN`], or `length`, which ours leaves to the library for lists and mappings that expressions make.
pub(super) fn plain(name: &str, state: &State<'_, '_>, mut arguments: Vec<Value>) -> Result<Value, Error> {
    let counts = matches!(name, "length" | "count");
    if let Some(first) = arguments.first_mut().filter(|first| first.kind() == ValueKind::Bytes && !counts) {
        *first = first.as_str().map_or_else(|| first.clone(), Value::from);
    }
    let meter = meter_of(state)?;
    if matches!(name, "capitalize" | "indent" | "lines" | "replace" | "split" | "title" | "trim") {
        for argument in &mut arguments {
            *argument = as_text(argument, &meter)?;
        }
    }
    for argument in &arguments {
        charged(meter.step(held(argument, &meter)?))?;
    }
    charged(meter.make(made(name, &arguments, &meter)?))?;
    let made = LIBRARY.empty_state().apply_filter(name, &arguments);
    let is_missing = arguments.first().is_some_and(Value::is_undefined);
    made.map_err(|error| if is_missing { failed("gives a filter a value that is missing", true) } else { error })
}

/// The most that a filter makes from its arguments, in bytes.
fn made(name: &str, arguments: &[Value], meter: &Meter) -> Result<usize, Error> {
    let undefined = Value::UNDEFINED;
    let argument = |index: usize| arguments.get(index).unwrap_or(&undefined);
    let text = |index: usize| argument(index).as_str().unwrap_or_default();
    let first = held(argument(0), meter)?;
    let listed = || items(argument(0), meter).map(|items| items.saturating_mul(ITEM_BYTES).saturating_add(first));
    Ok(match name {
        "length" | "count" | "default" | "d" | "bool" | "first" | "last" | "abs" | "int" | "float" | "round" | "attr" => 0,
        // Upper case may take three times the bytes.
        "title" | "capitalize" => first.saturating_mul(3),
        "replace" => replaced(text(0), text(1), text(2)),
        "join" => joined(arguments, meter)?,
        "split" => split_items(text(0), argument(1).as_str()).saturating_mul(ITEM_BYTES).saturating_add(first),
        "lines" => text(0).lines().count().saturating_mul(ITEM_BYTES).saturating_add(first),
        "batch" | "slice" => {
            argument(1).as_usize().unwrap_or(0).saturating_mul(ITEM_BYTES).saturating_add(listed()?.saturating_mul(2))
        }
        "indent" => indented(text(0), arguments),
        "sum" => {
            if option(arguments, 2, "start").is_some_and(|start| start.kind() != ValueKind::Number) {
                return Err(Error::new(ErrorKind::InvalidOperation, "is a sum that does not start with a number"));
            }
            0
        }
        "trim" => first,
        "groupby" => listed()?.saturating_mul(4),
        _ => listed()?,
    })
}

/// An argument by its place or its name.
fn option(arguments: &[Value], index: usize, name: &str) -> Option<Value> {
    let named = arguments.last().and_then(|last| Kwargs::try_from(last.clone()).ok());
    let placed = arguments.get(index).filter(|value| Kwargs::try_from((*value).clone()).is_err());
    placed.cloned().or_else(|| named?.get::<Option<Value>>(name).ok().flatten()).filter(|value| !value.is_none())
}

fn replaced(text: &str, from: &str, to: &str) -> usize {
    let found = if from.is_empty() { text.chars().count().saturating_add(1) } else { text.matches(from).count() };
    found.saturating_mul(to.len()).saturating_add(text.len())
}

fn split_items(text: &str, separator: Option<&str>) -> usize {
    match separator {
        None => text.split_whitespace().count(),
        Some("") => text.chars().count().saturating_add(2),
        Some(separator) => text.matches(separator).count().saturating_add(1),
    }
}

fn joined(arguments: &[Value], meter: &Meter) -> Result<usize, Error> {
    let Some(value) = arguments.first() else { return Ok(0) };
    let attribute = option(arguments, 2, "attribute");
    let joiner = option(arguments, 1, "d").and_then(|joiner| joiner.as_str().map(str::len)).unwrap_or(0);
    let (mut total, mut count) = (0usize, 0usize);
    let Ok(items) = value.try_iter() else { return Ok(0) }; // the filter itself says what is wrong
    for item in items {
        count += 1;
        let item = match &attribute {
            Some(attribute) => attribute.as_str().and_then(|path| item.get_attr(path).ok()).unwrap_or(item),
            None => item,
        };
        total = total.saturating_add(written(&item, meter)?);
        charged(meter.check_room(total.saturating_add(count.saturating_mul(joiner))))?;
    }
    Ok(total.saturating_add(count.saturating_mul(joiner)))
}

fn indented(text: &str, arguments: &[Value]) -> usize {
    let width = option(arguments, 1, "width").and_then(|width| width.as_usize()).unwrap_or(4);
    let lines = text.matches('\n').count().saturating_add(2);
    lines.saturating_mul(width).saturating_add(text.len()).saturating_mul(2)
}

/// What a value holds by itself, in bytes: its text, or a place for each item.
fn held(value: &Value, meter: &Meter) -> Result<usize, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.len().max(1));
    }
    let kind = value.kind();
    if !matches!(kind, ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
        return Ok(ITEM_BYTES);
    }
    Ok(items(value, meter)?.saturating_mul(ITEM_BYTES))
}

/// How many items a filter finds in a value: characters in a text.
fn items(value: &Value, meter: &Meter) -> Result<usize, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.chars().count());
    }
    if let Some(items) = value.len() {
        return Ok(items);
    }
    let mut items = 0usize;
    for _ in value.try_iter().into_iter().flatten() {
        items += 1;
        charged(meter.check_room(items.saturating_mul(ITEM_BYTES)))?;
    }
    Ok(items)
}

/// A list or mapping as the text that a filter of text makes of it.
fn as_text(value: &Value, meter: &Meter) -> Result<Value, Error> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) || Kwargs::try_from(value.clone()).is_ok() {
        return Ok(value.clone());
    }
    charged(meter.make(written(value, meter)?))?;
    Ok(Value::from(value.to_string()))
}

/// How long a value is as text, in bytes. Nothing is made to find out.
fn written(value: &Value, meter: &Meter) -> Result<usize, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.len());
    }
    let mut counter = Counter::new();
    let fits = write!(counter, "{value}").is_ok();
    charged(meter.step(counter.bytes))?;
    if !fits {
        charged(meter.check_room(counter.bytes))?;
    }
    Ok(counter.bytes)
}

/// Charges what an operator is about to take over from its operand.
fn sized(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    let meter = meter_of(state)?;
    let bytes = written(&value, &meter)?.saturating_add(held(&value, &meter)?);
    charged(meter.make(bytes))?;
    Ok(match (value.kind(), value.as_str()) {
        (ValueKind::Bytes, Some(text)) => Value::from(text),
        _ => value,
    })
}

/// Lets only numbers be multiplied: a text or list would be repeated.
fn number(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Number | ValueKind::Bool => Ok(value),
        ValueKind::Undefined => Err(failed("multiplies a value that is missing", true)),
        _ => Err(failed("is not a number, and only numbers can be multiplied", false)),
    }
}

/// Charges a filter that goes through a list and looks at its other arguments again for each item.
fn charge_each(state: &State<'_, '_>, value: &Value, others: &[ValueOrKwargs]) -> Result<(), Error> {
    let meter = meter_of(state)?;
    let mut once = ITEM_BYTES;
    for other in others {
        once = once.saturating_add(held(other, &meter)?);
    }
    let items = items(value, &meter)?;
    charged(meter.step(items.saturating_mul(once)))?;
    charged(meter.make(items.saturating_mul(ITEM_BYTES)))
}

fn map(state: &mut State<'_, '_>, value: Value, others: Rest<ValueOrKwargs>) -> Result<Vec<Value>, Error> {
    charge_each(state, &value, &others)?;
    filters::map(state, value, others)
}

type TestName<'a> = Option<Cow<'a, str>>;

fn select(state: &mut State<'_, '_>, value: Value, test: TestName<'_>, others: Rest<ValueOrKwargs>) -> Result<Vec<Value>, Error> {
    charge_each(state, &value, &others)?;
    filters::select(state, value, test, others)
}

fn reject(state: &mut State<'_, '_>, value: Value, test: TestName<'_>, others: Rest<ValueOrKwargs>) -> Result<Vec<Value>, Error> {
    charge_each(state, &value, &others)?;
    filters::reject(state, value, test, others)
}

fn select_attribute(
    state: &mut State<'_, '_>,
    value: Value,
    attribute: Cow<'_, str>,
    test: TestName<'_>,
    others: Rest<ValueOrKwargs>,
) -> Result<Vec<Value>, Error> {
    charge_each(state, &value, &others)?;
    filters::selectattr(state, value, attribute, test, others)
}

fn reject_attribute(
    state: &mut State<'_, '_>,
    value: Value,
    attribute: Cow<'_, str>,
    test: TestName<'_>,
    others: Rest<ValueOrKwargs>,
) -> Result<Vec<Value>, Error> {
    charge_each(state, &value, &others)?;
    filters::rejectattr(state, value, attribute, test, others)
}

fn range(state: &mut State<'_, '_>, lower: isize, upper: Option<isize>, step: Option<isize>) -> Result<Value, Error> {
    let range = functions::range(lower, upper, step)?;
    let meter = meter_of(state)?;
    charged(meter.make(held(&range, &meter)?))?;
    Ok(range)
}

fn dict(state: &mut State<'_, '_>, value: Option<Value>, changes: Kwargs) -> Result<Value, Error> {
    let meter = meter_of(state)?;
    if let Some(value) = &value {
        charged(meter.make(held(value, &meter)?.saturating_mul(4)))?;
    }
    functions::dict(value, changes)
}
