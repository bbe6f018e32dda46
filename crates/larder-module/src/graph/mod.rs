//! Which go.mod files the go command reads for a project, which versions it selects, and which of them `go mod download` fetches.
//!
//! Whoever knows that beforehand can fetch all of it at once, while the go command, which learns it file by file, asks
//! for a few things at a time. [`Graph`] does no input or output: it names the go.mod files that it wants next, is told what
//! they say, in any order, and has the build list when nothing is outstanding any more.
//!
//! The rules are those of the go command since 1.21. Minimal version selection takes the highest version that anything
//! in the graph requires. The graph is pruned by go lines: below a module of go 1.17 or later that an equally modern main module
//! requires, requirements count but are not followed; below an older one everything is followed. A main module of go 1.17 or later
//! names all that its packages need, so that only what it names is downloaded; of an older one, and of a workspace,
//! the whole build list is. Where a graph that was read in full selects more than the main module names, the go command
//! raises the names and reads again; so does this.
//!
//! Not decided here: requirements of a main module on branches, which only a repository can turn into versions, and
//! vendor folders, with which nothing is downloaded at all.

mod load;
mod project;
mod selection;

pub use self::project::{Main, Project};
pub use self::selection::{BuildItem, Fault, Problem};

use crate::{gomod::GoMod, path::ModuleError, version::ModuleVersion};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    sync::Arc,
};

/// Where a go.mod file is.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// In a module version; its `.mod` has it.
    Module(ModuleVersion),
    /// In a folder that replaces a module, as written: relative to the folder of the go.mod or, in a workspace, go.work file.
    Folder(Arc<str>),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module(of) => of.fmt(formatter),
            Self::Folder(folder) => formatter.write_str(folder),
        }
    }
}

/// How much of what lies below a module counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pruning {
    /// Requirements count and are not followed.
    Pruned = 1,
    /// Everything below is followed.
    Unpruned = 2,
    /// As a main module of a workspace: its requirements are followed as its go line says.
    Workspace = 4,
}

impl Pruning {
    /// Returns what the go line of a go.mod file means.
    fn of_go_line(line: Option<&str>) -> Self {
        if line.is_some_and(is_pruning_version) { Self::Pruned } else { Self::Unpruned }
    }
}

/// Reports whether a go line is 1.17 or later: since then a main module names all that its packages need.
fn is_pruning_version(line: &str) -> bool {
    let (major, rest) = line.split_once('.').unwrap_or((line, "0"));
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    match (major.parse::<u32>(), rest[..digits].parse::<u32>()) {
        (Ok(major), Ok(minor)) => (major, minor) >= (1, 17),
        _ => false,
    }
}

/// A version of a module somewhere in the graph, by index.
type NodeId = u32;
/// A module path, by index.
type PathId = u32;
/// A go.mod file, by index.
type SourceId = u32;

#[derive(Debug)]
struct Node {
    path: PathId,
    version: Arc<str>,
    source: SourceId,
    /// Who required it first; none for what a main module names.
    parent: Option<NodeId>,
    /// As which it was met in this round, as bits of [`Pruning`].
    met: u8,
    /// Its requirements count in this round.
    counted: bool,
}

#[derive(Debug)]
struct PathEntry {
    text: Arc<str>,
    is_main: bool,
    /// The highest version met in this round.
    selected: Option<NodeId>,
}

#[derive(Debug)]
struct SourceEntry {
    /// None where a name or version is impossible.
    source: Result<Source, ModuleError>,
    state: SourceState,
    /// Who waits for it, as what.
    waiting: Vec<(NodeId, Pruning)>,
}

#[derive(Debug)]
enum SourceState {
    Unasked,
    Asked,
    Known(Facts),
    Failed,
}

/// What counts of a go.mod file.
#[derive(Clone, Debug)]
struct Facts {
    module: Option<Arc<str>>,
    pruning: Pruning,
    requirements: Arc<[NodeId]>,
}

/// The graph of a project's requirements, as far as it is known.
#[derive(Debug)]
pub struct Graph {
    project: Project,
    nodes: Vec<Node>,
    paths: Vec<PathEntry>,
    sources: Vec<SourceEntry>,
    node_ids: HashMap<(PathId, Arc<str>), NodeId>,
    path_ids: HashMap<Arc<str>, PathId>,
    source_ids: HashMap<Source, SourceId>,
    /// What the main module names in this round; in a workspace, the main modules' requirements stand in `mains`.
    roots: Vec<NodeId>,
    /// Main modules of a workspace: their pruning, and what they require.
    mains: Vec<(Pruning, Vec<NodeId>)>,
    /// The paths of all that main modules name, excluded versions too.
    named: Vec<PathId>,
    /// Paths whose selected versions a workspace has followed as if they were its own, and those versions.
    deep_paths: Vec<PathId>,
    deepened: HashSet<NodeId>,
    queue: VecDeque<(NodeId, Pruning)>,
    wanted: Vec<Source>,
    outstanding: usize,
    problems: Vec<Problem>,
    settled: bool,
}

impl Graph {
    /// How many versions a graph may have; real ones have a few thousand.
    const MOST_NODES: usize = 500_000;
    /// How many problems are told; who has so many needs no more.
    const MOST_PROBLEMS: usize = 1_000;

    /// Begins to resolve a project.
    #[must_use]
    pub fn new(project: Project) -> Self {
        let mut graph = Self {
            project,
            nodes: Vec::new(),
            paths: Vec::new(),
            sources: Vec::new(),
            node_ids: HashMap::new(),
            path_ids: HashMap::new(),
            source_ids: HashMap::new(),
            roots: Vec::new(),
            mains: Vec::new(),
            named: Vec::new(),
            deep_paths: Vec::new(),
            deepened: HashSet::new(),
            queue: VecDeque::new(),
            wanted: Vec::new(),
            outstanding: 0,
            problems: Vec::new(),
            settled: false,
        };
        graph.begin();
        graph
    }

    /// Takes the go.mod files that are wanted now; each is named once.
    pub fn wanted(&mut self) -> Vec<Source> {
        std::mem::take(&mut self.wanted)
    }

    /// Takes in what a go.mod file says; one that wasn't wanted is no news.
    pub fn learn(&mut self, source: &Source, file: &GoMod) {
        if let Some(id) = self.answered(source) {
            self.keep(id, file);
            self.wake(id);
        }
    }

    /// Notes that a go.mod file can't be had, or not be read: what it requires stays unknown.
    pub fn failed(&mut self, source: &Source) {
        if let Some(id) = self.answered(source) {
            self.sources[id as usize].state = SourceState::Failed;
            self.wake(id);
        }
    }

    /// Reports whether every go.mod file that was wanted is known or has failed, so that the build list is final.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Returns how many go.mod files are wanted and not told yet.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Returns the go.mod files read so far, those in folders included.
    pub fn known(&self) -> impl Iterator<Item = &Source> {
        let known = self.sources.iter().filter(|entry| matches!(entry.state, SourceState::Known(_)));
        known.filter_map(|entry| entry.source.as_ref().ok())
    }

    /// Returns what is wrong with the graph itself.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

#[cfg(test)]
mod tests;
