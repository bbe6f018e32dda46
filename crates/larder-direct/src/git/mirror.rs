//! One bare repository on disk: made whole or not at all, cleared of what a killed git left, thrown away when damaged.
//!
//! No reference of the remote is kept under its own name. Names come and go, clash with each other (`a` and `a/b`) and with a file
//! system that folds case; commits don't. `refs/larder/c/HASH` says that a commit is here with all its files, because git writes
//! a reference only after it has checked what it leads to.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use larder_upstream::DirectFaultKind;
use sha2::{Digest as _, Sha256};

use super::address::Address;
use crate::error::DirectError;

/// The marker of a folder that was made whole.
const MARKER: &str = "larder";
/// A file whose time is that of the last use.
const USED: &str = "larder-used";
/// The sum of the references whose history is here.
const EVERYTHING: &str = "larder-everything";
/// The folder of the repository inside that holds history.
const HISTORY_FOLDER: &str = "history";
/// What makes the history a partial clone: git then accepts that trees and files are missing.
const PARTIAL: &str = "[extensions]\n\tpartialClone = origin\n[remote \"origin\"]\n\tpromisor = true\n";
/// Each time so many packs have come, one index of all is made.
const MANY_PACKS: usize = 16;
const ALTERNATES: &str = "objects/info/alternates";
/// The layout that this code writes. Folders of another one are thrown away.
const LAYOUT: &str = "larder mirror 1";
/// What the names of folders begin with that are being made, and that are being thrown away.
pub(super) const MAKING: &str = ".making-";
pub(super) const TRASH: &str = ".trash-";
const ATTRIBUTES: &str = "* -export-subst -export-ignore\n";

/// A mirror's folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Mirror {
    pub(super) folder: PathBuf,
}

/// Returns the name of a repository's folder: readable for operators, unique by its hash.
pub(super) fn folder_name(address: &Address) -> String {
    let digest = Sha256::digest(address.identity());
    let hash: String = digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect();
    let shown = address.shown();
    let readable: String = shown
        .split_once("://")
        .map_or(shown.as_str(), |(_, rest)| rest)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' })
        .take(80)
        .collect();
    format!("{}-{hash}.git", readable.trim_matches(['.', '-']))
}

impl Mirror {
    /// Reports whether it is there, made whole and of this layout.
    pub(super) fn is_whole(&self) -> bool {
        fs_err::read_to_string(self.folder.join(MARKER)).is_ok_and(|text| text.lines().next() == Some(LAYOUT))
    }

    /// Makes it with its history, unless it is there.
    pub(super) fn create(&self, shown: &str, sha256: bool) -> io::Result<()> {
        if !self.is_whole() {
            self.make(shown, sha256, "")?;
        }
        let history = self.history();
        if history.is_whole() { Ok(()) } else { history.make(shown, sha256, PARTIAL) }
    }

    /// Makes a bare repository under another name and puts it in its place.
    pub(super) fn make(&self, shown: &str, sha256: bool, more: &str) -> io::Result<()> {
        let parent = self.folder.parent().unwrap_or_else(|| Path::new("."));
        fs_err::create_dir_all(parent)?;
        let making = tempfile::Builder::new().prefix(MAKING).tempdir_in(parent)?;
        let folder = making.path();
        for name in ["objects/pack", "objects/info", "refs", "info"] {
            fs_err::create_dir_all(folder.join(name))?;
        }
        fs_err::write(folder.join("HEAD"), "ref: refs/heads/larder\n")?;
        let format = if sha256 { "[extensions]\n\tobjectFormat = sha256\n" } else { "" };
        let config = format!("[core]\n\trepositoryformatversion = 1\n\tbare = true\n{format}{more}");
        fs_err::write(folder.join("config"), config)?;
        fs_err::write(folder.join("info/attributes"), ATTRIBUTES)?;
        fs_err::write(folder.join(MARKER), format!("{LAYOUT}\n{shown}\n"))?;
        if self.folder.exists() {
            self.remove()?;
        }
        fs_err::rename(making.keep(), &self.folder)
    }

    /// Returns the repository inside this one that holds history.
    pub(super) fn history(&self) -> Self {
        Self { folder: self.folder.join(HISTORY_FOLDER) }
    }

    /// Reports whether the mirror uses the objects of its history, because those are complete.
    pub(super) fn borrows(&self) -> bool {
        self.folder.join(ALTERNATES).exists()
    }

    /// Makes the mirror use the objects of its history, which hold files too.
    pub(super) fn borrow_from_history(&self) -> io::Result<()> {
        let history = self.history();
        // It is no partial clone any more: what is missing is missing.
        let config = fs_err::read_to_string(history.folder.join("config"))?;
        fs_err::write(history.folder.join("config"), config.replace(PARTIAL, ""))?;
        for entry in entries(&history.folder.join("objects/pack")) {
            if entry.path().extension().is_some_and(|extension| extension == "promisor") {
                fs_err::remove_file(entry.path())?;
            }
        }
        fs_err::write(self.folder.join(ALTERNATES), format!("../{HISTORY_FOLDER}/objects\n"))
    }

    /// Throws it away. It vanishes under its name at once, so that a crash in the middle leaves nothing half.
    pub(super) fn remove(&self) -> io::Result<()> {
        let parent = self.folder.parent().unwrap_or_else(|| Path::new("."));
        let trash = tempfile::Builder::new().prefix(TRASH).tempdir_in(parent)?;
        match fs_err::rename(&self.folder, trash.path().join("mirror")) {
            Ok(()) => trash.close(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes what a git that was killed has left, here and in the history. Only while no other git writes here.
    pub(super) fn sweep(&self) {
        self.sweep_own();
        self.history().sweep_own();
    }

    fn sweep_own(&self) {
        let objects = self.folder.join("objects");
        for entry in entries(&objects).chain(entries(&objects.join("pack"))) {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let pack_without_index = name.ends_with(".pack") && !entry.path().with_extension("idx").exists();
            if name.starts_with("tmp_")
                || name.starts_with(".tmp-")
                || name.starts_with("incoming-")
                || name.ends_with(".keep")
                || name.ends_with(".lock")
                || pack_without_index
            {
                remove_any(&entry.path());
            } else if name.len() == 2 {
                for entry in entries(&entry.path()) {
                    if entry.file_name().to_string_lossy().starts_with("tmp_obj_") {
                        remove_any(&entry.path());
                    }
                }
            }
        }
        for entry in entries(&self.folder) {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(".lock")
                || name.starts_with("shallow_")
                || name.starts_with(TRASH)
                || name.starts_with(MAKING)
            {
                remove_any(&entry.path());
            }
        }
        sweep_locks(&self.folder.join("refs"));
    }

    /// Notes that it was used.
    pub(super) fn touch(&self) {
        // Without it, eviction knows less, and nothing else happens.
        fs_err::write(self.folder.join(USED), "\n").ok();
    }

    /// Returns when it was last used.
    pub(super) fn last_used(&self) -> Option<SystemTime> {
        let time =
            |name| fs_err::metadata(self.folder.join(name)).and_then(|metadata| metadata.modified()).ok();
        time(USED).or_else(|| time(MARKER))
    }

    /// Reports whether a commit is here with all its files: whether its name says its own hash.
    ///
    /// A name that says another is one that was fetched and not looked at any more, because Larder was killed: the remote's
    /// reference may have moved on after it was listed.
    pub(super) fn holds(&self, hash: &str) -> bool {
        fs_err::read(self.folder.join(commit_reference(hash)))
            .is_ok_and(|said| said.trim_ascii_end() == hash.as_bytes())
    }

    /// Removes the name of a commit that is not known to be here.
    pub(super) fn unname(&self, hash: &str) {
        if !self.holds(hash) {
            // Most often there is none.
            fs_err::remove_file(self.folder.join(commit_reference(hash))).ok();
        }
    }

    /// Reports whether there are so many packs that looking into each of them takes long.
    pub(super) fn has_many_packs(&self) -> bool {
        let is_pack =
            |entry: &fs_err::DirEntry| entry.path().extension().is_some_and(|extension| extension == "pack");
        let count = entries(&self.folder.join("objects/pack")).filter(is_pack).count();
        count > 0 && count % MANY_PACKS == 0
    }

    /// Reports whether there is any commit here.
    pub(super) fn holds_any(&self) -> bool {
        entries(&self.folder.join("refs/larder/c")).next().is_some()
    }

    /// Reports whether the history of all branches and tags is here, as it was when the references had this sum.
    pub(super) fn holds_everything(&self, sum: &str) -> bool {
        fs_err::read_to_string(self.folder.join(EVERYTHING)).is_ok_and(|known| known == sum)
    }

    /// Notes that the history of all branches and tags is here.
    pub(super) fn note_everything(&self, sum: &str) {
        // Without it, the same is fetched again.
        fs_err::write(self.folder.join(EVERYTHING), sum).ok();
    }
}

/// Returns the reference that stands for a commit with all its files.
pub(super) fn commit_reference(hash: &str) -> String {
    format!("refs/larder/c/{hash}")
}

/// Turns an I/O error of the mirrors' folder into a failure. Where the folder is concerns the log, not those who asked.
pub(super) fn storage_fault(what: &str, error: &io::Error) -> DirectError {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let kind = if full { DirectFaultKind::StorageFull } else { DirectFaultKind::Broken };
    tracing::error!(%error, "could not {what}");
    DirectError::new(kind, format!("could not {what}: {}", error.kind()))
}

fn entries(folder: &Path) -> impl Iterator<Item = fs_err::DirEntry> {
    fs_err::read_dir(folder).ok().into_iter().flatten().flatten()
}

fn sweep_locks(folder: &Path) {
    for entry in entries(folder) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sweep_locks(&entry.path());
        } else if entry.file_name().to_string_lossy().ends_with(".lock") {
            remove_any(&entry.path());
        }
    }
}

pub(super) fn remove_any(path: &Path) {
    // What can't be removed now is tried again before the next fetch.
    if fs_err::remove_file(path).is_err() {
        fs_err::remove_dir_all(path).ok();
    }
}
