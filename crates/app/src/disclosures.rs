//! To whom something about somebody was disclosed.

use bellwire_domain::{AuditAction, Timestamp, mask_query};
use bellwire_store::{Disclosure, DisclosureQuery, Page, PageRequest};

use crate::error::no_faults;
use crate::publish::subject_length_reason;
use crate::{AccountAccess, App, AppError, Fault, Resource};

/// Which disclosures are asked for.
#[derive(Debug, Clone)]
pub struct DisclosureInput {
    /// About whom.
    pub subject: String,
    /// At this instant or later.
    pub since: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
}

impl App {
    /// A page of what receivers were told about a subject, the latest first. That it was asked for is recorded before it is shown. Who may
    /// not change endpoints sees the values of the URLs' queries masked.
    pub async fn list_disclosures(
        &self,
        access: &AccountAccess,
        input: DisclosureInput,
        page: PageRequest,
    ) -> Result<Page<Disclosure>, AppError> {
        let DisclosureInput { subject, since, until } = input;
        let mut faults = self.subject_faults("/subject", &subject);
        if since.zip(until).is_some_and(|(since, until)| until <= since) {
            faults.push(Fault::new("/until", "the range must end after it starts"));
        }
        no_faults(faults)?;
        let entry = access.entry(AuditAction::DisclosuresRead).to(self.hash_subject(access, &subject).await?);
        self.records().note(entry).await?;
        let query = DisclosureQuery { account_id: access.account.id.clone(), subject, since, until };
        let mut found = self.records().list_disclosures(query, page).await?;
        if !access.shows_tokens {
            found.items.iter_mut().for_each(|disclosure| disclosure.url = mask_query(&disclosure.url));
        }
        Ok(found)
    }

    /// A subject as the database knows it, and as the audit log names it.
    pub async fn hash_subject(&self, access: &AccountAccess, subject: &str) -> Result<String, AppError> {
        let hash = self.records().hash_subject(&access.account.id, subject).await?;
        Ok(hash.ok_or(AppError::NotFound(Resource::Account))?.to_string())
    }

    /// What is wrong with the name of a subject.
    pub(crate) fn subject_faults(&self, pointer: &str, subject: &str) -> Vec<Fault> {
        let wrong = subject_length_reason(subject, self.limits());
        wrong.map(|detail| Fault::new(pointer, detail)).into_iter().collect()
    }

    /// What is wrong with a reason. `why` says of what it is the reason, and where it is kept.
    pub(crate) fn reason_faults(&self, reason: &str, why: &str) -> Vec<Fault> {
        let max = self.limits().reason_length_max;
        let is_wrong = reason.is_empty() || reason.chars().count() > max;
        let expected = || format!("say in 1 to {max} characters {why}");
        is_wrong.then(|| Fault::new("/reason", expected())).into_iter().collect()
    }
}
