//! Which files belong into a module zip: Go's `CheckFiles`.
//!
//! The order of the questions is Go's, because a file that several rules speak about counts under the first: whether it is left
//! out quietly or stops everything hangs on it. So does this: once a name was left out or refused, nothing further is held
//! against another item of the same name.

use std::collections::HashSet;
use std::fmt;
use std::io::Read as _;

use super::super::check::{FileProblem, InvalidFile, MAX_GO_MOD, MAX_LICENSE, MAX_ZIP, write_verdict};
use super::super::collision::{Collision, Names};
use super::super::directory::Limits;
use super::vendored::VendorRule;
use super::{Contents, CreateError, Item, ItemKind};
use crate::path::check_file_path;

/// What the rules say about the items of a listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckedItems {
    /// The places in the listing of the files that belong into the zip.
    pub valid: Vec<usize>,
    /// The places of those that are left out, and why.
    pub omitted: Vec<(usize, Omission)>,
    /// The names that may not be there.
    pub invalid: Vec<InvalidFile>,
    /// Whether the files together are larger than a module may be.
    pub is_too_large: bool,
}

impl CheckedItems {
    /// Reports whether Go would make a zip.
    pub fn is_valid(&self) -> bool {
        !self.is_too_large && self.invalid.is_empty()
    }
}

impl fmt::Display for CheckedItems {
    /// Writes one short line: what is wrong, beginning with the first few files.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_verdict(formatter, self.is_too_large, &self.invalid, "valid files for a module zip")
    }
}

/// Why something is left out of a module zip.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Omission {
    /// It belongs to a vendored package.
    Vendored,
    /// It belongs to another module, whose root is a folder of this one.
    OtherModule,
    /// A folder where a version control system keeps its own files.
    VersionControl,
    /// `hg archive` adds this file.
    HgArchival,
    /// A symbolic link.
    Symlink,
    /// Neither a regular file nor a symbolic link.
    NotRegular,
}

/// Checks names, kinds and declared sizes; of the contents only the root's go.mod is read.
///
/// # Errors
///
/// Fails only with more files and folders than the usual [`Limits`] allow.
pub fn check<C: Contents>(items: &[Item<'_>], contents: &mut C) -> Result<CheckedItems, CreateError> {
    let (nested, vendor) = go_mods(items, contents);
    let limit = Limits::default().paths;
    let mut names = Names::new(limit);
    let mut checked = Checking::default();
    let mut left = MAX_ZIP;
    for (place, item) in items.iter().enumerate() {
        let name = match check_name(item, &nested, vendor) {
            Ok(name) => name,
            Err(verdict) => {
                checked.exclude(place, item, verdict);
                continue;
            }
        };
        if let Err(collision) = names.add(name, item.kind == ItemKind::Folder) {
            let problem = match collision {
                Collision::Case => FileProblem::CaseCollision,
                Collision::FileAndFolder => FileProblem::FileAndFolder,
                Collision::Duplicate => FileProblem::Duplicate,
                Collision::TooMany => return Err(CreateError::Limit { what: "files and folders", limit }),
            };
            checked.exclude(place, item, problem.into());
            continue;
        }
        match item.kind {
            ItemKind::Regular => {}
            ItemKind::Symlink => {
                checked.exclude(place, item, Omission::Symlink.into());
                continue;
            }
            ItemKind::Folder | ItemKind::Other => {
                checked.exclude(place, item, Omission::NotRegular.into());
                continue;
            }
        }
        match u64::try_from(item.size).ok().and_then(|size| left.checked_sub(size)) {
            Some(rest) => left = rest,
            None => checked.items.is_too_large = true,
        }
        match name {
            "go.mod" if item.size > MAX_GO_MOD.cast_signed() => {
                checked.exclude(place, item, FileProblem::GoModSize.into());
            }
            "LICENSE" if item.size > MAX_LICENSE.cast_signed() => {
                checked.exclude(place, item, FileProblem::LicenseSize.into());
            }
            _ => checked.items.valid.push(place),
        }
    }
    Ok(checked.items)
}

/// Why an item isn't packed.
enum Exclusion {
    Omitted(Omission),
    Invalid(FileProblem),
}

impl From<Omission> for Exclusion {
    fn from(why: Omission) -> Self {
        Self::Omitted(why)
    }
}

impl From<FileProblem> for Exclusion {
    fn from(problem: FileProblem) -> Self {
        Self::Invalid(problem)
    }
}

#[derive(Default)]
struct Checking<'a> {
    items: CheckedItems,
    /// The names about which something was said.
    told: HashSet<&'a [u8]>,
}

impl<'a> Checking<'a> {
    fn exclude(&mut self, place: usize, item: &Item<'a>, exclusion: Exclusion) {
        if !self.told.insert(item.name) {
            return;
        }
        match exclusion {
            Exclusion::Omitted(why) => self.items.omitted.push((place, why)),
            Exclusion::Invalid(problem) => {
                self.items.invalid.push(InvalidFile { name: item.name.to_owned(), problem });
            }
        }
    }
}

/// Asks all that can be asked of the name alone.
fn check_name<'a>(
    item: &Item<'a>,
    nested: &NestedModules<'a>,
    vendor: VendorRule,
) -> Result<&'a str, Exclusion> {
    let name = item.name;
    if !is_clean(name) {
        return Err(FileProblem::NotClean.into());
    }
    if name.starts_with(b"/") {
        return Err(FileProblem::NotRelative.into());
    }
    if vendor.is_vendored(name) {
        return Err(Omission::Vendored.into());
    }
    if nested.hold(name) {
        return Err(Omission::OtherModule.into());
    }
    if name == b".hg_archival.txt" {
        return Err(Omission::HgArchival.into());
    }
    let Ok(name) = std::str::from_utf8(name) else {
        return Err(FileProblem::Encoding.into());
    };
    check_file_path(name).map_err(FileProblem::Name)?;
    match name.eq_ignore_ascii_case("go.mod") && name != "go.mod" {
        true => Err(FileProblem::GoModCase.into()),
        false => Ok(name),
    }
}

/// Finds the roots of other modules, and reads the go line of this one.
fn go_mods<'a>(items: &[Item<'a>], contents: &mut impl Contents) -> (NestedModules<'a>, VendorRule) {
    let mut roots = Vec::new();
    let mut vendor = VendorRule::default();
    for (place, item) in items.iter().enumerate() {
        let base = item.name.len().checked_sub(b"go.mod".len()).unwrap_or(item.name.len());
        let (folder, base) = item.name.split_at(base);
        let is_go_mod = base.eq_ignore_ascii_case(b"go.mod") && item.kind == ItemKind::Regular;
        if is_go_mod && folder.ends_with(b"/") {
            roots.push(folder);
        }
        // One that is too large spoils the zip, whatever else is left out of it.
        let fits = usize::try_from(item.size).ok().filter(|size| *size as u64 <= MAX_GO_MOD);
        if let Some(size) = fits
            && is_go_mod
            && folder.is_empty()
            && base == b"go.mod"
        {
            vendor = read_rule(place, size, contents).unwrap_or(vendor);
        }
    }
    (NestedModules::new(roots), vendor)
}

/// Reads the rule from a go.mod, or nothing if it can't be read: that fails when it has to be packed.
fn read_rule(place: usize, size: usize, contents: &mut impl Contents) -> Option<VendorRule> {
    let mut go_mod = Vec::with_capacity(size);
    // One that goes on is too large for Go as well, at the latest when it's packed.
    contents.open(place).ok()?.take(MAX_GO_MOD + 1).read_to_end(&mut go_mod).ok()?;
    Some(VendorRule::of(&go_mod))
}

/// The folders below the root that have a go.mod of their own.
struct NestedModules<'a> {
    /// Sorted, each with its slash, and none in another.
    roots: Vec<&'a [u8]>,
}

impl<'a> NestedModules<'a> {
    fn new(mut roots: Vec<&'a [u8]>) -> Self {
        roots.sort_unstable();
        roots.dedup_by(|next, kept| next.starts_with(kept));
        Self { roots }
    }

    /// Reports whether a name lies in one of them, in time that doesn't grow with its depth.
    ///
    /// All that sorts between a folder and a name in it lies in that folder too, so only the nearest one can hold the name.
    fn hold(&self, name: &[u8]) -> bool {
        let after = self.roots.partition_point(|root| *root <= name);
        after > 0 && name.starts_with(self.roots[after - 1])
    }
}

/// Reports whether Go's `path.Clean` would leave the path as it is.
fn is_clean(path: &[u8]) -> bool {
    if matches!(path, b"." | b"/") {
        return true;
    }
    let relative = path.strip_prefix(b"/");
    let mut may_climb = relative.is_none();
    relative.unwrap_or(path).split(|byte| *byte == b'/').all(|element| match element {
        b"" | b"." => false,
        b".." => may_climb,
        _ => {
            may_climb = false;
            true
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_paths() {
        for path in ["a", "a/b", "/", ".", "..", "../..", "../a", "/a", "...", "a/.b", "a/..b"] {
            assert!(is_clean(path.as_bytes()), "{path:?}");
        }
        for path in ["", "a/", "a//b", "./a", "a/.", "a/..", "a/../b", "/..", "//", "/a/", "../a/.."] {
            assert!(!is_clean(path.as_bytes()), "{path:?}");
        }
    }

    #[test]
    fn nested_modules_hold_what_lies_below() {
        let roots: [&[u8]; 5] = [b"b/c/", b"a/", b"b/c/d/", b"a/", b"b-/"];
        let nested = NestedModules::new(roots.to_vec());
        assert_eq!(nested.roots, [&b"a/"[..], b"b-/", b"b/c/"]);
        for name in ["a/x", "a/b/c/x", "b-/x", "b/c/go.mod", "b/c/d/x", "b/c/\u{7f}"] {
            assert!(nested.hold(name.as_bytes()), "{name:?}");
        }
        for name in ["a", "aa/x", "b", "b/x", "b/cc/x", "b/d", "c", ""] {
            assert!(!nested.hold(name.as_bytes()), "{name:?}");
        }
    }
}
