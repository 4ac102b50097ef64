//! Receivers that misbehave: each ends in the outcome that names what it did, in bounded time and memory.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bellwire_egress::{OutboundRequest, RESPONSE_BYTES_MAX};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{LONG, SHORT, answered, failed, listen, local_sender, post, raw_receiver, receiver, send, send_by};

/// What both systems' buffers may hold beyond what the sender read.
const BUFFERED_MAX: usize = 1 << 20;

/// A receiver that answers with these bytes and closes.
fn saying(answer: impl Into<Vec<u8>>) -> String {
    let answer = Arc::new(answer.into());
    receiver(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            let _ = stream.write_all(&answer).await;
        }
    })
}

/// A receiver that answers with `head`, then with `piece` again and again until the sender hangs up. The second tells how
/// many bytes of pieces it could write until then.
fn pouring(head: &'static str, piece: Vec<u8>) -> (String, mpsc::Receiver<usize>) {
    let piece = Arc::new(piece);
    let (tell, told) = mpsc::channel(1);
    let url = receiver(move |mut stream| {
        let (piece, tell) = (Arc::clone(&piece), tell.clone());
        async move {
            let mut poured = 0;
            let mut result = stream.write_all(head.as_bytes()).await;
            while result.is_ok() {
                result = stream.write_all(&piece).await;
                poured += piece.len();
            }
            tell.send(poured).await.unwrap();
        }
    });
    (url, told)
}

async fn poured(mut told: mpsc::Receiver<usize>) -> usize {
    tokio::time::timeout(LONG, told.recv()).await.expect("the sender hangs up").unwrap()
}

/// A receiver that answers with `head` and then with one more byte every few milliseconds.
fn dripping(head: &'static str) -> String {
    receiver(move |mut stream| async move {
        let mut result = stream.write_all(head.as_bytes()).await;
        while result.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            result = stream.write_all(b"x").await;
        }
    })
}

async fn silence(stream: TcpStream) {
    std::future::pending::<()>().await;
    drop(stream);
}

#[tokio::test]
async fn a_connection_dropped_before_the_request_was_read_is_closed() {
    let url = raw_receiver(|stream| async move { drop(stream) });
    failed(&send(&url, LONG).await, "closed");
}

#[tokio::test]
async fn a_connection_closed_before_the_answer_says_so() {
    let detail = failed(&send(&saying(""), LONG).await, "closed");
    assert_eq!(detail, "the connection was closed before the answer was complete");
}

/// It says "nothing will come from me" and goes on listening.
#[tokio::test]
async fn a_half_closed_connection_says_so() {
    let url = receiver(|mut stream| async move {
        stream.shutdown().await.unwrap();
        silence(stream).await;
    });
    assert_eq!(failed(&send(&url, LONG).await, "closed"), "the connection was closed before the answer was complete");
}

#[tokio::test]
async fn a_reset_connection_says_so() {
    let url = raw_receiver(|mut stream| async move {
        let _ = stream.read_u8().await; // and not the rest: the system answers with a reset
        drop(stream);
    });
    let detail = failed(&send(&url, LONG).await, "closed");
    assert!(detail.contains("before the answer was complete"), "{detail}");
}

#[tokio::test]
async fn an_answer_that_is_not_http_says_so() {
    for garbage in [
        &b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..],
        b"220 mail.example ESMTP\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"{\"received\":true}\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"HTTP/9.1 200 OK\r\n\r\n",
        b"HTTP/1.1 2OO OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
    ] {
        let detail = failed(&send(&saying(garbage), LONG).await, "protocol");
        assert!(!detail.is_empty(), "{}", String::from_utf8_lossy(garbage));
    }
}

#[tokio::test]
async fn an_answer_cut_short_is_closed() {
    for half in [
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        assert_eq!(
            failed(&send(&saying(half), LONG).await, "closed"),
            "the connection was closed before the answer was complete"
        );
    }
}

#[tokio::test]
async fn lengths_that_contradict_are_a_protocol_failure() {
    for head in [
        "content-length: -1",
        "content-length: 99999999999999999999",
        "content-length: 2\r\ncontent-length: 3",
        "content-length: two",
    ] {
        failed(&send(&saying(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nok")), LONG).await, "protocol");
    }
}

#[tokio::test]
async fn a_chunked_answer_that_is_garbage_is_a_protocol_failure() {
    let endless_extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(1 << 20));
    let too_large = "ffffffffffffffff1\r\n";
    for chunks in ["ZZ\r\nhello\r\n", "5\r\nhelloXX0\r\n\r\n", "-5\r\nhello\r\n", too_large, &endless_extension] {
        failed(&send(&saying(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}")), LONG).await, "protocol");
    }
}

#[tokio::test]
async fn an_answer_without_a_length_ends_with_the_connection() {
    assert_eq!(answered(&send(&saying("HTTP/1.1 200 OK\r\n\r\nthanks"), LONG).await, 200), b"thanks");
    assert_eq!(answered(&send(&saying("HTTP/1.0 200 OK\r\n\r\nthanks"), LONG).await, 200), b"thanks");
}

#[tokio::test]
async fn what_follows_the_stated_length_is_not_part_of_the_answer() {
    assert_eq!(
        answered(&send(&saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 No\r\n\r\n"), LONG).await, 200),
        b"ok"
    );
}

#[tokio::test]
async fn an_answer_of_50_megabytes_is_cut_and_not_drained() {
    let (url, told) = pouring("HTTP/1.1 200 OK\r\ncontent-length: 52428800\r\n\r\n", vec![b'x'; 1 << 14]);
    assert_eq!(answered(&send(&url, LONG).await, 200).len(), RESPONSE_BYTES_MAX);
    assert!(poured(told).await < BUFFERED_MAX);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_in_every_framing() {
    for (head, piece) in [
        ("HTTP/1.1 500 No\r\n\r\n", b"xxxxxxxxxxxxxxxx".repeat(100)),
        ("HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n", b"4\r\nxxxx\r\n".repeat(200)),
    ] {
        let (url, told) = pouring(head, piece);
        assert_eq!(answered(&send(&url, LONG).await, 500).len(), RESPONSE_BYTES_MAX);
        assert!(poured(told).await < BUFFERED_MAX);
    }
}

#[tokio::test]
async fn trailers_without_end_are_too_large() {
    let (url, told) =
        pouring("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"x: and more and more\r\n".repeat(50));
    assert!(failed(&send(&url, LONG).await, "protocol").contains("too large"));
    assert!(poured(told).await < BUFFERED_MAX);
}

/// Gigabytes, in four megabytes on the wire.
#[tokio::test]
async fn a_gzip_bomb_costs_what_is_kept_of_it() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..16 {
        encoder.write_all(&zeros).unwrap();
    }
    let member = encoder.finish().unwrap(); // gzip files may follow one another and are one
    let (url, told) = pouring("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4194304\r\n\r\n", member);
    assert_eq!(answered(&send(&url, LONG).await, 200), [0; RESPONSE_BYTES_MAX]);
    assert!(poured(told).await < BUFFERED_MAX);
}

#[tokio::test]
async fn compressed_data_without_content_is_not_read_without_end() {
    let nothing = GzEncoder::new(Vec::new(), Compression::best()).finish().unwrap();
    let (url, told) = pouring("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", nothing.repeat(50));
    assert_eq!(answered(&send(&url, LONG).await, 200), b"");
    assert!(poured(told).await < BUFFERED_MAX);
}

#[tokio::test]
async fn headers_without_end_are_too_large() {
    for (head, piece) in [
        ("HTTP/1.1 200 OK\r\n", &b"x-more: and more and more and more and more\r\n"[..]),
        ("HTTP/1.1 200 OK\r\nx-long: ", b"and more and more and more and more and more"),
        ("HTTP/1.1 200 ", b"OK and more and more and more and more and more"),
    ] {
        let (url, told) = pouring(head, piece.repeat(20));
        let detail = failed(&send(&url, LONG).await, "protocol");
        assert!(!detail.is_empty());
        assert!(poured(told).await < BUFFERED_MAX);
    }
}

#[tokio::test]
async fn interim_answers_are_skipped_and_a_flood_of_them_ends() {
    let few = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    assert_eq!(answered(&send(&saying(few), LONG).await, 200), b"ok");
    for interim in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"] {
        let (url, told) = pouring(interim, interim.repeat(20).into_bytes());
        assert!(failed(&send(&url, LONG).await, "protocol").contains("1xx"));
        assert!(poured(told).await < BUFFERED_MAX);
    }
}

#[tokio::test]
async fn a_switch_of_protocols_is_an_answer_like_any() {
    let switching = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\x01\x02";
    assert_eq!(answered(&send(&saying(switching), LONG).await, 101), b"");
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    for status in [204, 304] {
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 5\r\n\r\nhello");
        assert_eq!(answered(&send(&saying(answer), LONG).await, status), b"");
    }
}

#[tokio::test]
async fn the_deadline_covers_dripping_headers() {
    failed(&send(&dripping("HTTP/1.1 200 OK\r\nx-slow: "), SHORT).await, "timeout_headers");
}

#[tokio::test]
async fn the_deadline_covers_a_dripping_body() {
    for head in ["HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
        failed(&send(&dripping(head), SHORT).await, "timeout_body");
    }
}

#[tokio::test]
async fn the_deadline_covers_an_answer_that_never_comes() {
    failed(&send(&receiver(silence), SHORT).await, "timeout_headers");
}

/// More than both systems buffer, so the sender is still writing when its time is over.
#[tokio::test]
async fn the_deadline_covers_a_request_that_nobody_reads() {
    let url = raw_receiver(silence);
    let request = OutboundRequest { body: Bytes::from(vec![b'x'; 64 << 20]), ..post(&url) };
    failed(&send_by(&local_sender(), request, SHORT).await, "timeout_headers");
}

/// The receiver knows enough from the head of a request that is too large for it.
#[tokio::test]
async fn an_answer_that_comes_before_the_request_is_read_counts() {
    let url = raw_receiver(|mut stream| async move {
        let mut head = [0; 512];
        let _ = stream.read(&mut head).await;
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
        silence(stream).await;
    });
    let request = OutboundRequest { body: Bytes::from(vec![b'x'; 64 << 20]), ..post(&url) };
    assert_eq!(answered(&send_by(&local_sender(), request, LONG).await, 413), b"no");
}

#[tokio::test]
async fn a_refused_connection_is_a_connect_failure() {
    let (listener, address) = listen();
    drop(listener);
    assert!(failed(&send(&format!("http://{address}/"), LONG).await, "connect").contains("refused"));
}

#[tokio::test]
async fn retry_after_is_read_in_every_form() {
    for (header, seconds) in [
        ("120", Some(120)),
        ("4294967296", Some(4_294_967_296)),
        ("Thu, 01 Jan 1970 00:01:00 GMT", Some(60)),
        ("Thursday, 01-Jan-70 00:01:00 GMT", Some(60)),
        ("Thu Jan  1 00:01:00 1970", Some(60)),
        ("\r\n 60", Some(60)),
        ("soon", None),
        ("-1", None),
    ] {
        let url = saying(format!("HTTP/1.1 429 Too Many Requests\r\nretry-after: {header}\r\ncontent-length: 0\r\n\r\n"));
        match send(&url, LONG).await {
            bellwire_domain::AttemptOutcome::Response { status: 429, retry_after, .. } => {
                assert_eq!(retry_after, seconds.map(Duration::from_secs), "{header}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn no_answer_is_thrown_away_for_the_shape_of_its_head() {
    let few = "x-more: and more\r\n".repeat(129);
    let many = "a:\r\n".repeat(15_000);
    for head in
        [few.as_str(), many.as_str(), "x-folded: one\r\n two\r\n\tthree\r\n", "x-spaced : one\r\n", "x-latin: caf\u{e9}\r\n", ""]
    {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}content-length:\r\n 2\r\n\r\nok");
        assert_eq!(answered(&send(&saying(answer), LONG).await, 200), b"ok", "{} bytes of head", head.len());
    }
    let chunked =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;signature=0123456789abcdef0123456789\r\nok\r\n0\r\n\r\n";
    assert_eq!(answered(&send(&saying(chunked), LONG).await, 200), b"ok");
}

#[tokio::test]
async fn a_head_is_bounded_by_its_bytes_alone() {
    for (line_bytes, is_read) in [(65_000, true), (80_000, false)] {
        let head = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(line_bytes));
        let outcome = send(&saying(head), LONG).await;
        assert_eq!(outcome.status(), is_read.then_some(200), "{line_bytes}: {outcome:?}");
    }
}

/// One that misbehaves costs the others on the same sender nothing.
#[tokio::test]
async fn a_sender_survives_them_all() {
    let sender = local_sender();
    let well = saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    for hostile in
        [saying("garbage\r\n\r\n"), raw_receiver(|stream| async move { drop(stream) }), dripping("HTTP/1.1 200 OK\r\n\r\n")]
    {
        let outcome = send_by(&sender, post(&hostile), SHORT).await;
        assert_eq!(outcome.status(), None, "{outcome:?}");
        assert_eq!(answered(&send_by(&sender, post(&well), LONG).await, 200), b"ok");
    }
}
