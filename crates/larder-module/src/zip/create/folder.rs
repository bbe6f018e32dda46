//! The files of a folder on disk as Go's `CreateFromDir` lists them.
//!
//! Beyond the rules for all listings, folders of version control systems are passed over here, and so are other modules without a
//! look inside. A folder that is given as a symbolic link has no files at all.

use std::io::{self, Read};

use super::check::Omission;
use super::vendored::VendorRule;
use super::{Contents, Item, ItemKind};

/// A folder that can be looked into; paths are below it, with slashes, and the empty path is the folder itself.
pub trait Tree {
    /// Says what is at a path, without following a symbolic link at its end.
    ///
    /// # Errors
    ///
    /// Fails when nothing is there, or it can't be seen.
    fn look(&self, path: &[u8]) -> io::Result<Found>;

    /// Lists the names in a folder, in any order.
    ///
    /// # Errors
    ///
    /// Fails when the folder can't be read.
    fn names(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>>;

    /// Opens what is at a path, following symbolic links.
    ///
    /// # Errors
    ///
    /// Fails when it can't be read.
    fn open(&self, path: &[u8]) -> io::Result<Box<dyn Read + '_>>;
}

/// What is at a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Found {
    /// Its kind.
    pub kind: ItemKind,
    /// Its size.
    pub size: i64,
}

/// A regular file in a folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedFile {
    /// The name below the folder.
    pub name: Vec<u8>,
    /// The size.
    pub size: i64,
}

/// The regular files of a folder that may belong to a module, and their contents.
#[derive(Debug)]
pub struct Listing<'a, T> {
    tree: &'a T,
    files: Vec<ListedFile>,
    omitted: Vec<(Vec<u8>, Omission)>,
}

impl<'a, T: Tree> Listing<'a, T> {
    /// Lists a folder.
    ///
    /// # Errors
    ///
    /// Fails when a folder can't be read, even one whose files would be left out.
    pub fn read(tree: &'a T) -> io::Result<Self> {
        let mut go_mod = Vec::new();
        // Here a symbolic link counts, which the rule for listings doesn't see.
        let read = tree.open(b"go.mod").and_then(|mut file| file.read_to_end(&mut go_mod));
        let vendor = read.map_or_else(|_| VendorRule::default(), |_| VendorRule::of(&go_mod));
        let mut listing = Self { tree, files: Vec::new(), omitted: Vec::new() };
        let found = tree.look(b"")?;
        match found.kind {
            ItemKind::Folder => listing.read_folder(b"", vendor)?,
            // The name that Go has for the folder itself.
            _ => listing.add(b".".to_vec(), found),
        }
        Ok(listing)
    }

    fn read_folder(&mut self, folder: &[u8], vendor: VendorRule) -> io::Result<()> {
        let mut names = self.tree.names(folder)?;
        let may_skip = !folder.is_empty() && !vendor.is_vendored(folder);
        if may_skip && let Some(why) = self.skips(folder) {
            self.omitted.push((folder.to_owned(), why));
            return Ok(());
        }
        names.sort_unstable();
        for name in names {
            let name = match folder {
                b"" => name,
                _ => [folder, b"/", &name[..]].concat(),
            };
            let found = self.tree.look(&name)?;
            let is_vendored = vendor.is_vendored(&name);
            if is_vendored {
                self.omitted.push((name.clone(), Omission::Vendored));
            }
            match found.kind {
                // Even one that is left out is read to its end.
                ItemKind::Folder => self.read_folder(&name, vendor)?,
                _ if is_vendored => {}
                _ => self.add(name, found),
            }
        }
        Ok(())
    }

    fn skips(&self, folder: &[u8]) -> Option<Omission> {
        let base = folder.rsplit(|byte| *byte == b'/').next().unwrap_or(folder);
        if [&b".bzr"[..], b".git", b".hg", b".svn"].contains(&base) {
            return Some(Omission::VersionControl);
        }
        let go_mod = self.tree.look(&[folder, b"/go.mod"].concat());
        let is_module = go_mod.is_ok_and(|found| found.kind != ItemKind::Folder);
        is_module.then_some(Omission::OtherModule)
    }

    fn add(&mut self, name: Vec<u8>, found: Found) {
        match found.kind {
            ItemKind::Regular => self.files.push(ListedFile { name, size: found.size }),
            _ => self.omitted.push((name, Omission::NotRegular)),
        }
    }

    /// Returns what was left out already, and why.
    pub fn omitted(&self) -> &[(Vec<u8>, Omission)] {
        &self.omitted
    }

    /// Returns the files found.
    pub fn files(&self) -> &[ListedFile] {
        &self.files
    }

    /// Returns the files found as a listing, in the order in which Go has them.
    pub fn items(&self) -> Vec<Item<'_>> {
        self.files
            .iter()
            .map(|file| Item { name: &file.name, kind: ItemKind::Regular, size: file.size })
            .collect()
    }

    /// Returns what reads the files' contents.
    pub fn contents(&self) -> impl Contents {
        FolderContents { tree: self.tree, files: &self.files }
    }
}

struct FolderContents<'a, T> {
    tree: &'a T,
    files: &'a [ListedFile],
}

impl<T: Tree> Contents for FolderContents<'_, T> {
    type Reader<'a>
        = Box<dyn Read + 'a>
    where
        Self: 'a;

    fn open(&mut self, item: usize) -> io::Result<Self::Reader<'_>> {
        self.tree.open(&self.files[item].name)
    }
}
