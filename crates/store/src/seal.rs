//! Sealing: secrets and payloads are unreadable in the file, its copies and its backups.
//!
//! Each account has a data key of its own, stored wrapped by the master key. A sealed value is bound to its [`Place`], the table
//! and row it belongs to, so that a value moved to another row does not open. Deleting an account's data key erases everything
//! that it sealed. `data_key` seals and opens, `key_row` is what a key has been before it was renewed, `keyring` keeps the keys, `place`
//! names the places.

mod data_key;
mod key_row;
mod keyring;
mod place;
mod subject;

pub(crate) use data_key::DataKey;
pub(crate) use key_row::{KEYS_MAX, Renewal};
pub use keyring::MasterKey;
pub(crate) use keyring::{AccountSeal, Keyring, Wrapper};
pub(crate) use place::Place;
pub use subject::SubjectHash;
