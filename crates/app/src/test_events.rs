//! Which test event is asked for.

use std::borrow::Cow;

use bytes::Bytes;

use crate::{AccountAccess, AppError, EventInput, Fault};

impl AccountAccess {
    /// The test event of a type, with data of its own or the type's example. `None`: the contract's own.
    pub fn test_event<'e>(
        &self,
        event_type: Option<Cow<'e, str>>,
        data: Option<Bytes>,
    ) -> Result<Option<EventInput<'e>>, AppError> {
        let Some(event_type) = event_type else {
            return match data {
                None => Ok(None),
                Some(_) => Err(AppError::Invalid(vec![Fault::new("/type", "say which type of event the data is of")])),
            };
        };
        let data = match data {
            Some(data) => data,
            None => self.example_of(&event_type)?,
        };
        let (pointer, subjects) = (String::new(), Vec::new());
        Ok(Some(EventInput { pointer, event_type, data, id: None, occurred_at: None, subjects, redeliver: false }))
    }

    fn example_of(&self, event_type: &str) -> Result<Bytes, AppError> {
        let contract = self.contract()?;
        let Some(event) = contract.event(event_type) else {
            return Err(AppError::Invalid(vec![Fault::new("/type", contract.no_such_event(event_type))]));
        };
        Ok(Bytes::copy_from_slice(event.example.get().as_bytes()))
    }
}
