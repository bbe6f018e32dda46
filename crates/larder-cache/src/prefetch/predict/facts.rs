//! What files say that predictions are made of: the requirements of a go.mod file, the imports of a zip.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use larder_module::{
    gofile::{self, Target},
    gomod::GoMod,
    version::ModuleVersion,
    zip::{Archive, Entry, Limits, ReadAt, Workspace, ZipError},
};

use super::graph::ITEM;

/// Larger go.mod files are not read for predictions.
const MAX_GO_MOD: usize = 1 << 20;
/// Nobody requires so many modules; a go.mod file that does is there to fill memory.
const MAX_REQUIRES: usize = 10_000;
/// Nor has any module or package a longer name.
const MAX_NAME: usize = 512;
/// The first Go version whose modules name all that their packages need, so that the graph below them is not read.
const PRUNED_SINCE: (u32, u32) = (1, 17);
/// Zips with more Go files are not read for predictions.
const MAX_FILES: usize = 20_000;
/// So much of a Go file is read for its imports, which stand before everything but comments.
const MAX_HEAD: usize = 32 << 10;
/// So many imports of one zip are kept.
const MAX_IMPORTS: usize = 50_000;
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
        if file.require.len() > MAX_REQUIRES {
            return Self::default();
        }
        let short = file.require.iter().filter(|line| line.path.len().max(line.version.len()) <= MAX_NAME);
        let requires = short.filter_map(|line| {
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

impl ZipFacts {
    /// Returns how much it is, in items of some [`ITEM`] bytes.
    pub(super) fn weight(&self) -> usize {
        let weights = self.packages.iter().map(|(folder, package)| {
            // The usual text is in the item that stands for its import.
            let long: usize = package.imports.iter().map(|import| import.len().saturating_sub(ITEM)).sum();
            2 + package.imports.len() + (folder.len() + long) / ITEM
        });
        weights.sum()
    }
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
        let mut gathering = Gathering::default();
        let mut files = 0;
        let mut workspace = Workspace::of_pieces(MAX_HEAD);
        for entry in archive.entries() {
            let Some(name) =
                std::str::from_utf8(archive.name(entry)).ok().and_then(|name| name.strip_prefix(&prefix))
            else {
                continue;
            };
            let Some(folder) = package_folder(name).filter(|folder| folder.len() <= MAX_NAME) else {
                continue;
            };
            files += 1;
            if files > MAX_FILES || gathering.noted.len() > MAX_IMPORTS {
                break;
            }
            let head = head(&archive, entry, &mut workspace)?;
            if TARGET.takes_content(&head) {
                gathering.add(folder, &head);
            }
        }
        Ok(gathering.facts)
    }
}

/// The packages of a zip while its files are read. Anybody may have made it, so nothing is looked for in a list.
#[derive(Default)]
struct Gathering {
    facts: ZipFacts,
    /// Packages by number.
    folders: HashMap<Box<str>, usize>,
    /// Imports by number; each text is kept once.
    texts: HashMap<Arc<str>, usize>,
    /// Which package imports what.
    noted: HashSet<(usize, usize)>,
}

impl Gathering {
    fn add(&mut self, folder: &str, head: &[u8]) {
        let next = self.folders.len();
        let number = match self.folders.get(folder) {
            Some(number) => *number,
            None => *self.folders.entry(folder.into()).or_insert(next),
        };
        let package = self.facts.packages.entry(folder.into()).or_default();
        package.is_command |=
            head.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_end() == b"package main");
        for import in gofile::imports(head) {
            if !is_foreign(import) || import.len() > MAX_NAME {
                continue;
            }
            let next = self.texts.len();
            let (text, import) = match self.texts.get_key_value(import) {
                Some((text, import)) => (Arc::clone(text), *import),
                None => {
                    let text: Arc<str> = import.into();
                    self.texts.insert(Arc::clone(&text), next);
                    (text, next)
                }
            };
            if self.noted.insert((number, import)) {
                package.imports.push(text);
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
    fn a_go_mod_file_that_is_there_to_fill_memory_foretells_nothing() {
        let lines = |count: usize| -> String {
            (0..count).map(|n| format!("require e.x/m{n} v1.0.0\n")).collect::<String>()
        };
        assert_eq!(ModFacts::read(lines(MAX_REQUIRES).as_bytes()).requires.len(), MAX_REQUIRES);
        assert!(ModFacts::read(lines(MAX_REQUIRES + 1).as_bytes()).requires.is_empty());
        let long = format!("require e.x/{} v1.0.0\nrequire e.x/a v1.0.0\n", "a".repeat(MAX_NAME));
        assert_eq!(ModFacts::read(long.as_bytes()).requires.len(), 1);
    }

    #[test]
    fn each_import_of_a_package_counts_once_and_its_text_is_kept_once() {
        let mut gathering = Gathering::default();
        let long = format!("e.x/{}", "a".repeat(MAX_NAME));
        let head = format!("package a\nimport (\n\"fmt\"\n\"e.x/a\"\n\"e.x/b\"\n\"{long}\"\n)\n");
        for folder in ["a", "a", "b"] {
            gathering.add(folder, head.as_bytes());
        }
        let imports = |folder: &str| gathering.facts.packages[folder].imports.clone();
        assert_eq!(imports("a").iter().map(|text| &**text).collect::<Vec<_>>(), ["e.x/a", "e.x/b"]);
        assert!(imports("a").iter().zip(imports("b")).all(|(a, b)| Arc::ptr_eq(a, &b)));
    }

    #[test]
    fn a_zip_that_imports_without_end_is_read_to_a_limit() {
        let mut module = larder_testkit::ModuleBuilder::new("example.com/a", "v1.0.0");
        for file in 0..80 {
            let imports: String = (0..1_000).map(|n| format!("import _ \"e.x/p{file}/{n}\"\n")).collect();
            module = module.file(&format!("f{file}.go"), format!("package a\n{imports}"));
        }
        let built = module.build();
        let of = ModuleVersion::parse("example.com/a", "v1.0.0").expect("a module version");
        let facts = ZipFacts::read(&built.zip[..], built.zip.len() as u64, &of).expect("a zip");
        let count = facts.packages[""].imports.len();
        assert!((MAX_IMPORTS..MAX_IMPORTS + 2_000).contains(&count), "{count}");
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
