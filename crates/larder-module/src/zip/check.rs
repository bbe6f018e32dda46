//! The rules for module zips, with the verdicts of Go's `CheckZip`, and the proxy's one pass.
//!
//! File modes don't matter to Go here, neither do `vendor/` and `.git/`: only names and declared
//! sizes do, and nothing is inflated for them.

use std::fmt;

use super::ZipError;
use super::collision::{Collision, Names};
use super::directory::{Archive, Limits};
use super::read_at::ReadAt;
use crate::dirhash::{H1, Lines};
use crate::path::{PathError, check_file_path};
use crate::unicode;
use crate::version::ModuleVersion;

/// The most bytes of a module zip, and of all its contents.
pub const MAX_ZIP: u64 = 500 << 20;

/// The most bytes of a `go.mod` at a zip's root.
pub const MAX_GO_MOD: u64 = 16 << 20;

/// The most bytes of a `LICENSE` at a zip's root.
pub const MAX_LICENSE: u64 = 16 << 20;

/// How many wrong files a message names.
const NAMED_PROBLEMS: usize = 3;

/// What the rules say about the contents of a zip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckedZip {
    /// The full names of the files that may be there.
    pub valid: Vec<String>,
    /// The entries that may not.
    pub invalid: Vec<InvalidFile>,
    /// Whether the zip, or all its contents together, are larger than a module may be.
    pub is_too_large: bool,
}

impl CheckedZip {
    /// Reports whether Go would take the zip.
    pub fn is_valid(&self) -> bool {
        !self.is_too_large && self.invalid.is_empty()
    }
}

impl fmt::Display for CheckedZip {
    /// Writes one short line: what is wrong, beginning with the first few files.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_verdict(formatter, self.is_too_large, &self.invalid, "a valid module zip")
    }
}

/// Writes one short line: what is wrong, beginning with the first few files, or that all is well.
pub(super) fn write_verdict(
    formatter: &mut fmt::Formatter<'_>,
    is_too_large: bool,
    invalid: &[InvalidFile],
    well: &str,
) -> fmt::Result {
    if is_too_large {
        let megabytes = MAX_ZIP >> 20;
        return write!(formatter, "larger than a module may be ({megabytes} MiB)");
    }
    if invalid.is_empty() {
        return formatter.write_str(well);
    }
    for (number, file) in invalid.iter().take(NAMED_PROBLEMS).enumerate() {
        let separator = if number == 0 { "" } else { "; " };
        write!(formatter, "{separator}{file}")?;
    }
    match invalid.len().saturating_sub(NAMED_PROBLEMS) {
        0 => Ok(()),
        more => write!(formatter, "; and {more} more"),
    }
}

/// A file that may not be in a module zip.
#[derive(Clone, Debug, PartialEq)]
pub struct InvalidFile {
    /// The name, as raw bytes: in a zip the full one, in a listing that below the module's root.
    pub name: Vec<u8>,
    /// What is wrong with it.
    pub problem: FileProblem,
}

impl InvalidFile {
    /// Returns the name with U+FFFD for each byte that isn't UTF-8.
    pub fn printable_name(&self) -> String {
        unicode::lossy(&self.name).into_owned()
    }
}

impl fmt::Display for InvalidFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}", self.printable_name(), self.problem)
    }
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FileProblem {
    /// The name doesn't start with module, `@`, version and a slash.
    #[error("not below the module's own folder")]
    Prefix,
    /// The name has empty elements, `.` or `..` where they don't belong.
    #[error("file path is not clean")]
    NotClean,
    /// The name starts with a slash.
    #[error("file path is not relative")]
    NotRelative,
    /// The name isn't UTF-8.
    #[error("name is not UTF-8")]
    Encoding,
    /// The rest of the name isn't one that every system can store.
    #[error(transparent)]
    Name(PathError),
    /// Another name, or a folder in one, differs by case only.
    #[error("differs from another name by case only")]
    CaseCollision,
    /// It's both a file and a folder.
    #[error("both a file and a folder")]
    FileAndFolder,
    /// The file is there twice.
    #[error("multiple entries for one file")]
    Duplicate,
    /// A `go.mod` below the root.
    #[error("go.mod file not in the module's root folder")]
    NestedGoMod,
    /// A root `go.mod` that isn't in lower case.
    #[error("go.mod files must have lower-case names")]
    GoModCase,
    /// The root `go.mod` is too large.
    #[error("go.mod file too large")]
    GoModSize,
    /// The root `LICENSE` is too large.
    #[error("LICENSE file too large")]
    LicenseSize,
}

/// Checks names and declared sizes, as Go's `CheckZip` does.
///
/// # Errors
///
/// Fails when it's no zip at all or beyond the usual [`Limits`]; what the rules say against its
/// contents is in the result.
pub fn check_zip<R: ReadAt>(source: R, size: u64, of: &ModuleVersion) -> Result<CheckedZip, ZipError> {
    if size > MAX_ZIP {
        return Ok(CheckedZip { is_too_large: true, ..CheckedZip::default() });
    }
    Archive::open(source, size)?.check(&prefix(of))
}

pub(super) fn prefix(of: &ModuleVersion) -> String {
    format!("{}@{}/", of.module(), of.version())
}

impl<R: ReadAt> Archive<R> {
    /// Checks the entries of a module zip whose names have to start with the prefix.
    pub(super) fn check(&self, prefix: &str) -> Result<CheckedZip, ZipError> {
        let mut names = Names::new(self.limits.paths);
        let mut total = 0;
        let mut checked = CheckedZip::default();
        for entry in self.entries() {
            let full_name = self.name(entry);
            let file = match self.check_name(full_name, prefix, &mut names)? {
                Ok(Some(file)) => file,
                Ok(None) => continue,
                Err(problem) => {
                    checked.refuse(full_name, problem);
                    continue;
                }
            };
            let size = entry.declared_size();
            match u64::try_from(size).ok().filter(|size| *size <= MAX_ZIP - total) {
                Some(size) => total += size,
                None => checked.is_too_large = true,
            }
            match file {
                "go.mod" if size > MAX_GO_MOD.cast_signed() => {
                    checked.refuse(full_name, FileProblem::GoModSize);
                }
                "LICENSE" if size > MAX_LICENSE.cast_signed() => {
                    checked.refuse(full_name, FileProblem::LicenseSize);
                }
                _ => checked.valid.push(format!("{prefix}{file}")),
            }
        }
        Ok(checked)
    }

    /// Returns the name of a good file below the prefix, or nothing for a good folder.
    fn check_name<'a>(
        &self,
        full_name: &'a [u8],
        prefix: &str,
        names: &mut Names<'a>,
    ) -> Result<Result<Option<&'a str>, FileProblem>, ZipError> {
        let Some(name) = full_name.strip_prefix(prefix.as_bytes()) else {
            return Ok(Err(FileProblem::Prefix));
        };
        let Ok(name) = std::str::from_utf8(name) else {
            return Ok(Err(FileProblem::Encoding));
        };
        if name.is_empty() {
            return Ok(Ok(None));
        }
        let folder = name.strip_suffix('/');
        let name = folder.unwrap_or(name);
        // Go asks for a clean path first; nothing unclean passes the check for files.
        if let Err(error) = check_file_path(name) {
            return Ok(Err(FileProblem::Name(error)));
        }
        match names.add(name, folder.is_some()) {
            Ok(()) => {}
            Err(Collision::Case) => return Ok(Err(FileProblem::CaseCollision)),
            Err(Collision::FileAndFolder) => return Ok(Err(FileProblem::FileAndFolder)),
            Err(Collision::Duplicate) => return Ok(Err(FileProblem::Duplicate)),
            Err(Collision::TooMany) => {
                return Err(ZipError::Limit { what: "files and folders", limit: self.limits.paths });
            }
        }
        if folder.is_some() {
            return Ok(Ok(None));
        }
        let base = name.rsplit('/').next().unwrap_or(name);
        if base.eq_ignore_ascii_case("go.mod") && name != "go.mod" {
            return Ok(Err(match base == name {
                true => FileProblem::GoModCase,
                false => FileProblem::NestedGoMod,
            }));
        }
        Ok(Ok(Some(name)))
    }
}

impl CheckedZip {
    fn refuse(&mut self, name: &[u8], problem: FileProblem) {
        self.invalid.push(InvalidFile { name: name.to_owned(), problem });
    }
}

/// What [`inspect`] is asked for.
#[derive(Clone, Copy, Debug)]
pub struct InspectOptions {
    /// Whether to read all contents for the hash; without it only names and sizes are checked.
    pub hash: bool,
    /// How much of the directory may be kept in memory.
    pub limits: Limits,
}

impl Default for InspectOptions {
    fn default() -> Self {
        Self { hash: true, limits: Limits::default() }
    }
}

/// What the proxy wants to know of a zip before it lets go of its last bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ZipReport {
    /// The zip's hash, if it was asked for.
    pub h1: Option<H1>,
    /// The declared size of the `go.mod` at the root, if there is one.
    pub go_mod_size: Option<u64>,
    /// The hash of that `go.mod`, if there is one and hashes were asked for.
    pub go_mod_h1: Option<H1>,
    /// The number of entries.
    pub entries: usize,
    /// The bytes of all contents.
    pub uncompressed: u64,
}

/// Checks a module zip, and hashes it in the same pass.
///
/// # Errors
///
/// Fails when Go would refuse the zip: as a zip, for its names and sizes, or when a content can't
/// be read in full.
pub fn inspect<R: ReadAt>(
    source: R,
    size: u64,
    of: &ModuleVersion,
    options: &InspectOptions,
) -> Result<ZipReport, ZipError> {
    let too_large = || ZipError::Rules(CheckedZip { is_too_large: true, ..CheckedZip::default() });
    if size > MAX_ZIP {
        return Err(too_large());
    }
    let prefix = prefix(of);
    let archive = Archive::open_within(source, size, options.limits)?;
    let checked = archive.check(&prefix)?;
    if !checked.is_valid() {
        return Err(ZipError::Rules(checked));
    }
    drop(checked);
    let go_mod = format!("{prefix}go.mod");
    let mut report = ZipReport {
        h1: None,
        go_mod_size: None,
        go_mod_h1: None,
        entries: archive.entries().len(),
        uncompressed: 0,
    };
    for entry in archive.entries() {
        let size = entry.declared_size().cast_unsigned();
        report.uncompressed = report.uncompressed.saturating_add(size);
        if archive.name(entry) == go_mod.as_bytes() {
            report.go_mod_size = Some(size);
        }
    }
    if options.hash {
        report.h1 = Some(archive.hash_each(|name, digest| {
            if name == go_mod.as_bytes() {
                let mut lines = Lines::default();
                lines.push(digest, b"go.mod");
                report.go_mod_h1 = Some(lines.finish());
            }
        })?);
    }
    Ok(report)
}
