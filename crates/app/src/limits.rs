//! Limits on what a caller may send, ask for and keep.

use std::time::Duration;

use bellwire_domain::{RateLimit, SUBJECTS_MAX};

/// The limits. Whatever exceeds one is refused with an error that names it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_bytes_max: usize,
    /// Bytes of one event's `data`.
    pub data_bytes_max: usize,
    /// Nesting depth of `data`.
    pub data_depth_max: usize,
    /// Events in one request.
    pub batch_events_max: usize,
    /// Subjects of one event.
    pub subjects_max: usize,
    /// Characters of one subject.
    pub subject_length_max: usize,
    /// Items of a page, by default.
    pub page_limit_default: u32,
    /// Items of a page.
    pub page_limit_max: u32,
    /// Endpoints of one account.
    pub endpoints_per_account_max: u32,
    /// Clients of one account.
    pub clients_per_account_max: u32,
    /// Bytes of a client's key set.
    pub client_keys_bytes_max: usize,
    /// The highest limit on requests in flight that an endpoint may set.
    pub endpoint_in_flight_max: u32,
    /// Running replays of one endpoint.
    pub replays_running_max: u32,
    /// Running replays of all endpoints of one account.
    pub account_replays_running_max: u32,
    /// Running retries of many deliveries, of one account and of those over all accounts.
    pub bulk_retries_running_max: u32,
    /// Running erasures of one account.
    pub erasures_running_max: u32,
    /// Characters of a name.
    pub name_length_max: usize,
    /// Characters of a reason.
    pub reason_length_max: usize,
    /// Granted event types of one account.
    pub entitlements_max: usize,
    /// Accounts that a publisher's key is narrowed to.
    pub key_accounts_max: usize,
    /// Own headers of an endpoint.
    pub headers_max: usize,
    /// Bytes of all those headers, names and values together.
    pub headers_bytes_max: usize,
    /// How long an old secret may sign together with a new one.
    pub secret_overlap_max: Duration,
    /// Secrets that sign at once.
    pub secrets_active_max: u32,
    /// The rate limit of an API key; `None`: no limit.
    pub requests_per_key: Option<RateLimit>,
    /// The rate limit of a consumer's API key, in place of the one above; `None`: that one.
    pub requests_per_consumer_key: Option<RateLimit>,
    /// Test events of one account.
    pub tests_per_account: RateLimit,
    /// Access tokens that one client gets.
    pub tokens_per_client: RateLimit,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            data_bytes_max: 256 << 10,
            data_depth_max: 100,
            batch_events_max: 1_000,
            subjects_max: SUBJECTS_MAX,
            subject_length_max: 200,
            page_limit_default: 50,
            page_limit_max: 200,
            endpoints_per_account_max: 1_000,
            clients_per_account_max: 100,
            client_keys_bytes_max: 16 << 10,
            endpoint_in_flight_max: 10_000,
            replays_running_max: 8,
            account_replays_running_max: 16,
            bulk_retries_running_max: 4,
            erasures_running_max: 100,
            name_length_max: 200,
            reason_length_max: 500,
            entitlements_max: 200,
            key_accounts_max: 1_000,
            headers_max: 20,
            headers_bytes_max: 4 << 10,
            secret_overlap_max: Duration::from_secs(30 * 24 * 3_600),
            secrets_active_max: 5,
            requests_per_key: None,
            requests_per_consumer_key: None,
            tests_per_account: RateLimit::per_minute_at_once(60),
            tokens_per_client: RateLimit::per_minute_at_once(60),
        }
    }
}
