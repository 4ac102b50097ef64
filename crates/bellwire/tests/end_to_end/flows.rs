//! Each platform whole, as a customer lives with it: registered as its document says, verified by a receiver written from that
//! document, lost for a while, caught up by polling and by replay, its secret rotated, and gone at last.

mod b_well;
mod customer;
mod develop_health;
mod novamed;
mod noyo;
mod silver;
