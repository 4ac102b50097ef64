//! What the language promises, seen from outside: contracts are compiled, rendered, signed, verified and refused. One
//! program holds all of it, as each would link the same crates once more.

mod common;

mod access_token;
mod activation;
mod bounds;
mod client_certificates;
mod code;
mod credentials;
mod davinci_pas;
mod heartbeat;
mod key_pairs;
mod key_versions;
mod language;
mod options;
mod page;
mod published;
mod python;
mod refused;
mod resources;
mod shipped;
mod two_schemes;
mod verifying;
mod warnings;
