//! Where a sealed value belongs. Its place is bound into the seal, so a value that somebody moves or swaps does not open.

use std::fmt;

use bellwire_domain::{AccountId, BulkRetryId, ClientId, DeliveryId, ErasureId, EventId, ResourceId};

use crate::StoreError;

/// The table and the row of a sealed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    table: &'static str,
    name: String,
}

impl Place {
    /// The text by which a later start knows that it has the same master key.
    pub(crate) fn canary() -> Self {
        Self { table: "meta", name: "meta:canary".to_owned() }
    }

    /// An account's wrapped data key.
    pub(crate) fn data_key(account: &AccountId) -> Self {
        Self { table: "accounts", name: format!("accounts:{account}") }
    }

    /// An event's payload.
    pub(crate) fn payload(account: &AccountId, event: &EventId) -> Self {
        Self { table: "events", name: format!("events:{account}/{event}") }
    }

    /// A secret of an endpoint, or of the account itself where `endpoint` is empty.
    pub(crate) fn secret(account: &AccountId, endpoint: &str, ordinal: i64) -> Self {
        Self { table: "secrets", name: format!("secrets:{account}/{endpoint}/{ordinal}") }
    }

    /// A key of a contract.
    pub(crate) fn contract_key(contract: &str, kind: &str, ordinal: i64) -> Self {
        Self { table: "contract_keys", name: format!("contract_keys:{contract}/{kind}/{ordinal}") }
    }

    /// The keys of a client.
    pub(crate) fn client(account: &AccountId, client: &ClientId) -> Self {
        Self { table: "clients", name: format!("clients:{account}/{client}") }
    }

    /// An endpoint's headers.
    pub(crate) fn headers(account: &AccountId, endpoint: &str) -> Self {
        Self { table: "endpoints", name: format!("endpoints:{account}/{endpoint}/headers") }
    }

    /// An endpoint's credentials.
    pub(crate) fn credentials(account: &AccountId, endpoint: &str) -> Self {
        Self { table: "endpoints", name: format!("endpoints:{account}/{endpoint}/credentials") }
    }

    /// What decides where and how an endpoint is sent to.
    pub(crate) fn endpoint_config(account: &AccountId, endpoint: &str) -> Self {
        Self { table: "endpoints", name: format!("endpoints:{account}/{endpoint}/config") }
    }

    /// Where an endpoint's activation stands.
    pub(crate) fn activation(account: &AccountId, endpoint: &str) -> Self {
        Self { table: "endpoints", name: format!("endpoints:{account}/{endpoint}/activation") }
    }

    /// The body of the answer to an attempt.
    pub(crate) fn response(delivery: DeliveryId, attempt: u32) -> Self {
        Self { table: "attempts", name: format!("attempts:{delivery}/{attempt}") }
    }

    /// The URL that an attempt went to, in a disclosure.
    pub(crate) fn disclosed_url(delivery: DeliveryId, attempt: u32) -> Self {
        Self { table: "disclosures", name: format!("disclosures:{delivery}/{attempt}/url") }
    }

    /// A text of a hold.
    pub(crate) fn hold(account: &AccountId, subject: &str, what: &'static str) -> Self {
        Self { table: "holds", name: format!("holds:{account}/{subject}/{what}") }
    }

    /// Why an erasure was asked for.
    pub(crate) fn erasure_reason(id: &ErasureId) -> Self {
        Self { table: "erasures", name: format!("erasures:{id}/reason") }
    }

    /// Why deliveries were retried together.
    pub(crate) fn bulk_retry_reason(id: &BulkRetryId) -> Self {
        Self { table: "bulk_retries", name: format!("bulk_retries:{id}/reason") }
    }

    /// A resource's document.
    pub(crate) fn document(account: &AccountId, kind: &str, id: &ResourceId) -> Self {
        Self { table: "resources", name: format!("resources:{account}/{kind}/{id}") }
    }

    /// The store's own key.
    pub(crate) fn store_key() -> Self {
        Self { table: "meta", name: "meta:store_key".to_owned() }
    }

    /// The key that signs heads of the audit log.
    pub(crate) fn audit_signer() -> Self {
        Self { table: "meta", name: "meta:audit.signer".to_owned() }
    }

    /// What is personal in a record of the audit log.
    pub(crate) fn audit_personal(seq: i64, field: &str) -> Self {
        Self { table: "audit_personal", name: format!("audit_personal:{seq}/{field}") }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// The error of a value here that does not open, or not to what it should be.
    pub(crate) const fn unsealable(&self) -> StoreError {
        StoreError::Unsealable { table: self.table }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}
