//! One growing file, read by any number of clients while its bytes arrive.
//!
//! The fetch writes the staging file and announces how much of it may be read; a reader keeps nothing but its offset and the piece
//! that is on its way to the client. The piece's size shrinks as readers multiply, so that ten thousand of them stay within a fixed
//! amount of memory. What is announced always ends short of the file's last piece until the whole is verified: a client can't complete a body that turns out bad.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use tokio::sync::watch;

/// The memory that all pieces of all readers together may take.
const READER_MEMORY: usize = 24 << 20;
const SMALLEST_PIECE: usize = 4 << 10;
const LARGEST_PIECE: usize = 256 << 10;

/// The body ended without being verified: the connection must break, so that the client doesn't take it for whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the fetch failed while its body was being passed on")]
pub struct Aborted;

/// How far a growing file may be read.
#[derive(Clone, Copy, Debug)]
struct Progress {
    readable: u64,
    end: Option<End>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Complete,
    Aborted,
}

/// The writer's side of a growing file.
#[derive(Debug)]
pub(crate) struct Growing {
    file: Arc<File>,
    declared: Option<u64>,
    progress: watch::Sender<Progress>,
    readers: Arc<AtomicUsize>,
}

impl Growing {
    /// Wraps the staging file; `readers` counts the readers of all growing files.
    pub(crate) fn new(file: File, declared: Option<u64>, readers: Arc<AtomicUsize>) -> Arc<Self> {
        let start = Progress { readable: 0, end: None };
        Arc::new(Self { file: Arc::new(file), declared, progress: watch::Sender::new(start), readers })
    }

    /// Lets readers have the first `readable` bytes.
    pub(crate) fn announce(&self, readable: u64) {
        self.progress.send_modify(|progress| progress.readable = progress.readable.max(readable));
    }

    /// Lets readers have everything: all `len` bytes are verified.
    pub(crate) fn complete(&self, len: u64) {
        self.progress.send_modify(|progress| {
            *progress = Progress { readable: len, end: Some(End::Complete) };
        });
    }

    /// Breaks every reader's body.
    pub(crate) fn abort(&self) {
        self.progress.send_modify(|progress| {
            if progress.end.is_none() {
                progress.end = Some(End::Aborted);
            }
        });
    }

    /// Returns the file, to be read by offset.
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Adds a reader.
    pub(crate) fn reader(self: &Arc<Self>) -> GrowingReader {
        self.readers.fetch_add(1, Ordering::Relaxed);
        GrowingReader {
            progress: self.progress.subscribe(),
            file: Arc::clone(&self.file),
            declared: self.declared,
            offset: 0,
            readers: Arc::clone(&self.readers),
        }
    }
}

/// A reader of a body that is still arriving.
#[derive(Debug)]
pub struct GrowingReader {
    progress: watch::Receiver<Progress>,
    file: Arc<File>,
    declared: Option<u64>,
    offset: u64,
    readers: Arc<AtomicUsize>,
}

impl GrowingReader {
    /// Returns the length that the upstream declared, or the final one once it is known.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        let progress = *self.progress.borrow();
        match progress.end {
            Some(End::Complete) => Some(progress.readable),
            Some(End::Aborted) | None => self.declared,
        }
    }

    /// Reports whether the body is known to be empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Reports whether bytes behind the last piece can be read without waiting.
    #[must_use]
    pub fn has_more_ready(&self) -> bool {
        self.progress.borrow().readable > self.offset
    }

    /// Returns the next piece, or nothing at the verified end.
    ///
    /// # Errors
    ///
    /// Fails when the fetch failed: the client's connection must be broken.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Aborted> {
        loop {
            let progress = *self.progress.borrow_and_update();
            if progress.end == Some(End::Aborted) {
                return Err(Aborted);
            }
            if self.offset < progress.readable {
                return self.read(progress.readable - self.offset).await.map(Some);
            }
            if progress.end == Some(End::Complete) {
                return Ok(None);
            }
            // A fetch that vanished (a panic, a runtime that stops) drops its sender.
            self.progress.changed().await.map_err(|_| Aborted)?;
        }
    }

    /// Waits for the verified end without reading what comes, and returns the length.
    ///
    /// # Errors
    ///
    /// Fails when the fetch failed.
    pub async fn end(mut self) -> Result<u64, Aborted> {
        let progress =
            self.progress.wait_for(|progress| progress.end.is_some()).await.map_err(|_| Aborted)?;
        if progress.end == Some(End::Complete) { Ok(progress.readable) } else { Err(Aborted) }
    }

    async fn read(&mut self, available: u64) -> Result<Bytes, Aborted> {
        let share = READER_MEMORY / self.readers.load(Ordering::Relaxed).max(1);
        let piece = share.clamp(SMALLEST_PIECE, LARGEST_PIECE);
        let want = usize::try_from(available).unwrap_or(usize::MAX).min(piece);
        let bytes = read_piece(&self.file, self.offset, want).await.map_err(|error| {
            tracing::error!(%error, "could not read back the staging file");
            Aborted
        })?;
        self.offset += bytes.len() as u64;
        Ok(bytes)
    }
}

impl Drop for GrowingReader {
    fn drop(&mut self) {
        self.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads `want` bytes, without a thread hop when the page cache has them (it nearly always does: they were just written).
async fn read_piece(file: &Arc<File>, offset: u64, want: usize) -> io::Result<Bytes> {
    let mut buffer = BytesMut::zeroed(want);
    match read_without_waiting(file, &mut buffer, offset) {
        Ok(count) if count > 0 => {
            buffer.truncate(count);
            return Ok(buffer.freeze());
        }
        Ok(_) | Err(_) => {}
    }
    let file = Arc::clone(file);
    tokio::task::spawn_blocking(move || {
        file.read_exact_at(&mut buffer, offset)?;
        Ok(buffer.freeze())
    })
    .await
    .map_err(io::Error::other)?
}

#[cfg(target_os = "linux")]
fn read_without_waiting(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut slices = [io::IoSliceMut::new(buffer)];
    Ok(rustix::io::preadv2(file, &mut slices, offset, rustix::io::ReadWriteFlags::NOWAIT)?)
}

#[cfg(not(target_os = "linux"))]
fn read_without_waiting(_file: &File, _buffer: &mut [u8], _offset: u64) -> io::Result<usize> {
    Err(io::Error::from(io::ErrorKind::WouldBlock))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn growing(declared: Option<u64>) -> (Arc<Growing>, File) {
        let file = tempfile::tempfile().expect("a temporary file");
        let writer = file.try_clone().expect("a second handle");
        (Growing::new(file, declared, Arc::default()), writer)
    }

    #[tokio::test]
    async fn the_end_can_be_waited_for_alone() {
        let (growing, mut writer) = growing(None);
        let (one, other) = (growing.reader(), growing.reader());
        writer.write_all(b"body").expect("a temporary file");
        growing.announce(2);
        growing.complete(4);
        assert_eq!(one.end().await, Ok(4));
        drop(growing);
        assert_eq!(other.end().await, Ok(4));
        let (growing, _writer) = self::growing(Some(9));
        let reader = growing.reader();
        growing.abort();
        assert_eq!(reader.end().await, Err(Aborted));
    }

    #[tokio::test]
    async fn readers_follow_and_finish_only_after_completion() {
        let (growing, mut writer) = growing(Some(10));
        let mut reader = growing.reader();
        assert_eq!(reader.len(), Some(10));
        let follower = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(piece) = reader.next().await.expect("no abort") {
                all.extend_from_slice(&piece);
            }
            all
        });
        writer.write_all(b"01234").expect("written");
        growing.announce(3);
        tokio::task::yield_now().await;
        writer.write_all(b"56789").expect("written");
        assert!(!follower.is_finished());
        growing.complete(10);
        assert_eq!(follower.await.expect("no panic"), b"0123456789");
    }

    #[tokio::test]
    async fn an_abort_breaks_a_reader_even_with_bytes_left() {
        let (growing, mut writer) = growing(None);
        let mut reader = growing.reader();
        writer.write_all(b"abc").expect("written");
        growing.announce(2);
        growing.abort();
        assert_eq!(reader.next().await, Err(Aborted));
    }

    #[tokio::test]
    async fn a_vanished_fetch_breaks_its_readers() {
        let (growing, _writer) = growing(None);
        let mut reader = growing.reader();
        drop(growing);
        assert_eq!(reader.next().await, Err(Aborted));
    }

    #[tokio::test]
    async fn pieces_shrink_as_readers_multiply() {
        let (growing, mut writer) = growing(None);
        writer.write_all(&vec![7; 1 << 20]).expect("written");
        growing.announce(1 << 20);
        let mut first = growing.reader();
        let alone = first.next().await.expect("bytes").expect("bytes").len();
        let crowd: Vec<_> = (0..1_000).map(|_| growing.reader()).collect();
        let crowded = first.next().await.expect("bytes").expect("bytes").len();
        assert_eq!(alone, LARGEST_PIECE);
        assert!(crowded < alone, "{crowded}");
        drop(crowd);
    }
}
