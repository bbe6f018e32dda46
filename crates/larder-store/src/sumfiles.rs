//! The verified copy of checksum databases, as files that clients can read without Larder.
//!
//! Tiles and records never change once they were verified, the newest tree head does. It moves by compare-and-swap under
//! a lock, because several processes may verify against one store, and a head must never go back.

use std::path::{Component, Path, PathBuf};

use larder_module::dirhash::H1;
use larder_module::sumdb::record::parse_lookup;
use larder_module::version::ModuleVersion;

use crate::Store;
use crate::durable::{read_file, read_folder};
use crate::error::StoreError;
use crate::scrub::Recorded;

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
    read_file(&path)
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
        let Some(entries) = read_folder(&folder)? else { continue };
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

/// The databases of which anything is stored. Their names may have slashes.
pub(crate) fn databases(store: &Store) -> Result<Vec<String>, StoreError> {
    let top = &store.inner().layout.sumdb;
    let mut names = Vec::new();
    let mut folders = vec![(top.clone(), String::new())];
    while let Some((folder, name)) = folders.pop() {
        let Some(entries) = read_folder(&folder)? else { continue };
        let mut below = Vec::new();
        let mut is_database = false;
        for entry in entries.filter_map(Result::ok) {
            let Ok(child) = entry.file_name().into_string() else { continue };
            is_database |= !name.is_empty() && matches!(child.as_str(), "lookup" | "tile" | "latest");
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let full = if name.is_empty() { child } else { format!("{name}/{child}") };
                below.push((entry.path(), full));
            }
        }
        if is_database {
            names.push(name);
        } else {
            folders.append(&mut below);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// What the stored records say about a version. They were verified before they were stored.
///
/// Only a record's own text counts, and of it only the lines for exactly this module and version. Databases that
/// contradict each other prove nothing.
pub(crate) fn recorded(store: &Store, of: &ModuleVersion) -> Option<Recorded> {
    let file = format!("lookup/{}@{}", of.module().escaped(), of.version().escaped());
    let mut sum = None;
    for database in databases(store).ok()? {
        let Some(answer) = read(store, &database, &file).ok().flatten() else { continue };
        let Ok(lookup) = parse_lookup(&answer) else { continue };
        let mut found = Recorded::default();
        for line in lookup.text.lines() {
            let mut words = line.split(' ');
            if words.next() != Some(of.module().as_str()) {
                continue;
            }
            let (version, hash) = (words.next(), words.next().and_then(|hash| hash.parse::<H1>().ok()));
            match version.and_then(|version| version.strip_prefix(of.version().as_str())) {
                Some("") => found.zip = hash,
                Some("/go.mod") => found.go_mod = hash,
                Some(_) | None => {}
            }
        }
        match sum {
            Some(earlier) if earlier != found => return None,
            Some(_) | None => sum = Some(found),
        }
    }
    sum
}
