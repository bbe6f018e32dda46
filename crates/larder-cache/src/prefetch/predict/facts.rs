//! What files say that predictions are made of: the requirements of a go.mod file, the imports of a zip.

use std::{collections::BTreeMap, sync::Arc};

use larder_module::{
    gofile::{self, Target},
    gomod::GoMod,
    version::ModuleVersion,
    zip::{Archive, Entry, Limits, ReadAt, Workspace, ZipError},
};

/// Larger go.mod files are not read for predictions.
const MAX_GO_MOD: usize = 1 << 20;
/// The first Go version whose modules name all that their packages need, so that the graph below them is not read.
const PRUNED_SINCE: (u32, u32) = (1, 17);
/// Zips with more Go files are not read for predictions.
const MAX_FILES: usize = 20_000;
/// So much of a Go file is read for its imports, which stand before everything but comments.
const MAX_HEAD: usize = 32 << 10;
/// Which system a client builds for can't be seen; most build for this one. A wrong guess costs a fetch.
const TARGET: Target<'_> = Target { os: "linux", arch: "amd64", cgo: true, tags: &[] };

/// What a go.mod file asks for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ModFacts {
    /// Its go line is 1.17 or later: it names all that its packages need, and the go command does not read on below it.
    pub(crate) pruned: bool,
    /// Its requirements in their order.
    pub(crate) requires: Vec<Requirement>,
}

/// One line of a go.mod file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Requirement {
    /// What is required.
    pub(crate) of: ModuleVersion,
    /// The module's own packages don't import it.
    pub(crate) indirect: bool,
}

impl ModFacts {
    /// Reads a go.mod file. One that the go command would refuse, or that is oddly large, foretells nothing.
    #[must_use]
    pub(crate) fn read(data: &[u8]) -> Self {
        if data.len() > MAX_GO_MOD {
            return Self::default();
        }
        let Ok(file) = GoMod::parse_lax(data) else { return Self::default() };
        let requires = file.require.iter().filter_map(|line| {
            let of = ModuleVersion::parse(&line.path, &line.version).ok()?;
            Some(Requirement { of, indirect: line.indirect })
        });
        Self { pruned: file.go.as_deref().is_some_and(is_pruned), requires: requires.collect() }
    }
}

fn is_pruned(go: &str) -> bool {
    let mut parts = go.split('.');
    let major = parts.next().and_then(|part| part.parse::<u32>().ok());
    let minor = parts.next().unwrap_or_default();
    let digits = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
    let is_candidate = digits < minor.len();
    let (Some(major), Ok(minor)) = (major, minor[..digits].parse::<u32>()) else { return false };
    (major, minor) > PRUNED_SINCE || ((major, minor) == PRUNED_SINCE && !is_candidate)
}

/// Which packages a module has and what they import.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ZipFacts {
    /// By folder inside the module; the module's own folder is the empty text.
    pub(crate) packages: BTreeMap<Box<str>, Package>,
}

/// One package.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Package {
    /// It is a command, which nobody imports.
    pub(crate) is_command: bool,
    /// The import paths outside of the standard library, each once.
    pub(crate) imports: Vec<Arc<str>>,
}

impl ZipFacts {
    /// Reads the import clauses of a verified zip, which costs inflating the first bytes of its Go files.
    ///
    /// # Errors
    ///
    /// Fails if the zip can't be read.
    pub(crate) fn read<R: ReadAt>(source: R, size: u64, of: &ModuleVersion) -> Result<Self, ZipError> {
        let archive = Archive::open_within(source, size, Limits::default())?;
        let prefix = format!("{of}/");
        let mut facts = Self::default();
        let mut files = 0;
        let mut workspace = Workspace::of_pieces(MAX_HEAD);
        for entry in archive.entries() {
            let Some(name) =
                std::str::from_utf8(archive.name(entry)).ok().and_then(|name| name.strip_prefix(&prefix))
            else {
                continue;
            };
            let Some(folder) = package_folder(name) else { continue };
            files += 1;
            if files > MAX_FILES {
                break;
            }
            let head = head(&archive, entry, &mut workspace)?;
            if TARGET.takes_content(&head) {
                facts.add(folder, &head);
            }
        }
        Ok(facts)
    }

    fn add(&mut self, folder: &str, head: &[u8]) {
        let package = self.packages.entry(folder.into()).or_default();
        package.is_command |=
            head.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_end() == b"package main");
        for import in gofile::imports(head) {
            if is_foreign(import) && !package.imports.iter().any(|known| **known == *import) {
                package.imports.push(import.into());
            }
        }
    }
}

/// Packages of the standard library have no dot in the first element of their paths.
fn is_foreign(import: &str) -> bool {
    import.split('/').next().is_some_and(|first| first.contains('.') && !first.starts_with('.'))
}

/// Returns the folder of a Go file that takes part in builds.
fn package_folder(name: &str) -> Option<&str> {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let is_ignored =
        |element: &str| element.starts_with(['_', '.']) || element == "testdata" || element == "vendor";
    let is_built =
        TARGET.takes_name(file) && !file.ends_with("_test.go") && !folder.split('/').any(is_ignored);
    is_built.then_some(folder)
}

fn head<R: ReadAt>(
    archive: &Archive<R>,
    entry: &Entry,
    workspace: &mut Workspace,
) -> Result<Vec<u8>, ZipError> {
    let mut reader = archive.read_with(entry, workspace)?;
    let mut head = Vec::new();
    while head.len() < MAX_HEAD {
        let Some(piece) = reader.next_piece()? else { break };
        head.extend_from_slice(&piece[..piece.len().min(MAX_HEAD - head.len())]);
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_lines() {
        for (line, pruned) in [
            ("1.17", true),
            ("1.16", false),
            ("1.9", false),
            ("1.17rc1", false),
            ("1.18beta1", true),
            ("1.21.0", true),
            ("1.21rc2", true),
            ("2", false),
            ("2.0", true),
            ("", false),
        ] {
            assert_eq!(is_pruned(line), pruned, "{line}");
        }
    }

    #[test]
    fn a_go_mod_file_foretells_its_requirements() {
        let facts = ModFacts::read(
            b"module example.com/m\ngo 1.21\nrequire (\n\texample.com/a v1.0.0\n\texample.com/b v0.1.0 // indirect\n)\nnew thing\n",
        );
        assert!(facts.pruned);
        let told: Vec<_> = facts.requires.iter().map(|line| (line.of.to_string(), line.indirect)).collect();
        assert_eq!(told, [("example.com/a@v1.0.0".into(), false), ("example.com/b@v0.1.0".into(), true)]);
        assert_eq!(ModFacts::read(b"require ("), ModFacts::default());
    }

    #[test]
    fn files_that_are_built() {
        for (name, folder) in [
            ("a.go", Some("")),
            ("b/c/a.go", Some("b/c")),
            ("b/a_test.go", None),
            ("b/testdata/a.go", None),
            ("_b/a.go", None),
            ("b/_a.go", None),
            ("vendor/x/a.go", None),
            ("b/a_windows.go", None),
            ("b/a_linux.go", Some("b")),
            ("b/a.c", None),
        ] {
            assert_eq!(package_folder(name), folder, "{name}");
        }
    }
}
