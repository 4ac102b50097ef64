//! The only code that opens sockets to customers.
//!
//! What it is for: one HTTP request to an address that a stranger chose, safely. The name is resolved here, every address is
//! checked against the operator's policy, and the checked address is the one connected to. Redirects are not followed, no
//! proxy is taken from the environment, one deadline covers everything from name resolution to the last byte read, and no
//! more than [`RESPONSE_BYTES_MAX`] of an answer are kept, counted after decompression.
//!
//! What happened comes back as an [`AttemptOutcome`](bellwire_domain::AttemptOutcome): a value for every way it can go, never
//! an error.
//!
//! The way through the files: [`Sender`] makes one attempt; `destination` takes the URL apart; `guard` says where it may go;
//! `connect` goes there; `http1`, with the bytes of `codec`, and `http2` speak over the connection, and `pool` keeps it; `answer` is
//! what is kept of the answer, and `excerpt` the beginning of its body; `failure` sorts what went wrong.
//!
//! What it may not know: contracts, deliveries, retries, the store.

mod answer;
mod codec;
mod connect;
mod destination;
mod dial;
mod excerpt;
mod exchange;
mod failure;
mod guard;
mod http1;
mod http2;
mod pool;
mod resolve;
mod sender;
mod stream;

mod trust;

pub use dial::{Dial, Dialing, SystemDialer};
pub use excerpt::RESPONSE_BYTES_MAX;
pub use guard::CheckedAddress;
pub use resolve::{Resolution, Resolve, SystemResolver};
pub use rustls::pki_types::CertificateDer;
pub use sender::{OutboundRequest, Sender, SenderOptions};
