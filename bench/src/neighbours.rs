//! Bad neighbours of a healthy endpoint: one that hangs, one that takes a second, one whose port refuses.

use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// How long the slow one takes.
const SLOW: Duration = Duration::from_secs(1);

/// Starts them; their URLs.
pub(crate) async fn start(tasks: &TaskTracker) -> anyhow::Result<Vec<String>> {
    let (hangs, url_hangs) = listen().await?;
    tasks.spawn(accept(hangs, None, tasks.clone()));
    let (slow, url_slow) = listen().await?;
    tasks.spawn(accept(slow, Some(SLOW), tasks.clone()));
    let (_refuses, url_refuses) = listen().await?; // closed when this returns
    Ok(vec![url_hangs, url_slow, url_refuses])
}

async fn listen() -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("a neighbour cannot listen")?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    Ok((listener, url))
}

async fn accept(listener: TcpListener, answers_after: Option<Duration>, tasks: TaskTracker) {
    while let Ok((stream, _)) = listener.accept().await {
        tasks.spawn(serve(stream, answers_after));
    }
}

/// Reads whatever arrives. A request is small and arrives in one or two pieces, so one answer per second is close enough to one
/// answer per request.
async fn serve(mut stream: TcpStream, answers_after: Option<Duration>) {
    let mut taken = [0; 16 << 10];
    while matches!(stream.read(&mut taken).await, Ok(read) if read > 0) {
        let Some(delay) = answers_after else { continue };
        tokio::time::sleep(delay).await;
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
            return;
        }
    }
}
