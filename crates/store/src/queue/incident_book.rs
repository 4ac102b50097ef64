//! The incidents that a group of outcomes opens, adds to and resolves. Only endpoints that fail, or did, are looked at.

use bellwire_domain::incident::{Cause, REOPENED_WITHIN, Run};
use bellwire_domain::{Clock, Decision, Entropy, IncidentId};
use foldhash::HashMap;

use super::outcome::Outcome;
use crate::StoreError;
use crate::rows::incident::{self, Incident};
use crate::rows::lane::LaneKey;
use crate::sql::Db;

/// What a group's outcomes are for incidents, by lane.
#[derive(Default)]
pub(crate) struct IncidentBook {
    lanes: HashMap<i64, (LaneKey, Run)>,
}

impl IncidentBook {
    /// Notes an outcome; `has_incidents`: whether its endpoint has unresolved ones. A success without any changes nothing.
    pub(crate) fn observe(&mut self, outcome: &Outcome, has_incidents: bool) {
        let lane = outcome.delivery.refs.lane;
        let is_success = outcome.decision == Decision::Delivered;
        if is_success && !has_incidents && !self.lanes.contains_key(&lane) {
            return;
        }
        let (_, run) = self.lanes.entry(lane).or_insert_with(|| (outcome.delivery.lane(), Run::default()));
        let ended_at = outcome.started_at.plus(outcome.duration);
        if is_success {
            run.succeed(ended_at);
        } else {
            let cause = Cause { outcome: outcome.outcome.kind().to_owned(), status: outcome.outcome.status() };
            run.fail(cause, ended_at, outcome.delivery.id);
        }
    }

    /// Writes what has changed.
    pub(crate) fn write(self, db: Db<'_>, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<(), StoreError> {
        let now = clock.now();
        let mut lanes: Vec<_> = self.lanes.into_iter().collect();
        lanes.sort_unstable_by_key(|(lane, _)| *lane); // the same order in every run
        for (lane_ref, (lane, run)) in lanes {
            let before = incident::of_lane(db, lane_ref, now.minus(REOPENED_WITHIN))?;
            let mut courses: Vec<_> = before.iter().map(|incident| incident.course.clone()).collect();
            run.settle(&mut courses);
            let mut known = before.into_iter();
            for course in courses {
                let incident = match known.next() {
                    Some(before) if before.course == course => continue,
                    Some(before) => before.with_course(course),
                    None => Incident {
                        id: IncidentId::draw(now, entropy.bytes()),
                        lane: lane.clone(),
                        course,
                        acknowledged_by: None,
                        resolved_by: None,
                        lane_ref,
                    },
                };
                incident::put(db, &incident)?;
            }
            incident::count_unresolved(db, lane_ref)?;
        }
        Ok(())
    }
}
