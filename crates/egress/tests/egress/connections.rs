//! Connections: used again, bounded, let go, and never the reason why a request is sent twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bellwire_egress::{CheckedAddress, Dial, Dialing, Sender, SenderOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Barrier, mpsc};

use crate::support::{LONG, SHORT, Silent, answered, failed, local_sender, loopback, post, raw_receiver, read_request, send_by};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Connections of a receiver: how many there were, and how many are open.
#[derive(Clone, Default)]
struct Count {
    opened: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Count {
    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// Waits until so many are open, and no more than that.
    async fn until_open(&self, wanted: usize) {
        let looking = async {
            while self.open.load(Ordering::SeqCst) != wanted {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let reached = tokio::time::timeout(LONG, looking).await;
        assert!(reached.is_ok(), "{} connections are open, not {wanted}", self.open.load(Ordering::SeqCst));
    }
}

/// A receiver that answers each request on a connection after the ones before it.
fn keeping(count: &Count) -> String {
    let count = count.clone();
    raw_receiver(move |stream| serve(stream, count.clone(), None))
}

/// The same, which answers once so many requests have come.
fn keeping_until(count: &Count, requests: usize) -> String {
    let (count, barrier) = (count.clone(), Arc::new(Barrier::new(requests)));
    raw_receiver(move |stream| serve(stream, count.clone(), Some(Arc::clone(&barrier))))
}

async fn serve(mut stream: TcpStream, count: Count, barrier: Option<Arc<Barrier>>) {
    count.opened.fetch_add(1, Ordering::SeqCst);
    count.open.fetch_add(1, Ordering::SeqCst);
    while read_request(&mut stream).await {
        if let Some(barrier) = &barrier {
            barrier.wait().await;
        }
        if stream.write_all(OK).await.is_err() {
            break;
        }
    }
    count.open.fetch_sub(1, Ordering::SeqCst);
}

fn sender(idle_per_host_max: usize, kept_max: usize, idle_timeout: Duration) -> Sender {
    Sender::new(SenderOptions { addresses: loopback(), idle_per_host_max, kept_max, idle_timeout, ..SenderOptions::default() })
}

/// Sends one request to each, all at once.
async fn send_to_all(sender: &Sender, urls: impl IntoIterator<Item = String>) {
    let mut sending = tokio::task::JoinSet::new();
    for url in urls {
        let sender = sender.clone();
        sending.spawn(async move { send_by(&sender, post(&url), LONG).await });
    }
    while let Some(outcome) = sending.join_next().await {
        answered(&outcome.unwrap(), 200);
    }
}

#[tokio::test]
async fn a_deadline_that_passes_before_there_is_a_connection_says_where() {
    let silent = SenderOptions { resolver: Arc::new(Silent), addresses: loopback(), ..SenderOptions::default() };
    failed(&send_by(&Sender::new(silent), post("http://slow.example/"), SHORT).await, "timeout_dns");
    let silent = SenderOptions { dialer: Arc::new(Silent), addresses: loopback(), ..SenderOptions::default() };
    failed(&send_by(&Sender::new(silent), post("http://127.0.0.1/"), SHORT).await, "timeout_connect");
    let url = raw_receiver(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    });
    failed(&send_by(&local_sender(), post(&url.replace("http:", "https:")), SHORT).await, "timeout_tls");
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let count = Count::default();
    let (sender, url) = (local_sender(), keeping(&count));
    for _ in 0..5 {
        answered(&send_by(&sender, post(&url), LONG).await, 200);
    }
    assert_eq!(count.opened(), 1);
}

#[tokio::test]
async fn idle_connections_to_one_host_are_bounded() {
    let count = Count::default();
    let sender = sender(3, 100, LONG);
    let url = keeping_until(&count, 20);
    send_to_all(&sender, std::iter::repeat_n(url, 20)).await;
    assert_eq!(count.opened(), 20, "the bound is on idle ones");
    count.until_open(3).await;
}

#[tokio::test]
async fn idle_connections_to_all_hosts_are_bounded() {
    let count = Count::default();
    let sender = sender(3, 5, LONG);
    let urls: Vec<String> = (0..20).map(|_| keeping(&count)).collect();
    send_to_all(&sender, urls.clone()).await;
    count.until_open(5).await;
    send_to_all(&sender, urls).await;
    count.until_open(5).await;
    assert_eq!(count.opened(), 20 + 15, "what was kept is used again, and beyond it each request has its own");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time_and_gives_its_place_free() {
    let count = Count::default();
    let sender = sender(3, 1, SHORT);
    for _ in 0..3 {
        answered(&send_by(&sender, post(&keeping(&count)), LONG).await, 200);
        count.until_open(0).await;
    }
    let other = keeping(&count);
    let sender = self::sender(3, 1, LONG);
    answered(&send_by(&sender, post(&other), LONG).await, 200);
    answered(&send_by(&sender, post(&other), LONG).await, 200);
    assert_eq!(count.opened(), 4, "the place was free for the fourth");
}

/// Never comes to an end.
struct Endless {
    given_up: mpsc::Sender<()>,
}

impl Dial for Endless {
    fn dial(&self, _: CheckedAddress) -> Dialing {
        let held = self.given_up.clone();
        Box::pin(async move {
            let _held = held; // until the dialling is dropped
            std::future::pending().await
        })
    }
}

#[tokio::test]
async fn a_connection_that_nobody_waits_for_any_more_is_given_up() {
    let (given_up, mut watch) = mpsc::channel(1);
    let dialer = Arc::new(Endless { given_up });
    let options = SenderOptions { dialer: Arc::clone(&dialer) as _, addresses: loopback(), ..SenderOptions::default() };
    let sender = Sender::new(options);
    failed(&send_by(&sender, post("http://127.0.0.1/"), SHORT).await, "timeout_connect");
    drop((sender, dialer));
    assert_eq!(tokio::time::timeout(LONG, watch.recv()).await.expect("it is given up"), None);
}

/// Closed by the receiver while idle. The sender has noticed, as the receiver can tell; the request goes over a new connection.
#[tokio::test]
async fn a_kept_connection_that_the_receiver_closed_fails_no_attempt() {
    let (tell, mut closed) = mpsc::channel(100);
    let url = raw_receiver(move |mut stream| {
        let tell = tell.clone();
        async move {
            assert!(read_request(&mut stream).await);
            stream.write_all(OK).await.unwrap();
            stream.shutdown().await.unwrap();
            let end = stream.read(&mut [0; 16]).await;
            tell.send(end.unwrap_or(0)).await.unwrap();
        }
    });
    let sender = local_sender();
    for _ in 0..50 {
        answered(&send_by(&sender, post(&url), LONG).await, 200);
        let after = tokio::time::timeout(LONG, closed.recv()).await.expect("the sender lets go of it").unwrap();
        assert_eq!(after, 0, "nothing is sent on a connection that is over");
    }
}

/// A receiver that answers the first request on each connection, and ends the second with `last` and the end of the connection.
/// The number of requests that came.
fn ending_the_second(last: &'static [u8]) -> (String, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let url = raw_receiver(move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            for answer in [OK, last] {
                if !read_request(&mut stream).await {
                    return;
                }
                seen.fetch_add(1, Ordering::SeqCst);
                stream.write_all(answer).await.unwrap();
            }
        }
    });
    (url, requests)
}

/// Closed by the receiver, idle in its eyes, while the next request is on its way.
#[tokio::test]
async fn a_request_that_meets_the_closing_of_a_kept_connection_is_sent_once_more_over_a_new_one() {
    let (url, requests) = ending_the_second(b"");
    let sender = local_sender();
    answered(&send_by(&sender, post(&url), LONG).await, 200);
    for sent in 1..=20 {
        answered(&send_by(&sender, post(&url), LONG).await, 200);
        assert_eq!(requests.load(Ordering::SeqCst), 1 + 2 * sent);
    }
}

#[tokio::test]
async fn a_request_is_not_sent_again_once_a_byte_of_the_answer_came() {
    let (url, requests) = ending_the_second(b"H");
    let sender = local_sender();
    answered(&send_by(&sender, post(&url), LONG).await, 200);
    failed(&send_by(&sender, post(&url), LONG).await, "closed");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

/// Not even if other connections to the host are kept: what it answered with the end of a new connection is no accident.
#[tokio::test]
async fn a_request_whose_first_use_of_a_connection_is_ended_is_not_sent_again() {
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let url = raw_receiver(move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            if read_request(&mut stream).await {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    failed(&send_by(&local_sender(), post(&url), LONG).await, "closed");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

/// And the second time it fails: a new connection has not served before.
#[tokio::test]
async fn a_request_is_sent_at_most_twice_to_a_receiver_that_closes_every_connection() {
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let url = raw_receiver(move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            while read_request(&mut stream).await && seen.fetch_add(1, Ordering::SeqCst) == 0 {
                stream.write_all(OK).await.unwrap();
            }
        }
    });
    let sender = local_sender();
    answered(&send_by(&sender, post(&url), LONG).await, 200);
    failed(&send_by(&sender, post(&url), LONG).await, "closed");
    assert_eq!(requests.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_connection_whose_answer_was_cut_is_not_used_again() {
    let count = Count::default();
    let counted = count.clone();
    let url = raw_receiver(move |mut stream| {
        let count = counted.clone();
        async move {
            count.opened.fetch_add(1, Ordering::SeqCst);
            assert!(read_request(&mut stream).await);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await;
            let _ = stream.write_all(&vec![b'x'; 100_000]).await;
            let _ = stream.read(&mut [0; 16]).await;
        }
    });
    let sender = local_sender();
    for sent in 1..=3 {
        answered(&send_by(&sender, post(&url), LONG).await, 200);
        assert_eq!(count.opened(), sent);
    }
}

#[tokio::test]
async fn a_connection_whose_request_timed_out_is_closed() {
    let count = Count::default();
    let url = keeping_until(&count, 1_000);
    let sender = local_sender();
    for sent in 1..=2 {
        failed(&send_by(&sender, post(&url), SHORT).await, "timeout_headers");
        assert_eq!(count.opened(), sent);
    }
}
