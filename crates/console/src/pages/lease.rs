//! When an endpoint expires, as the form of an endpoint asks for it.

use std::time::Duration;

use bellwire_app::AppError;
use bellwire_contract::Contract;
use bellwire_domain::{Timestamp, parse_duration};
use bellwire_store::Endpoint;

use crate::form::Form;

const FIELD: &str = "expires_at";

/// The field, where the contract has leases.
pub(super) struct LeaseField {
    pub(super) value: String,
    pub(super) is_required: bool,
}

impl LeaseField {
    pub(super) fn new(contract: &Contract, value: String) -> Option<Self> {
        let policy = contract.subscription().lease?;
        Some(Self { value, is_required: policy.required && policy.default.is_none() })
    }
}

/// What is typed.
pub(super) fn typed(form: &Form) -> String {
    form.text(FIELD).unwrap_or_default().to_owned()
}

/// As the form begins.
pub(super) fn stored(endpoint: &Endpoint) -> String {
    endpoint.expires_at.map(|end| end.to_string()).unwrap_or_default()
}

/// What the use-case is asked for: an end, or that there is none; or how long from now.
pub(super) type Asked = (Option<Option<Timestamp>>, Option<Duration>);

/// Reads the field. What is left as it is asks for nothing, and so does a new endpoint's that is left empty.
pub(super) fn asked(contract: &Contract, form: &Form, endpoint: Option<&Endpoint>) -> Result<Asked, AppError> {
    let text = typed(form);
    if contract.subscription().lease.is_none() || text == endpoint.map(stored).unwrap_or_default() {
        return Ok((None, None));
    }
    if text.is_empty() {
        return Ok((Some(None), None));
    }
    if let Ok(span) = parse_duration(&text) {
        return Ok((None, Some(span)));
    }
    let end = Timestamp::parse_rfc3339(&text);
    let end = end
        .map_err(|_| AppError::invalid("/expires_at", "write a time such as 30d, or an instant such as 2027-01-31T12:00:00Z"))?;
    Ok((Some(Some(end)), None))
}
