//! Building the request of a delivery that a process died with: noted before it is built, and cleared before it is sent.
//!
//! What is noted, and what is not, is in the store before anything goes on, so that the next death tells whose request was being
//! built (see [`Suspicion`]). All who want a note share a commit. Deliveries that nothing is held against come by here for nothing.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::Suspicion;
use bellwire_store::{ClaimedDelivery, StoreError};
use tokio::sync::{RwLock, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

/// Notes that may wait to be written; who wants another waits for room.
const NOTES_MAX: usize = 1_024;
/// Between two attempts to write notes, while the store fails.
const PAUSE: Duration = Duration::from_millis(200);

/// What suspects share.
pub(crate) struct Suspects {
    notes: mpsc::Sender<Note>,
    /// Held for as long as a suspect's request is being built: by one alone, or by any number.
    building: RwLock<()>,
}

/// The notes that wait.
pub(crate) type Notes = mpsc::Receiver<Note>;

/// What is to be noted of a delivery.
pub(crate) struct Note {
    delivery: ClaimedDelivery,
    /// Or it is built.
    is_building: bool,
    /// Told once it is committed.
    committed: oneshot::Sender<()>,
}

impl Suspects {
    pub(crate) fn new() -> (Self, Notes) {
        let (notes, received) = mpsc::channel(NOTES_MAX);
        (Self { notes, building: RwLock::new(()) }, received)
    }

    /// Whether it is committed; `false`: the engine stops.
    async fn note(&self, delivery: &ClaimedDelivery, is_building: bool) -> bool {
        let (committed, told) = oneshot::channel();
        let note = Note { delivery: delivery.clone(), is_building, committed };
        self.notes.send(note).await.is_ok() && told.await.is_ok()
    }
}

/// Why the request of a delivery is not built any more, for its record.
pub(crate) fn refusal(delivery: &ClaimedDelivery) -> String {
    let ClaimedDelivery { id, account_id, endpoint_id, .. } = delivery;
    tracing::warn!(
        delivery.id = %id, account.id = %account_id, endpoint.id = %endpoint_id,
        "the process died twice while it built a request; its delivery has failed"
    );
    "the process died twice while it built this request".to_owned()
}

impl Shared {
    /// What `build` makes of a delivery, which is watched where it is a suspect; nothing is held against it then. `None`: this
    /// process does not hold it any more, or stops.
    pub(crate) async fn watched<T>(
        &self,
        delivery: &mut ClaimedDelivery,
        build: impl FnOnce(&ClaimedDelivery) -> T,
    ) -> Option<T> {
        let building = &self.suspects.building;
        let (_beside_others, _alone) = match delivery.suspicion {
            Suspicion::Nothing | Suspicion::Refused => return Some(build(delivery)),
            Suspicion::Held => (Some(building.read().await), None),
            Suspicion::Building | Suspicion::Alone => (None, Some(building.write().await)),
        };
        if !self.suspects.note(delivery, true).await || !self.holds(delivery).await {
            return None;
        }
        metrics::counter!("bellwire_suspects_total").increment(1);
        let result = build(delivery);
        delivery.suspicion = Suspicion::Nothing;
        self.suspects.note(delivery, false).await.then_some(result)
    }
}

/// Writes the notes that wait, all of them in one commit, again and again, until `hard_stop`.
pub(crate) async fn run(shared: Arc<Shared>, mut received: Notes, hard_stop: CancellationToken) {
    let mut notes = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = hard_stop.cancelled() => return,
            count = received.recv_many(&mut notes, NOTES_MAX) => if count == 0 { return },
        }
        let of = |is_building: bool| -> Vec<ClaimedDelivery> {
            let wanted = notes.iter().filter(|note| note.is_building == is_building);
            wanted.map(|note| note.delivery.clone()).collect()
        };
        let (building, built) = (of(true), of(false));
        while let Err(error) = shared.queue.note_building(&building, &built).await {
            if matches!(error, StoreError::Closed) || hard_stop.is_cancelled() {
                return;
            }
            tracing::error!(error = %error, deliveries = notes.len(), "suspects could not be noted; trying again");
            tokio::time::sleep(PAUSE).await;
        }
        for note in notes.drain(..) {
            let _ = note.committed.send(());
        }
    }
}
