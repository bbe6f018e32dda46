//! From packages to the modules they need, import by import.
//!
//! A main module of go 1.17 or later names every module that its packages need, but a build of one command needs few of them. Which, only
//! the import clauses tell: of the project first, then of each zip as it comes. As the go command does, every module whose path
//! begins an import path is needed, because any of them may have the package.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use larder_module::gofile::{self, Target};
use larder_module::version::ModuleVersion;
use larder_module::zip::{Archive, ReadAt, Workspace};

/// Where the packages of a module are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Provider {
    /// In a folder: of the project, of a replacement, or in the go command's own cache.
    Folder(PathBuf),
    /// In a zip that may have to be fetched.
    Version(ModuleVersion),
}

/// A module's content that packages are to be read from.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Folder(PathBuf),
    Zip { of: ModuleVersion, file: Arc<std::fs::File>, len: u64 },
    Memory { of: ModuleVersion, bytes: bytes::Bytes },
}

/// Packages to be read: folders below the module, and whether their tests count.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) content: Content,
    pub(super) folders: Vec<(String, bool)>,
}

/// The walk.
#[derive(Debug, Default)]
pub(super) struct Walk {
    providers: HashMap<String, Provider>,
    /// Content by module path, once there is any.
    contents: HashMap<String, Content>,
    /// What is to be read of modules whose content isn't there yet.
    waiting: HashMap<String, Vec<(String, bool)>>,
    seen: HashSet<String>,
    readings: BTreeMap<String, Vec<(String, bool)>>,
    wanted: Vec<ModuleVersion>,
    /// Packages met before it was known which modules there are.
    early: Vec<(String, bool)>,
}

impl Walk {
    /// Says where modules are; what was met before is looked up now.
    pub(super) fn provide(&mut self, modules: impl IntoIterator<Item = (String, Provider)>) {
        for (path, provider) in modules {
            self.providers.entry(path).or_insert(provider);
        }
        for (path, tests) in std::mem::take(&mut self.early) {
            self.need(&path, tests);
        }
    }

    /// Reports whether no package is needed.
    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.early.is_empty()
    }

    /// A package is needed.
    pub(super) fn need(&mut self, package: &str, tests: bool) {
        if self.providers.is_empty() {
            self.early.push((package.to_owned(), tests));
            return;
        }
        if !self.seen.insert(package.to_owned()) {
            return;
        }
        let mut prefix = package;
        loop {
            if let Some(provider) = self.providers.get(prefix) {
                let folder = package[prefix.len()..].trim_start_matches('/').to_owned();
                let module = prefix.to_owned();
                match (self.contents.contains_key(prefix), provider) {
                    (true, _) => self.readings.entry(module).or_default().push((folder, tests)),
                    (false, Provider::Folder(path)) => {
                        self.contents.insert(module.clone(), Content::Folder(path.clone()));
                        self.readings.entry(module).or_default().push((folder, tests));
                    }
                    (false, Provider::Version(of)) => {
                        let of = of.clone();
                        let waiting = self.waiting.entry(module).or_default();
                        if waiting.is_empty() {
                            self.wanted.push(of);
                        }
                        waiting.push((folder, tests));
                    }
                }
            }
            match prefix.rfind('/') {
                Some(end) => prefix = &prefix[..end],
                None => return,
            }
        }
    }

    /// The content of a version is there.
    pub(super) fn learn(&mut self, of: &ModuleVersion, content: &Content) {
        let is_it = |provider: &Provider| matches!(provider, Provider::Version(version) if version == of);
        let modules: Vec<String> = self
            .providers
            .iter()
            .filter(|(_, provider)| is_it(provider))
            .map(|(path, _)| path.clone())
            .collect();
        for module in modules {
            if let Some(folders) = self.waiting.remove(&module) {
                self.readings.entry(module.clone()).or_default().extend(folders);
            }
            self.contents.insert(module, content.clone());
        }
    }

    /// Takes the versions that are needed now; each is named once.
    pub(super) fn wanted(&mut self) -> Vec<ModuleVersion> {
        std::mem::take(&mut self.wanted)
    }

    /// Takes what is to be read now.
    pub(super) fn readings(&mut self) -> Vec<Reading> {
        let readings = std::mem::take(&mut self.readings).into_iter();
        readings
            .filter_map(|(module, folders)| {
                Some(Reading { content: self.contents.get(&module)?.clone(), folders })
            })
            .collect()
    }
}

/// The platform, owned.
#[derive(Clone, Debug)]
pub(super) struct Platform {
    pub(super) os: String,
    pub(super) arch: String,
    pub(super) cgo: bool,
    pub(super) tags: Vec<String>,
}

impl Platform {
    fn target(&self) -> Target<'_> {
        Target { os: &self.os, arch: &self.arch, cgo: self.cgo, tags: &self.tags }
    }
}

/// Go files larger than this are not looked at; nobody writes one by hand.
const LARGEST_FILE: u64 = 8 << 20;

impl Reading {
    /// Reads the packages and returns what they import. Blocks.
    pub(super) fn imports(&self, platform: &Platform) -> Vec<String> {
        let mut found = HashSet::new();
        match &self.content {
            Content::Folder(folder) => {
                for (package, tests) in &self.folders {
                    imports_of_folder(&folder.join(package), *tests, platform, &mut found);
                }
            }
            Content::Zip { of, file, len } => self.imports_of_zip(&**file, *len, of, platform, &mut found),
            Content::Memory { of, bytes } => {
                self.imports_of_zip(&bytes[..], bytes.len() as u64, of, platform, &mut found);
            }
        }
        let mut found: Vec<String> = found.into_iter().collect();
        found.sort_unstable();
        found
    }

    fn imports_of_zip<R: ReadAt>(
        &self,
        source: R,
        len: u64,
        of: &ModuleVersion,
        platform: &Platform,
        found: &mut HashSet<String>,
    ) {
        // It was checked before it came here; whatever is wrong with it now, the command will find out.
        let Ok(archive) = Archive::open(source, len) else { return };
        let target = platform.target();
        let prefix = format!("{of}/");
        let wanted: HashSet<&str> = self.folders.iter().map(|(folder, _)| folder.as_str()).collect();
        let mut workspace = Workspace::new();
        for entry in archive.entries() {
            let Ok(name) = std::str::from_utf8(archive.name(entry)) else { continue };
            let Some(rest) = name.strip_prefix(&prefix) else { continue };
            let (folder, file) = rest.rsplit_once('/').unwrap_or(("", rest));
            if !wanted.contains(folder) || !counts(file, false, &target) {
                continue;
            }
            if !(0..=LARGEST_FILE as i64).contains(&entry.declared_size()) {
                continue;
            }
            let Ok(mut reader) = archive.read_with(entry, &mut workspace) else { continue };
            let mut text = Vec::new();
            while let Ok(Some(piece)) = reader.next_piece() {
                text.extend_from_slice(piece);
            }
            note(&text, &target, found);
        }
    }
}

fn imports_of_folder(folder: &Path, tests: bool, platform: &Platform, found: &mut HashSet<String>) {
    let target = platform.target();
    let Ok(entries) = fs_err::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| counts(name, tests, &target)) else { continue };
        let small = entry.metadata().is_ok_and(|about| about.is_file() && about.len() <= LARGEST_FILE);
        if small && let Ok(text) = fs_err::read(folder.join(name)) {
            note(&text, &target, found);
        }
    }
}

fn counts(file: &str, tests: bool, target: &Target<'_>) -> bool {
    target.takes_name(file) && (tests || !file.ends_with("_test.go"))
}

fn note(text: &[u8], target: &Target<'_>, found: &mut HashSet<String>) {
    if target.takes_content(text) {
        // Nothing else can be a module's: the standard library has no dots, and `C` is no package. A module without dots is still met,
        // because its path is asked for like any other.
        found.extend(gofile::imports(text).into_iter().filter(|path| *path != "C").map(str::to_owned));
    }
}

/// How many folders of a project are looked at.
const MOST_FOLDERS: usize = 20_000;

/// Returns the folders below `root` that a pattern with `...` stands for, relative to it. Blocks.
pub(super) fn package_folders(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut queue = VecDeque::from([String::new()]);
    while let Some(folder) = queue.pop_front() {
        let path = root.join(&folder);
        let Ok(entries) = fs_err::read_dir(&path) else { continue };
        let mut has_go = false;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let (Some(name), Ok(kind)) = (name.to_str(), entry.file_type()) else { continue };
            if kind.is_dir() {
                let is_left_out = name.starts_with(['.', '_']) || matches!(name, "testdata" | "vendor");
                // A folder with a go.mod of its own is another module.
                if !is_left_out && !path.join(name).join("go.mod").exists() {
                    queue.push_back(if folder.is_empty() {
                        name.to_owned()
                    } else {
                        format!("{folder}/{name}")
                    });
                }
            } else {
                has_go |= name.ends_with(".go");
            }
        }
        if has_go {
            found.push(folder);
        }
        if found.len() + queue.len() > MOST_FOLDERS {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform() -> Platform {
        Platform { os: "linux".to_owned(), arch: "amd64".to_owned(), cgo: true, tags: Vec::new() }
    }

    fn version(text: &str) -> ModuleVersion {
        let (path, version) = text.split_once('@').expect("a version");
        ModuleVersion::parse(path, version).expect("a module version")
    }

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let file = folder.join(name);
            fs_err::create_dir_all(file.parent().expect("a folder")).expect("temporary folder");
            fs_err::write(file, text).expect("temporary folder");
        }
    }

    #[test]
    fn a_package_needs_every_module_that_may_have_it_and_each_is_named_once() {
        let mut walk = Walk::default();
        walk.need("example.com/a/sub/pkg", false);
        walk.provide([
            ("example.com/a".to_owned(), Provider::Version(version("example.com/a@v1.0.0"))),
            ("example.com/a/sub".to_owned(), Provider::Version(version("example.com/a/sub@v1.1.0"))),
            ("example.com/b".to_owned(), Provider::Version(version("example.com/b@v1.0.0"))),
        ]);
        let names =
            |versions: Vec<ModuleVersion>| versions.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(walk.wanted()), ["example.com/a/sub@v1.1.0", "example.com/a@v1.0.0"]);
        walk.need("example.com/a/sub/other", false);
        walk.need("fmt", false);
        assert!(walk.wanted().is_empty() && walk.readings().is_empty());
    }

    #[test]
    fn imports_are_followed_from_the_project_into_zips() {
        let home = tempfile::tempdir().expect("temporary folder");
        write(
            home.path(),
            &[
                ("cmd/x/main.go", "package main\nimport _ \"example.com/m/in\"\n"),
                ("cmd/x/x_test.go", "package main\nimport _ \"example.com/only/tests\"\n"),
                ("cmd/x/x_windows.go", "package main\nimport _ \"example.com/windows\"\n"),
                ("in/in.go", "package in\nimport _ \"example.com/a/p\"\nimport \"C\"\n"),
                ("in/testdata/t.go", "package t\n"),
                ("other/go.mod", "module example.com/other\n"),
                ("other/o.go", "package other\n"),
            ],
        );
        assert_eq!(package_folders(home.path()), ["in", "cmd/x"]);
        let built = larder_testkit::ModuleBuilder::new("example.com/a", "v1.0.0")
            .file("p/p.go", "package p\nimport _ \"example.com/b\"\n")
            .file("q/q.go", "package q\nimport _ \"example.com/c\"\n")
            .build();
        let mut walk = Walk::default();
        walk.provide([
            ("example.com/m".to_owned(), Provider::Folder(home.path().to_owned())),
            ("example.com/a".to_owned(), Provider::Version(version("example.com/a@v1.0.0"))),
            ("example.com/b".to_owned(), Provider::Version(version("example.com/b@v1.0.0"))),
        ]);
        walk.need("example.com/m/cmd/x", false);
        let mut wanted = Vec::new();
        loop {
            let readings = walk.readings();
            if readings.is_empty() {
                break;
            }
            for reading in readings {
                for path in reading.imports(&platform()) {
                    walk.need(&path, false);
                }
            }
            for of in walk.wanted() {
                let bytes = if of.module().as_str() == "example.com/a" {
                    built.zip.clone()
                } else {
                    bytes::Bytes::new()
                };
                walk.learn(&of, &Content::Memory { of: of.clone(), bytes });
                wanted.push(of.to_string());
            }
        }
        assert_eq!(wanted, ["example.com/a@v1.0.0", "example.com/b@v1.0.0"]);
        let reading = Reading {
            content: Content::Folder(home.path().to_owned()),
            folders: vec![("cmd/x".to_owned(), true)],
        };
        assert_eq!(reading.imports(&platform()), ["example.com/m/in", "example.com/only/tests"]);
    }
}
