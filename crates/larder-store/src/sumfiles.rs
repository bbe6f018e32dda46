//! The verified copy of checksum databases, as files that clients can read without Larder.
//!
//! Tiles and records never change once they were verified, the newest tree head does. It moves by compare-and-swap under
//! a lock, because several processes may verify against one store, and a head must never go back.

use std::io;
use std::path::{Component, Path, PathBuf};

use fs_err as fs;

use crate::Store;
use crate::error::StoreError;

/// How swapping the tree head ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Swap {
    /// The new head is stored.
    Swapped,
    /// Another head is stored than was expected, this one; nothing was changed.
    Conflict(Option<Vec<u8>>),
}

/// Where a file of a database lies. Names come from configuration and from upstreams, so they are checked.
fn path_of(store: &Store, database: &str, file: &str) -> Result<PathBuf, StoreError> {
    let name = format!("{database}/{file}");
    let relative = Path::new(&name);
    let plain = !database.is_empty()
        && !file.is_empty()
        && !name.contains(['\0', '\\'])
        && !name.contains("//")
        && !name.ends_with('/')
        && relative.components().all(|part| matches!(part, Component::Normal(_)))
        && !name.split('/').any(|part| part == "." || part == "..");
    if plain { Ok(store.inner().layout.sumdb.join(relative)) } else { Err(StoreError::BadName { name }) }
}

pub(crate) fn read(store: &Store, database: &str, file: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let path = path_of(store, database, file)?;
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::InvalidFilename => Ok(None),
            _ => Err(plain_error("read", &path, &error)),
        },
    }
}

/// Writes files of a database, each whole or not at all, all of them durable when this returns.
pub(crate) fn write(store: &Store, database: &str, files: &[(&str, &[u8])]) -> Result<(), StoreError> {
    let inner = store.inner();
    let paths =
        files.iter().map(|(file, _)| path_of(store, database, file)).collect::<Result<Vec<_>, _>>()?;
    let mut folders: Vec<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
    folders.sort_unstable();
    folders.dedup();
    for folder in &folders {
        inner.disk.create_folders(&inner.layout.modules, folder)?;
    }
    for ((_, bytes), path) in files.iter().zip(&paths) {
        inner.disk.write_whole(&inner.staging.fresh_path(), path, bytes)?;
    }
    for folder in folders {
        inner.disk.sync_folder(folder)?;
    }
    Ok(())
}

pub(crate) fn swap(
    store: &Store,
    database: &str,
    file: &str,
    expected: Option<&[u8]>,
    new: &[u8],
) -> Result<Swap, StoreError> {
    let inner = store.inner();
    let path = path_of(store, database, file)?;
    let folder = path.parent().unwrap_or(&inner.layout.sumdb);
    inner.disk.create_folders(&inner.layout.modules, folder)?;
    let _lock = inner.disk.lock_folder(folder)?;
    let found = read(store, database, file)?;
    if found.as_deref() != expected {
        return Ok(Swap::Conflict(found));
    }
    inner.disk.write_whole(&inner.staging.fresh_path(), &path, new)?;
    inner.disk.sync_folder(folder)?;
    Ok(Swap::Swapped)
}

/// Hands over the names of a database's files below a folder such as `lookup`, until told to stop.
pub(crate) fn walk(
    store: &Store,
    database: &str,
    below: &str,
    each: &mut dyn FnMut(&str) -> bool,
) -> Result<(), StoreError> {
    let top = path_of(store, database, below)?;
    let base = store.inner().layout.sumdb.join(database);
    let mut folders = vec![top];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(StoreError::from_io("list", &folder, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| StoreError::from_io("list", &folder, error))?;
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if let Some(name) = path.strip_prefix(&base).ok().and_then(Path::to_str)
                && !each(name)
            {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// `fs_err` names the path in its message; the store's errors do so themselves.
fn plain_error(action: &'static str, path: &Path, error: &io::Error) -> StoreError {
    let source = error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
    StoreError::from_io(action, path, source)
}
