//! The only code that opens sockets to customers.
//!
//! Its job: one HTTP request to an address that a stranger chose, safely. The name is resolved here, every address is
//! checked against the operator's policy, and only a checked address is connected to. Redirects are not followed, proxies in the
//! environment are ignored, one deadline covers everything from name resolution to the last byte read, and at most
//! [`RESPONSE_BYTES_MAX`] of an answer are kept, counted after decompression.
//!
//! The result is an [`AttemptOutcome`](bellwire_domain::AttemptOutcome), with a value for everything that can happen to a request, and
//! where its time went; or [`NoRoom`]: it was not sent, and no receiver is to blame.
//!
//! The files: [`Sender`] makes one attempt; `destination` parses the URL; `guard` says where it may go, and
//! `lookups` asks for it; `connect` goes there, and `certificates` knows when those end that are shown there;
//! `progress` knows how far it is, and how long each phase took;
//! `http1` and `http2` speak over the connection, and `pool` keeps it; `codec`, with `head` and `framing`, is HTTP/1.1 as bytes;
//! `exchange` says what no answer means; `answer` is what is kept of one, and `excerpt` the beginning of its body; `failure`
//! classifies what went wrong.
//!
//! What it must not know: contracts, deliveries, retries, the store.

mod answer;
mod certificates;
mod codec;
mod connect;
mod destination;
mod dial;
mod excerpt;
mod exchange;
mod failure;
mod framing;
mod guard;
mod head;
mod http1;
mod http2;
mod lookups;
mod pool;
mod progress;
mod resolve;
mod sender;
mod stream;
mod terms;
mod trust;

pub use bellwire_domain::OutboundRequest;
pub use dial::{Dial, Dialing, SystemDialer};
pub use excerpt::RESPONSE_BYTES_MAX;
pub use guard::CheckedAddress;
pub use resolve::{Resolution, Resolve, SystemResolver};
pub use rustls::pki_types::CertificateDer;
pub use sender::{NoRoom, Sender, SenderOptions, Sent};
pub use trust::roots as trusted_roots;
