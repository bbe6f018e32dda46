//! The `h1:` hash of go.sum: what a zip, a folder or a `go.mod` is recognised by.
//!
//! It is the SHA-256 of a list with one line per file, sorted by name: the file's own SHA-256 in
//! hex, two spaces, the name, a newline. How a zip packs its files doesn't matter.

use std::fmt;
use std::io;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::zip::{Archive, ReadAt, ZipError};

/// A hash of go.sum's first kind, printed as `h1:` and base64.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct H1([u8; 32]);

/// The text isn't `h1:` and the canonical base64 of 32 bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed h1 hash")]
pub struct H1Error;

impl H1 {
    /// Returns the SHA-256 behind the text.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for H1 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "h1:{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for H1 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl FromStr for H1 {
    type Err = H1Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let base64 = text.strip_prefix("h1:").ok_or(H1Error)?;
        let bytes = STANDARD.decode(base64).map_err(|_| H1Error)?;
        bytes.try_into().map(Self).map_err(|_| H1Error)
    }
}

/// Why no hash could be made.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// A name has a newline, which would make the list ambiguous.
    #[error("file names with newlines are not supported")]
    Newline,
    /// A file could not be read.
    #[error("{name} could not be read")]
    Read {
        /// The file's name.
        name: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

/// Returns the hash of a `go.mod` that stands alone, as go.sum's `/go.mod` lines have it.
pub fn hash_mod(content: &[u8]) -> H1 {
    let mut lines = Lines::default();
    lines.push(&Sha256::digest(content).into(), b"go.mod");
    lines.finish()
}

/// Returns the hash of files given by name and reader, in any order.
///
/// # Errors
///
/// Fails when a name has a newline or a file can't be read.
pub fn hash_files<R, F>(names: impl IntoIterator<Item = String>, mut open: F) -> Result<H1, HashError>
where
    R: io::Read,
    F: FnMut(&str) -> io::Result<R>,
{
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_unstable();
    let mut lines = Lines::default();
    let mut buffer = vec![0; 64 * 1024];
    for name in names {
        if name.contains('\n') {
            return Err(HashError::Newline);
        }
        let digest = open(&name).and_then(|reader| digest(reader, &mut buffer));
        let digest = digest.map_err(|source| HashError::Read { name: name.clone(), source })?;
        lines.push(&digest, name.as_bytes());
    }
    Ok(lines.finish())
}

fn digest(mut reader: impl io::Read, buffer: &mut [u8]) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    loop {
        match reader.read(buffer) {
            Ok(0) => return Ok(digest.finalize().into()),
            Ok(count) => digest.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns the hash of a zip, whatever module it is for, with the verdict of Go's `HashZip`.
///
/// # Errors
///
/// Fails when the zip is broken, a content doesn't fit its entry, or a name has a newline.
pub fn hash_zip<R: ReadAt>(source: R, size: u64) -> Result<H1, ZipError> {
    Archive::open(source, size)?.hash()
}

/// The list behind the hash, as it grows.
#[derive(Default)]
pub(crate) struct Lines(Sha256);

impl Lines {
    /// Adds a file; files have to come sorted by name.
    pub(crate) fn push(&mut self, digest: &[u8; 32], name: &[u8]) {
        let mut hex = [b' '; 66];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(digest) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        self.0.update(hex);
        self.0.update(name);
        self.0.update(b"\n");
    }

    /// Returns the hash over the list.
    pub(crate) fn finish(self) -> H1 {
        H1(self.0.finalize().into())
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";
