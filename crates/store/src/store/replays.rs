//! Replays on the face of the store.

use std::sync::Arc;

use bellwire_domain::ReplayId;

use super::Store;
use crate::{LaneKey, NewReplay, Page, PageRequest, Replay, ReplayStep, StartReplayError, StoreError, replays};

/// Replays.
impl Store {
    /// Starts a replay of an endpoint. [`Store::advance_replay`] does its work.
    pub async fn start_replay(&self, new: NewReplay) -> Result<Replay, StartReplayError> {
        let now = self.now();
        let replay = self.write(move |db| replays::start(db, &new, now)).await?;
        self.0.replay_started.notify_one();
        Ok(replay)
    }

    /// A page of an endpoint's replays, newest first.
    pub async fn list_replays(&self, lane: &LaneKey, page: PageRequest) -> Result<Page<Replay>, StoreError> {
        let lane = lane.clone();
        self.read(move |db| replays::list(db, &lane, &page)).await
    }

    /// One replay of an endpoint.
    pub async fn find_replay(&self, lane: &LaneKey, id: &ReplayId) -> Result<Option<Replay>, StoreError> {
        let (lane, id) = (lane.clone(), id.clone());
        self.read(move |db| replays::find(db, &lane, &id)).await
    }

    /// Stops a replay; what it has made stays. One that has ended stays as it ended. `None` when there is none.
    pub async fn cancel_replay(&self, lane: &LaneKey, id: &ReplayId) -> Result<Option<Replay>, StoreError> {
        let (lane, id, now) = (lane.clone(), id.clone(), self.now());
        self.write(move |db| replays::cancel(db, &lane, &id, now)).await
    }

    /// Takes one bounded step of the running replay that comes after `after` in the order of ids; `None` when there is none.
    pub async fn advance_replay(&self, after: Option<&ReplayId>) -> Result<Option<ReplayStep>, StoreError> {
        let (ids, backlog_max, now) = (Arc::clone(&self.0.delivery_ids), self.0.account_backlog_max, self.now());
        let after = after.cloned();
        let step = self.write(move |db| replays::advance(db, &ids, backlog_max, after.as_ref(), now)).await?;
        if let Some(step) = step.as_ref().filter(|step| step.created > 0) {
            self.0.handoff.mark_backlog([step.lane.clone()]);
        }
        Ok(step)
    }

    /// Waits until a replay has been started.
    pub async fn replay_started(&self) {
        self.0.replay_started.notified().await;
    }
}
