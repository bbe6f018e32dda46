//! The bytes of one zip on their way in.
//!
//! Up to 1 MiB they stay in memory and nobody sees any before all are verified. A larger body goes to a staging file, and callers may
//! read it while it grows, always short of its last piece. Whatever was shown can't be taken back: a second attempt has to bring the
//! same bytes again, or everyone's connection breaks.

use std::{
    io,
    os::unix::fs::FileExt,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use larder_store::{Staging, Store, StoreError};
use tokio::time::Instant;

use crate::{growing::Growing, memory::SMALL};

/// How much of the end of a streamed body is kept back until the whole is verified.
///
/// More than the end record and the central directory's tail: without them no client can open the zip.
const HELD_BACK: u64 = 64 << 10;
/// Bytes are written in batches of about this size.
const BATCH: usize = 256 << 10;
/// A batch does not wait longer than this for more bytes.
const BATCH_AGE: Duration = Duration::from_millis(20);

/// Why a spool can't go on, by no fault of the upstream.
#[derive(Debug)]
pub(crate) enum SpoolError {
    /// The disk can't take it.
    Storage(StoreError),
    /// Another attempt brought other bytes than those that were shown.
    Diverged,
}

impl From<StoreError> for SpoolError {
    fn from(error: StoreError) -> Self {
        Self::Storage(error)
    }
}

/// The staging file of a large body.
#[derive(Debug)]
struct OnDisk {
    /// Absent only while a write is under way.
    staging: Option<Staging>,
    growing: Arc<Growing>,
    batch: BytesMut,
    written: u64,
    last_write: Instant,
}

/// The bytes so far.
#[derive(Debug)]
pub(crate) struct Spool {
    store: Store,
    readers: Arc<AtomicUsize>,
    /// Nothing is shown before the whole is verified, however large: the last attempt was cut in its callers' faces.
    hold_whole: bool,
    declared: Option<u64>,
    held: BytesMut,
    /// What was held, once it is whole.
    whole: Bytes,
    disk: Option<OnDisk>,
    len: u64,
    shown: bool,
}

/// What a spool holds at the end.
#[derive(Debug)]
pub(crate) enum Spooled {
    /// A small body.
    Memory(Bytes),
    /// A large body.
    Disk {
        /// The file, not yet an object.
        staging: Staging,
        /// The readers' side.
        growing: Arc<Growing>,
    },
}

impl Spool {
    pub(crate) fn new(store: Store, readers: Arc<AtomicUsize>, hold_whole: bool) -> Self {
        Self {
            store,
            readers,
            hold_whole,
            declared: None,
            held: BytesMut::new(),
            whole: Bytes::new(),
            disk: None,
            len: 0,
            shown: false,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Reports whether callers have seen bytes.
    pub(crate) fn shown(&self) -> bool {
        self.shown
    }

    /// Prepares for a body that starts anew or goes on.
    pub(crate) async fn begin(&mut self, offset: u64, declared: Option<u64>) -> Result<(), SpoolError> {
        if offset == 0 && !self.shown {
            self.held.clear();
            self.whole = Bytes::new();
            self.disk = None;
            self.len = 0;
            self.declared = None;
        } else if self.shown && declared.is_some() && self.declared.is_some() && declared != self.declared {
            return Err(SpoolError::Diverged);
        }
        self.declared = declared.or(self.declared);
        if self.disk.is_none() && declared.is_some_and(|len| len > SMALL) {
            self.go_to_disk().await?;
        }
        if self.disk.is_none()
            && let Some(declared) = declared
        {
            let missing = declared.min(SMALL).saturating_sub(self.len);
            self.held.reserve(usize::try_from(missing).unwrap_or_default());
        }
        Ok(())
    }

    /// Takes bytes whose place in the body is `at`; returns the growing file when it may be shown for the first time.
    pub(crate) async fn take(
        &mut self,
        at: u64,
        mut bytes: Bytes,
    ) -> Result<Option<Arc<Growing>>, SpoolError> {
        if at < self.len {
            let known = usize::try_from(self.len - at).unwrap_or(usize::MAX).min(bytes.len());
            if !self.repeats(at, bytes.split_to(known)).await? {
                return Err(SpoolError::Diverged);
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        self.len += bytes.len() as u64;
        match &mut self.disk {
            Some(disk) => disk.batch.extend_from_slice(&bytes),
            None => self.held.extend_from_slice(&bytes),
        }
        if self.disk.is_none() && self.len > SMALL {
            self.go_to_disk().await?;
        }
        self.flush_when_due().await
    }

    /// Ends the body, whose length is `at`.
    pub(crate) async fn finish(&mut self, at: u64) -> Result<(), SpoolError> {
        if at < self.len {
            // The repeated body ended before the point that the first one had reached.
            return Err(SpoolError::Diverged);
        }
        if self.disk.is_none() {
            self.whole = self.held.split().freeze();
        }
        self.flush().await
    }

    /// Returns the bytes for reading while they are examined.
    pub(crate) fn content(&self) -> SpoolContent {
        match &self.disk {
            Some(disk) => SpoolContent::File(Arc::clone(disk.growing.file())),
            None => SpoolContent::Memory(self.whole.clone()),
        }
    }

    /// Gives up the spool for what it holds.
    pub(crate) fn into_spooled(self) -> Option<Spooled> {
        match self.disk {
            Some(disk) => Some(Spooled::Disk { staging: disk.staging?, growing: disk.growing }),
            None => Some(Spooled::Memory(self.whole)),
        }
    }

    async fn go_to_disk(&mut self) -> Result<(), SpoolError> {
        let store = self.store.clone();
        let declared = self.declared;
        let opened = blocking(move || {
            let staging = store.stage(declared)?;
            let reader = staging.reader()?;
            Ok((staging, reader))
        });
        let (staging, reader) = opened.await?;
        let mut batch = std::mem::take(&mut self.held);
        batch.reserve(BATCH + BATCH / 2);
        self.disk = Some(OnDisk {
            staging: Some(staging),
            growing: Growing::new(reader, self.declared, Arc::clone(&self.readers)),
            batch,
            written: 0,
            last_write: Instant::now(),
        });
        Ok(())
    }

    async fn flush_when_due(&mut self) -> Result<Option<Arc<Growing>>, SpoolError> {
        let Some(disk) = &self.disk else { return Ok(None) };
        if disk.batch.len() < BATCH && disk.last_write.elapsed() < BATCH_AGE {
            return Ok(None);
        }
        self.flush().await?;
        Ok(self.show())
    }

    /// Lets callers read what was written, but for the last piece.
    fn show(&mut self) -> Option<Arc<Growing>> {
        if self.hold_whole {
            return None;
        }
        let disk = self.disk.as_ref()?;
        let readable = disk.written.saturating_sub(HELD_BACK);
        if readable == 0 {
            return None;
        }
        disk.growing.announce(readable);
        let first = !std::mem::replace(&mut self.shown, true);
        first.then(|| Arc::clone(&disk.growing))
    }

    async fn flush(&mut self) -> Result<(), SpoolError> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        let mut batch = std::mem::take(&mut disk.batch);
        disk.last_write = Instant::now();
        let Some(mut staging) = disk.staging.take() else {
            return Err(SpoolError::Diverged);
        };
        if batch.is_empty() {
            (disk.staging, disk.batch) = (Some(staging), batch);
            return Ok(());
        }
        let len = batch.len() as u64;
        // The same memory takes the next batch.
        let written = blocking(move || {
            staging.write(&batch)?;
            batch.clear();
            Ok((staging, batch))
        });
        let (staging, batch) = written.await?;
        (disk.staging, disk.batch) = (Some(staging), batch);
        disk.written += len;
        Ok(())
    }

    /// Reports whether `bytes` are what the spool has at this place.
    async fn repeats(&mut self, at: u64, bytes: Bytes) -> Result<bool, SpoolError> {
        self.flush().await?;
        let Some(disk) = &self.disk else {
            let start = usize::try_from(at).unwrap_or(usize::MAX);
            let known = self.held.get(start..start.saturating_add(bytes.len()));
            return Ok(known == Some(&bytes[..]));
        };
        let file = Arc::clone(disk.growing.file());
        let same = tokio::task::spawn_blocking(move || {
            let mut known = vec![0; bytes.len()];
            file.read_exact_at(&mut known, at)?;
            Ok::<_, io::Error>(known == bytes)
        });
        Ok(matches!(same.await, Ok(Ok(true))))
    }
}

/// The bytes of a spool, for those who examine them.
#[derive(Clone, Debug)]
pub(crate) enum SpoolContent {
    Memory(Bytes),
    File(Arc<std::fs::File>),
}

/// Runs store work where it may block; a panic there counts as an I/O failure of its caller.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Io {
            action: "work on",
            path: "the store".into(),
            source: io::Error::other(error),
        }),
    }
}
