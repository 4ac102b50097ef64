//! The system as its operator sees it: the store and who shares it, what waits, how long what is kept.

use bellwire_domain::{RetentionPeriods, Timestamp};
use bellwire_store::{StoreDescription, StoreWatch};

use crate::{Actor, App, AppError, Operation};

/// What was last seen of the store and of the lanes. It is looked at on a beat, and never because somebody asks.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenSystem {
    /// When that was.
    pub at: Timestamp,
    /// What was found in the store.
    pub store: StoreWatch,
    /// Deliveries in the memory of this process: in flight, or next in their lane.
    pub held: u32,
    /// Since when the oldest of those is due.
    pub oldest_held: Option<Timestamp>,
}

impl SeenSystem {
    /// Since when the oldest delivery is due.
    pub fn oldest_due(&self) -> Option<Timestamp> {
        [self.store.oldest_due, self.oldest_held].into_iter().flatten().min()
    }
}

/// The system.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemAnswer {
    /// The store.
    pub store: StoreDescription,
    /// What was last seen of it; `None`: nothing yet.
    pub seen: Option<SeenSystem>,
    /// How long everything is kept, unless an account says otherwise.
    pub retention: RetentionPeriods,
}

impl App {
    /// The system as it is. Of the lanes it is this process's part.
    pub async fn system(&self, actor: &Actor) -> Result<SystemAnswer, AppError> {
        self.permit(actor, Operation::SystemRead)?;
        let options = self.options();
        Ok(SystemAnswer {
            store: self.records().describe().await?,
            seen: options.seen.borrow().clone(),
            retention: options.retention,
        })
    }
}
