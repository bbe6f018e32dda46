//! What comes out: the build list, what is downloaded of it, and why something is in the graph.

use super::{Graph, NodeId, Pruning, Source, SourceState, project::Kind};
use crate::{path::ModuleError, version::ModuleVersion};
use std::{collections::HashSet, sync::Arc};

/// A module of the build list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BuildItem {
    /// The module path, as required.
    pub path: Arc<str>,
    /// The version that is selected.
    pub version: Arc<str>,
    /// Where it comes from: itself, or what replaces it; none if its name or version is impossible.
    pub source: Option<Source>,
}

/// Something wrong with the graph itself.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{of}: {fault}")]
pub struct Problem {
    /// What it is wrong with.
    pub of: String,
    /// What is wrong.
    pub fault: Fault,
    /// Who requires it, the main module's own requirement first; empty if the main module does.
    pub required_by: Vec<String>,
}

/// What is wrong with a version in the graph.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// It can't be called so.
    #[error(transparent)]
    Name(ModuleError),
    /// Its go.mod file has no module line.
    #[error("its go.mod has no module line")]
    NoModuleLine,
    /// Its go.mod file calls it otherwise.
    #[error("its go.mod calls it {0}")]
    OtherName(String),
    /// The graph has more versions than any real one.
    #[error("the graph has too many versions")]
    TooLarge,
}

impl Graph {
    /// Returns what is selected so far, sorted by path, without main modules; final when the graph is settled.
    #[must_use]
    pub fn build_list(&self) -> Vec<BuildItem> {
        let selected = self.paths.iter().filter(|path| !path.is_main).filter_map(|path| path.selected);
        let mut items: Vec<BuildItem> = selected.map(|id| self.item(id)).collect();
        items.sort_by(|a, b| a.path.cmp(&b.path));
        items
    }

    /// Returns the versions whose `.info` and `.zip` `go mod download` asks for: what the main module names, or the
    /// whole build list where that isn't all that it needs. Final when the graph is settled.
    #[must_use]
    pub fn downloads(&self) -> Vec<ModuleVersion> {
        let mut items =
            if self.project.downloads_all() { self.build_list() } else { self.roots_as_selected() };
        items.sort_by(|a, b| a.path.cmp(&b.path));
        self.with_its_own(items)
    }

    /// Returns the versions of the whole build list, as `go mod download all` asks for them.
    #[must_use]
    pub fn everything(&self) -> Vec<ModuleVersion> {
        self.with_its_own(self.build_list())
    }

    /// Returns what is known from the first moment to be downloaded, unless the project isn't tidy: what the main
    /// modules name, as selected so far.
    #[must_use]
    pub fn likely_downloads(&self) -> Vec<ModuleVersion> {
        self.with_its_own(self.roots_as_selected())
    }

    /// Returns these versions, and before them the one that the graph is of, if it isn't of a folder.
    fn with_its_own(&self, items: Vec<BuildItem>) -> Vec<ModuleVersion> {
        let own = match &self.project.kind {
            Kind::Version(of) => Some(of.clone()),
            Kind::Module | Kind::Workspace => None,
        };
        distinct(own.into_iter().chain(versions(items)))
    }

    /// Returns the versions whose `.mod` the go command reads or fetches besides, as far as known: those of the graph and of what is downloaded.
    #[must_use]
    pub fn mod_files(&self) -> Vec<ModuleVersion> {
        let met = self.sources.iter().filter(|entry| !matches!(entry.state, SourceState::Unasked));
        let read = met.filter_map(|entry| match &entry.source {
            Ok(Source::Module(of)) => Some(of.clone()),
            Ok(Source::Folder(_)) | Err(_) => None,
        });
        distinct(read.chain(self.downloads()))
    }

    /// Returns who requires the go.mod file first: the requirement of a main module, then one by one down to it.
    #[must_use]
    pub fn required_by(&self, source: &Source) -> Vec<String> {
        let Some(id) = self.source_ids.get(source) else { return Vec::new() };
        let node = self.nodes.iter().position(|node| node.source == *id);
        node.and_then(|node| NodeId::try_from(node).ok()).map_or_else(Vec::new, |node| self.chain_to(node))
    }

    pub(super) fn chain_to(&self, id: NodeId) -> Vec<String> {
        let mut chain = Vec::new();
        let mut next = self.nodes[id as usize].parent;
        while let Some(id) = next {
            chain.push(self.name_of(id));
            next = self.nodes[id as usize].parent;
        }
        chain.reverse();
        chain
    }

    pub(super) fn name_of(&self, id: NodeId) -> String {
        let node = &self.nodes[id as usize];
        format!("{}@{}", self.paths[node.path as usize].text, node.version)
    }

    fn roots_as_selected(&self) -> Vec<BuildItem> {
        let mut seen = HashSet::new();
        let paths =
            self.named.iter().filter(|path| seen.insert(**path)).map(|path| &self.paths[*path as usize]);
        paths.filter(|path| !path.is_main).filter_map(|path| path.selected).map(|id| self.item(id)).collect()
    }

    fn item(&self, id: NodeId) -> BuildItem {
        let node = &self.nodes[id as usize];
        BuildItem {
            path: Arc::clone(&self.paths[node.path as usize].text),
            version: Arc::clone(&node.version),
            source: self.sources[node.source as usize].source.as_ref().ok().cloned(),
        }
    }

    /// Reports whether the main module names all that its packages need, so that nothing else is downloaded.
    #[must_use]
    pub fn names_all(&self) -> bool {
        self.project.mains.iter().all(|main| main.pruning == Pruning::Pruned) && !self.project.downloads_all()
    }
}

fn versions(items: Vec<BuildItem>) -> impl Iterator<Item = ModuleVersion> {
    items.into_iter().filter_map(|item| match item.source {
        Some(Source::Module(of)) => Some(of),
        Some(Source::Folder(_)) | None => None,
    })
}

fn distinct(versions: impl Iterator<Item = ModuleVersion>) -> Vec<ModuleVersion> {
    let mut seen = HashSet::new();
    versions.filter(|of| seen.insert(of.clone())).collect()
}
