//! Endpoints that are changed or deleted, where something may be expected of them.

use super::Records;
use crate::StoreError;
use crate::records::endpoints::{self, EndpointChanges, ExpectedError};
use crate::records::resources::Precondition;
use crate::rows::endpoint::Endpoint;
use crate::rows::lane::LaneKey;
use crate::seal::AccountSeal;
use crate::sql::Db;

impl Records {
    /// Changes an endpoint; `None` when there is none.
    pub async fn update_endpoint(&self, lane: &LaneKey, changes: EndpointChanges) -> Result<Option<Endpoint>, StoreError> {
        match self.update_expected_endpoint(lane, changes, Precondition::Any).await {
            Ok(endpoint) => Ok(endpoint),
            Err(ExpectedError::Store(error)) => Err(error),
            Err(ExpectedError::Other { .. } | ExpectedError::Unchanged(_)) => Ok(None), // not where nothing is expected
        }
    }

    /// The same, unless the endpoint is not as it is expected to be.
    pub async fn update_expected_endpoint(
        &self,
        lane: &LaneKey,
        changes: EndpointChanges,
        expected: Precondition,
    ) -> Result<Option<Endpoint>, ExpectedError> {
        let Some(key) = self.access.data_key(&lane.account_id).await? else { return Ok(None) };
        let (context, now, wanted) = (self.access.context.clone(), self.access.now(), lane.clone());
        let begins = changes.activate || changes.enabled == Some(true); // or a handshake waited for that
        let update = move |db: Db<'_>| {
            let seal = AccountSeal { key, entropy: &*context.entropy };
            endpoints::update(db, &seal, &wanted, (changes, &expected), now)
        };
        let endpoint = self.access.act(self.entry(), update).await;
        self.access.configs.remove(lane);
        self.access.context.handoff.mark_backlog([lane.clone()]); // what waited while it was paused or disabled
        if begins {
            self.access.activation_begun.notify_one();
        }
        endpoint
    }

    /// Deletes an endpoint and cancels what waits for it; `false` when there is none.
    pub async fn delete_endpoint(&self, lane: &LaneKey) -> Result<bool, StoreError> {
        match self.delete_expected_endpoint(lane, Precondition::Any).await {
            Ok(deleted) => Ok(deleted),
            Err(ExpectedError::Store(error)) => Err(error),
            Err(ExpectedError::Other { .. } | ExpectedError::Unchanged(_)) => Ok(false), // not where nothing is expected
        }
    }

    /// The same, unless the endpoint is not as it is expected to be.
    pub async fn delete_expected_endpoint(&self, lane: &LaneKey, expected: Precondition) -> Result<bool, ExpectedError> {
        let (now, wanted) = (self.access.now(), lane.clone());
        let deleted = self.access.act(self.entry(), move |db| endpoints::delete(db, &wanted, &expected, now)).await;
        self.access.configs.remove(lane);
        deleted
    }
}
