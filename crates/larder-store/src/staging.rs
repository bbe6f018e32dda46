//! Bytes on their way in.
//!
//! Each process stages into a folder of its own, locked as long as the process lives. So a start-up sweep can tell what
//! a dead process left behind from what a live one is writing, also when several processes share the store.
//! A staged file is removed when its [`Staging`] is dropped, whatever happened.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use fs_err as fs;
use sha2::{Digest as _, Sha256};

use crate::Store;
use crate::durable::{Disk, RemoveOnDrop, create_skeleton, read_folder};
use crate::error::StoreError;
use crate::key::ObjectKey;
use crate::object::{Publication, Published};

/// The file in each process's folder that carries its lock.
const OWNER_FILE: &str = "owner";

/// The staging folder of this process.
#[derive(Debug)]
pub(crate) struct StagingFolder {
    folder: PathBuf,
    counter: AtomicU64,
    /// Held open: closing it gives the lock back.
    owner: Mutex<File>,
}

impl StagingFolder {
    /// Sweeps what dead processes left and makes a folder for this one. Says how many files were swept.
    pub(crate) fn open(disk: &Disk, staging: &Path) -> Result<(Self, u64), StoreError> {
        // Without this lock another process could sweep the new folder before its own lock is on it.
        let _lock = disk.lock_folder(staging)?;
        let swept = sweep(disk, staging)?;
        let process = std::process::id();
        let mut number = 0_u64;
        loop {
            let folder = staging.join(format!("{process}-{number}"));
            match std::fs::create_dir(&folder) {
                Ok(()) => {
                    let owner = Mutex::new(own(disk, &folder)?);
                    return Ok((Self { folder, counter: AtomicU64::new(0), owner }, swept));
                }
                // The same process may open a store twice, and process numbers come again.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(StoreError::from_io("create", &folder, error)),
            }
        }
    }

    /// Makes the folder again after somebody tidied up the data folder under a running server.
    fn restore(&self, disk: &Disk) -> Result<(), StoreError> {
        let staging = self.folder.parent().unwrap_or(&self.folder);
        create_skeleton(staging)?;
        let _lock = disk.lock_folder(staging)?;
        let mut owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.folder.join(OWNER_FILE).exists() {
            create_skeleton(&self.folder)?;
            *owner = own(disk, &self.folder)?;
        }
        Ok(())
    }

    /// A name that nothing in the folder has had yet.
    pub(crate) fn fresh_path(&self) -> PathBuf {
        self.folder.join(self.counter.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for StagingFolder {
    fn drop(&mut self) {
        // What can't be removed now is swept by the next start.
        drop(fs::remove_file(self.folder.join(OWNER_FILE)));
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Locks a new folder for this process.
fn own(disk: &Disk, folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(OWNER_FILE);
    let owner = disk.create_file(&path)?;
    owner.try_lock().map_err(|error| StoreError::from_io("lock", &path, error.into()))?;
    Ok(owner)
}

fn sweep(disk: &Disk, staging: &Path) -> Result<u64, StoreError> {
    let mut swept = 0;
    let entries = read_folder(staging)?.into_iter().flatten();
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            disk.remove(&path)?;
            swept += 1;
        } else if is_dead(&path) {
            swept += sweep_folder(disk, &path)?;
        }
    }
    Ok(swept)
}

fn is_dead(folder: &Path) -> bool {
    match std::fs::OpenOptions::new().read(true).open(folder.join(OWNER_FILE)) {
        Ok(owner) => owner.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn sweep_folder(disk: &Disk, folder: &Path) -> Result<u64, StoreError> {
    let mut swept = 0;
    let entries = read_folder(folder)?.into_iter().flatten();
    for entry in entries.filter_map(Result::ok).filter(|entry| entry.file_name() != OWNER_FILE) {
        disk.remove(&entry.path())?;
        swept += 1;
    }
    // The owner goes last: a folder without one counts as dead, so a sweep that dies half-way is finished by the next.
    disk.remove(&folder.join(OWNER_FILE))?;
    std::fs::remove_dir(folder).map_err(|error| StoreError::from_io("remove", folder, error))?;
    Ok(swept)
}

/// A file that is being written, not yet an object.
#[derive(Debug)]
pub struct Staging {
    pub(crate) store: Store,
    pub(crate) path: RemoveOnDrop,
    pub(crate) file: File,
    pub(crate) len: u64,
    reserved: bool,
    hasher: Sha256,
}

impl Staging {
    pub(crate) fn create(store: &Store, declared_len: Option<u64>) -> Result<Self, StoreError> {
        let inner = store.inner();
        let path = inner.staging.fresh_path();
        let file = match inner.disk.create_file(&path) {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                inner.staging.restore(&inner.disk)?;
                inner.disk.create_file(&path)?
            }
            other => other?,
        };
        let path = RemoveOnDrop(path);
        if let Some(len) = declared_len {
            inner.disk.reserve(&file, &path.0, len)?;
        }
        Ok(Self {
            store: store.clone(),
            path,
            file,
            len: 0,
            reserved: declared_len.is_some(),
            hasher: Sha256::new(),
        })
    }

    /// Appends bytes. After a failure the staging is good for nothing but being dropped.
    ///
    /// # Errors
    ///
    /// Fails when the disk is full or broken.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.store.inner().disk.write_at(&self.file, &self.path.0, bytes, self.len)?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Returns how many bytes were written.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Reports whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the SHA-256 of what was written so far.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.hasher.clone().finalize().into()
    }

    /// Returns a second descriptor of the file, for positioned reads while writing goes on.
    ///
    /// It stays good after publication and after the staging was dropped.
    ///
    /// # Errors
    ///
    /// Fails when the process has no descriptor left.
    pub fn reader(&self) -> Result<File, StoreError> {
        self.file.try_clone().map_err(|error| StoreError::from_io("open", &self.path.0, error))
    }

    /// Makes the staged bytes the object, durably, unless the object exists already.
    ///
    /// When this returns, the object is there after a power cut too.
    ///
    /// # Errors
    ///
    /// Fails when any step to the disk failed; then nothing is published and the staged file is removed.
    pub fn publish(self, key: &ObjectKey, publication: &Publication) -> Result<Published, StoreError> {
        crate::publish::publish(self, key, publication)
    }

    /// Brings the bytes to the disk. A failed sync is never retried: what the kernel dropped then would pass as written.
    pub(crate) fn finish(&self) -> Result<(), StoreError> {
        let disk = &self.store.inner().disk;
        if self.reserved {
            disk.trim(&self.file, &self.path.0, self.len)?;
        }
        disk.sync_file(&self.file, &self.path.0)
    }
}
