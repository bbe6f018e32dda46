//! The byte stream under hyper, with the marks that the sweep needs.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::connection::{Connection, Output};

/// A plain or an encrypted connection.
///
/// One enum instead of a boxed trait: the plain path is a direct call.
pub(crate) enum Transport {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// A transport that marks what passes.
pub(crate) struct MarkedIo {
    transport: Transport,
    connection: Arc<Connection>,
}

impl MarkedIo {
    pub(crate) fn new(transport: Transport, connection: Arc<Connection>) -> Self {
        Self { transport, connection }
    }

    /// Returns the socket if bytes can go to it as they are.
    pub(crate) fn socket(&self) -> Option<&TcpStream> {
        match &self.transport {
            Transport::Plain(stream) => Some(stream),
            Transport::Encrypted(_) => None,
        }
    }

    /// Reports whether client and server agreed on HTTP/2 before the first byte.
    pub(crate) fn speaks_http2(&self) -> bool {
        match &self.transport {
            Transport::Plain(_) => false,
            Transport::Encrypted(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }

    /// Reports whether the kernel holds bytes of the client that nobody has read.
    ///
    /// A read that finds nothing does not tell: the runtime may not have seen yet that they are there.
    pub(crate) fn has_unread(&self) -> bool {
        let socket = match &self.transport {
            Transport::Plain(stream) => stream,
            Transport::Encrypted(stream) => stream.get_ref().0,
        };
        let looking = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        rustix::net::recv(socket, &mut [0_u8; 1][..], looking).is_ok_and(|(_, found)| found > 0)
    }

    fn mark_write(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Ready(Ok(bytes)) => self.connection.note_written(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.connection.note_write_blocked(),
        }
        result
    }
}

impl AsyncRead for MarkedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        })?;
        if buffer.filled().len() > before {
            self.connection.note_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MarkedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection.note_output(Output::Begun);
        let result = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        self.mark_write(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.note_output(Output::Begun);
        let result = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Transport::Encrypted(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        self.mark_write(result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Encrypted(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Transport::Encrypted(stream) = &mut self.transport {
            match Pin::new(stream).poll_flush(context) {
                Poll::Pending => {
                    self.connection.note_write_blocked();
                    return Poll::Pending;
                }
                Poll::Ready(result) => {
                    self.connection.note_written(0);
                    result?;
                }
            }
        }
        self.connection.note_output(Output::Flushed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.note_output(Output::Shut);
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
