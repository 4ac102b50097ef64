//! What an examination found.

/// Violations named for each check; more are only counted.
pub const VIOLATIONS_NAMED_MAX: usize = 20;

/// What an examination found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// Every check, in the order in which they were made.
    pub checks: Vec<Check>,
}

impl Examination {
    /// Whether no check found a violation.
    pub fn is_sound(&self) -> bool {
        self.checks.iter().all(|check| check.violated == 0)
    }
}

/// One promise, and whether it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name, such as `events.seq`.
    pub name: &'static str,
    /// The promise, as a sentence.
    pub promise: &'static str,
    /// Rows that it is about.
    pub counted: u64,
    /// Rows, or groups of rows, that break it.
    pub violated: u64,
    /// The first of those, each as a sentence with its ids.
    pub violations: Vec<String>,
    /// Why it was not made, if it was not.
    pub skipped: Option<&'static str>,
}

impl Check {
    pub(super) const fn new(name: &'static str, promise: &'static str) -> Self {
        Self { name, promise, counted: 0, violated: 0, violations: Vec::new(), skipped: None }
    }

    pub(super) fn violate(&mut self, what: impl Into<String>) {
        self.violated += 1;
        if self.violations.len() < VIOLATIONS_NAMED_MAX {
            self.violations.push(what.into());
        }
    }
}
