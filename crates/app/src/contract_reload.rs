//! Reading the contracts again while the server runs.
//!
//! All files are read and compiled first, and then all of them take the place of what was loaded, or none. What is under way goes on
//! with the contract that it had.

use std::sync::Arc;

use bellwire_contract::{ContractChanges, ContractLabel, Contracts};
use bellwire_domain::{AuditAction, AuditDetail};
use bellwire_store::AccountsOfContract;

use crate::author::Author;
use crate::{App, AppError, Conflict, Scope};

/// Where contracts are read from.
pub trait ContractFiles: Send + Sync {
    /// Reads and compiles all of them. It blocks for as long as a disk does.
    ///
    /// # Errors
    /// What is wrong, and in which file: a line for each fault.
    fn load(&self) -> Result<Contracts, String>;
}

impl App {
    /// Reads all contracts again, and works with them from then on: what has changed.
    ///
    /// # Errors
    /// A file is wrong, or accounts could not go on with what the files say. Then nothing is changed.
    pub async fn reload_contracts(&self, scope: &Scope) -> Result<ContractChanges, AppError> {
        let reloaded = self.take_contracts(scope).await;
        let result = if reloaded.is_ok() { "done" } else { "refused" };
        metrics::counter!("bellwire_contract_reloads_total", "result" => result).increment(1);
        reloaded
    }

    /// The same for the server itself, which was sent a signal.
    ///
    /// # Errors
    /// As above.
    pub async fn reload_contracts_on_signal(&self) -> Result<ContractChanges, AppError> {
        self.reload_contracts(&Scope::of_process(Author::node())).await
    }

    async fn take_contracts(&self, scope: &Scope) -> Result<ContractChanges, AppError> {
        // No account may be set up by a contract that goes.
        let _no_account_meanwhile = self.0.contracts_read.write().await;
        let before = self.contracts();
        let next = match self.options().contract_files.clone() {
            None => Arc::clone(&before),
            // On a thread that may wait: the files may be far away, and many.
            Some(files) => {
                let loaded = tokio::task::spawn_blocking(move || files.load()).await;
                let stopped = |_| "reading them was broken off".to_owned();
                Arc::new(loaded.map_err(stopped).flatten().map_err(AppError::ContractFiles)?)
            }
        };
        let counts = self.records().count_accounts_by_contract().await?;
        let reasons = stranded(&before, &next, &counts);
        if !reasons.is_empty() {
            return Err(Conflict::ContractInUse { reasons }.into());
        }
        self.ensure_contract_keys(&next, &counts, &scope.by).await?;
        let changes = before.changes_to(&next);
        let mut entry = scope.entry(AuditAction::ContractsReloaded);
        for (name, list) in [("added", &changes.added), ("changed", &changes.changed), ("removed", &changes.removed)] {
            entry = entry.with(name, AuditDetail::Texts(list.iter().map(ToString::to_string).collect()));
        }
        self.records().note(entry).await?;
        self.options().contracts.send_replace(next);
        Ok(changes)
    }
}

/// Why accounts could not go on under `next`, version by version.
fn stranded(before: &Contracts, next: &Contracts, counts: &[AccountsOfContract]) -> Vec<String> {
    let reason = |of: &AccountsOfContract| {
        let AccountsOfContract { contract: name, version, accounts, .. } = of;
        let label = ContractLabel { name: name.clone(), version: version.clone() };
        let have = match accounts {
            1 => "an account has it".to_owned(),
            several => format!("{several} accounts have it"),
        };
        let before = before.get_version(name, version.as_deref());
        let Some(after) = next.get_version(name, version.as_deref()) else {
            let file = before.map_or_else(String::new, |before| format!(" (it was in {})", before.file()));
            return Some(format!("the contract `{label}`{file} is gone, and {have}"));
        };
        let wrong = before?.strands(after)?;
        Some(format!("{wrong}: the contract `{label}` cannot change so while {have}"))
    };
    counts.iter().filter_map(reason).collect()
}
