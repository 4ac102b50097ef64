//! What a commit came to, and whom it answers.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::handoff::HandOff;
use super::jobs::Reply;
use super::outcome::{RecordJob, Recording};
use super::plan::Planned;
use super::publication::PublishJob;
use crate::StoreError;

/// What a group's transaction came to.
pub(crate) struct Committed {
    pub(crate) recordings: Vec<Recording>,
    pub(crate) planned: Planned,
}

/// A group whose transaction has ended, before anybody knows.
pub(crate) struct Done {
    pub(crate) replies: Vec<Reply>,
    pub(crate) records: Vec<RecordJob>,
    pub(crate) publishes: Vec<PublishJob>,
    pub(crate) result: Result<Committed, StoreError>,
}

impl Done {
    /// Answers every caller and hands what was committed to the engine.
    pub(crate) fn answer(self, handoff: &HandOff) {
        match self.result {
            Ok(Committed { recordings, planned }) => {
                self.replies.into_iter().for_each(|reply| reply(Ok(())));
                answer_records(self.records, recordings, handoff);
                planned.claimed.send();
                for (job, result) in self.publishes.into_iter().zip(planned.results) {
                    let _ = job.reply.send(result);
                }
            }
            Err(error) => {
                tracing::error!(error = %error, "a group of writes was rolled back");
                self.replies.into_iter().for_each(|reply| reply(Err(error.clone())));
                self.records.into_iter().for_each(|job| job.fail(&error));
                self.publishes.into_iter().for_each(|job| job.fail(&error));
            }
        }
    }
}

/// Answers the callers and gives the deliveries' room back.
fn answer_records(jobs: Vec<RecordJob>, recordings: Vec<Recording>, handoff: &HandOff) {
    let mut recordings = recordings.into_iter();
    for job in jobs {
        for outcome in job.outcomes.iter() {
            handoff.release(&outcome.delivery.lane(), outcome.delivery.payload(), outcome.outcome.is_answer());
            if outcome.delivery.is_in_order() {
                handoff.mark_backlog([outcome.delivery.lane()]); // the next one may go
            }
        }
        let _ = job.reply.send(Ok(recordings.by_ref().take(job.outcomes.len()).collect()));
    }
}

/// Starts a task that answers groups in the order in which they come. Waking many callers is cheaper from within their runtime
/// than from a thread, which meanwhile goes on with the next group. The task ends when the sender is gone.
pub(crate) fn answering(handoff: Arc<HandOff>) -> mpsc::UnboundedSender<Done> {
    let (sender, mut receiver) = mpsc::unbounded_channel::<Done>();
    let task = async move {
        while let Some(done) = receiver.recv().await {
            done.answer(&handoff);
        }
    };
    #[expect(clippy::disallowed_methods, reason = "ends with the writer, which `close` waits for")]
    drop(tokio::spawn(task));
    sender
}
