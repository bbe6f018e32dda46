//! The verified copy of one database on disk, off the async threads.
//!
//! It lies where a client with `GOPROXY=file://<data>/modules` looks: `sumdb/<name>/{supported,lookup/...,tile/...}`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use larder_module::version::ModuleVersion;
use larder_store::{Store, StoreError, Swap};
use tokio::sync::Semaphore;
use tracing::warn;

use super::tiles::{Held, Proven};

/// How many groups of files may wait for the disk; who adds one more waits.
const WRITERS: usize = 64;
/// The file with the newest head.
const LATEST: &str = "latest";

/// The files of one database.
#[derive(Clone)]
pub(super) struct Files {
    store: Store,
    name: Arc<str>,
    writers: Arc<Semaphore>,
    /// The file that tells clients of the folder that the database is there.
    is_marked: Arc<AtomicBool>,
}

impl Files {
    pub(super) fn new(store: Store, name: &str) -> Self {
        Self {
            store,
            name: name.into(),
            writers: Arc::new(Semaphore::new(WRITERS)),
            is_marked: Arc::default(),
        }
    }

    /// Reads one file; what can't be read counts as not there.
    pub(super) async fn read(&self, path: String) -> Option<Bytes> {
        self.read_all(vec![path]).await.pop().flatten()
    }

    /// Reads files in one go, in order.
    pub(super) async fn read_all(&self, paths: Vec<String>) -> Vec<Option<Bytes>> {
        let (files, count) = (self.clone(), paths.len());
        let read = move || paths.iter().map(|path| files.read_blocking(path)).collect();
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| vec![None; count])
    }

    fn read_blocking(&self, path: &str) -> Option<Bytes> {
        match self.store.checksum_file(&self.name, path) {
            Ok(bytes) => bytes.filter(|bytes| !bytes.is_empty()).map(Bytes::from),
            Err(error) => {
                warn!(database = %self.name, file = path, %error, "a checksum database file could not be read");
                None
            }
        }
    }

    pub(super) async fn read_latest(&self) -> Option<Bytes> {
        self.read(LATEST.to_owned()).await
    }

    /// Writes the tiles that prove a new head, then the head, if the one on disk is still `old`.
    pub(super) async fn replace_head(
        &self,
        proven: Arc<Proven>,
        old: Option<Bytes>,
        new: Bytes,
    ) -> Result<Swap, StoreError> {
        let files = self.clone();
        let replace = move || {
            files.write(&proven, &[])?;
            files.store.swap_checksum_file(&files.name, LATEST, old.as_deref(), &new)
        };
        tokio::task::spawn_blocking(replace).await.unwrap_or(Ok(Swap::Conflict(None)))
    }

    /// Hands over every stored look-up until told to stop.
    pub(super) async fn walk_lookups(&self, mut each: impl FnMut(&[u8]) + Send + 'static) {
        let files = self.clone();
        let walk = move || {
            let mut read = |path: &str| {
                if let Some(bytes) = files.read_blocking(path) {
                    each(&bytes);
                }
                true
            };
            if let Err(error) = files.store.walk_checksum_files(&files.name, "lookup", &mut read) {
                warn!(database = %files.name, %error, "the stored look-ups could not be listed");
            }
        };
        let _ = tokio::task::spawn_blocking(walk).await;
    }

    /// Writes a record's tiles, then the look-up that they prove, behind the caller's back.
    ///
    /// A failure costs a later look-up by the network and nothing else, so it is only logged.
    pub(super) async fn write_lookup(&self, of: &ModuleVersion, proven: Arc<Proven>, lookup: Vec<u8>) {
        self.write_later(proven, Some((lookup_path(of), lookup))).await;
    }

    /// Writes proven tiles alone, behind the caller's back.
    pub(super) async fn write_proof(&self, proven: Arc<Proven>) {
        if proven.tiles().any(|(_, held)| !held.is_stored()) {
            self.write_later(proven, None).await;
        }
    }

    async fn write_later(&self, proven: Arc<Proven>, lookup: Option<(String, Vec<u8>)>) {
        let Ok(permit) = Arc::clone(&self.writers).acquire_owned().await else { return };
        let files = self.clone();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let lookup: Vec<(&str, &[u8])> =
                lookup.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
            if let Err(error) = files.write(&proven, &lookup) {
                warn!(database = %files.name, %error, "what was verified could not be stored: {error}");
            }
        });
    }

    /// Writes the tiles that the store lacks, then further files: nobody finds a look-up without its proof.
    fn write(&self, proven: &Proven, more: &[(&str, &[u8])]) -> Result<(), StoreError> {
        let unstored: Vec<(String, &Held)> = proven
            .tiles()
            .filter(|(_, held)| !held.is_stored())
            .map(|(tile, held)| (tile.path(), held))
            .collect();
        let tiles: Vec<(&str, &[u8])> =
            unstored.iter().map(|(path, held)| (path.as_str(), held.as_ref())).collect();
        if !tiles.is_empty() {
            self.store.put_checksum_files(&self.name, &tiles)?;
            unstored.iter().for_each(|(_, held)| held.set_stored());
        }
        if more.is_empty() {
            return Ok(());
        }
        if !self.is_marked.load(Ordering::Acquire) {
            self.store.put_checksum_files(&self.name, &[("supported", b"")])?;
            self.is_marked.store(true, Ordering::Release);
        }
        self.store.put_checksum_files(&self.name, more)
    }

    /// Notes something that an operator must see.
    pub(super) fn record_event(&self, kind: &str, detail: &str) {
        self.store.record_event(kind, &self.name, detail);
    }

    /// Waits until everything handed over is written.
    pub(super) async fn flush(&self) {
        let all = u32::try_from(WRITERS).unwrap_or(u32::MAX);
        drop(self.writers.acquire_many(all).await);
    }
}

/// The path of a look-up below the database's folder, as in its URL.
pub(super) fn lookup_path(of: &ModuleVersion) -> String {
    format!("lookup/{}@{}", of.module().escaped(), of.version().escaped())
}
