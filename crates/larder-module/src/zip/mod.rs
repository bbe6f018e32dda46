//! Module zips: reading them exactly as Go does, the rules for what may be inside, and making them ([`create`]).
//!
//! Go's meaning of a zip is the `go` command's, so it has to be Larder's: which end record counts,
//! how entries are found and counted, that the local header's sizes don't matter, that duplicate
//! entries stay visible. Libraries that index entries by name lose the last point, and one that
//! sees other files than the `go` command does can be made to approve what it never read. So the
//! central directory is read here, over a plain inflate.
//!
//! Nothing is ever unpacked to disk, no content is held in memory as a whole, and no more than an
//! entry's declared size (plus one byte, to see the lie) is inflated.

mod check;
mod collision;
mod content;
pub mod create;
mod directory;
mod folders;
mod hash;
mod read_at;
mod window;

pub use self::check::{
    CheckedZip, FileProblem, InspectOptions, InvalidFile, MAX_GO_MOD, MAX_LICENSE, MAX_ZIP, ZipReport,
    check_zip, inspect,
};
pub use self::content::{EntryReader, Workspace};
pub use self::directory::{Archive, Entry, Limits};
pub use self::folders::{FolderState, Folders};
pub use self::read_at::ReadAt;

use std::io;

/// Why a zip, or an entry in it, was refused.
#[derive(Debug, thiserror::Error)]
pub enum ZipError {
    /// The zip could not be read.
    #[error("the zip could not be read")]
    Read(#[from] io::Error),
    /// The bytes aren't a zip that Go would open.
    #[error("not a valid zip file: {0}")]
    Format(&'static str),
    /// Go would open it, but it's beyond what Larder is willing to look at.
    #[error("the zip has more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Entries share their packed bytes so often that reading them all would take for ever.
    #[error("the zip's entries overlap")]
    Overlap,
    /// An entry's content can't be read as Go would read it.
    #[error("zip entry {name:?}: {problem}")]
    Entry {
        /// The entry's name, made printable.
        name: String,
        /// What is wrong with it.
        problem: EntryProblem,
    },
    /// The contents break the rules for module zips.
    #[error("{0}")]
    Rules(CheckedZip),
}

/// What is wrong with an entry's content.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EntryProblem {
    /// There's no local header where the directory says.
    #[error("no entry header at its place")]
    Header,
    /// Neither stored nor deflated.
    #[error("unsupported compression method {0}")]
    Method(u16),
    /// The deflate stream is broken.
    #[error("broken deflate stream")]
    Deflate,
    /// It ends before the declared size.
    #[error("shorter than declared")]
    Short,
    /// It goes on after the declared size, or a folder has a size.
    #[error("longer than declared")]
    Long,
    /// The checksum in the directory, or behind the content, is another.
    #[error("checksum mismatch")]
    Checksum,
    /// The name has a newline, so it can't be hashed.
    #[error("file names with newlines are not supported")]
    Newline,
}

impl ZipError {
    /// Reports whether reading failed rather than the zip being wrong.
    pub fn is_read_failure(&self) -> bool {
        match self {
            Self::Read(_) => true,
            Self::Format(_) | Self::Limit { .. } | Self::Overlap | Self::Entry { .. } | Self::Rules(_) => {
                false
            }
        }
    }
}
