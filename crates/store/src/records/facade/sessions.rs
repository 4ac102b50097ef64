//! Who is signed in to the pages.

use bellwire_domain::{AccountId, Timestamp};

use super::Records;
use crate::StoreError;
use crate::records::sessions;
use crate::rows::session::{self, PortalLink, Session};

impl Records {
    /// The session with this digest, if it lasts, and the key that opened it too.
    pub async fn find_session(&self, hash: [u8; 32]) -> Result<Option<Session>, StoreError> {
        let now = self.access.now();
        self.access.read(move |db| sessions::find(db, &hash, now)).await
    }

    /// Stores a session under its digest.
    pub async fn create_session(&self, session: Session, hash: [u8; 32]) -> Result<(), StoreError> {
        let now = self.access.now();
        self.access.act(self.entry(), move |db| sessions::create(db, &session, &hash, now)).await
    }

    /// Ends a session at once.
    pub async fn end_session(&self, hash: [u8; 32]) -> Result<(), StoreError> {
        self.access.act(self.entry(), move |db| sessions::end(db, &hash)).await
    }

    /// Ends an account's own sessions and makes its links useless: how many of both there were.
    pub async fn end_account_sessions(&self, id: &AccountId) -> Result<usize, StoreError> {
        let id = id.clone();
        self.access.act(self.entry(), move |db| session::end_of_account(db, &id)).await
    }

    /// Stores a link under its digest. `false`: there is no such account.
    pub async fn create_portal_link(&self, link: PortalLink, hash: [u8; 32]) -> Result<bool, StoreError> {
        let now = self.access.now();
        self.access.act(self.entry(), move |db| sessions::create_link(db, &link, &hash, now)).await
    }

    /// Opens a session, which lasts until `session_end`, by a link, which works no more after that. `None`: it does not work.
    pub async fn open_portal_link(
        &self,
        link: [u8; 32],
        session: [u8; 32],
        session_end: Timestamp,
    ) -> Result<Option<PortalLink>, StoreError> {
        let now = self.access.now();
        self.access.act(self.entry(), move |db| sessions::open_link(db, &link, &session, session_end, now)).await
    }
}
