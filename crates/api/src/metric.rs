//! Every metric that `/metrics` shows: one table. Descriptions, the page in the docs, the alert rules and the dashboard are made from it
//! or held against it.
//!
//! A label's values are known beforehand, or come from the operator: a contract's name, a route's path as it is written. What a consumer
//! or a stranger chooses never becomes a label, so there are only so many series.

use bellwire_domain::{HealthStatus, OutcomeKind};

mod table;

pub use table::METRICS;

/// What `/metrics` says in one name.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How its values come about.
    pub kind: Kind,
    /// What is counted or measured.
    pub unit: &'static str,
    /// What its series are told apart by.
    pub labels: &'static [Label],
    /// What it says, in Markdown.
    pub says: &'static str,
}

/// How a metric's values come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, and begins at 0 with the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How often a value was at most so large; in seconds.
    Histogram,
}

impl Kind {
    /// As Prometheus writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A label, and what it may say.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: Values,
}

/// What a label may say.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// One of these.
    Words(&'static [&'static str]),
    /// What an attempt came to.
    Outcome,
    /// An endpoint's health, or that it is disabled.
    Health,
    /// The name of a contract that is loaded.
    Contract,
    /// A route as the API or a contract writes it, or `unmatched`.
    Route,
    /// The status of an answer.
    Status,
    /// Of this binary.
    Version,
}

/// What stands for the health of an endpoint that is disabled.
pub const DISABLED: &str = "disabled";

impl Values {
    /// All of them, where they are known beforehand.
    pub fn words(self) -> Option<Vec<&'static str>> {
        match self {
            Self::Words(words) => Some(words.to_vec()),
            Self::Outcome => Some(OutcomeKind::ALL.iter().map(|kind| kind.as_str()).collect()),
            Self::Health => Some(HealthStatus::ALL.iter().map(|health| health.as_str()).chain([DISABLED]).collect()),
            Self::Contract | Self::Route | Self::Status | Self::Version => None,
        }
    }
}

impl Metric {
    /// What `# HELP` says.
    pub fn help(&self) -> String {
        format!("{} Unit: {}.", self.says.replace('`', "'"), self.unit)
    }

    /// The labels of each series that it can have, where they are known beforehand.
    pub fn series(&self) -> Option<Vec<Vec<(&'static str, &'static str)>>> {
        self.labels.iter().try_fold(vec![Vec::new()], |series, label| {
            let words = label.values.words()?;
            let with = |labels: &Vec<_>, word| labels.iter().copied().chain([(label.name, word)]).collect();
            Some(series.iter().flat_map(|labels| words.iter().map(move |word| with(labels, *word))).collect())
        })
    }
}

/// The table of the docs, in Markdown.
pub fn markdown_table() -> String {
    let row = |metric: &Metric| {
        let labels: Vec<_> = metric.labels.iter().map(|label| label.name).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let Metric { name, unit, says, .. } = metric;
        format!("| `{name}{labels}` | {} | {unit} | {says} |\n", metric.kind.as_str())
    };
    let rows: String = METRICS.iter().map(row).collect();
    format!("| metric | kind | unit | what it says |\n| --- | --- | --- | --- |\n{rows}")
}
