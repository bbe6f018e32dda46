//! Main modules, and what they and a workspace say about others: replacements and exclusions.

use super::Pruning;
use crate::{
    gomod::{Exclude, GoMod, Replace, Require},
    gowork::GoWork,
    version::ModuleVersion,
};
use std::collections::{HashMap, HashSet};

/// A main module.
#[derive(Clone, Debug)]
pub struct Main {
    /// Where it is: the folder as written in go.work; `.` outside of workspaces.
    pub folder: String,
    /// Its go.mod file, strictly read.
    pub file: GoMod,
}

/// What is resolved: a main module, the main modules of a workspace, or a version as its own users have it.
#[derive(Clone, Debug)]
pub struct Project {
    pub(super) kind: Kind,
    pub(super) mains: Vec<MainFacts>,
    /// What go.work replaces, which outranks the modules.
    work_replace: ReplaceMap,
    /// What the main modules replace, one by one.
    replace: Vec<ReplaceMap>,
    exclude: HashSet<(String, String)>,
}

/// What kind of project it is, for what is downloaded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Module,
    Workspace,
    /// A version by itself, which is downloaded too.
    Version(ModuleVersion),
}

#[derive(Clone, Debug)]
pub(super) struct MainFacts {
    pub(super) path: String,
    pub(super) pruning: Pruning,
    pub(super) require: Vec<Require>,
}

/// Of every path: its replacements by version, with the empty version for all others.
type ReplaceMap = HashMap<String, HashMap<String, Replacement>>;

/// What stands in for a module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Replacement {
    /// The path of a module; of a folder when there is no version.
    pub(super) path: String,
    pub(super) version: String,
}

impl Project {
    /// A main module by its go.mod file.
    #[must_use]
    pub fn module(file: &GoMod) -> Self {
        let main = Main { folder: ".".to_owned(), file: file.clone() };
        Self::build(Kind::Module, &[], std::slice::from_ref(&main))
    }

    /// The main modules of a workspace, in the order of go.work.
    #[must_use]
    pub fn workspace(work: &GoWork, mains: &[Main]) -> Self {
        Self::build(Kind::Workspace, &work.replace, mains)
    }

    /// A version of a module with all that its packages need, as `go install` of it would have it: its own
    /// replacements and exclusions don't count.
    #[must_use]
    pub fn version(of: &ModuleVersion, file: &GoMod) -> Self {
        let path = Some(of.module().to_string());
        let file =
            GoMod { module: path, go: file.go.clone(), require: file.require.clone(), ..GoMod::default() };
        let main = Main { folder: ".".to_owned(), file };
        Self::build(Kind::Version(of.clone()), &[], std::slice::from_ref(&main))
    }

    /// Returns the paths that main modules require, and those that stand in for others.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let required = self.mains.iter().flat_map(|main| &main.require).map(|line| line.path.as_str());
        let maps = std::iter::once(&self.work_replace).chain(&self.replace);
        let stand_ins = maps.flat_map(HashMap::values).flat_map(HashMap::values);
        required.chain(stand_ins.filter(|other| !other.version.is_empty()).map(|other| other.path.as_str()))
    }

    /// Reports whether something else stands in for a version, so that nobody asks for it itself.
    #[must_use]
    pub fn replaces(&self, path: &str, version: &str) -> bool {
        self.replacement(path, version).is_some()
    }

    fn build(kind: Kind, work_replace: &[Replace], mains: &[Main]) -> Self {
        let mut project = Self {
            kind,
            mains: Vec::new(),
            work_replace: replacements(work_replace, "."),
            replace: Vec::new(),
            exclude: HashSet::new(),
        };
        for main in mains {
            project.replace.push(replacements(&main.file.replace, &main.folder));
            let excluded = main.file.exclude.iter();
            project.exclude.extend(excluded.map(|Exclude { path, version }| (path.clone(), version.clone())));
            project.mains.push(MainFacts {
                path: main.file.module.clone().unwrap_or_default(),
                pruning: Pruning::of_go_line(main.file.go.as_deref()),
                require: main.file.require.clone(),
            });
        }
        project
    }

    /// Returns what stands in for a version.
    ///
    /// Of several main modules the last one that replaces it has its way; only where it names the version and another one was of a
    /// different mind does the go command complain, and go by the first.
    pub(super) fn replacement(&self, path: &str, version: &str) -> Option<&Replacement> {
        if let Some((_, replacement)) = find(&self.work_replace, path, version) {
            return Some(replacement);
        }
        let mut found: Option<&Replacement> = None;
        for (names_version, replacement) in self.replace.iter().filter_map(|map| find(map, path, version)) {
            if names_version && found.is_some_and(|before| before != replacement) {
                break;
            }
            found = Some(replacement);
        }
        found
    }

    pub(super) fn excludes(&self, path: &str, version: &str) -> bool {
        !self.exclude.is_empty() && self.exclude.contains(&(path.to_owned(), version.to_owned()))
    }

    /// Reports whether everything that is selected gets downloaded, not only what the main module names.
    pub(super) fn downloads_all(&self) -> bool {
        match self.kind {
            Kind::Workspace => true,
            Kind::Module | Kind::Version(_) => {
                self.mains.iter().any(|main| main.pruning == Pruning::Unpruned)
            }
        }
    }
}

fn replacements(lines: &[Replace], folder: &str) -> ReplaceMap {
    let mut map = ReplaceMap::new();
    for line in lines {
        let path =
            if line.new_version.is_empty() { below(folder, &line.new_path) } else { line.new_path.clone() };
        let replacement = Replacement { path, version: line.new_version.clone() };
        map.entry(line.old_path.clone()).or_default().insert(line.old_version.clone(), replacement);
    }
    map
}

/// Returns the replacement of a version, and whether its line names the version.
fn find<'a>(map: &'a ReplaceMap, path: &str, version: &str) -> Option<(bool, &'a Replacement)> {
    let of_path = map.get(path)?;
    let exact = of_path.get(version).map(|replacement| (true, replacement));
    exact.or_else(|| of_path.get("").map(|replacement| (false, replacement)))
}

/// Returns a path relative to a folder's base.
fn below(folder: &str, path: &str) -> String {
    if folder == "." || folder == "./" || path.starts_with('/') {
        return path.to_owned();
    }
    format!("{}/{path}", folder.trim_end_matches('/'))
}
