//! Opening a TCP connection, as a seam: tests see which address is connected to without any network.

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::net::{TcpSocket, TcpStream};

use crate::CheckedAddress;

/// What the system may buffer for us. An answer is cut off at a quarter of this, so more would only let a receiver fill
/// memory. It is set before connecting, so that the receiver is never offered more.
const RECEIVE_BUFFER_BYTES: u32 = 64 * 1_024;

/// A connection, or why there is none.
pub type Dialing = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// Opens connections.
pub trait Dial: Send + Sync + 'static {
    /// Connects to exactly this address.
    fn dial(&self, address: CheckedAddress) -> Dialing;
}

/// Connects through the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDialer;

impl Dial for SystemDialer {
    fn dial(&self, address: CheckedAddress) -> Dialing {
        Box::pin(async move {
            let address = address.get();
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
            socket.set_nodelay(true)?;
            socket.connect(address).await
        })
    }
}
