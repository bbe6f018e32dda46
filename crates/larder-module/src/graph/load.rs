//! Reading the graph: what is wanted next, and what a go.mod file changes.

use super::{
    Facts, Graph, Node, NodeId, PathEntry, PathId, Pruning, Source, SourceEntry, SourceId, SourceState,
    project::Kind,
    selection::{Fault, Problem},
};
use crate::{
    gomod::{GoMod, Require},
    path::ModuleError,
    semver,
    version::ModuleVersion,
};
use std::{cmp::Ordering, sync::Arc};

/// Paths of the go command's own, which name no modules.
fn is_toolchain(path: &str) -> bool {
    matches!(path, "go" | "toolchain")
}

impl Graph {
    pub(super) fn begin(&mut self) {
        let mains = std::mem::take(&mut self.project.mains);
        for main in &mains {
            let path = self.path(&main.path);
            self.paths[path as usize].is_main = true;
        }
        for main in &mains {
            for line in main.require.iter().filter(|line| !is_toolchain(&line.path)) {
                let path = self.path(&line.path);
                self.named.push(path);
            }
            let required = self.requirements(&main.require, None);
            match self.project.kind {
                Kind::Workspace => self.mains.push((main.pruning, required)),
                Kind::Module | Kind::Version(_) => self.roots = self.without_repeats(required, main.pruning),
            }
        }
        self.project.mains = mains;
        self.start_round();
        self.proceed();
    }

    /// Drops lower versions of paths that a pruned main module names twice, and itself: the go command does so before it reads anything.
    fn without_repeats(&self, mut roots: Vec<NodeId>, pruning: Pruning) -> Vec<NodeId> {
        if pruning == Pruning::Unpruned {
            return roots;
        }
        let entries = &self.nodes;
        roots.sort_by(|a, b| {
            let (a, b) = (&entries[*a as usize], &entries[*b as usize]);
            a.path.cmp(&b.path).then_with(|| semver::compare(&b.version, &a.version))
        });
        roots.dedup_by_key(|id| entries[*id as usize].path);
        roots.retain(|id| !self.paths[entries[*id as usize].path as usize].is_main);
        roots
    }

    fn start_round(&mut self) {
        for path in &mut self.paths {
            path.selected = None;
        }
        for node in &mut self.nodes {
            (node.met, node.counted) = (0, false);
        }
        for root in self.roots.clone() {
            self.select(root);
        }
        let pruning = self.project.mains.first().map_or(Pruning::Unpruned, |main| main.pruning);
        for root in self.roots.clone() {
            self.meet(root, pruning);
        }
        for (pruning, required) in self.mains.clone() {
            for node in required {
                self.select(node);
                self.meet(node, pruning);
            }
        }
    }

    /// Works off what is known; at the end of a round, begins the next one if the go command would.
    pub(super) fn proceed(&mut self) {
        loop {
            while let Some((node, pruning)) = self.queue.pop_front() {
                self.expand(node, pruning);
            }
            if self.outstanding > 0 {
                return;
            }
            let again = match self.project.kind {
                Kind::Workspace => self.deepen(),
                Kind::Module | Kind::Version(_) => self.raise_roots(),
            };
            if !again {
                self.settled = true;
                return;
            }
        }
    }

    fn expand(&mut self, id: NodeId, pruning: Pruning) {
        let source_id = self.nodes[id as usize].source;
        let entry = &mut self.sources[source_id as usize];
        let facts = match &entry.state {
            SourceState::Known(facts) => facts.clone(),
            SourceState::Failed => {
                if let Err(error) = &entry.source {
                    let (error, of) = (error.clone(), self.name_of(id));
                    self.note(id, of, Fault::Name(error));
                }
                return;
            }
            SourceState::Asked => return entry.waiting.push((id, pruning)),
            SourceState::Unasked => {
                self.wanted.extend(entry.source.as_ref().ok().cloned());
                entry.state = SourceState::Asked;
                entry.waiting.push((id, pruning));
                self.outstanding += 1;
                return;
            }
        };
        if !self.is_named_rightly(id, &facts) {
            return;
        }
        if !std::mem::replace(&mut self.nodes[id as usize].counted, true) {
            for node in facts.requirements.iter() {
                self.select(*node);
            }
        }
        if pruning == Pruning::Pruned && facts.pruning == Pruning::Pruned {
            return;
        }
        let next = if pruning == Pruning::Unpruned { Pruning::Unpruned } else { facts.pruning };
        for node in facts.requirements.iter() {
            self.meet(*node, next);
        }
    }

    /// Checks that a go.mod file calls its module as it is required, or as its replacement is called.
    fn is_named_rightly(&mut self, id: NodeId, facts: &Facts) -> bool {
        let node = &self.nodes[id as usize];
        let Ok(Source::Module(actual)) = &self.sources[node.source as usize].source else { return true };
        let path = &self.paths[node.path as usize].text;
        let fault = match &facts.module {
            None => Fault::NoModuleLine,
            Some(name) if name == path || **name == *actual.module().as_str() => return true,
            Some(name) => Fault::OtherName(name.to_string()),
        };
        let of = actual.to_string();
        self.note(id, of, fault);
        false
    }

    pub(super) fn note(&mut self, id: NodeId, of: String, fault: Fault) {
        if self.problems.len() >= Self::MOST_PROBLEMS {
            return;
        }
        let problem = Problem { of, fault, required_by: self.chain_to(id) };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn meet(&mut self, id: NodeId, pruning: Pruning) {
        let met = &mut self.nodes[id as usize].met;
        if *met & pruning as u8 == 0 {
            *met |= pruning as u8;
            self.queue.push_back((id, pruning));
        }
    }

    fn select(&mut self, id: NodeId) {
        let node = &self.nodes[id as usize];
        let entry = &mut self.paths[node.path as usize];
        let is_higher = entry.selected.is_none_or(|selected| {
            semver::compare(&node.version, &self.nodes[selected as usize].version) == Ordering::Greater
        });
        if is_higher {
            entry.selected = Some(id);
        }
    }

    /// Replaces the roots by what is selected of them; reports whether that changes anything.
    ///
    /// In a main module of an old go line everything was read already, so the build list stays as it is.
    fn raise_roots(&mut self) -> bool {
        let is_pruned = self.project.mains.first().is_some_and(|main| main.pruning == Pruning::Pruned);
        let any_failed = self.sources.iter().any(|entry| matches!(entry.state, SourceState::Failed));
        if !is_pruned || any_failed {
            return false;
        }
        let selected =
            |id: &NodeId| self.paths[self.nodes[*id as usize].path as usize].selected.unwrap_or(*id);
        let raised: Vec<NodeId> = self.roots.iter().map(selected).collect();
        if raised == self.roots {
            return false;
        }
        self.roots = raised;
        self.start_round();
        true
    }

    /// Follows the requirements of versions in a workspace that are higher than what a main module asks for: packages of
    /// them may count, though what they require was left out.
    fn deepen(&mut self) -> bool {
        let mut fresh = Vec::new();
        for path in &self.deep_paths {
            let Some(selected) = self.paths[*path as usize].selected else { continue };
            if !self.deepened.contains(&selected) {
                fresh.push(selected);
                continue;
            }
            if let SourceState::Known(facts) =
                &self.sources[self.nodes[selected as usize].source as usize].state
            {
                self.note_raised(&facts.requirements, &mut fresh);
            }
        }
        for (_, required) in &self.mains {
            self.note_raised(required, &mut fresh);
        }
        let found = !fresh.is_empty();
        for id in fresh {
            let path = self.nodes[id as usize].path;
            if self.deepened.insert(id) && !self.deep_paths.contains(&path) {
                self.deep_paths.push(path);
            }
            self.meet(id, Pruning::Workspace);
        }
        found
    }

    /// Collects what is selected above the given requirements and wasn't followed yet.
    fn note_raised(&self, required: &[NodeId], fresh: &mut Vec<NodeId>) {
        for id in required {
            let node = &self.nodes[*id as usize];
            let path = &self.paths[node.path as usize];
            let Some(selected) = path.selected else { continue };
            let order = semver::compare(&self.nodes[selected as usize].version, &node.version);
            if order == Ordering::Greater && !path.is_main && !self.deepened.contains(&selected) {
                fresh.push(selected);
            }
        }
    }

    /// Returns the file that is told about, if it was asked for.
    pub(super) fn answered(&mut self, source: &Source) -> Option<SourceId> {
        let id = *self.source_ids.get(source)?;
        matches!(self.sources[id as usize].state, SourceState::Asked).then(|| {
            self.outstanding -= 1;
            id
        })
    }

    pub(super) fn keep(&mut self, id: SourceId, file: &GoMod) {
        let parent = self.sources[id as usize].waiting.first().map(|(node, _)| *node);
        let requirements = self.requirements(&file.require, parent).into();
        let module = file.module.as_deref().map(Arc::from);
        let pruning = Pruning::of_go_line(file.go.as_deref());
        self.sources[id as usize].state = SourceState::Known(Facts { module, pruning, requirements });
    }

    pub(super) fn wake(&mut self, id: SourceId) {
        let waiting = std::mem::take(&mut self.sources[id as usize].waiting);
        self.queue.extend(waiting);
        self.proceed();
    }

    fn requirements(&mut self, lines: &[Require], parent: Option<NodeId>) -> Vec<NodeId> {
        let mut nodes = Vec::with_capacity(lines.len().min(Self::MOST_NODES));
        for line in lines {
            if is_toolchain(&line.path) || self.project.excludes(&line.path, &line.version) {
                continue;
            }
            if self.nodes.len() >= Self::MOST_NODES {
                let problem =
                    Problem { of: line.path.clone(), fault: Fault::TooLarge, required_by: Vec::new() };
                if !self.problems.iter().any(|known| matches!(known.fault, Fault::TooLarge)) {
                    self.problems.push(problem);
                }
                break;
            }
            nodes.push(self.node(line, parent));
        }
        nodes
    }

    fn path(&mut self, text: &str) -> PathId {
        if let Some(id) = self.path_ids.get(text) {
            return *id;
        }
        let id = index(self.paths.len());
        let text: Arc<str> = text.into();
        self.path_ids.insert(Arc::clone(&text), id);
        self.paths.push(PathEntry { text, is_main: false, selected: None });
        id
    }

    fn node(&mut self, line: &Require, parent: Option<NodeId>) -> NodeId {
        let path = self.path(&line.path);
        let version: Arc<str> = line.version.as_str().into();
        if let Some(id) = self.node_ids.get(&(path, Arc::clone(&version))) {
            return *id;
        }
        let id = index(self.nodes.len());
        self.node_ids.insert((path, Arc::clone(&version)), id);
        let actual = match self.project.replacement(&line.path, &line.version) {
            Some(replacement) if replacement.version.is_empty() => {
                Ok(Source::Folder(replacement.path.as_str().into()))
            }
            Some(replacement) => {
                ModuleVersion::parse(&replacement.path, &replacement.version).map(Source::Module)
            }
            None => ModuleVersion::parse(&line.path, &line.version).map(Source::Module),
        };
        let source = match actual {
            Ok(source) => self.source(source),
            Err(error) => self.unnameable(error),
        };
        self.nodes.push(Node { path, version, source, parent, met: 0, counted: false });
        id
    }

    fn source(&mut self, source: Source) -> SourceId {
        if let Some(id) = self.source_ids.get(&source) {
            return *id;
        }
        let id = index(self.sources.len());
        self.source_ids.insert(source.clone(), id);
        self.sources.push(SourceEntry {
            source: Ok(source),
            state: SourceState::Unasked,
            waiting: Vec::new(),
        });
        id
    }

    fn unnameable(&mut self, error: ModuleError) -> SourceId {
        let id = index(self.sources.len());
        self.sources.push(SourceEntry {
            source: Err(error),
            state: SourceState::Failed,
            waiting: Vec::new(),
        });
        id
    }
}

/// Makes an index of a length; graphs are bounded well below.
fn index(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
