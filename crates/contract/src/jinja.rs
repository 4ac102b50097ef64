//! The bridge to the expression library: the sandboxed environment, and values in both directions.
//!
//! Raw JSON enters as an object that hands out its children lazily, and it leaves as the same bytes. Whatever the library makes is
//! charged to the rendering's meter.

mod carried;
mod guards;
mod library;
mod raw;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use bellwire_domain::Timestamp;
use bytes::Bytes;
use minijinja::value::{Kwargs, Object, ObjectRepr, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior};

use crate::filters::{Filter, FilterName, TimeFormat};
use crate::json;
use crate::meter::Meter;
use crate::path::Path;
use crate::piece::{EvalError, Piece};
use crate::variables::Scope;
use carried::{METER, Shared, charged, meter_of, number_value};
use raw::{RawJson, json_value};

/// The most instructions of one expression. It has no loops, so its length bounds them too; this holds even if that changes.
const FUEL: u64 = 50_000;
/// The deepest nesting of a list or mapping that an expression makes.
const DEPTH_MAX: usize = 64;
/// The bytes that are copied in one step.
const COPIED_PER_STEP: usize = 8;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL));
    library::install(&mut environment);
    for name in FilterName::ALL {
        environment.add_filter(name.as_str(), move |state: &mut State<'_, '_>, value: Value| {
            filter_value(Filter::from(*name), &value, &*meter_of(state)?)
        });
    }
    environment.add_filter(FilterName::Rfc3339.as_str(), |state: &mut State<'_, '_>, value: Value, arguments: Kwargs| {
        let digits: Option<u32> = arguments.get("digits")?;
        let zone: Option<String> = arguments.get("zone")?;
        arguments.assert_all_used()?;
        let digits = digits.map(|digits| digits.to_string());
        let format = TimeFormat::read(digits.as_deref(), zone.as_deref());
        let format = format.map_err(|message| Error::new(ErrorKind::InvalidOperation, message))?;
        filter_value(Filter { name: FilterName::Rfc3339, format }, &value, &*meter_of(state)?)
    });
    environment.add_filter(FilterName::Length.as_str(), |state: &mut State<'_, '_>, arguments: Rest<ValueOrKwargs>| {
        library::plain(FilterName::Length.as_str(), state, arguments.into_values())
    });
    environment
});

/// A compiled expression.
pub(crate) struct Compiled {
    expression: minijinja::Expression<'static, 'static>,
    /// Whether it may ask for the length of bytes, which then must not turn into text.
    counts: bool,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Compiled")
    }
}

/// Compiles an expression; the error says what is wrong with it.
pub(crate) fn compile(source: &str) -> Result<Compiled, String> {
    let explain = |error: Error| error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    // First as it is written, so that what is said about it is about what is written.
    ENVIRONMENT.compile_expression(source).map_err(explain)?;
    let expression = ENVIRONMENT.compile_expression_owned(guards::guarded(source)?).map_err(explain)?;
    Ok(Compiled { expression, counts: source.contains("length") || source.contains("count") })
}

/// The top-level names that the library sees in the expression.
pub(crate) fn roots(compiled: &Compiled) -> Vec<String> {
    let mut roots: Vec<String> = compiled.expression.undeclared_variables(false).into_iter().collect();
    roots.sort();
    roots
}

/// The names of all filters.
pub(crate) fn filter_names() -> impl Iterator<Item = &'static str> {
    FilterName::WORDS.iter().chain(library::PLAIN).chain(library::NESTED).chain(library::OWN).copied()
}

/// Whether a test (`is …`) has this name.
pub(crate) fn has_test(name: &str) -> bool {
    let error = ENVIRONMENT.empty_state().perform_test(name, &[]).err();
    error.is_none_or(|error| error.kind() != ErrorKind::UnknownTest)
}

/// Evaluates an expression that uses the values at `paths`.
pub(crate) fn evaluate(compiled: &Compiled, paths: &[Path], scope: Scope<'_>) -> Result<Piece<'static>, EvalError> {
    let meter = scope.values.meter();
    let mut roots: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
    let mut context: BTreeMap<&str, Value> = BTreeMap::from([(METER, Value::from_object(Shared(Arc::clone(meter))))]);
    for (index, path) in paths.iter().enumerate() {
        if paths.iter().take(index).any(|before| before.variable == path.variable) {
            continue;
        }
        let piece = scope.get(&path.variable);
        meter.step(piece.len() / COPIED_PER_STEP)?;
        let value = match &piece {
            Piece::Bytes(bytes) if compiled.counts => Value::from_bytes(bytes.to_vec()),
            other => to_value(other, meter),
        };
        match path.variable.names() {
            (root, Some(field)) => {
                let fields = roots.entry(root).or_default();
                if !value.is_undefined() {
                    fields.insert(field, value);
                }
            }
            (root, None) => {
                context.insert(root, value);
            }
        }
    }
    for (root, fields) in roots {
        context.insert(root, Value::from_pairs(fields));
    }
    let result = compiled.expression.eval(Value::from_pairs(context));
    meter.check()?;
    let result = result.map_err(|error| explain(&error))?;
    let piece = from_value(&result, meter)?;
    Ok(match piece {
        Piece::Number(spelling) if !result.is_integer() => Piece::Number(as_posted(spelling, paths, scope)),
        other => other,
    })
}

/// A fraction that passed through unchanged keeps the spelling it was posted with.
fn as_posted(spelling: Cow<'static, str>, paths: &[Path], scope: Scope<'_>) -> Cow<'static, str> {
    let Ok(number) = spelling.parse::<f64>() else { return spelling };
    for path in paths {
        let Piece::Json(raw) = scope.get(&path.variable) else { continue };
        if let Some(posted) =
            json::numbers(&raw).find(|posted| posted.parse::<f64>().is_ok_and(|posted| posted.to_bits() == number.to_bits()))
        {
            return Cow::Owned(posted.to_owned());
        }
    }
    spelling
}

/// Messages that begin like this never repeat a value: our own filters wrote them, or they are about names and types.
const SAFE_BEGINNINGS: &[&str] = &["is ", "has ", "makes ", "multiplies ", "a filter ", "tried to use ", "`digits`", "`zone`"];

/// What failed. The library's details are dropped where they could repeat a value: values are health data.
fn explain(error: &Error) -> EvalError {
    let about_names = matches!(
        error.kind(),
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownMethod
            | ErrorKind::UnknownTest
            | ErrorKind::MissingArgument
            | ErrorKind::TooManyArguments
    );
    let safe = |detail: &&str| about_names || SAFE_BEGINNINGS.iter().any(|beginning| detail.starts_with(beginning));
    let message = match error.detail().filter(safe) {
        Some(detail) => detail.to_owned(),
        None => format!("failed: {}", error.kind()),
    };
    EvalError { message, absent: error.kind() == ErrorKind::UndefinedError }
}

fn filter_value(filter: Filter, value: &Value, meter: &Meter) -> Result<Value, Error> {
    let piece = charged(from_value(value, meter))?;
    let filtered = charged(filter.apply(piece, meter))?;
    Ok(match filtered {
        Piece::Bytes(bytes) => Value::from_bytes(bytes.into_owned()),
        other => to_value(&other, &Arc::default()),
    })
}

/// A time as the library carries it.
#[derive(Debug)]
struct Time(Timestamp);

impl Object for Time {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

fn to_value(piece: &Piece<'_>, meter: &Arc<Meter>) -> Value {
    match piece {
        Piece::Absent => Value::UNDEFINED,
        Piece::Null => Value::from(()),
        Piece::Bool(value) => Value::from(*value),
        Piece::Number(text) => number_value(text),
        Piece::Text(text) => Value::from(text.as_ref()),
        Piece::Time(at) => Value::from_object(Time(*at)),
        Piece::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::from(text),
            Err(_) => Value::from_bytes(bytes.to_vec()),
        },
        Piece::Json(raw) => json_value(&Bytes::copy_from_slice(raw.as_bytes()), meter),
    }
}

fn from_value(value: &Value, meter: &Meter) -> Result<Piece<'static>, EvalError> {
    if let Some(time) = value.downcast_object_ref::<Time>() {
        return Ok(Piece::Time(time.0));
    }
    if let Some(raw) = value.downcast_object_ref::<RawJson>() {
        meter.make(raw.text().len())?;
        return Ok(Piece::Json(Cow::Owned(raw.text().to_owned())));
    }
    match value.kind() {
        ValueKind::Undefined => Ok(Piece::Absent),
        ValueKind::None => Ok(Piece::Null),
        ValueKind::Bool => Ok(Piece::Bool(value.is_true())),
        ValueKind::Number => number(value),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            meter.make(text.len())?;
            Ok(Piece::Text(Cow::Owned(text.to_owned())))
        }
        ValueKind::Bytes => {
            let bytes = value.as_bytes().unwrap_or_default();
            meter.make(bytes.len())?;
            Ok(Piece::Bytes(Cow::Owned(bytes.to_vec())))
        }
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            let mut out = String::new();
            write_container(value, &mut out, 0, meter)?;
            Ok(Piece::Json(Cow::Owned(out)))
        }
        other => Err(EvalError::new(format!("is a value of type {other}, which cannot be sent"))),
    }
}

fn number(value: &Value) -> Result<Piece<'static>, EvalError> {
    if value.is_integer() {
        return Ok(Piece::number(value));
    }
    let number = f64::try_from(value.clone()).ok().and_then(serde_json::Number::from_f64);
    number.map(|number| Piece::number(&number)).ok_or_else(|| EvalError::new("is a number that JSON cannot write"))
}

fn write_container(value: &Value, out: &mut String, depth: usize, meter: &Meter) -> Result<(), EvalError> {
    if depth > DEPTH_MAX {
        return Err(EvalError::new("makes a value that is nested too deep"));
    }
    let is_map = value.kind() == ValueKind::Map;
    out.push(if is_map { '{' } else { '[' });
    let items = value.try_iter().map_err(|error| explain(&error))?;
    for (index, item) in items.enumerate() {
        meter.make(2)?;
        if index > 0 {
            out.push(',');
        }
        let mut member = item.clone();
        if is_map {
            let key = item.as_str().ok_or_else(|| EvalError::new("has a key that is not text"))?;
            Piece::text(key).write_json_charged(out, meter)?;
            out.push(':');
            member = value.get_item(&item).map_err(|error| explain(&error))?;
        }
        let raw = member.downcast_object_ref::<RawJson>().is_some();
        match member.kind() {
            ValueKind::Seq | ValueKind::Iterable | ValueKind::Map if !raw => write_container(&member, out, depth + 1, meter)?,
            _ => from_value(&member, meter)?.write_json_charged(out, meter)?,
        }
    }
    out.push(if is_map { '}' } else { ']' });
    Ok(())
}
