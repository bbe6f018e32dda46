//! From staged bytes to a stored object.
//!
//! The order makes every state that a crash can leave a good one: bytes reach the disk before they get their name, marks
//! that lower or prove trust are there before the object is, the name is taken at once or not at all, and only what
//! survives a power cut is acknowledged. The folder's lock keeps two publishers of one version from mixing their marks.

use std::path::Path;

use larder_module::request::ObjectKind;
use tracing::{info, warn};

use crate::Store;
use crate::durable::FolderLock;
use crate::error::StoreError;
use crate::fail::Step;
use crate::index::NewRow;
use crate::key::ObjectKey;
use crate::object::{Examined, ObjectRow, Publication, Published, StoredObject, Verification};
use crate::staging::Staging;
use crate::versions;

pub(crate) fn publish(
    staging: Staging,
    key: &ObjectKey,
    publication: &Publication,
) -> Result<Published, StoreError> {
    let store = staging.store.clone();
    if let Some(object) = store.object(key)? {
        return Ok(Published::AlreadyThere(object));
    }
    let inner = store.inner();
    staging.finish()?;
    let folder = key.folder(&inner.layout.modules);
    inner.disk.create_folders(&inner.layout.modules, &folder)?;
    let lock = inner.disk.lock_folder(&folder)?;
    if let Some(object) = store.object(key)? {
        return Ok(Published::AlreadyThere(object));
    }
    write_marks(&store, &folder, key, publication.verified, publication.h1.as_ref())?;
    if !inner.disk.rename_new(&staging.path.0, &folder.join(key.file_name()))? {
        // Copied in by hand this very moment: whoever does that doesn't know the lock.
        return store.object(key)?.map(Published::AlreadyThere).ok_or_else(|| gone(&folder, key));
    }
    if key.kind() == ObjectKind::Mod
        && let Err(error) = versions::write_list(&store, &folder, &lock)
    {
        // The object is whole without it, and the next one of the module writes it again.
        warn!(object = %key, error = %error, "the version list could not be rewritten for {key}: {error}");
    }
    if let Err(error) = inner.disk.sync_folder(&folder) {
        // Its name may be lost in a power cut, so it must not count as stored.
        inner.disk.remove(&folder.join(key.file_name()))?;
        return Err(error);
    }
    drop(lock);
    acknowledge(&store, key, publication, &staging)
}

fn acknowledge(
    store: &Store,
    key: &ObjectKey,
    publication: &Publication,
    staging: &Staging,
) -> Result<Published, StoreError> {
    let row = NewRow {
        key: key.clone(),
        size: staging.len,
        sha256: staging.sha256(),
        h1: publication.h1,
        source: publication.source.clone(),
        first_seen: store.now(),
        verified: publication.verified,
    };
    store.inner().index.put_object(row);
    store.inner().disk.step(Step::Acknowledge, &staging.path.0)?;
    info!(object = %key, bytes = staging.len, source = %publication.source, "stored {key} from {}", publication.source);
    let folder = key.folder(&store.inner().layout.modules);
    store.object(key)?.map(Published::Created).ok_or_else(|| gone(&folder, key))
}

fn gone(folder: &Path, key: &ObjectKey) -> StoreError {
    let error = std::io::Error::new(std::io::ErrorKind::NotFound, "it vanished while being published");
    StoreError::from_io("open", &folder.join(key.file_name()), error)
}

/// Puts the files beside an object in order. The caller holds the folder's lock and syncs the folder.
///
/// Leftovers of an earlier attempt that never became an object are overwritten or removed.
fn write_marks(
    store: &Store,
    folder: &Path,
    key: &ObjectKey,
    verified: Verification,
    h1: Option<&larder_module::dirhash::H1>,
) -> Result<(), StoreError> {
    let inner = store.inner();
    let unverified = folder.join(key.unverified_name());
    match verified {
        Verification::Unverified => {
            inner.disk.write_mark(&inner.staging.fresh_path(), &unverified)?;
        }
        Verification::Verified | Verification::NotApplicable => {
            if unverified.exists() {
                inner.disk.remove(&unverified)?;
            }
        }
    }
    if key.kind() != ObjectKind::Zip {
        return Ok(());
    }
    let ziphash = folder.join(key.ziphash_name());
    match h1 {
        Some(h1) => {
            let text = h1.to_string();
            inner.disk.write_whole(&inner.staging.fresh_path(), &ziphash, text.as_bytes())?;
        }
        None if ziphash.exists() => inner.disk.remove(&ziphash)?,
        None => {}
    }
    Ok(())
}

/// Writes down that an object without an index row, or one marked unverified, was examined and is good.
pub(crate) fn record_examined(
    store: &Store,
    key: &ObjectKey,
    object: &StoredObject,
    sha256: [u8; 32],
    examined: &Examined,
) -> Result<ObjectRow, StoreError> {
    let row = NewRow {
        key: key.clone(),
        size: object.size,
        sha256,
        h1: examined.h1,
        source: examined.source.clone(),
        first_seen: object.row.as_ref().map_or_else(|| store.now(), |row| row.first_seen),
        verified: examined.verified,
    };
    let row = store.inner().index.put_object(row);
    // The object is good whether or not the disk has room for its marks.
    match put_marks_in_order(store, key, object, examined) {
        Ok(()) => Ok(row),
        Err(error) if error.allows_serving_unstored() => {
            warn!(object = %key, error = %error, "the marks of {key} could not be written: {error}");
            Ok(row)
        }
        Err(error) => Err(error),
    }
}

fn put_marks_in_order(
    store: &Store,
    key: &ObjectKey,
    object: &StoredObject,
    examined: &Examined,
) -> Result<(), StoreError> {
    let inner = store.inner();
    let folder = key.folder(&inner.layout.modules);
    let marked_unverified = examined.verified == Verification::Unverified;
    let marks_fit = object.marks.unverified == marked_unverified
        && (key.kind() != ObjectKind::Zip || object.marks.ziphash == examined.h1);
    // Reading the whole folder for each of a module's many versions would take longer than all the rest.
    if marks_fit && (key.kind() != ObjectKind::Mod || versions::lists(&folder, key.of().version())) {
        return Ok(());
    }
    let lock = inner.disk.lock_folder(&folder)?;
    let mut changed = false;
    if !marks_fit {
        write_marks(store, &folder, key, examined.verified, examined.h1.as_ref())?;
        changed = true;
    }
    if key.kind() == ObjectKind::Mod {
        changed |= versions::write_list(store, &folder, &lock)?;
    }
    if changed {
        inner.disk.sync_folder(&folder)?;
    }
    Ok(())
}

/// Keeps the lock's type in the signatures of what needs it.
pub(crate) type Locked<'lock> = &'lock FolderLock;
