//! The hot operations over an SQLite file.

use std::sync::Arc;

use bellwire_domain::{DeliveryId, Timestamp};

use super::write::Inserts;
use super::{claim, load, recipients, record, write};
use crate::StoreError;
use crate::queue::backend::{Backend, Mark};
use crate::queue::claimable::{Claimable, LaneSearch};
use crate::queue::context::WriteContext;
use crate::queue::lease::Claimant;
use crate::queue::order;
use crate::queue::outcome::{RecordJob, Recording};
use crate::queue::plan::{Loaded, Plan};
use crate::queue::publication::Publication;
use crate::rows::lane::LaneKey;
use crate::sql::{Db, Row};

/// An SQLite connection within a transaction.
pub(crate) struct RowBackend<'c> {
    pub(crate) db: Db<'c>,
    pub(crate) context: &'c WriteContext,
    pub(crate) inserts: &'c Inserts,
}

impl Backend for RowBackend<'_> {
    fn db(&self) -> Db<'_> {
        self.db
    }

    fn claimant(&self) -> Result<Arc<Claimant>, StoreError> {
        Ok(self.context.lease.current())
    }

    fn load(&self, publications: &[&Publication]) -> Result<Loaded, StoreError> {
        load::load(self.db, publications, |account_id| recipients::read(self.db, account_id))
    }

    fn write(&self, plan: &Plan<'_>) -> Result<(), StoreError> {
        write::write(self.db, self.inserts, plan)?;
        order::drop_stale_of(self.db, plan, self.context.clock.now())
    }

    fn search_lanes(&self, lanes: &[(LaneKey, usize)], limit: usize) -> Result<LaneSearch, StoreError> {
        claim::search_lanes(self.db, lanes, limit)
    }

    fn search_due(&self, now: Timestamp, limit: i64) -> Result<Vec<Claimable>, StoreError> {
        claim::search_due(self.db, now, limit)
    }

    fn mark(&self, mark: Mark<'_>, ids: &[DeliveryId]) -> Result<(), StoreError> {
        claim::mark(self.db, mark, ids)
    }

    fn read_payloads(&self, places: &[i64]) -> Result<Vec<Row>, StoreError> {
        claim::read_payloads(self.db, places)
    }

    fn record(&self, jobs: &[RecordJob]) -> Result<Vec<Recording>, StoreError> {
        record::record(self.db, self.context, self.inserts, jobs)
    }
}
