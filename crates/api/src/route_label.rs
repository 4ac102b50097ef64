//! The name of a route in metrics and logs, where the router does not know it.

use metrics::SharedString;

/// The route of a published API that answered: its path as the contract writes it, never as it was asked.
#[derive(Clone)]
pub(crate) struct RouteLabel(pub(crate) SharedString);
