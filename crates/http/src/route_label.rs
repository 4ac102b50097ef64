//! The name of a route in metrics and logs, if the router does not know it.

use metrics::SharedString;

/// The route of a published API that answered: its path as in the contract, never as requested.
#[derive(Clone)]
pub struct RouteLabel(pub SharedString);
