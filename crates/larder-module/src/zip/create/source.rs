//! The files of a source archive, as version control packs a commit, that are for a module's zip.
//!
//! The archive has one folder at its top. A module may lie in a folder below it; what is outside is not the module's, except the
//! LICENSE of the repository, which a module in a folder without its own inherits.

use std::io::{self, Read};

use super::super::ZipError;
use super::super::content::{EntryReader, Workspace};
use super::super::directory::{Archive, Entry};
use super::super::read_at::ReadAt;
use super::writer::{Packer, Trouble, ZipWriter};
use super::{Contents, CreateError, Created, Item, ItemKind, create_together};
use crate::version::ModuleVersion;

const LICENSE: &[u8] = b"LICENSE";

/// The files of a module in a source archive.
pub struct SourceFiles<'a, R> {
    archive: &'a Archive<R>,
    items: Vec<Item<'a>>,
    contents: Vec<Content<'a>>,
    inherits: bool,
    workspace: Workspace,
}

#[derive(Clone, Copy)]
enum Content<'a> {
    Packed(&'a Entry),
    Given(&'a [u8]),
}

impl<'a, R: ReadAt> SourceFiles<'a, R> {
    /// Picks the files of the module in a folder, given without slashes around it; the empty one is the top.
    ///
    /// `prefix` is what stands before every name, with its slash.
    ///
    /// # Errors
    ///
    /// Fails when a name doesn't begin with the prefix.
    pub fn pick(archive: &'a Archive<R>, prefix: &str, folder: &str) -> Result<Self, ZipError> {
        let mut items = Vec::new();
        let mut contents = Vec::new();
        for entry in archive.entries() {
            let Some(name) = archive.name(entry).strip_prefix(prefix.as_bytes()) else {
                return Err(ZipError::Format("an entry outside the one top folder"));
            };
            let name = match folder {
                "" => Some(name),
                _ => name.strip_prefix(folder.as_bytes()).and_then(|name| name.strip_prefix(b"/")),
            };
            match name {
                None | Some([] | [.., b'/']) => {}
                Some(name) => {
                    items.push(Item { name, kind: entry.kind(), size: entry.declared_size() });
                    contents.push(Content::Packed(entry));
                }
            }
        }
        let inherits = !folder.is_empty() && items.iter().all(|item| item.name != LICENSE);
        Ok(Self { archive, items, contents, inherits, workspace: Workspace::new() })
    }

    /// Reports whether the repository's LICENSE is wanted, because the module lies in a folder that has nothing of that name.
    pub fn inherits_license(&self) -> bool {
        self.inherits
    }

    /// Adds the repository's LICENSE.
    pub fn add_license(&mut self, content: &'a [u8]) {
        let size = i64::try_from(content.len()).unwrap_or(i64::MAX);
        self.items.push(Item { name: LICENSE, kind: ItemKind::Regular, size });
        self.contents.push(Content::Given(content));
    }

    /// Returns the listing.
    pub fn items(&self) -> &[Item<'a>] {
        &self.items
    }

    /// Writes the module's zip, with so many threads besides this one; the bytes don't depend on their number.
    ///
    /// # Errors
    ///
    /// As [`create_together`].
    pub fn create(
        mut self,
        of: &ModuleVersion,
        out: impl io::Write,
        helpers: usize,
    ) -> Result<Created, CreateError>
    where
        R: Sync,
    {
        let (archive, contents) = (self.archive, &self.contents[..]);
        let mut workspaces: Vec<Workspace> = (0..helpers).map(|_| Workspace::new()).collect();
        let mut helpers: Vec<_> =
            workspaces.iter_mut().map(|workspace| Packed { archive, contents, workspace }).collect();
        let mut own = Packed { archive, contents, workspace: &mut self.workspace };
        create_together(&self.items, &mut own, &mut helpers, of, out)
    }
}

/// Reports whether a source archive would be longer than `limit` with its contents compressed.
///
/// Go limits the compressed archive of everything that the module's folder holds, nested modules and the like included, while Larder's
/// archives aren't compressed. Compressors differ by a few hundredths, so nothing finer hangs on the answer.
///
/// # Errors
///
/// Fails when a content can't be read.
pub fn packs_beyond<R: ReadAt>(archive: &Archive<R>, limit: u64) -> Result<bool, ZipError> {
    let mut workspace = Workspace::new();
    let mut packer = Packer::new();
    let mut zip = ZipWriter::new(io::sink());
    for entry in archive.entries() {
        let name = archive.name(entry);
        if name.ends_with(b"/") {
            continue;
        }
        let content = archive.read_with(entry, &mut workspace)?;
        match zip.add(&mut packer, name, content, entry.declared_size()) {
            Ok(_) => {}
            Err(Trouble::Read(error) | Trouble::Write(error)) => return Err(ZipError::Read(error)),
            Err(Trouble::LongName | Trouble::Longer) => return Ok(true),
        }
        if zip.position() > limit {
            return Ok(true);
        }
    }
    Ok(zip.finish()? > limit)
}

struct Packed<'a, R> {
    archive: &'a Archive<R>,
    contents: &'a [Content<'a>],
    workspace: &'a mut Workspace,
}

impl<'p, R: ReadAt> Contents for Packed<'p, R> {
    type Reader<'a>
        = ContentReader<'a, R>
    where
        Self: 'a;

    fn open(&mut self, item: usize) -> io::Result<Self::Reader<'_>> {
        match self.contents[item] {
            Content::Given(bytes) => Ok(ContentReader::Given(bytes)),
            Content::Packed(entry) => {
                let reader = self.archive.read_with(entry, self.workspace);
                reader.map(ContentReader::Packed).map_err(|error| match error {
                    ZipError::Read(error) => error,
                    other => io::Error::new(io::ErrorKind::InvalidData, other),
                })
            }
        }
    }
}

enum ContentReader<'a, R> {
    Packed(EntryReader<'a, R>),
    Given(&'a [u8]),
}

impl<R: ReadAt> Read for ContentReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Packed(reader) => reader.read(buffer),
            Self::Given(bytes) => bytes.read(buffer),
        }
    }
}
