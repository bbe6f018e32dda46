//! Going through the stored objects in name order.
//!
//! Memory holds the names of one folder for each level, never the whole store. A position is the path of the last object
//! that was dealt with; a walk that starts there skips whole folders that lie before it.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use larder_module::path::ModulePath;
use larder_module::request::ObjectKind;
use larder_module::version::ModuleVersion;

use crate::durable::read_folder;
use crate::error::StoreError;
use crate::key::ObjectKey;
use crate::versions::version_of;

/// What a walk came by.
#[derive(Debug)]
pub(crate) enum Found {
    Object {
        key: ObjectKey,
        relative: String,
    },
    /// A file that is neither an object nor one of those that lie beside objects.
    Stray,
    /// Everything of a module was handed over.
    EndOfModule(ModulePath),
}

/// The names of a path below `<data>/modules`, compared name by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Position(Vec<String>);

impl Position {
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.split('/').map(str::to_owned).collect())
    }
}

#[derive(Debug)]
struct Level {
    folder: PathBuf,
    /// Sorted backwards, so that the next name is the last one.
    names: Vec<(String, bool)>,
    /// The module, inside an `@v` folder whose path is one.
    module: Option<ModulePath>,
}

#[derive(Debug)]
pub(crate) struct Walk {
    top: PathBuf,
    levels: Vec<Level>,
    path: Vec<String>,
    after: Option<Position>,
    started: bool,
}

impl Walk {
    pub(crate) fn new(top: &Path, after: Option<Position>) -> Self {
        Self { top: top.to_path_buf(), levels: Vec::new(), path: Vec::new(), after, started: false }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Found>, StoreError> {
        if !self.started {
            self.started = true;
            let top = self.top.clone();
            self.enter(top)?;
        }
        while let Some(level) = self.levels.last_mut() {
            let Some((name, is_folder)) = level.names.pop() else {
                let module = self.levels.pop().and_then(|level| level.module);
                self.path.pop();
                match module {
                    Some(module) => return Ok(Some(Found::EndOfModule(module))),
                    None => continue,
                }
            };
            if is_folder {
                let folder = level.folder.join(&name);
                self.path.push(name);
                if self.is_before_start() || self.path == ["sumdb"] {
                    self.path.pop();
                } else {
                    self.enter(folder)?;
                }
            } else if let Some(found) = self.judge(&name) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn judge(&mut self, name: &str) -> Option<Found> {
        self.path.push(name.to_owned());
        let relative = self.path.join("/");
        let done = match &self.after {
            Some(after) => self.path.as_slice().cmp(&after.0) != Ordering::Greater,
            None => false,
        };
        self.path.pop();
        if done {
            return None;
        }
        let module = self.levels.last()?.module.as_ref();
        match module.map(|module| object_named(module, name)) {
            Some(Some(key)) => Some(Found::Object { key, relative }),
            Some(None) if is_companion(name) => None,
            Some(None) | None => Some(Found::Stray),
        }
    }

    /// Reports whether everything in the current folder lies before the start.
    fn is_before_start(&self) -> bool {
        let Some(Position(after)) = &self.after else { return false };
        let len = self.path.len().min(after.len());
        self.path[..len].cmp(&after[..len]) == Ordering::Less
    }

    fn enter(&mut self, folder: PathBuf) -> Result<(), StoreError> {
        let mut names = Vec::new();
        let Some(entries) = read_folder(&folder)? else {
            self.path.pop();
            return Ok(());
        };
        for entry in entries {
            let entry = entry.map_err(|error| StoreError::from_io("list", &folder, error))?;
            let kind = entry.file_type().map_err(|error| StoreError::from_io("list", &folder, error))?;
            // A name that isn't text is nothing of ours; it shows as a stray.
            names.push((entry.file_name().to_string_lossy().into_owned(), kind.is_dir()));
        }
        names.sort_unstable_by(|one, other| other.cmp(one));
        let module = match self.path.split_last() {
            Some((last, parents)) if last == "@v" => ModulePath::unescape(&parents.join("/")).ok(),
            Some(_) | None => None,
        };
        self.levels.push(Level { folder, names, module });
        Ok(())
    }
}

fn object_named(module: &ModulePath, name: &str) -> Option<ObjectKey> {
    let kind = [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip]
        .into_iter()
        .find(|kind| name.rsplit_once('.').is_some_and(|(_, extension)| extension == kind.extension()))?;
    let version = version_of(name, kind)?;
    Some(ObjectKey::new(ModuleVersion::new(module.clone(), version).ok()?, kind))
}

/// Files that belong beside objects: ours, and those that the go command leaves in its cache.
fn is_companion(name: &str) -> bool {
    matches!(name, "list" | "lock")
        || [".ziphash", ".unverified", ".lock", ".partial"].iter().any(|suffix| name.ends_with(suffix))
}
