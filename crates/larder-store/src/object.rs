//! A stored object as it is handed out, and what is known about it.
//!
//! The bytes lie in the object's file. What decides trust lies beside it: `.ziphash` holds the zip's `h1:`, and
//! `.unverified` says that no checksum database confirmed it. The index row repeats that and adds the SHA-256 of the
//! file; an object without a row (copied in by hand, or published just before a crash) has to be checked once before it
//! is served.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::time::SystemTime;

use larder_module::dirhash::H1;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::error::StoreError;
use crate::key::ObjectKey;
use larder_module::request::ObjectKind;

/// What the checksum database had to say about an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verification {
    /// The database holds the same hash.
    Verified,
    /// The database could not be asked; the object is marked and will be checked later.
    Unverified,
    /// No database knows about such objects: `.info` files, private modules, verification switched off.
    NotApplicable,
}

impl Verification {
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Verified => 1,
            Self::Unverified => 2,
            Self::NotApplicable => 3,
        }
    }

    pub(crate) fn of_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Verified),
            2 => Some(Self::Unverified),
            3 => Some(Self::NotApplicable),
            _ => None,
        }
    }
}

/// What the publisher of an object knows about it.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The object's `h1:`; a zip has one always, a `.mod` when it was checked, an `.info` never.
    pub h1: Option<H1>,
    /// The upstream that it came from, printable.
    pub source: String,
    /// What the checksum database said.
    pub verified: Verification,
}

/// What a caller found out about an object that the index didn't know.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The object's `h1:`, where it has one.
    pub h1: Option<H1>,
    /// Where it is thought to come from, printable.
    pub source: String,
    /// What the checksum database said.
    pub verified: Verification,
}

/// What the index holds about an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ObjectRow {
    pub(crate) id: RowId,
    /// The size of the file in bytes.
    pub size: u64,
    /// The SHA-256 of the file.
    pub sha256: [u8; 32],
    /// The object's `h1:`, where it has one.
    pub h1: Option<H1>,
    /// The upstream that it came from, printable.
    pub source: String,
    /// When it was stored here, or first seen.
    pub first_seen: SystemTime,
    /// What the checksum database said.
    pub verified: Verification,
    /// It was fetched ahead, and nobody has asked for it yet.
    pub is_unused: bool,
}

/// A row's number, and which of the index files of this process it belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RowId {
    pub(crate) generation: u64,
    pub(crate) number: i64,
}

/// The files beside an object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Marks {
    /// No checksum database has confirmed the object yet.
    pub unverified: bool,
    /// What `.ziphash` says, for a zip.
    pub ziphash: Option<H1>,
}

/// Tells one file from another one under the same name.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
}

/// An object that lies in the store.
#[derive(Debug)]
pub struct StoredObject {
    /// The open file; read it with positioned reads, the descriptor may be shared.
    pub file: File,
    /// Its size in bytes.
    pub size: u64,
    /// When the file was last changed, which is when it was fetched.
    pub modified: SystemTime,
    /// What the index knows; nothing means that the object has to be examined before it is served.
    pub row: Option<ObjectRow>,
    /// What the files beside it say.
    pub marks: Marks,
    pub(crate) identity: FileIdentity,
}

/// How a publication ended. Either way the object is stored and its bytes are final.
#[derive(Debug)]
pub enum Published {
    /// The staged bytes are the object now.
    Created(StoredObject),
    /// Somebody else published first; these are the bytes that count.
    AlreadyThere(StoredObject),
}

impl Published {
    /// Returns the object.
    #[must_use]
    pub fn into_object(self) -> StoredObject {
        match self {
            Self::Created(object) | Self::AlreadyThere(object) => object,
        }
    }
}

/// What comparing an object with its index row gave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Soundness {
    /// The bytes are those that were published.
    Sound,
    /// The index has no row, so there is nothing to compare with.
    Unknown,
    /// The bytes have changed since.
    Damaged {
        /// The SHA-256 that the index has.
        expected: [u8; 32],
        /// The SHA-256 of the file now.
        found: [u8; 32],
    },
}

/// Opens an object's file. Nothing there is `None`; a folder or a pipe under its name is an error.
pub(crate) fn open_regular(path: &Path) -> Result<Option<(File, std::fs::Metadata)>, StoreError> {
    // Without NONBLOCK, opening a pipe would wait for a writer for ever.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        // A name that no file can have is not stored.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => return Ok(None),
        Err(errno) => return Err(StoreError::from_io("open", path, errno.into())),
    };
    let metadata = file.metadata().map_err(|error| StoreError::from_io("look at", path, error))?;
    if !metadata.is_file() {
        return Err(StoreError::NotAFile { path: path.to_path_buf() });
    }
    Ok(Some((file, metadata)))
}

pub(crate) fn identity(metadata: &std::fs::Metadata) -> FileIdentity {
    FileIdentity { device: metadata.dev(), inode: metadata.ino() }
}

pub(crate) fn read_marks(folder: &Path, key: &ObjectKey) -> Marks {
    let unverified = match key.kind() {
        ObjectKind::Info => false,
        ObjectKind::Mod | ObjectKind::Zip => {
            rustix::fs::access(folder.join(key.unverified_name()), rustix::fs::Access::EXISTS).is_ok()
        }
    };
    let ziphash = match key.kind() {
        ObjectKind::Zip => read_ziphash(&folder.join(key.ziphash_name())),
        ObjectKind::Info | ObjectKind::Mod => None,
    };
    Marks { unverified, ziphash }
}

/// The `h1:` in a `.ziphash` file. An unreadable one counts as none, so the object gets examined anew.
fn read_ziphash(path: &Path) -> Option<H1> {
    let mut buffer = [0; 128];
    let (file, _) = open_regular(path).ok()??;
    let len = file.read_at(&mut buffer, 0).ok()?;
    std::str::from_utf8(&buffer[..len]).ok()?.trim_end().parse().ok()
}

/// How much of a file is read at once.
const LARGEST: usize = 128 << 10;

/// The SHA-256 of a file's first `size` bytes, and how many there were.
pub(crate) fn hash_file(file: &File, path: &Path) -> Result<([u8; 32], u64), StoreError> {
    let mut hasher = Sha256::new();
    let expected = file.metadata().map_or(u64::MAX, |metadata| metadata.len());
    // Most files are small. A byte more than it has tells at once that one has ended.
    let mut buffer =
        vec![0; usize::try_from(expected).map_or(LARGEST, |len| len.saturating_add(1).min(LARGEST))];
    let mut offset = 0;
    loop {
        match file.read_at(&mut buffer, offset) {
            Ok(0) => return Ok((hasher.finalize().into(), offset)),
            Ok(len) => {
                hasher.update(&buffer[..len]);
                offset += len as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(StoreError::from_io("read", path, error)),
        }
    }
}
