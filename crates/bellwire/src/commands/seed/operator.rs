//! Who does what the use-cases are asked for.

use bellwire_app::{Actor, Identity};
use bellwire_domain::{AuditOrigin, AuditVia, Role};
use bellwire_store::KeyBounds;

/// Whoever runs the command, as the use-cases and the audit log know them.
pub(super) fn operator() -> Actor {
    Actor {
        identity: Identity::Person("bellwire seed".into()),
        role: Role::Admin,
        account: None,
        read_only: false,
        bounds: KeyBounds::default(),
        origin: AuditOrigin { via: AuditVia::Command, address: None },
        requests_left: None,
    }
}
