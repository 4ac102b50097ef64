//! What deliveries came to, by spans of time.

use std::time::Duration;

use bellwire_domain::{AccountId, EndpointId, Figures, Span, Timestamp};
use bellwire_store::{AccountStanding, FiguresOfSpan, FiguresQuery};

use crate::{AccountAccess, App, AppError, Resource, Scope};

/// Which attempts, and by which spans.
#[derive(Debug, Clone, Default)]
pub struct FiguresInput<'a> {
    /// Of this account.
    pub account: Option<&'a str>,
    /// Of this endpoint of the account.
    pub endpoint: Option<&'a str>,
    /// From the span that this instant is in; without it, the last hour by minutes, day by hours, or thirty days by days.
    pub since: Option<Timestamp>,
    /// Up to the span that the instant before this one is in; without it, up to now.
    pub until: Option<Timestamp>,
    /// The spans; without it, hours.
    pub by: Option<Span>,
}

/// What attempts came to.
#[derive(Debug, Clone, PartialEq)]
pub struct FiguresAnswer {
    /// The spans.
    pub by: Span,
    /// The start of the first one that was looked at: figures are not kept for ever.
    pub since: Timestamp,
    /// The end of the last one.
    pub until: Timestamp,
    /// Each span that had an attempt, in the order of time.
    pub spans: Vec<FiguresOfSpan>,
    /// All of them together.
    pub total: Figures,
}

/// The time that is shown when none is asked for.
const fn shown(by: Span) -> Duration {
    Duration::from_secs(match by {
        Span::Minute => 60 * 60,
        Span::Hour => 24 * 60 * 60,
        Span::Day => 30 * 24 * 60 * 60,
    })
}

impl App {
    /// What attempts came to, over all accounts, of one, or of one endpoint. A consumer sees its own account's.
    pub async fn figures(&self, scope: &Scope, input: FiguresInput<'_>) -> Result<FiguresAnswer, AppError> {
        let account_id = self.asked_account(scope, input.account).await?;
        let endpoint_id = match (&account_id, input.endpoint) {
            (_, None) => None,
            (None, Some(_)) => {
                return Err(AppError::invalid(
                    "/endpoint",
                    "needs `account` beside it: ids of endpoints are unique within an account",
                ));
            }
            (Some(_), Some(id)) => Some(EndpointId::try_new(id).map_err(|_| AppError::NotFound(Resource::Endpoint))?),
        };
        let (by, now) = (input.by.unwrap_or(Span::Hour), self.clock().now());
        let (since, until) = range(by, input.since, input.until, now)?;
        let spans = self.records().read_figures(FiguresQuery { account_id, endpoint_id, since, until, by }).await?;
        let total = spans.iter().map(|(_, figures)| figures).sum();
        Ok(FiguresAnswer { by, since, until, spans, total })
    }

    /// The last day of each of these endpoints, by hours: for the rows of a page.
    pub async fn endpoint_days(
        &self,
        access: &AccountAccess,
        endpoints: Vec<EndpointId>,
    ) -> Result<Vec<Vec<FiguresOfSpan>>, AppError> {
        let now = self.clock().now();
        let range = range(Span::Hour, None, None, now)?;
        Ok(self.records().read_endpoint_figures(&access.account.id, endpoints, range, Span::Hour).await?)
    }

    /// How each of these accounts stands: for the rows of a page.
    pub async fn account_standings(&self, scope: &Scope, accounts: Vec<AccountId>) -> Result<Vec<AccountStanding>, AppError> {
        if !accounts.iter().all(|id| scope.includes(id)) {
            return Err(AppError::NotFound(Resource::Account));
        }
        Ok(self.records().account_standings(accounts).await?)
    }

    /// How many deliveries each of these endpoints has that have not ended, at most [`bellwire_store::STANDING_WAITING_MAX`]: for the rows
    /// of a page.
    pub async fn live_deliveries(&self, access: &AccountAccess, endpoints: Vec<EndpointId>) -> Result<Vec<i64>, AppError> {
        Ok(self.records().live_deliveries(&access.account.id, endpoints).await?)
    }
}

/// Whole spans around what was asked for, as far back as they are kept.
fn range(
    by: Span,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), AppError> {
    let past = until.filter(|until| *until < now);
    let last = past.map_or(now, |until| until.minus(Duration::from_micros(1)));
    let since = since.unwrap_or_else(|| last.minus(shown(by)));
    if since > last {
        return Err(AppError::invalid("/since", "is not before `until`, or later than now"));
    }
    let start = |at| by.start(by.number(at));
    Ok((start(since.max(now.minus(by.kept()))), start(last).plus(by.length())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_range_is_made_of_whole_spans_and_ends_now() {
        let now = at("2025-06-15T10:30:30Z");
        let cases = [
            (Span::Minute, None, None, "2025-06-15T09:30:00Z", "2025-06-15T10:31:00Z"),
            (Span::Hour, None, None, "2025-06-14T10:00:00Z", "2025-06-15T11:00:00Z"),
            (Span::Day, None, None, "2025-05-16T00:00:00Z", "2025-06-16T00:00:00Z"),
            (
                Span::Hour,
                Some("2025-06-15T08:00:00Z"),
                Some("2025-06-15T09:00:00Z"),
                "2025-06-15T08:00:00Z",
                "2025-06-15T09:00:00Z",
            ),
            (
                Span::Hour,
                Some("2025-06-15T08:59:59Z"),
                Some("2030-01-01T00:00:00Z"),
                "2025-06-15T08:00:00Z",
                "2025-06-15T11:00:00Z",
            ),
            (Span::Minute, Some("2001-01-01T00:00:00Z"), None, "2025-06-14T10:30:00Z", "2025-06-15T10:31:00Z"),
        ];
        for (by, since, until, first, end) in cases {
            let found = range(by, since.map(at), until.map(at), now).unwrap();
            assert_eq!(found, (at(first), at(end)), "{by} {since:?} {until:?}");
        }
        assert!(range(Span::Hour, Some(at("2025-06-15T10:31:00Z")), None, now).is_err());
    }
}
