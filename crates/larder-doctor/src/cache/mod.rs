//! The module cache and the disks under it: what lies there, who owns it, how much room is left.

mod collect;
mod entries;

use serde::{Deserialize, Serialize};

pub use collect::collect;
pub use entries::hash_folder;

/// What was found there.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheFacts {
    /// `GOMODCACHE`; none if it can't be told.
    pub folder: Option<String>,
    /// What is wrong with it as a place: `relative`, `is a file`, `not writable`, `read-only file system`, ...
    pub place_problems: Vec<String>,
    /// The first folder on the way that can't be written: path, owner's uid, mode in octal, our uid.
    pub unwritable: Option<(String, u32, String, u32)>,
    /// Disks: path, free bytes, free inodes.
    pub disks: Vec<(String, u64, u64)>,
    /// Entries that were looked at.
    pub entries: Vec<CachedVersion>,
    /// Lock files that another process holds: path, pid.
    pub locks: Vec<(String, u32)>,
    /// Owner of cache/vcs where it is not us.
    pub vcs_owner: Option<u32>,
}

/// One version in the module cache.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CachedVersion {
    /// The module.
    pub module: String,
    /// Its version.
    pub version: String,
    /// Hash of the cached go.mod.
    pub mod_h1: Option<String>,
    /// The first line of the cached go.mod, where it is no go.mod.
    pub mod_problem: Option<String>,
    /// Hash of the cached zip.
    pub zip_h1: Option<String>,
    /// What the .ziphash file says.
    pub ziphash: Option<String>,
    /// What is wrong with the zip.
    pub zip_problem: Option<String>,
    /// Whether the extracted folder differs from the zip, and how; none if it is the same or there is none.
    pub folder_problem: Option<String>,
}

#[cfg(test)]
mod tests;
