//! Requests that hyper answers.
//!
//! A request whose head ends beyond doubt is all that hyper gets to see of its connection. When its answer has left, hyper is put away and
//! the connection taken back. A connection about which there is any doubt stays with hyper.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::app::Backend;
use crate::io::MarkedIo;
use crate::serve::Context;

/// How many bytes are taken from a client that sends on while its request is being answered.
const AHEAD: usize = 16 << 10;

/// A connection that came back.
pub(crate) struct Back {
    pub(crate) io: MarkedIo,
    /// What was read of the requests that follow.
    pub(crate) rest: Vec<u8>,
}

/// A transport for hyper: first the bytes that were read already, then, if it is for good, the rest.
struct HandedOver {
    io: MarkedIo,
    bytes: Vec<u8>,
    /// How many of the bytes hyper has read, and may read.
    read: usize,
    len: usize,
    is_for_good: bool,
}

/// Has hyper answer the request whose head is the first `len` of `bytes`; returns nothing when the connection has ended.
pub(crate) async fn one<B: Backend>(
    io: MarkedIo,
    bytes: Vec<u8>,
    len: usize,
    context: &Arc<Context<B>>,
) -> Option<Back> {
    let state = context.open.state();
    let before = state.requests();
    let handed = HandedOver { io, bytes, read: 0, len, is_for_good: false };
    let service = service_fn(|request| Arc::clone(context).answer(request));
    let mut connection = context.shared.http1.serve_connection(TokioIo::new(handed), service);
    let mut is_draining = false;
    let has_ended = poll_fn(|task| {
        if context.is_draining() && !is_draining {
            is_draining = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        let polled = Pin::new(&mut connection).poll(task);
        if let Poll::Ready(result) = polled {
            note_end(context, result.err());
            return Poll::Ready(true);
        }
        // With the last of the body hyper has dropped the mark; what it had written by then has left.
        let is_answered = state.requests() > before && !state.is_answering();
        if is_answered && !is_draining && state.is_output_at_rest() {
            return Poll::Ready(false);
        }
        Poll::Pending
    })
    .await;
    if has_ended {
        return None;
    }
    let parts = connection.into_parts();
    let handed = parts.io.into_inner();
    // Nothing was there for hyper to keep.
    debug_assert!(parts.read_buf.is_empty() && handed.read == handed.len, "hyper reads one head");
    let mut rest = handed.bytes;
    rest.drain(..handed.len);
    Some(Back { io: handed.io, rest })
}

/// Leaves the connection to hyper, which sees `bytes` first.
pub(crate) async fn for_good<B: Backend>(io: MarkedIo, bytes: Vec<u8>, context: &Arc<Context<B>>) {
    if !bytes.is_empty() {
        context.open.state().note_read();
    }
    let len = bytes.len();
    let handed = HandedOver { io, bytes, read: 0, len, is_for_good: true };
    let service = service_fn(|request| Arc::clone(context).answer(request));
    let mut connection = pin!(context.shared.http.serve_connection(TokioIo::new(handed), service));
    let mut is_draining = false;
    poll_fn(|task| {
        if context.is_draining() && !is_draining {
            is_draining = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(task).map(|result| note_end(context, result.err()))
    })
    .await;
}

fn note_end<B>(context: &Context<B>, error: Option<impl std::fmt::Display>) {
    if let Some(error) = error {
        tracing::trace!(peer = %context.peer, %error, "connection ended early");
    }
}

impl HandedOver {
    /// Looks for the end of a client whose request is being answered, and keeps what it sends meanwhile.
    fn poll_ahead(&mut self, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        let mut piece = [0; 1024];
        while self.bytes.len() < self.len + AHEAD {
            let mut buffer = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut self.io).poll_read(task, &mut buffer))?;
            if buffer.filled().is_empty() {
                // Who has sent all requests it will ever send still waits for the answers.
                let has_gone = self.bytes.len() == self.len;
                return if has_gone { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            self.bytes.extend_from_slice(buffer.filled());
        }
        Poll::Pending
    }
}

impl AsyncRead for HandedOver {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.read < this.len {
            let part = &this.bytes[this.read..this.len];
            let part = &part[..part.len().min(buffer.remaining())];
            buffer.put_slice(part);
            this.read += part.len();
            if this.is_for_good && this.read == this.len {
                this.bytes = Vec::new();
                (this.read, this.len) = (0, 0);
            }
            return Poll::Ready(Ok(()));
        }
        if this.is_for_good { Pin::new(&mut this.io).poll_read(task, buffer) } else { this.poll_ahead(task) }
    }
}

impl AsyncWrite for HandedOver {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Task<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(task, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(task)
    }
}
