//! What one rendering may cost: bytes that it makes, and steps that it takes.
//!
//! Data decides how often a loop runs and how long a text becomes. So everything that could grow is charged here before it is made,
//! and a rendering that has used up its allowance ends with an error.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::json;
use crate::piece::{EvalError, Piece};

/// The most bytes that one rendering makes, over and above those that it is given.
pub(crate) const MADE_MAX: usize = 16 << 20;
/// The most steps that one rendering takes. A step is about a byte that is read or written.
pub(crate) const STEPS_MAX: usize = 1 << 30;

/// The allowance of one rendering. Once it is used up, everything that is charged fails.
///
/// The expression library wants values that can be shared, hence the atomics; nothing else shares them.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    made: AtomicUsize,
    steps: AtomicUsize,
    allowed: AtomicUsize,
}

impl Meter {
    /// One that takes so many steps.
    pub(crate) fn with_steps(steps: usize) -> Self {
        Self { steps: AtomicUsize::new(STEPS_MAX.saturating_sub(steps)), ..Self::default() }
    }

    /// Allows more bytes, for a rendering that is given more than a request ever is.
    pub(crate) fn allow(&self, bytes: usize) {
        add(&self.allowed, bytes);
    }

    /// Charges bytes that are about to be made.
    pub(crate) fn make(&self, bytes: usize) -> Result<(), EvalError> {
        add(&self.made, bytes);
        add(&self.steps, bytes);
        self.check()
    }

    /// Charges steps.
    pub(crate) fn step(&self, steps: usize) -> Result<(), EvalError> {
        add(&self.steps, steps);
        self.check()
    }

    /// Fails if so many more bytes would be too many; charges nothing.
    pub(crate) fn check_room(&self, bytes: usize) -> Result<(), EvalError> {
        if self.made.load(Relaxed).saturating_add(bytes) > self.made_max() {
            // What does not fit counts as used up, so that no part of the template can carry on without it.
            add(&self.made, bytes);
        }
        self.check()
    }

    /// Whether the allowance still lasts.
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        if self.made.load(Relaxed) > self.made_max() {
            return Err(EvalError::new(format!("makes more than one rendering may: {} MiB", MADE_MAX >> 20)));
        }
        if self.steps.load(Relaxed) > STEPS_MAX {
            return Err(EvalError::new("takes more steps than one rendering may"));
        }
        Ok(())
    }

    fn made_max(&self) -> usize {
        MADE_MAX.saturating_add(self.allowed.load(Relaxed))
    }
}

impl Piece<'_> {
    /// Appends the value as JSON, and charges what that makes.
    pub(crate) fn write_json_charged(&self, out: &mut String, meter: &Meter) -> Result<(), EvalError> {
        let room = match self {
            Self::Text(_) | Self::Bytes(_) => self.len().saturating_mul(json::ESCAPED_BYTES_MAX),
            _ => self.len(),
        };
        meter.check_room(room)?;
        let before = out.len();
        self.write_json(out)?;
        meter.make(out.len().saturating_sub(before))
    }
}

fn add(counter: &AtomicUsize, amount: usize) {
    counter.store(counter.load(Relaxed).saturating_add(amount), Relaxed);
}

/// Counts what is written to it, and refuses to count beyond a limit.
pub(crate) struct Counter {
    pub(crate) bytes: usize,
    limit: usize,
}

impl Counter {
    /// Counts up to what any rendering may make.
    pub(crate) const fn new() -> Self {
        Self { bytes: 0, limit: MADE_MAX }
    }
}

impl fmt::Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > self.limit { Err(fmt::Error) } else { Ok(()) }
    }
}
