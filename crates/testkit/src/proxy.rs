//! A TCP proxy on loopback in front of a test cluster. It cuts off its clients, in one of two ways, and heals.
//!
//! Each connection has two threads, one per direction, which stop for as long as the proxy says. What they have read by then they
//! keep, and pass on when it heals, like a network after an outage.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};

use crate::postgres::{Cluster, name};

/// How a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Connections are closed, new ones at once.
    Closed,
    /// Connections stay open, new ones are taken, and nothing goes through.
    Silent,
}

/// A proxy in front of a cluster.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    healed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    cut: Option<Cut>,
    /// Both ends of each connection.
    open: Vec<(TcpStream, UnixStream)>,
}

impl Proxy {
    /// Listens on a free port. Its thread ends with the process.
    ///
    /// # Panics
    ///
    /// When there is no port.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test may panic")]
    pub fn start(cluster: &Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let shared = Arc::<Shared>::default();
        let (accepting, socket) = (Arc::clone(&shared), cluster.socket());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                connect(&accepting, &socket, client);
            }
        });
        Self { address, shared }
    }

    /// The way through the proxy to a database of the cluster, whose URL [`Cluster::database`] gave.
    pub fn url(&self, direct: &str) -> String {
        format!("postgres://bellwire@{}/{}", self.address, name(direct))
    }

    /// Lets nothing through from now on.
    pub fn cut(&self, cut: Cut) {
        let mut state = self.shared.state.lock();
        state.cut = Some(cut);
        if cut == Cut::Closed {
            for (client, server) in state.open.drain(..) {
                let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
            }
        }
    }

    /// Lets everything through again.
    pub fn heal(&self) {
        self.shared.state.lock().cut = None;
        self.shared.healed.notify_all();
    }
}

/// Takes a connection, and holds it until the server can be reached.
fn connect(shared: &Arc<Shared>, socket: &Path, client: TcpStream) {
    let (shared, socket): (_, PathBuf) = (Arc::clone(shared), socket.to_owned());
    thread::spawn(move || {
        if shared.wait() == Some(Cut::Closed) {
            return; // which closes it
        }
        let Ok(server) = UnixStream::connect(socket) else { return };
        let ends = [client.try_clone(), client.try_clone()];
        let other_ends = [server.try_clone(), server.try_clone()];
        let ([Ok(from_client), Ok(to_client)], [Ok(from_server), Ok(to_server)]) = (ends, other_ends) else { return };
        let _ = client.set_nodelay(true);
        {
            let mut state = shared.state.lock();
            if state.cut == Some(Cut::Closed) {
                return;
            }
            state.open.push((client, server));
        }
        let answers = Arc::clone(&shared);
        thread::spawn(move || pass(&answers, from_server, &to_client, || to_client.shutdown(Shutdown::Both)));
        pass(&shared, from_client, &to_server, || to_server.shutdown(Shutdown::Both));
    });
}

/// Passes on what is read until either end is closed.
fn pass(shared: &Shared, mut from: impl Read, mut to: impl Write, close: impl FnOnce() -> std::io::Result<()>) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        shared.wait();
        let Some(read) = bytes.get(..count) else { break };
        if to.write_all(read).is_err() {
            break;
        }
    }
    shared.wait();
    let _ = close();
}

impl Shared {
    /// Waits while nothing may go through, and be silent about it; how it is cut otherwise.
    fn wait(&self) -> Option<Cut> {
        let mut state = self.state.lock();
        self.healed.wait_while(&mut state, |state| state.cut == Some(Cut::Silent));
        state.cut
    }
}
