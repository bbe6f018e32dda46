//! Objects that were fetched before anybody asked for them.
//!
//! They are objects like any other, verified and durable, except that until somebody asks for them the store may do without them again.
//! The mark that says so lies in the index: with the index it is lost, and then they simply stay. It goes by itself as soon as another row
//! takes the object's place.

use std::time::SystemTime;

use larder_module::escape::unescape_version;
use larder_module::path::ModulePath;
use larder_module::request::ObjectKind;
use larder_module::version::ModuleVersion;

use crate::error::StoreError;
use crate::index;
use crate::key::ObjectKey;
use crate::object::open_regular;
use crate::{Store, versions};

/// An object that nobody has asked for yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unused {
    /// Which.
    pub key: ObjectKey,
    /// Its size in bytes.
    pub size: u64,
    /// When it was fetched.
    pub since: SystemTime,
}

impl Store {
    /// Notes that nobody has asked for these objects yet. Waits for the index.
    pub fn mark_unused(&self, keys: &[ObjectKey]) {
        let (names, now) = (names(keys), self.now());
        self.inner().index.write(move |connection| {
            names.iter().try_for_each(|name| index::ahead::mark(connection, name, now).map(drop)).map(|()| 0)
        });
    }

    /// Notes that somebody has asked for these objects. Waits for the index.
    pub fn mark_used(&self, keys: &[ObjectKey]) {
        let names = names(keys);
        self.inner().index.write(move |connection| {
            names.iter().try_for_each(|name| index::ahead::clear(connection, name).map(drop)).map(|()| 0)
        });
    }

    /// Returns all objects that nobody has asked for yet, oldest first.
    #[must_use]
    pub fn unused(&self) -> Vec<Unused> {
        let rows = self.inner().index.read(index::ahead::all).unwrap_or_default();
        let unused = rows
            .into_iter()
            .filter_map(|row| Some(Unused { key: key_of(&row.name)?, size: row.size, since: row.since }));
        unused.collect()
    }

    /// Removes an object if it is still true that nobody has asked for it; reports whether it was.
    ///
    /// The mark goes first: whatever happens then, what somebody asks for from now on is either whole or gone.
    ///
    /// # Errors
    ///
    /// Fails when the disk can't be changed.
    pub fn remove_unused(&self, key: &ObjectKey) -> Result<bool, StoreError> {
        let inner = self.inner();
        let folder = key.folder(&inner.layout.modules);
        let lock = inner.disk.lock_folder(&folder)?;
        let name = key.relative_path();
        if inner.index.write(move |connection| index::ahead::clear(connection, &name)) != Some(1) {
            return Ok(false);
        }
        let path = folder.join(key.file_name());
        if open_regular(&path)?.is_some() {
            inner.disk.remove(&path)?;
        }
        for mark in marks_of(key) {
            let path = folder.join(mark);
            if path.exists() {
                inner.disk.remove(&path)?;
            }
        }
        inner.index.delete_object(key);
        if key.kind() == ObjectKind::Mod {
            versions::write_list(self, &folder, &lock)?;
        }
        inner.disk.sync_folder(&folder)?;
        Ok(true)
    }
}

fn names(keys: &[ObjectKey]) -> Vec<String> {
    keys.iter().map(ObjectKey::relative_path).collect()
}

/// Reads a name of the index.
fn key_of(name: &str) -> Option<ObjectKey> {
    let (module, file) = name.split_once("/@v/")?;
    let (version, extension) = file.rsplit_once('.')?;
    let kinds = [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip];
    let kind = kinds.into_iter().find(|kind| kind.extension() == extension)?;
    let module = ModulePath::unescape(module).ok()?;
    let of = ModuleVersion::parse(module.as_str(), &unescape_version(version).ok()?).ok()?;
    Some(ObjectKey::new(of, kind))
}

/// The files beside an object.
pub(crate) fn marks_of(key: &ObjectKey) -> Vec<String> {
    match key.kind() {
        ObjectKind::Info => Vec::new(),
        ObjectKind::Mod => vec![key.unverified_name()],
        ObjectKind::Zip => vec![key.unverified_name(), key.ziphash_name()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for (module, version) in
            [("github.com/BurntSushi/toml", "v1.4.0-RC1"), ("example.com/a", "v1.0.0-x.mod")]
        {
            let of = ModuleVersion::parse(module, version).unwrap();
            for kind in [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip] {
                let key = ObjectKey::new(of.clone(), kind);
                assert_eq!(key_of(&key.relative_path()), Some(key));
            }
        }
    }
}
