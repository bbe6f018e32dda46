//! Answers with bodies that are not copied: files go from the kernel's memory to the socket by `sendfile`, over TLS in pieces.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::fs::sendfile;
use rustix::io::{Errno, ReadWriteFlags};
use rustix::net::SendFlags;
use tokio::io::{AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::access_log::RequestLog;
use crate::app::{AtOnceBody, Backend};
use crate::connection::{Connection, InFlight};
use crate::io::MarkedIo;
use crate::pieces::{FilePieces, lies_in_memory};
use crate::serve::Context;
use crate::server::UNSENT;

/// How much of a file goes to one socket before others have their turn.
const TURN: u64 = 1 << 20;
/// How far ahead the kernel is asked whether it has a file in memory, and in which steps.
const AHEAD: u64 = 2 << 20;
const STEP: u64 = 256 << 10;
/// No bound on the unsent bytes that the kernel holds: those of a file are its own anyway, and few of them at a time cost twice the CPU.
const UNBOUND: u32 = 1 << 30;

/// How many unsent bytes the kernel holds for a client.
#[derive(Clone, Copy)]
pub(super) struct Unsent(u32);

impl Default for Unsent {
    fn default() -> Self {
        Self(UNSENT)
    }
}

impl Unsent {
    /// Goes back to the number that all connections begin with.
    pub(super) fn reset(&mut self, socket: &TcpStream) {
        self.set(socket, UNSENT);
    }

    fn set(&mut self, socket: &TcpStream, bytes: u32) {
        if self.0 != bytes {
            self.0 = bytes;
            // What it was is not wrong either.
            let _ = socket2::SockRef::from(socket).set_tcp_notsent_lowat(bytes);
        }
    }
}

/// A large answer on its way.
pub(super) struct Large {
    head: Vec<u8>,
    body: AtOnceBody,
    in_flight: InFlight,
    log: Option<RequestLog>,
    /// Bytes of the body that have left.
    sent: u64,
}

impl Large {
    pub(super) fn new(head: Vec<u8>, body: AtOnceBody, in_flight: InFlight, log: RequestLog) -> Self {
        Self { head, body, in_flight, log: Some(log), sent: 0 }
    }

    /// Sends head and body; after an error the client has not got all of it.
    pub(super) async fn send<B: Backend>(
        mut self: Box<Self>,
        io: &mut MarkedIo,
        context: &Arc<Context<B>>,
        unsent: &mut Unsent,
    ) -> io::Result<()> {
        self.in_flight.set_readers_turn(true);
        let head = std::mem::take(&mut self.head);
        match (&self.body, io.socket()) {
            (AtOnceBody::Memory(bytes), _) => {
                let bytes = bytes.clone();
                self.send_parts(io, &head, &bytes).await?;
            }
            (AtOnceBody::File { file, len }, Some(socket)) => {
                let (file, len) = (Arc::clone(file), *len);
                unsent.set(socket, UNBOUND);
                let patience = context.shared.limits.write_window / 4;
                send_more(socket, &head, context.open.state()).await?;
                self.send_file(socket, &file, len, context.open.state(), patience).await?;
            }
            (AtOnceBody::File { file, len }, None) => {
                let pieces = FilePieces::new(Arc::clone(file), 0, *len, &context.shared.app.budget);
                self.send_pieces(io, head, pieces).await?;
            }
        }
        io.flush().await
    }

    /// Sends a file in pieces, the head together with the first of them.
    async fn send_pieces(
        &mut self,
        io: &mut MarkedIo,
        head: Vec<u8>,
        mut pieces: FilePieces,
    ) -> io::Result<()> {
        let mut head = head;
        loop {
            self.in_flight.set_readers_turn(false);
            let piece =
                poll_fn(|task| pieces.poll_piece(task)).await.map_err(|error| self.broke_off(error))?;
            self.in_flight.set_readers_turn(true);
            let Some(piece) = piece else { return Ok(()) };
            self.send_parts(io, &head, &piece).await?;
            head.clear();
        }
    }

    async fn send_parts(&mut self, io: &mut MarkedIo, head: &[u8], body: &Bytes) -> io::Result<()> {
        let mut at = 0;
        while at < head.len() + body.len() {
            let parts = [
                IoSlice::new(&head[at.min(head.len())..]),
                IoSlice::new(&body[at.saturating_sub(head.len())..]),
            ];
            let parts = if at < head.len() { &parts[..] } else { &parts[1..] };
            let sent = poll_fn(|task| Pin::new(&mut *io).poll_write_vectored(task, parts)).await?;
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            let before = at.max(head.len());
            at += sent;
            self.sent += (at.max(head.len()) - before) as u64;
        }
        Ok(())
    }

    async fn send_file(
        &mut self,
        socket: &TcpStream,
        file: &Arc<File>,
        len: u64,
        state: &Connection,
        patience: Duration,
    ) -> io::Result<()> {
        let (mut at, mut at_hand, mut turn) = (0, 0, TURN);
        while at < len {
            if at >= at_hand {
                at_hand = self.bring_to_hand(file, at, len).await.map_err(|error| self.broke_off(error))?;
            }
            let want = usize::try_from((at_hand - at).min(turn)).unwrap_or(usize::MAX);
            let sent =
                socket.try_io(Interest::WRITABLE, || Ok(sendfile(socket, &**file, Some(&mut at), want)?));
            match sent {
                Ok(0) => return Err(self.broke_off(io::ErrorKind::UnexpectedEof.into())),
                Ok(sent) => {
                    state.note_written(sent);
                    self.sent = at;
                    turn = turn.saturating_sub(sent as u64);
                    if turn == 0 {
                        tokio::task::yield_now().await;
                        turn = TURN;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    state.note_write_blocked();
                    // The kernel tells of room when a third of it is free. A slow reader makes less in the time that the sweep gives it.
                    let Ok(writable) = timeout(patience, socket.writable()).await else {
                        match sendfile(socket, &**file, Some(&mut at), want) {
                            Ok(sent) => state.note_written(sent),
                            Err(Errno::AGAIN | Errno::INTR) => {}
                            Err(error) => return Err(error.into()),
                        }
                        self.sent = at;
                        continue;
                    };
                    writable?;
                    turn = TURN;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sees to it that a part of a file lies in memory, and returns where that ends: a disk that takes its time must not hold up the
    /// thread's other connections.
    async fn bring_to_hand(&mut self, file: &Arc<File>, at: u64, len: u64) -> io::Result<u64> {
        let end = len.min(at + AHEAD);
        match is_at_hand(file, at, end) {
            Some(true) => return Ok(end),
            None if lies_in_memory(file) => return Ok(len),
            Some(false) | None => {}
        }
        self.in_flight.set_readers_turn(false);
        let file = Arc::clone(file);
        let read = tokio::task::spawn_blocking(move || read_once(&file, at, end)).await;
        self.in_flight.set_readers_turn(true);
        read.map_err(io::Error::other)?.map(|()| end)
    }

    fn broke_off(&mut self, error: io::Error) -> io::Error {
        if let Some(log) = self.log.as_mut() {
            log.broke_off(&error);
        }
        error
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        if let Some(log) = self.log.take() {
            log.finish(self.sent);
        }
    }
}

/// Sends bytes to which more will be added at once.
async fn send_more(socket: &TcpStream, mut bytes: &[u8], state: &Connection) -> io::Result<()> {
    while !bytes.is_empty() {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        match socket.try_io(Interest::WRITABLE, || Ok(rustix::net::send(socket, bytes, flags)?)) {
            Ok(sent) => {
                state.note_written(sent);
                bytes = &bytes[sent..];
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                state.note_write_blocked();
                socket.writable().await?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reports whether the kernel has a part of a file in memory; nothing where it can't be asked.
fn is_at_hand(file: &File, at: u64, end: u64) -> Option<bool> {
    let mut probe = at;
    while probe < end {
        match rustix::io::preadv2(file, &mut [IoSliceMut::new(&mut [0])], probe, ReadWriteFlags::NOWAIT) {
            Ok(_) => {}
            Err(Errno::AGAIN) => return Some(false),
            Err(_) => return None,
        }
        // The last byte too, unless it is the one that was just asked for.
        probe = if probe + 1 < end { (probe + STEP).min(end - 1) } else { end };
    }
    Some(true)
}

/// Reads a part of a file, to have it in the kernel's memory.
fn read_once(file: &File, mut at: u64, end: u64) -> io::Result<()> {
    let mut buffer = vec![0; usize::try_from(STEP).unwrap_or(1 << 16)];
    while at < end {
        let want = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        match file.read_at(&mut buffer[..want], at)? {
            0 => break,
            count => at += count as u64,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_was_just_written_is_at_hand() {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&vec![7; 300_001]).expect("written");
        for (at, end) in [(0, 300_001), (5, 6), (0, 1), (131_072, 131_073), (0, 131_073), (7, 7)] {
            assert_ne!(is_at_hand(&file, at, end), Some(false), "{at}..{end}");
        }
        read_once(&file, 3, 300_001).expect("readable");
        read_once(&file, 0, 400_000).expect("an end before the end is the sender's to find");
    }
}
