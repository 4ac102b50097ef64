//! A receiver inside the test, for what no honest receiver does: errors on demand, silence, answers that wait for a signal.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a test may panic")]

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::{Condvar, Mutex};

use crate::http::Request;
use crate::waiting::until;

/// What a sink answers.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers other than `content-length`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A status and nothing else.
impl From<u16> for Reply {
    fn from(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }
}

type Judge = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

struct Shared {
    requests: Mutex<Vec<Request>>,
    judge: Mutex<Judge>,
    connections: AtomicUsize,
}

/// Takes and remembers every request, and answers as its judge says.
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Sink {
    /// Answers with the status that `judge` gives. Every connection has a thread of its own, so it may block.
    pub fn start(judge: impl Fn(&Request) -> u16 + Send + Sync + 'static) -> Self {
        Self::start_with(move |request| judge(request).into())
    }

    /// The same with whole answers.
    pub fn start_with(judge: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let judge: Mutex<Judge> = Mutex::new(Arc::new(judge));
        let shared = Arc::new(Shared { requests: Mutex::default(), judge, connections: AtomicUsize::new(0) });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&accepting);
                shared.connections.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    serve(&shared, stream);
                    shared.connections.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared }
    }

    /// Answers like this from now on.
    pub fn answer(&self, judge: impl Fn(&Request) -> u16 + Send + Sync + 'static) {
        self.answer_with(move |request| judge(request).into());
    }

    /// The same with whole answers.
    pub fn answer_with(&self, judge: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.shared.judge.lock() = Arc::new(judge);
    }

    /// A URL of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().clone()
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many requests came so far.
    pub fn count(&self) -> usize {
        self.shared.requests.lock().len()
    }

    /// All requests, once there are so many.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Request> {
        until(&format!("{count} requests arrive"), || Some(self.requests()).filter(|requests| requests.len() >= count))
    }
}

/// One connection, request after request.
fn serve(shared: &Shared, stream: TcpStream) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Some(request) = Request::read(&mut reader) {
        let judge = Arc::clone(&*shared.judge.lock());
        shared.requests.lock().push(request.clone());
        // In one write: the second of several small ones waits for the first one's acknowledgement, which takes 40 ms.
        if writer.write_all(&judge(&request).written()).is_err() {
            return;
        }
    }
}

impl Reply {
    fn written(&self) -> Vec<u8> {
        use std::fmt::Write as _;
        let mut head = format!("HTTP/1.1 {} Said\r\n", self.status);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "content-length: {}\r\n\r\n", self.body.len());
        [head.as_bytes(), &self.body].concat()
    }
}

/// Holds whoever passes through until it is opened.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Waits until it is open.
    pub fn pass(&self) {
        let (is_open, opened) = &*self.0;
        opened.wait_while(&mut is_open.lock(), |is_open| !*is_open);
    }

    /// Opens it, for good.
    pub fn open(&self) {
        let (is_open, opened) = &*self.0;
        *is_open.lock() = true;
        opened.notify_all();
    }
}
