//! What is known of module versions, for all sessions together: a version's requirements are the same whoever asks.
//!
//! Versions and paths are numbers here. One go.mod file in a hundred names something new, so most of what is learned costs a look-up
//! and four bytes.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use larder_module::{semver, version::ModuleVersion};

use super::{ModFacts, ZipFacts};

/// What an item of weight stands for, in bytes.
pub(super) const ITEM: usize = 50;

/// A module version.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct NodeId(u32);

/// A module path.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct PathId(u32);

/// The requirements of a version, as far as they are known.
#[derive(Clone, Debug)]
pub(super) enum Requires {
    /// Not yet.
    Unknown,
    /// They can't be had.
    Gone,
    /// These.
    Known {
        /// See [`ModFacts::pruned`].
        pruned: bool,
        /// In their order.
        list: Arc<[NodeId]>,
    },
}

#[derive(Debug)]
struct Node {
    of: ModuleVersion,
    path: PathId,
    requires: Requires,
    packages: Option<Arc<ZipFacts>>,
}

/// All versions.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    ids: HashMap<ModuleVersion, NodeId>,
    paths: HashMap<Box<str>, PathId>,
    /// Requirements and packages kept, which is what the memory goes into.
    weight: usize,
}

impl Graph {
    /// Returns how much is kept, in items of some [`ITEM`] bytes.
    pub(super) const fn weight(&self) -> usize {
        self.weight
    }

    /// Returns the number of a version.
    pub(super) fn id(&mut self, of: &ModuleVersion) -> NodeId {
        if let Some(&id) = self.ids.get(of) {
            return id;
        }
        let next_path = PathId(u32::try_from(self.paths.len()).unwrap_or(u32::MAX));
        let path = *self.paths.entry(of.module().as_str().into()).or_insert(next_path);
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.ids.insert(of.clone(), id);
        self.nodes.push(Node { of: of.clone(), path, requires: Requires::Unknown, packages: None });
        self.weight += 8 + (of.module().as_str().len() + of.version().as_str().len()) / ITEM;
        id
    }

    /// Returns the number of a version that was heard of.
    pub(super) fn known(&self, of: &ModuleVersion) -> Option<NodeId> {
        self.ids.get(of).copied()
    }

    /// Returns the number of a path that was heard of.
    pub(super) fn path_known(&self, path: &str) -> Option<PathId> {
        self.paths.get(path).copied()
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(super) fn of(&self, id: NodeId) -> &ModuleVersion {
        &self.node(id).of
    }

    pub(super) fn path(&self, id: NodeId) -> PathId {
        self.node(id).path
    }

    pub(super) fn path_text(&self, id: NodeId) -> &str {
        self.of(id).module().as_str()
    }

    pub(super) fn requires(&self, id: NodeId) -> &Requires {
        &self.node(id).requires
    }

    pub(super) fn packages(&self, id: NodeId) -> Option<&Arc<ZipFacts>> {
        self.node(id).packages.as_ref()
    }

    /// Compares the versions of two nodes of one path.
    pub(super) fn compare(&self, a: NodeId, b: NodeId) -> Ordering {
        semver::compare(self.of(a).version().as_str(), self.of(b).version().as_str())
    }

    /// Keeps the requirements of a version; false if they were known.
    pub(super) fn learn(&mut self, id: NodeId, facts: &ModFacts) -> bool {
        if matches!(self.node(id).requires, Requires::Known { .. }) {
            return false;
        }
        let list: Arc<[NodeId]> = facts.requires.iter().map(|line| self.id(&line.of)).collect();
        self.weight += list.len() / 8;
        self.nodes[id.0 as usize].requires = Requires::Known { pruned: facts.pruned, list };
        true
    }

    /// Keeps the packages of a version; false if they were known.
    pub(super) fn unpack(&mut self, id: NodeId, facts: Arc<ZipFacts>) -> bool {
        let packages = &mut self.nodes[id.0 as usize].packages;
        if packages.is_some() {
            return false;
        }
        self.weight += facts.weight();
        *packages = Some(facts);
        true
    }

    /// Notes that the requirements of a version can't be had.
    pub(super) fn lose(&mut self, id: NodeId) {
        let requires = &mut self.nodes[id.0 as usize].requires;
        if matches!(requires, Requires::Unknown) {
            *requires = Requires::Gone;
        }
    }
}
