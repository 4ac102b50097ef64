//! HTTP/1.1 to a customer: one request at a time over one connection.
//!
//! Everything runs on the task of the attempt: nothing is handed to another task, and only the task that waits is woken.
//! Between attempts nothing runs; the connection only notifies its pool when something happens to it. Reads go through the
//! stack, so a connection that waits holds no buffer, and hundreds of requests wait for slow receivers. The codec knows what a
//! head is, where a body ends, and whether the connection can be used again.

use std::future::poll_fn;
use std::io::{self, Cursor, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use bellwire_domain::{AttemptOutcome, OutboundRequest, TimeoutPhase, Timestamp};
use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::codec::{Received, Reception};
use crate::destination::Destination;
use crate::exchange::Unanswered;
use crate::head::Asked;
use crate::progress::Progress;
use crate::stream::CustomerStream;
use crate::{failure, head};

/// Bytes read from a connection at once.
const READ_BYTES: usize = 8 * 1_024;

/// An HTTP/1.1 connection.
pub(crate) struct Http1 {
    stream: CustomerStream,
    /// Notified when something happens while it is idle.
    stirred: Arc<Stirred>,
    /// It has served a request, so it may have been closed since.
    is_kept: bool,
    /// It cannot serve another request.
    is_over: bool,
}

/// Remembers that an idle connection needs a look.
struct Stirred {
    /// False while an attempt uses it, which then watches it.
    is_idle: AtomicBool,
    is_set: AtomicBool,
    pool: Arc<Notify>,
}

impl Wake for Stirred {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_idle.load(Ordering::Acquire) {
            self.is_set.store(true, Ordering::Release);
            self.pool.notify_one();
        }
    }
}

impl Http1 {
    /// Speaks HTTP/1.1 over `stream`. While it is idle, `pool` is notified when something happens to it.
    pub(crate) fn new(stream: CustomerStream, pool: Arc<Notify>) -> Self {
        let stirred = Arc::new(Stirred { is_idle: AtomicBool::new(false), is_set: AtomicBool::new(false), pool });
        Self { stream, stirred, is_kept: false, is_over: false }
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn exchange(
        &mut self,
        request: &OutboundRequest,
        destination: &Destination,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<AttemptOutcome, Unanswered> {
        self.stirred.is_idle.store(false, Ordering::Release);
        if self.is_kept && poll_fn(|context| Poll::Ready(self.has_stirred(context))).await {
            return Err(Unanswered::Unsent(failure::closed("closed")));
        }
        self.is_over = true; // until the answer is complete
        let has_served = std::mem::replace(&mut self.is_kept, true);
        let mut reception = Reception::new(Asked::by(request), now);
        let head = head::write(request, destination);
        self.ask(head, request.body.clone(), &mut reception, progress).await.map_err(|outcome| {
            if has_served && !reception.has_begun() { Unanswered::Dropped } else { Unanswered::Failed(outcome) }
        })
    }

    async fn ask(
        &mut self,
        head: Vec<u8>,
        body: Bytes,
        reception: &mut Reception,
        progress: &Progress,
    ) -> Result<AttemptOutcome, AttemptOutcome> {
        let mut exchange = Exchange { stream: &mut self.stream, outgoing: Cursor::new(head).chain(body), refused: None };
        let received = loop {
            if let Some(received) = exchange.receive(reception).await? {
                break received;
            }
            if reception.is_in_body() {
                progress.reach(TimeoutPhase::Body);
            }
        };
        let is_sent = exchange.refused.is_none() && !exchange.outgoing.has_remaining();
        self.is_over = !is_sent || !received.stays_open;
        Ok(received.answer.finish())
    }

    /// Whether it can be kept for another request. If so, from now on it notifies its pool when something happens to it.
    pub(crate) fn settle(&mut self) -> bool {
        self.stirred.is_idle.store(true, Ordering::Release);
        let waker = Waker::from(Arc::clone(&self.stirred));
        self.is_over = self.is_over || self.has_stirred(&mut Context::from_waker(&waker));
        self.stream.may_be_kept() && !self.is_over
    }

    /// Whether an idle connection is still usable.
    pub(crate) fn is_sound(&mut self) -> bool {
        !self.stirred.is_set.swap(false, Ordering::AcqRel) || self.settle()
    }

    /// Nothing should arrive without a request: whatever does is the end, or garbage.
    fn has_stirred(&mut self, context: &mut Context<'_>) -> bool {
        let mut bytes = [0];
        Pin::new(&mut self.stream).poll_read(context, &mut ReadBuf::new(&mut bytes)).is_ready()
    }
}

/// A request being sent, and its answer.
struct Exchange<'a> {
    stream: &'a mut CustomerStream,
    outgoing: Chain<Cursor<Vec<u8>>, Bytes>,
    /// Why the rest of the request could not be written. The receiver may have answered anyway.
    refused: Option<io::Error>,
}

impl Exchange<'_> {
    /// Sends the rest of the request, and takes what has arrived of the answer.
    async fn receive(&mut self, reception: &mut Reception) -> Result<Option<Received>, AttemptOutcome> {
        poll_fn(|context| {
            if let Poll::Ready(Err(error)) = self.poll_send(context) {
                self.refused = Some(error);
            }
            let mut buffer = [const { MaybeUninit::uninit() }; READ_BYTES];
            let mut read = ReadBuf::uninit(&mut buffer);
            match Pin::new(&mut *self.stream).poll_read(context, &mut read) {
                Poll::Ready(Ok(())) if read.filled().is_empty() => Poll::Ready(reception.end().map(Some)),
                Poll::Ready(Ok(())) => Poll::Ready(reception.take(read.filled())),
                Poll::Ready(Err(error)) => Poll::Ready(Err(failure::broken(&error))),
                Poll::Pending => match &self.refused {
                    Some(error) => Poll::Ready(Err(failure::broken(error))),
                    None => Poll::Pending,
                },
            }
        })
        .await
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refused.is_some() {
            return Poll::Pending;
        }
        let mut stream = Pin::new(&mut *self.stream);
        while self.outgoing.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 2];
            let filled = self.outgoing.chunks_vectored(&mut slices);
            let sent = ready!(stream.as_mut().poll_write_vectored(context, slices.get(..filled).unwrap_or_default()))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.advance(sent);
        }
        stream.poll_flush(context)
    }
}
