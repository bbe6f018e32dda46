//! What has to hold of a data folder before a store works on it.

use std::fs::File;
use std::path::Path;

use crate::durable::{self, Disk};
use crate::error::StoreError;
use crate::layout::Layout;
use crate::staging::StagingFolder;

pub(crate) fn lock_for_serving(layout: &Layout) -> Result<File, StoreError> {
    let path = &layout.serve_lock;
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| StoreError::from_io("open", path, error))?;
    match file.try_lock() {
        Ok(()) => {
            // The number helps whoever is refused; without it the lock holds all the same.
            drop(durable::write_process_number(&mut file));
            Ok(file)
        }
        Err(std::fs::TryLockError::WouldBlock) => {
            let pid = fs_err::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
            Err(StoreError::Busy { folder: layout.root.clone(), pid })
        }
        Err(std::fs::TryLockError::Error(error)) => Err(StoreError::from_io("lock", path, error)),
    }
}

/// Finds out now, with an error that says so, whether the disk takes anything. SQLite would only say that it can't open.
pub(crate) fn refuse_full_disk(disk: &Disk, staging: &StagingFolder) -> Result<(), StoreError> {
    let path = durable::RemoveOnDrop(staging.fresh_path());
    let file = disk.create_file(&path.0)?;
    disk.write_at(&file, &path.0, &[0; 4096], 0)
}

pub(crate) fn refuse_split_folder(layout: &Layout) -> Result<(), StoreError> {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| {
        std::fs::metadata(path)
            .map(|metadata| metadata.dev())
            .map_err(|error| StoreError::from_io("look at", path, error))
    };
    let home = device(&layout.modules)?;
    if device(&layout.staging)? != home || device(&layout.quarantine)? != home {
        let (staging, modules) = (layout.staging.clone(), layout.modules.clone());
        return Err(StoreError::SplitFolder { staging, modules });
    }
    Ok(())
}
