//! How long what is kept is kept.

use std::time::Duration;

/// How long each class is kept, at least; `None`: for ever, or, in an account, as long as everybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetentionPeriods {
    /// Events with their deliveries and attempts.
    pub history: Option<Duration>,
    /// Payloads of events, where they go before the events.
    pub payloads: Option<Duration>,
    /// Answers of receivers, where they go before their attempts.
    pub answers: Option<Duration>,
    /// What receivers were told about somebody.
    pub disclosures: Option<Duration>,
}

impl RetentionPeriods {
    /// These, and where one is not given, that of `default`.
    #[must_use]
    pub fn or(self, default: Self) -> Self {
        Self {
            history: self.history.or(default.history),
            payloads: self.payloads.or(default.payloads),
            answers: self.answers.or(default.answers),
            disclosures: self.disclosures.or(default.disclosures),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_account_does_not_say_is_everybody_s() {
        let days = |days: u64| Some(Duration::from_secs(days * 86_400));
        let everybody = RetentionPeriods { history: days(90), payloads: days(30), ..RetentionPeriods::default() };
        let own = RetentionPeriods { payloads: days(7), answers: days(1), ..RetentionPeriods::default() };
        let both = RetentionPeriods { history: days(90), payloads: days(7), answers: days(1), disclosures: None };
        assert_eq!(own.or(everybody), both);
    }
}
