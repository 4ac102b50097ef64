//! The hot operations over PostgreSQL.

use std::sync::Arc;

use bellwire_domain::{DeliveryId, Timestamp};

use super::{claim, load, nodes, record, write};
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
use crate::sql::{Db, Row, Session, Step};

/// A connection to PostgreSQL within a transaction.
pub(crate) struct SetBackend<'c> {
    pub(crate) session: &'c Session,
    pub(crate) context: &'c WriteContext,
}

impl Backend for SetBackend<'_> {
    fn db(&self) -> Db<'_> {
        Db::Postgres(self.session)
    }

    fn claimant(&self) -> Result<Arc<Claimant>, StoreError> {
        nodes::fence(self.session, &self.context.lease)
    }

    fn load(&self, publications: &[&Publication]) -> Result<Loaded, StoreError> {
        let reads = load::reads(self.session, publications)?;
        let mut loaded = load::keep(&self.session.pipeline(reads.iter().map(Step::Run))?)?;
        order::load(self.db(), &mut loaded, publications)?;
        Ok(loaded)
    }

    fn write(&self, plan: &Plan<'_>) -> Result<(), StoreError> {
        let writes = write::writes(self.session, plan)?;
        self.session.pipeline(writes.iter().map(Step::Run))?;
        order::drop_stale_of(self.db(), plan, self.context.clock.now())
    }

    fn search_lanes(&self, lanes: &[(LaneKey, usize)], limit: usize) -> Result<LaneSearch, StoreError> {
        claim::search_lanes(self.session, lanes, limit)
    }

    fn search_due(&self, now: Timestamp, limit: i64) -> Result<Vec<Claimable>, StoreError> {
        claim::search_due(self.session, now, limit)
    }

    fn mark(&self, mark: Mark<'_>, ids: &[DeliveryId]) -> Result<(), StoreError> {
        claim::mark(self.session, mark, ids)
    }

    fn read_payloads(&self, places: &[i64]) -> Result<Vec<Row>, StoreError> {
        claim::read_payloads(self.session, places)
    }

    fn record(&self, jobs: &[RecordJob]) -> Result<Vec<Recording>, StoreError> {
        let recorder = record::Recorder::new(self.context, jobs);
        let moves = recorder.moves(self.session)?;
        let answers = self.session.pipeline(moves.iter().map(Step::Run))?;
        recorder.finish(self.session, &answers).map(|(recordings, _)| recordings)
    }
}
