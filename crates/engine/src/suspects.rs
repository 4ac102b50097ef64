//! Deliveries that a process died with: what is to be noted of them, and who waits until it is.

use bellwire_domain::Suspicion;
use bellwire_store::ClaimedDelivery;
use tokio::sync::{RwLock, mpsc, oneshot};

/// Notes that may wait to be written; who wants another waits for room.
pub(crate) const NOTES_MAX: usize = 1_024;

/// What suspects share.
pub(crate) struct Suspects {
    notes: mpsc::Sender<Note>,
    /// Held for as long as a suspect's request is being built: by one alone, or by any number.
    pub(crate) building: RwLock<()>,
}

/// The notes that wait.
pub(crate) type Notes = mpsc::Receiver<Note>;

/// What is to be noted of a delivery.
pub(crate) struct Note {
    pub(crate) delivery: ClaimedDelivery,
    pub(crate) suspicion: Suspicion,
    /// Told once it is committed.
    pub(crate) committed: oneshot::Sender<()>,
}

impl Suspects {
    pub(crate) fn new() -> (Self, Notes) {
        let (notes, received) = mpsc::channel(NOTES_MAX);
        (Self { notes, building: RwLock::new(()) }, received)
    }

    /// Whether it is committed; `false`: the engine stops.
    pub(crate) async fn note(&self, delivery: &ClaimedDelivery, suspicion: Suspicion) -> bool {
        let (committed, told) = oneshot::channel();
        let note = Note { delivery: delivery.clone(), suspicion, committed };
        self.notes.send(note).await.is_ok() && told.await.is_ok()
    }
}
