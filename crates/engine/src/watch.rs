//! Building the request of a delivery that a process died with: noted before it is built, and cleared before it is sent.
//!
//! What is noted, and what is not, is in the store before anything goes on, so that the next death tells whose request was being
//! built (see [`Suspicion`]). All who want a note share a commit. Deliveries that nothing is held against come by here for nothing.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::Suspicion;
use bellwire_store::{ClaimedDelivery, StoreError};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;
use crate::suspects::{NOTES_MAX, Note, Notes};

/// Requests take microseconds to build, and milliseconds where the machine is busy.
const LONG: Duration = Duration::from_millis(500);
/// Between two attempts to write notes, while the store fails.
const PAUSE: Duration = Duration::from_millis(200);

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
        self: &Arc<Self>,
        delivery: &mut ClaimedDelivery,
        build: impl FnOnce(&ClaimedDelivery) -> T,
    ) -> Option<T> {
        match delivery.suspicion.when_building() {
            None => Some(build(delivery)),
            Some(noted) => Box::pin(self.watch(noted, delivery, build)).await,
        }
    }

    /// The same of a delivery that a process has died with.
    async fn watch<T>(
        self: &Arc<Self>,
        noted: Suspicion,
        delivery: &mut ClaimedDelivery,
        build: impl FnOnce(&ClaimedDelivery) -> T,
    ) -> Option<T> {
        let building = &self.suspects.building;
        let (_beside_others, _alone) = match noted {
            Suspicion::Building => (Some(building.read().await), None),
            _ => (None, Some(building.write().await)),
        };
        if !self.suspects.note(delivery, noted).await || !self.holds(delivery).await {
            return None;
        }
        metrics::counter!("bellwire_suspects_total").increment(1);
        // On the only thread, nothing else runs while a request is built.
        let has_threads = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
        let watch = has_threads.then(|| self.attempts.spawn(Arc::clone(self).blame_if_it_takes_long(delivery.clone())));
        if watch.is_some() {
            tokio::task::yield_now().await; // it begins to wait before this thread has no time for it
        }
        let result = build(delivery);
        if let Some(watch) = watch {
            watch.abort();
            let _ = watch.await; // what it notes, it has noted before the note goes
        }
        delivery.suspicion = Suspicion::Nothing;
        self.suspects.note(delivery, Suspicion::Nothing).await.then_some(result)
    }

    /// Notes that a request has been built for much longer than requests take. Another thread builds it meanwhile: where there is
    /// none, only a second death tells.
    async fn blame_if_it_takes_long(self: Arc<Self>, delivery: ClaimedDelivery) {
        tokio::time::sleep(LONG).await;
        if self.suspects.note(&delivery, Suspicion::Blamed).await {
            tracing::warn!(delivery.id = %delivery.id, "building the request of a delivery that the process died with takes long");
        }
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
        let wanted = || notes.iter().map(|note: &Note| (note.suspicion, note.delivery.clone())).collect();
        while let Err(error) = shared.queue.note_suspicion(wanted()).await {
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
