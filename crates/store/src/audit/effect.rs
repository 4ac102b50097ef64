//! Whether an act changed anything, by what it came to: only then is it recorded.

use bellwire_domain::{AuditAction, AuditActor, AuditEntry};

use crate::rows::account::Account;
use crate::rows::client::Client;
use crate::rows::endpoint::Endpoint;
use crate::rows::incident::Incident;
use crate::rows::replay::Replay;
use crate::rows::secret::ActiveSecret;
use crate::rows::session::PortalLink;

/// What an act came to.
pub(crate) trait Effect {
    /// Whether it changed anything.
    fn happened(&self) -> bool;

    /// Adds to the record what was not known before.
    fn refine(&self, _entry: &mut AuditEntry) {}
}

/// Something that is there now, or was changed.
macro_rules! always {
    ($($type:ty),+ $(,)?) => { $(impl $crate::audit::effect::Effect for $type {
        fn happened(&self) -> bool {
            true
        }
    })+ };
}
pub(crate) use always;
always!((), Account, ActiveSecret, Client, Endpoint, Incident, Replay);

impl Effect for bool {
    fn happened(&self) -> bool {
        *self
    }
}

impl Effect for usize {
    fn happened(&self) -> bool {
        *self > 0
    }
}

impl<T: Effect> Effect for Option<T> {
    fn happened(&self) -> bool {
        self.as_ref().is_some_and(Effect::happened)
    }

    fn refine(&self, entry: &mut AuditEntry) {
        if let Some(done) = self {
            done.refine(entry);
        }
    }
}

/// An account that was put, and whether it was created.
impl Effect for (Account, bool) {
    fn happened(&self) -> bool {
        true
    }

    fn refine(&self, entry: &mut AuditEntry) {
        if self.1 {
            entry.action = AuditAction::AccountCreated;
        }
    }
}

/// A link that was opened: only now it is known whose it was.
impl Effect for PortalLink {
    fn happened(&self) -> bool {
        true
    }

    fn refine(&self, entry: &mut AuditEntry) {
        entry.account.clone_from(&self.account_id);
        if let Some(account) = &self.account_id {
            entry.actor = AuditActor::Portal(account.clone());
        }
    }
}
