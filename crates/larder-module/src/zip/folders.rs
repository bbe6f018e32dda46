//! Which folders a module zip holds.
//!
//! The `go` command asks for every prefix of a package path as if it were a module. A prefix that
//! is a plain folder of a module that is at hand is surely no module of that version itself.

use std::collections::BTreeMap;

use super::ZipError;
use super::check::prefix;
use super::directory::Archive;
use super::read_at::ReadAt;
use crate::version::ModuleVersion;

/// What a module zip says about a folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FolderState {
    /// No file lies in it or below it.
    Absent,
    /// Files lie in it or below it, and it is part of the module.
    Folder,
    /// It has a `go.mod` of its own, so it's a module for itself.
    Module,
}

/// The folders of a module zip, by their names below the module's root.
#[derive(Clone, Debug, Default)]
pub struct Folders {
    has_go_mod: BTreeMap<String, bool>,
}

impl Folders {
    /// Reads the folders from a zip's directory, without reading any content.
    ///
    /// # Errors
    ///
    /// Fails when it's no zip, or has too many entries or folders.
    pub fn read<R: ReadAt>(source: R, size: u64, of: &ModuleVersion) -> Result<Self, ZipError> {
        let archive = Archive::open(source, size)?;
        let prefix = prefix(of);
        let mut folders = Self::default();
        for entry in archive.entries() {
            let name = archive.name(entry).strip_prefix(prefix.as_bytes());
            let Some(Ok(name)) = name.map(std::str::from_utf8) else {
                continue;
            };
            let Some((mut folder, base)) = name.rsplit_once('/') else {
                continue;
            };
            if base.is_empty() {
                continue;
            }
            let has_go_mod = base.eq_ignore_ascii_case("go.mod");
            match folders.has_go_mod.get_mut(folder) {
                Some(known) => {
                    *known |= has_go_mod;
                    continue;
                }
                None => folders.has_go_mod.insert(folder.to_owned(), has_go_mod),
            };
            while let Some((parent, _)) = folder.rsplit_once('/') {
                if folders.has_go_mod.contains_key(parent) {
                    break;
                }
                folders.has_go_mod.insert(parent.to_owned(), false);
                folder = parent;
            }
            if folders.has_go_mod.len() > archive.limits.paths {
                return Err(ZipError::Limit { what: "folders", limit: archive.limits.paths });
            }
        }
        Ok(folders)
    }

    /// Returns what the zip says about a folder, named without slashes around it.
    ///
    /// A folder within another that has a `go.mod` of its own is not part of this module either;
    /// Go's rules keep both out of valid zips.
    pub fn state(&self, folder: &str) -> FolderState {
        let Some(has_go_mod) = self.has_go_mod.get(folder) else {
            return FolderState::Absent;
        };
        let mut above = folder;
        let mut is_module = *has_go_mod;
        while let (false, Some((parent, _))) = (is_module, above.rsplit_once('/')) {
            is_module = self.has_go_mod.get(parent).is_some_and(|has| *has);
            above = parent;
        }
        match is_module {
            true => FolderState::Module,
            false => FolderState::Folder,
        }
    }

    /// Returns the folders in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.has_go_mod.keys().map(String::as_str)
    }
}
