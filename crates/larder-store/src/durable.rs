//! Every step that changes the disk, one function each.
//!
//! A publication is a short chain of these steps, and what a crash leaves behind depends only on which of them were
//! taken. So each one passes a fail point first: tests kill the process, or let the disk be full, at any single step,
//! and no step exists that they can't reach. Nothing else in this crate writes, renames, removes or syncs files.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FallocateFlags, RenameFlags};
use rustix::io::Errno;

use crate::error::StoreError;
use crate::fail::{FailPoint, Step};

/// Preallocating less than this costs more than it saves.
const RESERVE_FROM: u64 = 64 * 1024;

/// The one door to a changing disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    fail_point: Option<FailPoint>,
}

/// A lock on a folder, held by the open folder itself, so that no lock files lie among the objects.
///
/// It excludes other threads and other processes, and goes with the process that held it.
#[derive(Debug)]
pub(crate) struct FolderLock(#[expect(dead_code, reason = "closing the folder releases the lock")] File);

impl Disk {
    pub(crate) fn new(fail_point: Option<FailPoint>) -> Self {
        Self { fail_point }
    }

    /// Passes the fail point of a step.
    pub(crate) fn step(&self, step: Step, path: &Path) -> Result<(), StoreError> {
        match &self.fail_point {
            None => Ok(()),
            Some(fail_point) => {
                fail_point.pass(step).map_err(|error| StoreError::from_io(step.verb(), path, error))
            }
        }
    }

    /// Creates a file that must not exist yet, for reading and writing.
    pub(crate) fn create_file(&self, path: &Path) -> Result<File, StoreError> {
        self.step(Step::CreateFile, path)?;
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(|error| StoreError::from_io(Step::CreateFile.verb(), path, error))
    }

    /// Sets room aside for a file whose length is known, so that a full disk shows before the first byte is fetched.
    ///
    /// File systems that can't reserve are asked whether the room is there, which is a guess when several files grow.
    pub(crate) fn reserve(&self, file: &File, path: &Path, len: u64) -> Result<(), StoreError> {
        self.step(Step::Reserve, path)?;
        if len < RESERVE_FROM {
            return Ok(());
        }
        match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, len) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => has_room(path, len),
            Err(errno) => Err(StoreError::from_io(Step::Reserve.verb(), path, errno.into())),
        }
    }

    /// Appends bytes at a known offset.
    pub(crate) fn write_at(
        &self,
        file: &File,
        path: &Path,
        bytes: &[u8],
        offset: u64,
    ) -> Result<(), StoreError> {
        self.step(Step::Write, path)?;
        file.write_all_at(bytes, offset).map_err(|error| StoreError::from_io(Step::Write.verb(), path, error))
    }

    /// Brings a file's bytes and length to the disk.
    pub(crate) fn sync_file(&self, file: &File, path: &Path) -> Result<(), StoreError> {
        self.step(Step::SyncFile, path)?;
        file.sync_data().map_err(|error| StoreError::from_io(Step::SyncFile.verb(), path, error))
    }

    /// Gives back what was reserved past the end of a file.
    pub(crate) fn trim(&self, file: &File, path: &Path, len: u64) -> Result<(), StoreError> {
        self.step(Step::Trim, path)?;
        file.set_len(len).map_err(|error| StoreError::from_io(Step::Trim.verb(), path, error))
    }

    /// Brings the names in a folder to the disk.
    pub(crate) fn sync_folder(&self, folder: &Path) -> Result<(), StoreError> {
        self.step(Step::SyncFolder, folder)?;
        match open_folder(folder).and_then(|file| file.sync_all()) {
            // Some network file systems have no such call for folders; they write names through.
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
            Err(error) => Err(StoreError::from_io(Step::SyncFolder.verb(), folder, error)),
            Ok(()) => Ok(()),
        }
    }

    /// Gives a file its final name unless that name is taken; says whether it was free.
    pub(crate) fn rename_new(&self, from: &Path, to: &Path) -> Result<bool, StoreError> {
        self.step(Step::RenameNew, to)?;
        let outcome = match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system knows the flag. A hard link never replaces either.
            Err(Errno::INVAL | Errno::NOSYS) => std::fs::hard_link(from, to).and_then(|()| {
                self.step(Step::Remove, from).map_err(io::Error::other)?;
                remove_if_there(from)
            }),
            other => other.map_err(io::Error::from),
        };
        match outcome {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(StoreError::from_io(Step::RenameNew.verb(), to, error)),
        }
    }

    /// Puts a file in the place of another one at once.
    pub(crate) fn replace(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        self.step(Step::Replace, to)?;
        rustix::fs::rename(from, to)
            .map_err(|errno| StoreError::from_io(Step::Replace.verb(), to, errno.into()))
    }

    /// Removes a file; one that is gone already is fine.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), StoreError> {
        self.step(Step::Remove, path)?;
        remove_if_there(path).map_err(|error| StoreError::from_io(Step::Remove.verb(), path, error))
    }

    /// Creates one folder whose parent exists; one that exists already is fine.
    pub(crate) fn create_folder(&self, folder: &Path) -> Result<(), StoreError> {
        self.step(Step::CreateFolder, folder)?;
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(StoreError::from_io(Step::CreateFolder.verb(), folder, error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Creates `below`, which lies below `top`, with everything between, durably.
    ///
    /// Each name is on the disk before anything is made below it. So of the folders that are there already, only the
    /// deepest can lack the sync of its name, by somebody who is at it right now; that one is repeated here, which
    /// costs next to nothing when there was nothing to do. No lock is needed.
    pub(crate) fn create_folders(&self, top: &Path, below: &Path) -> Result<(), StoreError> {
        debug_assert!(below.starts_with(top), "only folders of the store are created");
        let missing: Vec<&Path> =
            below.ancestors().take_while(|folder| *folder != top && !folder.is_dir()).collect();
        let deepest = missing.last().map_or(Some(below), |first| first.parent());
        if let Some(deepest) = deepest.filter(|folder| *folder != top)
            && let Some(parent) = deepest.parent()
        {
            self.sync_folder(parent)?;
        }
        for folder in missing.into_iter().rev() {
            self.create_folder(folder)?;
            if let Some(parent) = folder.parent() {
                self.sync_folder(parent)?;
            }
        }
        Ok(())
    }

    /// Waits for the lock of a folder.
    pub(crate) fn lock_folder(&self, folder: &Path) -> Result<FolderLock, StoreError> {
        self.step(Step::Lock, folder)?;
        let open = open_folder(folder).map_err(|error| StoreError::from_io("open", folder, error))?;
        open.lock().map_err(|error| StoreError::from_io(Step::Lock.verb(), folder, error))?;
        Ok(FolderLock(open))
    }

    /// Writes a small file whole: a temporary one, synced, then renamed over the old one.
    ///
    /// The caller syncs the folder, once for all the names it changed.
    pub(crate) fn write_whole(
        &self,
        temporary: &Path,
        target: &Path,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let remove = RemoveOnDrop(temporary.to_path_buf());
        let file = self.create_file(temporary)?;
        self.write_at(&file, temporary, bytes, 0)?;
        self.sync_file(&file, temporary)?;
        self.replace(temporary, target)?;
        drop(file);
        std::mem::forget(remove);
        Ok(())
    }

    /// Puts a mark, an empty file whose name says it all and is synced with its folder.
    pub(crate) fn write_mark(&self, temporary: &Path, target: &Path) -> Result<(), StoreError> {
        let remove = RemoveOnDrop(temporary.to_path_buf());
        self.create_file(temporary)?;
        self.replace(temporary, target)?;
        std::mem::forget(remove);
        Ok(())
    }
}

/// Removes a temporary file whatever happens; failing to is harmless, the next start sweeps it.
#[derive(Debug)]
pub(crate) struct RemoveOnDrop(pub(crate) PathBuf);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        drop(remove_if_there(&self.0));
    }
}

/// Writes the number of this process into its lock file, for whoever is refused.
pub(crate) fn write_process_number(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(std::process::id().to_string().as_bytes())
}

/// Opens a folder for reading its names; nothing when there is no such folder.
#[expect(
    clippy::disallowed_methods,
    reason = "StoreError names the path and needs the error number, which fs_err hides"
)]
pub(crate) fn read_folder(folder: &Path) -> Result<Option<std::fs::ReadDir>, StoreError> {
    absent_or("list", folder, std::fs::read_dir(folder))
}

/// Reads a small file whole; nothing when there is no such file.
#[expect(
    clippy::disallowed_methods,
    reason = "StoreError names the path and needs the error number, which fs_err hides"
)]
pub(crate) fn read_file(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    absent_or("read", path, std::fs::read(path))
}

/// Creates a folder of the store's own skeleton and its parents. Nothing of value lies there yet.
#[expect(
    clippy::disallowed_methods,
    reason = "StoreError names the path and needs the error number, which fs_err hides"
)]
pub(crate) fn create_skeleton(folder: &Path) -> Result<(), StoreError> {
    std::fs::create_dir_all(folder).map_err(|error| StoreError::from_io("create", folder, error))
}

fn absent_or<T>(action: &'static str, path: &Path, outcome: io::Result<T>) -> Result<Option<T>, StoreError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.kind() {
            // A name that no file can have, or one below a file, is not there either.
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::InvalidFilename => Ok(None),
            _ => Err(StoreError::from_io(action, path, error)),
        },
    }
}

fn open_folder(folder: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(folder)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match rustix::fs::unlink(path) {
        Err(Errno::NOENT) | Ok(()) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn has_room(path: &Path, len: u64) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(path);
    match rustix::fs::statvfs(folder) {
        Ok(system) if system.f_bavail.saturating_mul(system.f_frsize) < len => {
            Err(StoreError::NoSpace { path: path.to_path_buf() })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}
