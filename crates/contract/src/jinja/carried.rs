//! What the expression library carries for us: the meter, numbers as JSON has them, and errors.

use std::borrow::Cow;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};

use crate::meter::Meter;
use crate::piece::EvalError;

/// The name under which filters find the meter. No expression can spell it.
pub(super) const METER: &str = "the meter";

/// An error of ours as one of the library.
pub(super) fn charged<T>(result: Result<T, EvalError>) -> Result<T, Error> {
    result.map_err(|error| failed(error.message, error.absent))
}

pub(super) fn failed(message: impl Into<Cow<'static, str>>, absent: bool) -> Error {
    Error::new(if absent { ErrorKind::UndefinedError } else { ErrorKind::InvalidOperation }, message)
}

/// The meter of the rendering that a filter runs in.
pub(super) fn meter_of(state: &State<'_, '_>) -> Result<Arc<Meter>, Error> {
    let value = state.lookup(METER);
    let shared = value.as_ref().and_then(|value| value.downcast_object_ref::<Shared>());
    shared.map(|shared| Arc::clone(&shared.0)).ok_or_else(|| failed("is evaluated outside of a rendering", false))
}

/// The meter as the library carries it.
#[derive(Debug)]
pub(super) struct Shared(pub(super) Arc<Meter>);

impl Object for Shared {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// The number as the library knows it. `-0` becomes a fraction, since no integer keeps its sign.
pub(super) fn number_value(text: &str) -> Value {
    if text != "-0" {
        if let Ok(number) = text.parse::<i64>() {
            return Value::from(number);
        }
        if let Ok(number) = text.parse::<i128>() {
            return Value::from(number);
        }
    }
    text.parse::<f64>().map_or(Value::UNDEFINED, Value::from)
}
