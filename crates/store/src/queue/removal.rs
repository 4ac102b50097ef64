//! The rounds of retention: what `retention` and `expiry` remove step by step, for everybody and account by account.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{AccountId, RetentionPeriods, Timestamp};

use super::access::Access;
use super::expiry::{self, Expired};
use super::facade::Queue;
use super::retention::{self, Cut, Removed};
use super::scrub;
use crate::StoreError;
use crate::rows::account::{self, RetainedAccount, from_days};
use crate::rows::{bulk_retry, client, incident};
use crate::sql::Db;

/// Accounts looked at with one read.
const ACCOUNTS_PAGE: u32 = 100;
/// Incidents removed in one transaction.
const INCIDENTS_STEP: i64 = 1_000;
/// Retries of many deliveries that one step removes.
const BULK_RETRIES_STEP: i64 = 1_000;

impl Queue {
    /// Removes history that is older than its account keeps it, or else everybody: in whole weeks, ended deliveries with their attempts,
    /// and events that no delivery needs. What is live is kept, with everything made after it. May be interrupted, and asked by several
    /// nodes at once.
    pub async fn retain(&self, everybody: RetentionPeriods) -> Result<Removed, StoreError> {
        let now = self.0.now();
        let mut removed = Removed::default();
        let mut of_everybody = None;
        if let Some(period) = everybody.history {
            let longest = self.0.read(move |db| retention::longest(db, period)).await?;
            of_everybody = Some(self.drop_weeks(now.minus(longest), &mut removed).await?);
        }
        let mut pages = AccountPages::new(of_everybody.is_none());
        while let Some(accounts) = pages.next(&self.0).await? {
            for account in self.with_old_events(accounts, of_everybody, now).await? {
                let id = account.id.clone();
                let cut = match account.retention().history {
                    Some(period) => Some(self.0.write(move |db| retention::begin_own(db, &id, now.minus(period))).await?),
                    None => of_everybody,
                };
                if let Some(cut) = cut {
                    self.retain_account(&account.id, cut, &mut removed).await?;
                }
            }
        }
        self.scrub_after(removed.deliveries + removed.events > 0).await?;
        Ok(removed)
    }

    /// Removes what is older than anybody keeps it, whosever it is; from where on the rest is kept.
    async fn drop_weeks(&self, since: Timestamp, removed: &mut Removed) -> Result<Cut, StoreError> {
        let kept = self.0.write(move |db| retention::begin(db, since)).await?;
        match &self.0.drop_history {
            Some(drop_history) => {
                let drop_history = Arc::clone(drop_history);
                removed.partitions = self.0.run_blocking(move || drop_history(kept.from)).await?;
            }
            None => loop {
                let some = self.0.write(move |db| retention::delete_history(db, kept)).await?;
                if some == 0 {
                    break;
                }
                removed.deliveries += some;
            },
        }
        while self.0.write(move |db| incident::drop_ended(db, kept.since, INCIDENTS_STEP)).await? > 0 {}
        while self.0.write(move |db| bulk_retry::drop_ended(db, kept.since, BULK_RETRIES_STEP)).await? > 0 {}
        Ok(Cut::of_everybody(kept))
    }

    /// Those that have a period of their own, or a log that begins with something old. So accounts that have nothing to remove, which are
    /// most of them, cost no commit.
    async fn with_old_events(
        &self,
        accounts: Vec<RetainedAccount>,
        cut: Option<Cut>,
        now: Timestamp,
    ) -> Result<Vec<RetainedAccount>, StoreError> {
        let find = move |db: Db<'_>| {
            let mut old = Vec::new();
            for account in accounts {
                let is_old = match cut {
                    _ if account.retention().history.is_some() => true,
                    Some(cut) => retention::begins_old(db, &account, cut, now)?,
                    None => false,
                };
                if is_old {
                    old.push(account);
                }
            }
            Ok(old)
        };
        self.0.read(find).await
    }

    async fn retain_account(&self, account_id: &AccountId, cut: Cut, removed: &mut Removed) -> Result<(), StoreError> {
        let now = self.0.now();
        let mut more = true;
        while more {
            let id = account_id.clone();
            let deleted;
            (deleted, more) = self.0.write(move |db| retention::delete_events(db, &id, cut, now)).await?;
            removed.deliveries += deleted.deliveries;
            removed.events += deleted.events;
        }
        Ok(())
    }

    /// Removes contents that are older than their account keeps them, or else everybody; what they belong to stays. May be interrupted,
    /// and asked by several nodes at once.
    pub async fn expire(&self, everybody: RetentionPeriods) -> Result<Expired, StoreError> {
        let now = self.0.now();
        let mut expired = Expired::default();
        self.0.write(move |db| client::drop_used_assertions(db, now)).await?;
        let own = self.0.read(expiry::own_answers).await?.into_iter().map(|days| (Some(days), from_days(days)));
        for (days, period) in everybody.answers.map(|period| (None, period)).into_iter().chain(own) {
            self.expire_answers(days, now.minus(period), &mut expired).await?;
        }
        let mut pages = AccountPages::new(everybody.payloads.is_none() && everybody.disclosures.is_none());
        while let Some(accounts) = pages.next(&self.0).await? {
            let (with_payloads, with_disclosures) = self.with_old_contents(accounts, everybody, now).await?;
            for (account, before) in with_payloads {
                self.expire_payloads(&account, before, &mut expired).await?;
            }
            for (account, before) in with_disclosures {
                self.expire_disclosures(&account, before, &mut expired).await?;
            }
        }
        self.scrub_after(expired != Expired::default()).await?;
        Ok(expired)
    }

    /// Those that have payloads, and those that have disclosures, from before the instant that is named with them.
    async fn with_old_contents(
        &self,
        accounts: Vec<RetainedAccount>,
        everybody: RetentionPeriods,
        now: Timestamp,
    ) -> Result<(Vec<Old>, Vec<Old>), StoreError> {
        let find = move |db: Db<'_>| {
            let (mut payloads, mut disclosures) = (Vec::new(), Vec::new());
            for account in accounts {
                let periods = account.retention().or(everybody);
                let before = |period: Option<Duration>| period.map(|period| now.minus(period));
                if let Some(before) = before(periods.payloads)
                    && expiry::has_old_payloads(db, &account, before)?
                {
                    payloads.push((account.id.clone(), before));
                }
                if let Some(before) = before(periods.disclosures)
                    && expiry::has_old_disclosures(db, &account, before)?
                {
                    disclosures.push((account.id, before));
                }
            }
            Ok((payloads, disclosures))
        };
        self.0.read(find).await
    }

    async fn expire_answers(&self, days: Option<i64>, before: Timestamp, expired: &mut Expired) -> Result<(), StoreError> {
        let mut more = true;
        while more {
            let removed;
            (removed, more) = self.0.write(move |db| expiry::expire_answers(db, days, before)).await?;
            expired.answers += removed;
        }
        Ok(())
    }

    async fn expire_payloads(&self, account_id: &AccountId, before: Timestamp, expired: &mut Expired) -> Result<(), StoreError> {
        let mut more = true;
        while more {
            let id = account_id.clone();
            let removed;
            (removed, more) = self.0.write(move |db| expiry::expire_payloads(db, &id, before)).await?;
            expired.payloads += removed;
        }
        Ok(())
    }

    async fn expire_disclosures(
        &self,
        account_id: &AccountId,
        before: Timestamp,
        expired: &mut Expired,
    ) -> Result<(), StoreError> {
        let mut next = Some(Timestamp::from_micros(0));
        while let Some(from) = next {
            let id = account_id.clone();
            let removed;
            (removed, next) = self.0.write(move |db| expiry::expire_disclosures(db, &id, (from, before))).await?;
            expired.disclosures += removed;
        }
        Ok(())
    }

    /// Leaves nothing of what was removed behind.
    async fn scrub_after(&self, is_removed: bool) -> Result<(), StoreError> {
        if is_removed {
            self.0.write(scrub::want).await?;
            self.0.scrub().await?;
        }
        Ok(())
    }
}

/// An account, and before which instant something of it is old.
type Old = (AccountId, Timestamp);

/// Accounts, read page by page.
struct AccountPages {
    /// Of those alone that have one of their own.
    only_own: bool,
    after: String,
    is_over: bool,
}

impl AccountPages {
    const fn new(only_own: bool) -> Self {
        Self { only_own, after: String::new(), is_over: false }
    }

    /// The next page; `None`: there is none.
    async fn next(&mut self, access: &Access) -> Result<Option<Vec<RetainedAccount>>, StoreError> {
        if self.is_over {
            return Ok(None);
        }
        let (after, only_own) = (std::mem::take(&mut self.after), self.only_own);
        let page = access.read(move |db| account::list_retained(db, &after, only_own, ACCOUNTS_PAGE)).await?;
        self.is_over = u32::try_from(page.len()).is_ok_and(|read| read < ACCOUNTS_PAGE);
        if let Some(last) = page.last() {
            last.id.as_str().clone_into(&mut self.after);
        }
        Ok(Some(page))
    }
}
