//! Where objects go that turned out to be wrong.
//!
//! They are evidence, so they are moved and not removed: the file, its marks and the reason lie together in one folder.
//! Moving is conditional on the file being the very one that was found wrong, because another process may have replaced
//! it with a good one since.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use larder_module::request::ObjectKind;
use tracing::warn;

use crate::Store;
use crate::ahead::marks_of;
use crate::error::StoreError;
use crate::key::ObjectKey;
use crate::object::{StoredObject, identity, open_regular};
use crate::versions;

/// Moves an object aside; reports whether it was still the one that was found wrong.
pub(crate) fn quarantine(
    store: &Store,
    key: &ObjectKey,
    wrong: &StoredObject,
    reason: &str,
) -> Result<bool, StoreError> {
    let inner = store.inner();
    let folder = key.folder(&inner.layout.modules);
    let lock = inner.disk.lock_folder(&folder)?;
    let path = folder.join(key.file_name());
    match open_regular(&path)? {
        Some((_, metadata)) if identity(&metadata) == wrong.identity => {}
        Some(_) | None => return Ok(false),
    }
    let cell = new_cell(store, key)?;
    inner.disk.replace(&path, &cell.join(key.file_name()))?;
    for mark in marks_of(key) {
        let path = folder.join(&mark);
        if path.exists() {
            inner.disk.replace(&path, &cell.join(&mark))?;
        }
    }
    inner.index.delete_object(key);
    if key.kind() == ObjectKind::Mod {
        versions::write_list(store, &folder, &lock)?;
    }
    inner.disk.sync_folder(&folder)?;
    drop(lock);
    write_reason(store, &cell, key, reason);
    warn!(object = %key, reason, quarantine = %cell.display(), "quarantined {key}: {reason}");
    store.record_event("quarantined", &key.to_string(), reason);
    Ok(true)
}

/// A folder for one object, named after the time. On a disk that can't take one more folder, the quarantine itself.
fn new_cell(store: &Store, key: &ObjectKey) -> Result<PathBuf, StoreError> {
    let inner = store.inner();
    let millis = store.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    for number in 0_u32.. {
        let cell = inner.layout.quarantine.join(format!("{millis}-{}-{number}", std::process::id()));
        match std::fs::create_dir(&cell) {
            Ok(()) => return Ok(cell),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => match StoreError::from_io("create", &cell, error) {
                full if full.is_full() && !inner.layout.quarantine.join(key.file_name()).exists() => {
                    return Ok(inner.layout.quarantine.clone());
                }
                other => return Err(other),
            },
        }
    }
    Ok(inner.layout.quarantine.clone())
}

/// The log and the index have the reason too, so a full disk may lose this copy.
fn write_reason(store: &Store, cell: &Path, key: &ObjectKey, reason: &str) {
    let inner = store.inner();
    let text = format!("{}\n{reason}\n", key.relative_path());
    drop(inner.disk.write_whole(
        &inner.staging.fresh_path(),
        &cell.join(format!("{}.reason", key.file_name())),
        text.as_bytes(),
    ));
}
