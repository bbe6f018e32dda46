//! Making the zip of a module from its files, with the verdicts of Go's `Create` and `CheckFiles`.
//!
//! What goes in is a listing, which says of each file its name, its kind and its size, and something that gives the contents one
//! after the other. A source archive of version control and a folder on disk both have that, and the rules don't care which it is.
//!
//! The zip is a function of the files alone: sorted by name, without times, every content compressed in pieces of a fixed size. Two
//! proxies that make the same version make the same bytes, with however many threads. No large content is held in memory, and the
//! hash is computed on the way.

mod check;
mod folder;
mod source;
mod together;
mod vendored;
mod writer;

pub use check::{CheckedItems, Omission, check};
pub use folder::{Found, ListedFile, Listing, Tree};
pub use source::{SourceFiles, packs_beyond};
pub use together::create_together;

use std::io::{self, Read, Write};

use self::writer::{Packer, Trouble, ZipWriter};
use super::check::prefix;
use crate::dirhash::{H1, Lines};
use crate::unicode;
use crate::version::ModuleVersion;

/// One file, or something else with a name, that a module zip might hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Item<'a> {
    /// The name below the module's root, with slashes: raw bytes, of no particular encoding, not checked.
    pub name: &'a [u8],
    /// What it is.
    pub kind: ItemKind,
    /// The declared size of the content, as Go's signed integer has it.
    pub size: i64,
}

/// What an item of a listing is; only regular files are packed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ItemKind {
    /// A regular file, whoever may run it.
    Regular,
    /// A symbolic link.
    Symlink,
    /// A folder.
    Folder,
    /// A device, a socket, a pipe.
    Other,
}

/// Gives the contents of the items of one listing.
pub trait Contents {
    /// Reads one item's content.
    type Reader<'a>: Read
    where
        Self: 'a;

    /// Opens the content of the item at a place in the listing; only regular files are asked for.
    ///
    /// # Errors
    ///
    /// Fails when the content can't be had.
    fn open(&mut self, item: usize) -> io::Result<Self::Reader<'_>>;
}

/// A module zip that was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Created {
    /// The hash that go.sum has for it.
    pub h1: H1,
    /// The zip's length.
    pub length: u64,
    /// The number of files in it.
    pub files: usize,
}

/// Why no module zip was made; what was written until then is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The files break Go's rules for module zips.
    #[error("{0}")]
    Rules(CheckedItems),
    /// Go would go on, but it's beyond what Larder is willing to keep in memory.
    #[error("the module has more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A name that doesn't fit into a zip.
    #[error("{name:?}: name too long for a zip")]
    LongName {
        /// The name.
        name: String,
    },
    /// A content that goes on after the declared size.
    #[error("{name:?}: longer than declared")]
    Longer {
        /// The file's name.
        name: String,
    },
    /// A content that can't be read.
    #[error("{name:?} could not be read")]
    Read {
        /// The file's name.
        name: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The zip can't be written.
    #[error("the zip could not be written")]
    Write(#[source] io::Error),
}

impl CreateError {
    /// Reports whether the files are to blame, so that another try would fail in the same way.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Rules(_) | Self::Limit { .. } | Self::LongName { .. } | Self::Longer { .. } => true,
            Self::Read { .. } | Self::Write(_) => false,
        }
    }
}

/// Writes the zip of a module version.
///
/// The zip's own length isn't limited here, as it isn't in Go: who reads the zip refuses one that is too long.
///
/// # Errors
///
/// Fails where Go's `Create` fails, and beyond the usual [`super::Limits`].
pub fn create<C: Contents>(
    items: &[Item<'_>],
    contents: &mut C,
    of: &ModuleVersion,
    out: impl Write,
) -> Result<Created, CreateError> {
    let order = order(items, contents)?;
    let mut making = Making::new(items, of, out);
    let mut packer = Packer::new();
    for item in &order {
        making.add(*item, contents, &mut packer)?;
    }
    making.finish(order.len())
}

/// Returns the files that belong into the zip, in their order there.
fn order<C: Contents>(items: &[Item<'_>], contents: &mut C) -> Result<Vec<usize>, CreateError> {
    let checked = check(items, contents)?;
    if !checked.is_valid() {
        return Err(CreateError::Rules(checked));
    }
    let mut order = checked.valid;
    order.sort_unstable_by_key(|item| items[*item].name);
    Ok(order)
}

/// A module zip in the making.
struct Making<'a, W> {
    items: &'a [Item<'a>],
    prefix: String,
    lines: Lines,
    zip: ZipWriter<W>,
}

impl<'a, W: Write> Making<'a, W> {
    fn new(items: &'a [Item<'a>], of: &ModuleVersion, out: W) -> Self {
        Self { items, prefix: prefix(of), lines: Lines::default(), zip: ZipWriter::new(out) }
    }

    /// Adds a file.
    fn add<C: Contents>(
        &mut self,
        item: usize,
        contents: &mut C,
        packer: &mut Packer,
    ) -> Result<(), CreateError> {
        let size = self.items[item].size;
        let content = contents.open(item);
        self.put(item, |zip, name| zip.add(packer, name, content.map_err(Trouble::Read)?, size))
    }

    /// Adds a file by a function that gets its full name and returns the hash of its content.
    fn put(
        &mut self,
        item: usize,
        put: impl FnOnce(&mut ZipWriter<W>, &[u8]) -> Result<[u8; 32], Trouble>,
    ) -> Result<(), CreateError> {
        let name = self.items[item].name;
        let full_name = [self.prefix.as_bytes(), name].concat();
        let digest = put(&mut self.zip, &full_name).map_err(|trouble| explain(name, trouble))?;
        self.lines.push(&digest, &full_name);
        Ok(())
    }

    fn finish(self, files: usize) -> Result<Created, CreateError> {
        let length = self.zip.finish().map_err(CreateError::Write)?;
        Ok(Created { h1: self.lines.finish(), length, files })
    }
}

fn explain(name: &[u8], trouble: Trouble) -> CreateError {
    let name = || unicode::lossy(name).into_owned();
    match trouble {
        Trouble::LongName => CreateError::LongName { name: name() },
        Trouble::Longer => CreateError::Longer { name: name() },
        Trouble::Read(source) => CreateError::Read { name: name(), source },
        Trouble::Write(source) => CreateError::Write(source),
    }
}

#[cfg(test)]
mod tests;
