//! The body of a reply, and what ends with it: the in-flight mark and the access-log line.
//!
//! A body that fails yields an error, never an early end. hyper then closes an HTTP/1 connection without
//! the rest (or the last chunk) and resets an HTTP/2 stream, so no client takes a cut body for whole.
//!
//! hyper takes pieces ahead of the socket until 16 KiB are queued. When a crowd makes pieces small, that would be four
//! of them for each connection, so a small piece has to leave before the next is read.

use std::error::Error;
use std::fs::File;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Body, Frame, SizeHint};
use larder_cache::{Aborted, GrowingReader};

use crate::access_log::RequestLog;
use crate::connection::InFlight;
use crate::pieces::{FilePieces, PieceBudget};

/// Why a body broke off.
pub(crate) type BodyError = Box<dyn Error + Send + Sync>;

type NextPiece = Pin<Box<dyn Future<Output = (GrowingReader, Result<Option<Bytes>, Aborted>)> + Send>>;

/// Pieces below this size go one at a time.
const SMALL: usize = 16 << 10;

/// A reply's body.
pub(crate) struct ReplyBody {
    source: Source,
    sent: u64,
    gate: Option<Arc<Gate>>,
    in_flight: Option<InFlight>,
    log: Option<RequestLog>,
}

enum Source {
    Empty,
    Memory(Bytes),
    File(FilePieces),
    Growing(Growing),
}

struct Growing {
    state: GrowingState,
    /// The bytes still to come, where the length is known.
    remaining: Option<u64>,
}

enum GrowingState {
    Resting(GrowingReader),
    Waiting(NextPiece),
    Done,
}

/// Closed while a small piece of the body waits for the socket.
#[derive(Debug, Default)]
struct Gate {
    closed: AtomicBool,
    task: AtomicWaker,
}

impl Gate {
    fn poll_open(&self, context: &Context<'_>) -> Poll<()> {
        if !self.closed.load(Acquire) {
            return Poll::Ready(());
        }
        self.task.register(context.waker());
        if self.closed.load(Acquire) { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// A small piece; the gate opens when the socket is done with it.
struct SmallPiece {
    bytes: Bytes,
    gate: Arc<Gate>,
}

impl AsRef<[u8]> for SmallPiece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for SmallPiece {
    fn drop(&mut self) {
        self.gate.closed.store(false, Release);
        self.gate.task.wake();
    }
}

impl ReplyBody {
    pub(crate) fn empty() -> Self {
        Self::of(Source::Empty)
    }

    pub(crate) fn memory(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::empty() } else { Self::of(Source::Memory(bytes)) }
    }

    pub(crate) fn file(file: Arc<File>, start: u64, end: u64, budget: &Arc<PieceBudget>) -> Self {
        if start == end {
            Self::empty()
        } else {
            Self::of(Source::File(FilePieces::new(file, start, end, budget)))
        }
    }

    pub(crate) fn growing(reader: GrowingReader) -> Self {
        let remaining = reader.len();
        Self::of(Source::Growing(Growing { state: GrowingState::Resting(reader), remaining }))
    }

    fn of(source: Source) -> Self {
        Self { source, sent: 0, gate: None, in_flight: None, log: None }
    }

    /// Ties the request's end to the body's.
    pub(crate) fn attach(&mut self, mut in_flight: Option<InFlight>, log: Option<RequestLog>) {
        if let Some(in_flight) = in_flight.as_mut() {
            in_flight.set_readers_turn(!matches!(self.source, Source::Growing(_)));
        }
        self.in_flight = in_flight;
        self.log = log;
    }

    /// Closes the gate behind a small piece when more could follow at once.
    fn pass_on(&mut self, bytes: Bytes) -> Bytes {
        let more_lies_ready = match &self.source {
            Source::File(pieces) => pieces.remaining() > 0,
            Source::Growing(growing) => growing.more_lies_ready(),
            Source::Empty | Source::Memory(_) => false,
        };
        if bytes.len() >= SMALL || !more_lies_ready {
            return bytes;
        }
        let gate = self.gate.get_or_insert_default();
        gate.closed.store(true, Release);
        Bytes::from_owner(SmallPiece { bytes, gate: Arc::clone(gate) })
    }

    fn poll_source(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        match &mut self.source {
            Source::Empty => Poll::Ready(Ok(None)),
            Source::Memory(bytes) => {
                let bytes = std::mem::take(bytes);
                self.source = Source::Empty;
                Poll::Ready(Ok(Some(bytes)))
            }
            Source::File(pieces) => pieces.poll_piece(context).map_err(BodyError::from),
            Source::Growing(growing) => growing.poll_piece(context),
        }
    }
}

impl Growing {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            match std::mem::replace(&mut self.state, GrowingState::Done) {
                GrowingState::Resting(mut reader) => {
                    self.state = GrowingState::Waiting(Box::pin(async move {
                        let result = reader.next().await;
                        (reader, result)
                    }));
                }
                GrowingState::Waiting(mut next) => {
                    let Poll::Ready((reader, result)) = next.as_mut().poll(context) else {
                        self.state = GrowingState::Waiting(next);
                        return Poll::Pending;
                    };
                    if let Some(piece) = result? {
                        self.state = GrowingState::Resting(reader);
                        self.count(piece.len() as u64)?;
                        return Poll::Ready(Ok(Some(piece)));
                    }
                }
                // An end before the length that the head has promised is no end.
                GrowingState::Done if self.remaining.is_some_and(|bytes| bytes > 0) => {
                    return Poll::Ready(Err(Aborted.into()));
                }
                GrowingState::Done => return Poll::Ready(Ok(None)),
            }
        }
    }

    fn more_lies_ready(&self) -> bool {
        matches!(&self.state, GrowingState::Resting(reader) if reader.has_more_ready())
    }

    fn count(&mut self, len: u64) -> Result<(), Aborted> {
        if let Some(remaining) = self.remaining.as_mut() {
            *remaining = remaining.checked_sub(len).ok_or(Aborted)?;
        }
        Ok(())
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(gate) = &this.gate {
            ready!(gate.poll_open(context));
        }
        if let Some(in_flight) = this.in_flight.as_mut() {
            in_flight.set_readers_turn(false);
        }
        let piece = ready!(this.poll_source(context));
        match piece {
            Ok(Some(bytes)) => {
                this.sent += bytes.len() as u64;
                if let Some(in_flight) = this.in_flight.as_mut() {
                    in_flight.set_readers_turn(true);
                }
                Poll::Ready(Some(Ok(Frame::data(this.pass_on(bytes)))))
            }
            Ok(None) => Poll::Ready(None),
            Err(error) => {
                if let Some(log) = this.log.as_mut() {
                    log.broke_off(&error);
                }
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::File(pieces) => pieces.remaining() == 0,
            // A growing body ends only when its reader has said so: its last piece is the verdict.
            Source::Memory(_) | Source::Growing(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Memory(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::File(pieces) => SizeHint::with_exact(pieces.remaining()),
            Source::Growing(growing) => {
                growing.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
            }
        }
    }
}

impl Drop for ReplyBody {
    fn drop(&mut self) {
        if let Some(log) = self.log.take() {
            log.finish(self.sent);
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn memory_and_empty_bodies_tell_their_size() {
        let body = ReplyBody::memory(Bytes::from_static(b"abc"));
        assert_eq!(body.size_hint().exact(), Some(3));
        assert!(!body.is_end_stream());
        assert_eq!(body.collect().await.expect("memory").to_bytes(), "abc");
        assert!(ReplyBody::memory(Bytes::new()).is_end_stream());
        assert_eq!(ReplyBody::empty().size_hint().exact(), Some(0));
    }

    #[tokio::test]
    async fn small_pieces_go_one_at_a_time() {
        let mut file = tempfile::tempfile().expect("temporary file");
        std::io::Write::write_all(&mut file, &[7; 12 << 10]).expect("written");
        // No budget: pieces of the least size.
        let mut body = ReplyBody::file(Arc::new(file), 0, 12 << 10, &PieceBudget::new(0));
        let first = body.frame().await.expect("more").expect("readable").into_data().expect("data");
        assert_eq!(first.len(), 4 << 10);
        let mut next = poll_once(&mut body);
        assert!(next.is_pending(), "the first piece has not left");
        drop(first);
        next = poll_once(&mut body);
        assert!(next.is_ready());
        drop(next);
        assert_eq!(body.collect().await.expect("readable").to_bytes().len(), 4 << 10);
    }

    fn poll_once(body: &mut ReplyBody) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(body).poll_frame(&mut Context::from_waker(std::task::Waker::noop()))
    }

    #[tokio::test]
    async fn a_short_file_breaks_the_body() {
        let file = Arc::new(tempfile::tempfile().expect("temporary file"));
        let body = ReplyBody::file(file, 0, 10, &PieceBudget::new(1 << 20));
        assert_eq!(body.size_hint().exact(), Some(10));
        assert!(body.collect().await.is_err());
    }

    #[tokio::test]
    async fn an_end_before_the_promised_length_breaks_the_body() {
        for (remaining, is_whole) in [(Some(5), false), (Some(0), true), (None, true)] {
            let body = ReplyBody::of(Source::Growing(Growing { state: GrowingState::Done, remaining }));
            assert_eq!(body.collect().await.is_ok(), is_whole, "{remaining:?}");
        }
    }
}
