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
    /// Of every path: its replacements by version, with the empty version for all others.
    replace: HashMap<String, HashMap<String, Replacement>>,
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

    fn build(kind: Kind, work_replace: &[Replace], mains: &[Main]) -> Self {
        let mut project = Self { kind, mains: Vec::new(), replace: HashMap::new(), exclude: HashSet::new() };
        for main in mains {
            for line in &main.file.replace {
                project.note_replacement(line, &main.folder);
            }
            let excluded = main.file.exclude.iter();
            project.exclude.extend(excluded.map(|Exclude { path, version }| (path.clone(), version.clone())));
            project.mains.push(MainFacts {
                path: main.file.module.clone().unwrap_or_default(),
                pruning: Pruning::of_go_line(main.file.go.as_deref()),
                require: main.file.require.clone(),
            });
        }
        // What go.work says about a path outranks what the modules say, also where only they name the version.
        for line in work_replace {
            project.replace.remove(&line.old_path);
        }
        for line in work_replace {
            project.note_replacement(line, ".");
        }
        project
    }

    fn note_replacement(&mut self, line: &Replace, folder: &str) {
        let path =
            if line.new_version.is_empty() { below(folder, &line.new_path) } else { line.new_path.clone() };
        let replacement = Replacement { path, version: line.new_version.clone() };
        self.replace.entry(line.old_path.clone()).or_default().insert(line.old_version.clone(), replacement);
    }

    /// Returns what stands in for a version.
    pub(super) fn replacement(&self, path: &str, version: &str) -> Option<&Replacement> {
        let of_path = self.replace.get(path)?;
        of_path.get(version).or_else(|| of_path.get(""))
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

/// Returns a path relative to a folder's base.
fn below(folder: &str, path: &str) -> String {
    if folder == "." || folder == "./" || path.starts_with('/') {
        return path.to_owned();
    }
    format!("{}/{path}", folder.trim_end_matches('/'))
}
