//! What can go wrong in the store, told apart by what a caller can do about it.
//!
//! A full disk is no fault of the object being fetched: the engine goes on serving what it verified, unstored.
//! A second server on one folder is a mistake of the operator. Everything else is an I/O error that names its path.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file system, or the quota of the user, has no room left.
    #[error("no space is left for {}", path.display())]
    NoSpace {
        /// What was being written.
        path: PathBuf,
    },
    /// The file system has room but can't name one more file.
    #[error("no inodes are left for {}", path.display())]
    NoInodes {
        /// What was being written.
        path: PathBuf,
    },
    /// The file system is mounted read-only.
    #[error("{} lies on a read-only file system", path.display())]
    ReadOnly {
        /// What was being written.
        path: PathBuf,
    },
    /// The user that runs Larder may not do this.
    #[error("permission denied on {}", path.display())]
    Denied {
        /// What was being read or written.
        path: PathBuf,
    },
    /// One name of the path is longer than the file system allows, so the object can be served but not stored.
    #[error("the file system can't hold a name as long as in {}", path.display())]
    NameTooLong {
        /// The path that can't exist.
        path: PathBuf,
    },
    /// Another server owns the data folder.
    #[error(
        "the data folder {} is in use by another larder serve{}",
        folder.display(),
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Busy {
        /// The data folder.
        folder: PathBuf,
        /// The process that owns it, when it left its number.
        pid: Option<u32>,
    },
    /// Staging and modules lie on different file systems, so nothing could be renamed into place.
    #[error("{} and {} must lie on the same file system", staging.display(), modules.display())]
    SplitFolder {
        /// The staging folder.
        staging: PathBuf,
        /// The folder of the stored modules.
        modules: PathBuf,
    },
    /// The name of a checksum database or of one of its files can't be a path below the data folder.
    #[error("`{name}` can't be the name of a checksum database file")]
    BadName {
        /// The refused name.
        name: String,
    },
    /// Something is stored under this name that is no regular file.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// What was found.
        path: PathBuf,
    },
    /// Any other failure of the operating system.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// Reports whether the disk has no room, for bytes or for names.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::NoSpace { .. } | Self::NoInodes { .. } => true,
            Self::ReadOnly { .. }
            | Self::Denied { .. }
            | Self::NameTooLong { .. }
            | Self::Busy { .. }
            | Self::SplitFolder { .. }
            | Self::BadName { .. }
            | Self::NotAFile { .. }
            | Self::Io { .. } => false,
        }
    }

    /// Reports whether verified bytes should be served although they could not be stored.
    ///
    /// True for everything that keeps the store from being written, and for names that no file can have.
    #[must_use]
    pub fn allows_serving_unstored(&self) -> bool {
        match self {
            Self::NoSpace { .. }
            | Self::NoInodes { .. }
            | Self::ReadOnly { .. }
            | Self::Denied { .. }
            | Self::NameTooLong { .. }
            | Self::Io { .. } => true,
            Self::Busy { .. } | Self::SplitFolder { .. } | Self::BadName { .. } | Self::NotAFile { .. } => {
                false
            }
        }
    }

    pub(crate) fn from_io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        let Some(code) = source.raw_os_error() else {
            return Self::Io { action, path, source };
        };
        match Errno::from_raw_os_error(code) {
            Errno::NOSPC if out_of_inodes(&path) => Self::NoInodes { path },
            Errno::NOSPC | Errno::DQUOT => Self::NoSpace { path },
            Errno::ROFS => Self::ReadOnly { path },
            Errno::ACCESS | Errno::PERM => Self::Denied { path },
            Errno::NAMETOOLONG => Self::NameTooLong { path },
            _ => Self::Io { action, path, source },
        }
    }
}

/// Reports whether the file system of `path`, or of its nearest existing parent, has no inode left.
///
/// Both shortages arrive as the same error number. File systems that make inodes on demand report none at all, with
/// none free, and are never out of them.
fn out_of_inodes(path: &Path) -> bool {
    path.ancestors()
        .find_map(|folder| rustix::fs::statvfs(folder).ok())
        .is_some_and(|system| system.f_files > 0 && system.f_ffree == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_numbers_become_variants() {
        let of = |errno: Errno| StoreError::from_io("write", Path::new("/"), errno.into());
        assert!(matches!(of(Errno::NOSPC), StoreError::NoSpace { .. }));
        assert!(matches!(of(Errno::DQUOT), StoreError::NoSpace { .. }));
        assert!(matches!(of(Errno::ROFS), StoreError::ReadOnly { .. }));
        assert!(matches!(of(Errno::ACCESS), StoreError::Denied { .. }));
        assert!(matches!(of(Errno::NAMETOOLONG), StoreError::NameTooLong { .. }));
        assert!(matches!(of(Errno::IO), StoreError::Io { .. }));
        assert!(of(Errno::NOSPC).is_full() && !of(Errno::ROFS).is_full());
        assert!(of(Errno::NAMETOOLONG).allows_serving_unstored());
    }

    #[test]
    fn a_busy_folder_names_folder_and_process() {
        let error = StoreError::Busy { folder: "/data".into(), pid: Some(7) };
        assert_eq!(error.to_string(), "the data folder /data is in use by another larder serve (process 7)");
    }
}
