//! Name resolution, as a seam: tests answer for names without asking any network.

use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;

/// The addresses of a name, or why there are none.
pub type Resolution = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Resolves host names.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of `host`, which is a name and not an address.
    fn resolve(&self, host: &str) -> Resolution;
}

/// Asks the operating system, which knows its own files and search domains. A question holds a thread until it is answered, even if
/// nobody waits for the answer any more; [`Sender`](crate::Sender) bounds how many there are.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str) -> Resolution {
        let host = host.to_owned();
        Box::pin(async move {
            let asking = tokio::task::spawn_blocking(move || {
                Ok((host.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect())
            });
            asking.await.map_err(io::Error::other)?
        })
    }
}
