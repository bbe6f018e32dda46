//! Which versions of a module are stored.
//!
//! The answer comes from the folder itself, never from the index, so files copied in by hand count at once. The `list`
//! file repeats it for clients that read the folder without Larder; like the go command's own it names every version
//! that has a `.mod`, pseudo-versions included.

use std::path::Path;

use larder_module::escape::unescape_version;
use larder_module::path::ModulePath;
use larder_module::request::ObjectKind;
use larder_module::version::Version;

use crate::Store;
use crate::durable::{read_file, read_folder};
use crate::error::StoreError;
use crate::key::version_folder;
use crate::publish::Locked;

const LIST: &str = "list";

/// The versions of a module that are stored with this kind of file, in semver order.
pub(crate) fn stored(
    modules: &Path,
    module: &ModulePath,
    kind: ObjectKind,
) -> Result<Vec<Version>, StoreError> {
    read(&version_folder(modules, module), kind)
}

/// Reports whether anything of a module is stored that a client could use.
pub(crate) fn has_module(modules: &Path, module: &ModulePath) -> Result<bool, StoreError> {
    let folder = version_folder(modules, module);
    let mut found = false;
    visit(&folder, &mut |name| {
        found |= version_of(name, ObjectKind::Mod).or_else(|| version_of(name, ObjectKind::Zip)).is_some();
        !found
    })?;
    Ok(found)
}

/// Reports whether the `list` file names a version; one that can't be read names none.
pub(crate) fn lists(folder: &Path, version: &Version) -> bool {
    let text = read_file(&folder.join(LIST)).ok().flatten().unwrap_or_default();
    let version = version.to_string();
    text.split(|byte| *byte == b'\n').any(|line| line == version.as_bytes())
}

/// Rewrites the `list` file if it isn't what the folder says; reports whether it did.
pub(crate) fn write_list(store: &Store, folder: &Path, _lock: Locked<'_>) -> Result<bool, StoreError> {
    let inner = store.inner();
    let text: String = read(folder, ObjectKind::Mod)?.iter().map(|version| format!("{version}\n")).collect();
    let list = folder.join(LIST);
    if read_file(&list).is_ok_and(|old| old.is_some_and(|old| old == text.as_bytes())) {
        return Ok(false);
    }
    inner.disk.write_whole(&inner.staging.fresh_path(), &list, text.as_bytes())?;
    Ok(true)
}

fn read(folder: &Path, kind: ObjectKind) -> Result<Vec<Version>, StoreError> {
    let mut versions = Vec::new();
    visit(folder, &mut |name| {
        versions.extend(version_of(name, kind));
        true
    })?;
    versions.sort_unstable();
    Ok(versions)
}

/// The version that a file of this kind belongs to; nothing for names that the store would not give.
pub(crate) fn version_of(name: &str, kind: ObjectKind) -> Option<Version> {
    let escaped = name.strip_suffix(kind.extension())?.strip_suffix('.')?;
    let version: Version = unescape_version(escaped).ok()?.parse().ok()?;
    (version.escaped() == escaped).then_some(version)
}

/// Hands over the names in a folder until told to stop. A folder that isn't there has none.
fn visit(folder: &Path, each: &mut dyn FnMut(&str) -> bool) -> Result<(), StoreError> {
    let Some(entries) = read_folder(folder)? else { return Ok(()) };
    for entry in entries {
        let entry = entry.map_err(|error| StoreError::from_io("list", folder, error))?;
        if entry.file_name().to_str().is_some_and(|name| !each(name)) {
            break;
        }
    }
    Ok(())
}
