//! Rotates the master key: wraps every account's data key, and the store's own key, by another one.
//!
//! Servers may run meanwhile, and have to know both keys, so that it makes no difference to them how far this is. It begins only once
//! they do; `rows::master_key` holds them to it. Accounts are gone through in the order of their ids, some in each transaction, which
//! also notes how far that is: it may be stopped at any instant, and the next one goes on. New accounts are wrapped by the new key from the
//! beginning on. The last time through the accounts finds none that is wrapped by the old key. Then the new key is the store's.

pub(crate) mod held;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{AccountId, AuditAction, AuditActor, AuditDetail, AuditEntry, AuditOrigin, AuditVia, Clock, Entropy};

use self::held::{Held, Unprepared};
use crate::audit::append;
use crate::audit::keys::{AuditKeys, STORE_KEY};
use crate::doctor::in_snapshot;
use crate::queue::scrub;
use crate::rows::master_key::{self, Canaries, RotationState};
use crate::rows::{account, meta};
use crate::seal::Keyring;
use crate::sql::{Db, aside};
use crate::{Location, MasterKey, OpenError, StoreError};

/// How often a step is tried while somebody else holds the database, and the time between two tries.
const TRIES: u32 = 40;
const RETRY: Duration = Duration::from_millis(250);
/// Between two steps, for a server over the same file, which waits for its turn to write.
const PAUSE: Duration = Duration::from_millis(3);

/// A rotation to be made.
pub struct MasterKeyRotation {
    /// The store.
    pub database: Location,
    /// The key that it has.
    pub from: MasterKey,
    /// The key that it gets.
    pub to: MasterKey,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Accounts that are held at once.
    pub accounts_at_once: u32,
}

/// How far a rotation is. Each is told when it is written on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotationProgress {
    /// It has begun: what is new is wrapped by the new key.
    Begun,
    /// One that was stopped goes on.
    Resumed,
    /// More accounts were gone through.
    Rewrapped {
        /// Data keys wrapped anew so far, in all.
        keys: u64,
    },
}

/// How a rotation has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationEnd {
    /// The new key is the store's, and opens everything by itself.
    Rotated {
        /// Data keys of accounts wrapped anew.
        keys: u64,
    },
    /// It was the store's already.
    Already,
    /// It was asked to stop; the next one goes on from there.
    Stopped,
}

/// Why a rotation was not made, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The store does not open, or not with these keys.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There are servers that do not know the new key.
    #[error(
        "servers that run on this database know only the old master key ({servers} of them): set BELLWIRE_NEW_MASTER_KEY to the new key, \
         beside BELLWIRE_MASTER_KEY with the old one, restart each of them, and run this again"
    )]
    ServersUnprepared {
        /// How many.
        servers: i64,
    },
    /// An account's data key opens with neither key.
    #[error("the data key of the account {account} opens with neither master key: see `bellwire doctor`")]
    Unopened {
        /// The account.
        account: AccountId,
    },
}

/// Told how far a rotation is; it stops where the answer is to break.
pub type Report<'r> = &'r mut (dyn FnMut(RotationProgress) -> ControlFlow<()> + Send);

/// Makes a rotation, or goes on with one. It refuses before anything is written where it cannot be made.
///
/// # Errors
/// The keys are not those of the store, servers do not know both, or the store cannot be read or written.
pub fn rotate_master_key(rotation: &MasterKeyRotation, report: Report<'_>) -> Result<RotationEnd, RotationError> {
    let keyring = Keyring::new(&rotation.from.clone().replaced_by(rotation.to.clone()));
    if !keyring.has_next() {
        let admit = |db: Db<'_>, _: Option<&Keyring>| master_key::admit(db, &keyring).map(|()| RotationEnd::Already);
        return Ok(in_snapshot(&rotation.database, None, admit)?);
    }
    aside(move || Rotator { rotation, keyring }.run(report))
}

/// What a step has come to.
enum Step {
    /// So many data keys are wrapped anew so far.
    Rewrapped(u64),
    Ended(RotationEnd),
}

struct Rotator<'r> {
    rotation: &'r MasterKeyRotation,
    keyring: Keyring,
}

impl Rotator<'_> {
    fn run(&self, report: Report<'_>) -> Result<RotationEnd, RotationError> {
        let location = &self.rotation.database;
        let begun = held::alone_or_prepared(location, |db, unprepared| self.begin(db, unprepared))?;
        let Some(progress) = begun else { return Ok(RotationEnd::Already) };
        if report(progress).is_break() {
            return Ok(RotationEnd::Stopped);
        }
        let mut held = Held::open(location)?;
        loop {
            match self.try_step(&mut held)? {
                Step::Ended(ended) => return Ok(ended),
                Step::Rewrapped(keys) if report(RotationProgress::Rewrapped { keys }).is_break() => {
                    return Ok(RotationEnd::Stopped);
                }
                Step::Rewrapped(_) => std::thread::sleep(PAUSE),
            }
        }
    }

    /// Begins unless that has been done; `None`: it has even ended. `unprepared` counts the servers that do not know the key by
    /// which this canary is sealed, or any new key.
    fn begin(&self, db: Db<'_>, unprepared: Unprepared<'_>) -> Result<Option<RotationProgress>, RotationError> {
        master_key::lock(db)?;
        let canaries = Canaries::find(db)?;
        if canaries.are_rotated(&self.keyring) {
            return Ok(None);
        }
        canaries.admit(&self.keyring)?;
        if master_key::rotation(db)?.is_some() {
            return Ok(Some(RotationProgress::Resumed));
        }
        let servers = unprepared(canaries.next.as_deref())?;
        if servers > 0 {
            return Err(RotationError::ServersUnprepared { servers });
        }
        if canaries.next.is_none() {
            master_key::prepare(db, &self.keyring, &*self.rotation.entropy)?;
        }
        master_key::set_rotation(db, &RotationState::default())?;
        self.record(db, AuditAction::MasterKeyRotationStarted, None)?;
        Ok(Some(RotationProgress::Begun))
    }

    /// A step, tried again while somebody else holds what it needs.
    fn try_step(&self, held: &mut Held) -> Result<Step, RotationError> {
        for _ in 1..TRIES {
            match held.transaction(|db| self.step(db)) {
                Err(RotationError::Store(StoreError::Unavailable(_) | StoreError::Busy)) if !held.is_lost() => {
                    std::thread::sleep(RETRY);
                }
                ended => return ended,
            }
        }
        held.transaction(|db| self.step(db))
    }

    /// Goes through some accounts, or ends.
    fn step(&self, db: Db<'_>) -> Result<Step, RotationError> {
        let Some(mut state) = master_key::lock_rotation(db)? else {
            return Ok(Step::Ended(RotationEnd::Already)); // another process has ended it
        };
        let limit = self.rotation.accounts_at_once.max(1);
        let page = account::list_wrapped(db, &state.after, limit)?;
        for account::WrappedKey { id, wrapped } in &page {
            let rewrapped = self.keyring.rewrap_key(&*self.rotation.entropy, id, wrapped);
            let Some(rewrapped) = rewrapped.map_err(|_| RotationError::Unopened { account: id.clone() })? else { continue };
            state.changed = true;
            state.rewrapped += u64::from(account::replace_key(db, id, wrapped, &rewrapped)?);
        }
        let is_through = u32::try_from(page.len()).unwrap_or(u32::MAX) < limit;
        if is_through && !state.changed {
            return self.end(db, state.rewrapped);
        }
        state.after = page.last().filter(|_| !is_through).map(|last| last.id.to_string()).unwrap_or_default();
        state.changed &= !is_through;
        master_key::set_rotation(db, &state)?;
        Ok(Step::Rewrapped(state.rewrapped))
    }

    /// The new key becomes the store's.
    fn end(&self, db: Db<'_>, keys: u64) -> Result<Step, RotationError> {
        master_key::lock(db)?;
        self.record(db, AuditAction::MasterKeyRotated, Some(keys))?;
        let wrapped = meta::find(db, STORE_KEY)?.ok_or_else(|| meta::inconsistent(STORE_KEY))?;
        if let Some(rewrapped) = self.keyring.rewrap_store_key(&*self.rotation.entropy, &wrapped)? {
            meta::put(db, STORE_KEY, &rewrapped)?;
        }
        master_key::conclude(db)?;
        scrub::want(db)?;
        Ok(Step::Ended(RotationEnd::Rotated { keys }))
    }

    fn record(&self, db: Db<'_>, action: AuditAction, keys: Option<u64>) -> Result<(), OpenError> {
        let MasterKeyRotation { clock, entropy, .. } = self.rotation;
        let audit = AuditKeys::adopt(db, &self.keyring, &**entropy)?;
        let origin = AuditOrigin { via: AuditVia::Command, address: None };
        let mut entry = AuditEntry::new(AuditActor::Command, origin, action);
        if let Some(keys) = keys {
            entry = entry.with("data_keys", AuditDetail::Number(keys));
        }
        Ok(append::append(db, &audit, &**entropy, clock.now(), &[entry])?)
    }
}
