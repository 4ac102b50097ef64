//! A client of a running server's API, for the commands that ask one.
//!
//! Its job: one request at a time over HTTP/1.1, with or without TLS, and what the server says as text for people or as the JSON that it
//! answered. It knows `/v1` by its paths and fields alone, as any other client does.
//!
//! The files: `profiles` keeps servers and keys; `http` sends, `tls` connects, `sse` reads streams of events, and `following` connects
//! to one again and again; `failure` is why there is no answer, with its exit code; `session` is a server with a key, and what it is asked; `table` and `plain` are what is printed;
//! `assign` changes JSON by `path=value`, and `input` reads what a flag names.

pub(crate) mod assign;
pub(crate) mod failure;
pub(crate) mod following;
pub(crate) mod http;
pub(crate) mod input;
pub(crate) mod plain;
pub(crate) mod profiles;
pub(crate) mod session;
pub(crate) mod sse;
pub(crate) mod table;
mod tls;
