//! Reading a stored file for a socket: pieces of a size that memory allows.
//!
//! Two things decide a piece's size. While little is under way a piece is big (256 KiB), because each
//! costs a read and a write. All pieces together stay within one budget, and a reader that takes its
//! time gets small ones, so that thousands of slow readers cost some tens of megabytes and nobody else
//! anything. Reads ask the page cache first (`RWF_NOWAIT`) and leave the task only for a real disk read.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::JoinHandle;

/// The biggest piece.
pub(crate) const LARGEST: usize = 256 << 10;
/// The smallest piece while the budget lasts, and what a slow reader gets.
pub(crate) const SMALLEST: usize = 16 << 10;
/// What is left for everybody when the budget is used up: a page.
const LEAST: usize = 4 << 10;
/// Buffers of the biggest size that wait for reuse.
const SPARE: usize = 16;
/// A piece that takes longer than this to leave belongs to a slow reader.
const SLOW: Duration = Duration::from_secs(1);
const TMPFS: i64 = 0x0102_1994;

/// The memory for pieces, shared by all bodies.
#[derive(Debug)]
pub(crate) struct PieceBudget {
    limit: usize,
    outstanding: AtomicUsize,
    spare: Mutex<Vec<Vec<u8>>>,
}

impl PieceBudget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, outstanding: AtomicUsize::new(0), spare: Mutex::new(Vec::new()) })
    }

    /// Returns how many bytes of pieces are under way.
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding.load(Relaxed)
    }

    /// Returns the size that the next piece may have: a share of what is left.
    fn allowance(&self) -> usize {
        let left = self.limit.saturating_sub(self.outstanding());
        if left < SMALLEST {
            return LEAST;
        }
        ((left / 32) & !(SMALLEST - 1)).clamp(SMALLEST, LARGEST)
    }

    fn take(self: &Arc<Self>, len: usize) -> Piece {
        self.outstanding.fetch_add(len, Relaxed);
        let spare = if len == LARGEST {
            self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop()
        } else {
            None
        };
        Piece { buffer: spare.unwrap_or_else(|| vec![0; len]), filled: 0, budget: Arc::clone(self) }
    }
}

/// A piece of a file; its memory goes back when the socket is done with it.
#[derive(Debug)]
struct Piece {
    buffer: Vec<u8>,
    filled: usize,
    budget: Arc<PieceBudget>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.budget.outstanding.fetch_sub(self.buffer.len(), Relaxed);
        if self.buffer.len() == LARGEST {
            let mut spare = self.budget.spare.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() < SPARE {
                spare.push(std::mem::take(&mut self.buffer));
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Manner {
    /// Ask the page cache, leave the task when it has nothing.
    CacheFirst,
    /// The file system lives in memory: just read.
    InPlace,
    /// The page cache can't be asked.
    OnOtherThread,
}

/// The bytes of a file from one offset to another, in pieces.
#[derive(Debug)]
pub(crate) struct FilePieces {
    file: Arc<File>,
    offset: u64,
    end: u64,
    manner: Manner,
    next_len: usize,
    handed_out: Option<Instant>,
    reading: Option<JoinHandle<io::Result<Piece>>>,
    budget: Arc<PieceBudget>,
}

impl FilePieces {
    pub(crate) fn new(file: Arc<File>, start: u64, end: u64, budget: &Arc<PieceBudget>) -> Self {
        Self {
            file,
            offset: start,
            end,
            manner: Manner::CacheFirst,
            next_len: LARGEST,
            handed_out: None,
            reading: None,
            budget: Arc::clone(budget),
        }
    }

    /// Returns how many bytes are still to come.
    pub(crate) fn remaining(&self) -> u64 {
        self.end - self.offset
    }

    /// Returns the next piece, or nothing at the end. A file that is shorter than it should be is an error.
    pub(crate) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if self.remaining() == 0 {
            return Poll::Ready(Ok(None));
        }
        let piece = match self.reading.as_mut() {
            Some(reading) => {
                let joined = ready!(Pin::new(reading).poll(context));
                self.reading = None;
                joined.map_err(io::Error::other)??
            }
            None => {
                let len = self.choose_len();
                let mut piece = self.budget.take(len);
                match self.read_here(&mut piece) {
                    Some(result) => {
                        result?;
                        piece
                    }
                    None => {
                        let (file, offset, want) = (Arc::clone(&self.file), self.offset, self.want(len));
                        self.reading = Some(tokio::task::spawn_blocking(move || {
                            piece.filled = file.read_at(&mut piece.buffer[..want], offset)?;
                            Ok(piece)
                        }));
                        return self.poll_piece(context);
                    }
                }
            }
        };
        if piece.filled == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.offset += piece.filled as u64;
        self.handed_out = Some(Instant::now());
        Poll::Ready(Ok(Some(Bytes::from_owner(piece))))
    }

    fn want(&self, len: usize) -> usize {
        usize::try_from(self.remaining()).unwrap_or(usize::MAX).min(len)
    }

    fn choose_len(&mut self) -> usize {
        if let Some(handed_out) = self.handed_out {
            let slow = handed_out.elapsed() > SLOW;
            self.next_len = if slow { SMALLEST } else { (self.next_len * 2).min(LARGEST) };
        }
        let room = usize::try_from(self.remaining()).unwrap_or(usize::MAX).min(LARGEST);
        self.next_len.min(self.budget.allowance()).min(room)
    }

    /// Reads without leaving the task; nothing means that this would block.
    fn read_here(&mut self, piece: &mut Piece) -> Option<io::Result<()>> {
        let want = self.want(piece.buffer.len());
        let target = &mut piece.buffer[..want];
        let result = match self.manner {
            Manner::CacheFirst => {
                let mut slices = [IoSliceMut::new(target)];
                match rustix::io::preadv2(&*self.file, &mut slices, self.offset, ReadWriteFlags::NOWAIT) {
                    Err(Errno::AGAIN) => return None,
                    Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                        self.manner = manner_without_nowait(&self.file);
                        return self.read_here(piece);
                    }
                    other => other.map_err(io::Error::from),
                }
            }
            Manner::InPlace => self.file.read_at(target, self.offset),
            Manner::OnOtherThread => return None,
        };
        Some(result.map(|filled| piece.filled = filled))
    }
}

/// Chooses how to read where the page cache can't be asked: old kernels do not offer it on tmpfs.
fn manner_without_nowait(file: &File) -> Manner {
    if lies_in_memory(file) { Manner::InPlace } else { Manner::OnOtherThread }
}

/// Reports whether a file's file system is in memory.
pub(crate) fn lies_in_memory(file: &File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|facts| facts.f_type == TMPFS)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;

    use super::*;

    fn file_of(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(bytes).expect("written");
        Arc::new(file)
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|index| (index * 31 % 251) as u8).collect()
    }

    async fn collect(mut pieces: FilePieces) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(bytes) = poll_fn(|context| pieces.poll_piece(context)).await? {
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn every_manner_reads_the_same_bytes() {
        let bytes = pattern(LARGEST * 2 + 4321);
        let file = file_of(&bytes);
        let budget = PieceBudget::new(64 << 20);
        for manner in [Manner::CacheFirst, Manner::InPlace, Manner::OnOtherThread] {
            for (start, end) in [(0, bytes.len()), (1, 2), (LARGEST - 1, LARGEST * 2 + 1), (7, 7)] {
                let mut pieces = FilePieces::new(Arc::clone(&file), start as u64, end as u64, &budget);
                pieces.manner = manner;
                let got = collect(pieces).await.expect("readable");
                assert!(got == bytes[start..end], "{manner:?} {start}..{end}");
            }
        }
        assert_eq!(budget.outstanding(), 0);
    }

    #[tokio::test]
    async fn a_file_that_is_too_short_is_an_error() {
        let budget = PieceBudget::new(64 << 20);
        let pieces = FilePieces::new(file_of(b"short"), 0, 100, &budget);
        assert_eq!(collect(pieces).await.expect_err("short").kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn two_thousand_held_pieces_stay_within_the_budget() {
        let file = file_of(&pattern(LARGEST * 4));
        let budget = PieceBudget::new(16 << 20);
        let mut held = Vec::new();
        let mut bodies = Vec::new();
        for _ in 0..2000 {
            let mut pieces = FilePieces::new(Arc::clone(&file), 0, (LARGEST * 4) as u64, &budget);
            held.push(poll_fn(|context| pieces.poll_piece(context)).await.expect("readable"));
            bodies.push(pieces);
        }
        assert!(budget.outstanding() < (16 << 20) + 2000 * LEAST, "{}", budget.outstanding());
        held.clear();
        assert_eq!(budget.outstanding(), 0);
    }

    #[tokio::test]
    async fn a_slow_reader_gets_small_pieces() {
        let budget = PieceBudget::new(64 << 20);
        let mut pieces = FilePieces::new(file_of(&pattern(LARGEST * 3)), 0, (LARGEST * 3) as u64, &budget);
        let first = poll_fn(|context| pieces.poll_piece(context)).await.expect("readable").expect("more");
        assert_eq!(first.len(), LARGEST);
        pieces.handed_out = Some(Instant::now() - SLOW * 2);
        let second = poll_fn(|context| pieces.poll_piece(context)).await.expect("readable").expect("more");
        assert_eq!(second.len(), SMALLEST);
        let third = poll_fn(|context| pieces.poll_piece(context)).await.expect("readable").expect("more");
        assert_eq!(third.len(), SMALLEST * 2);
    }
}
