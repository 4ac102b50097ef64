//! How often the caller may still do something, in the headers of the answer (the IETF's draft-ietf-httpapi-ratelimit-headers-10:
//! `RateLimit-Policy` and `RateLimit`).

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bellwire_app::Allowance;
use parking_lot::Mutex;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// What the answer to one request will say: a place that travels with the request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown(Arc<Mutex<Vec<Allowance>>>);

impl Shown {
    pub(crate) fn add(&self, allowance: Allowance) {
        self.0.lock().push(allowance);
    }

    /// Writes what was added.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        for allowance in self.0.lock().iter() {
            write(allowance, headers);
        }
    }
}

/// Writes what is left of one thing, beside what the answer says already.
pub(crate) fn write(allowance: &Allowance, headers: &mut HeaderMap) {
    let Allowance { policy, limit, span_s, remaining, resets_in } = allowance;
    let resets_s = resets_in.as_secs() + u64::from(resets_in.subsec_nanos() > 0);
    let texts =
        [(POLICY, format!("\"{policy}\";q={limit};w={span_s}")), (LEFT, format!("\"{policy}\";r={remaining};t={resets_s}"))];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(name, value);
        }
    }
}
