//! `go build` of a tidy module: it reads no module graph and asks for a zip when it meets an import of it.
//!
//! Of a package that another module imports it is known what it imports in turn. Which packages of a module the main module imports can't
//! be seen, only which zips come: there, what many of the module's packages need is taken for needed (see [`common`]).

use std::collections::{BTreeSet, HashMap};

use larder_module::request::ObjectKind;

use super::{
    Why, common,
    credit::{Draft, rank},
    graph::{Graph, NodeId},
    session::Session,
};

/// So many imports may wait for their modules to become known.
const MAX_PENDING: usize = 10_000;

/// Which packages of a module are built.
#[derive(Debug, Default)]
struct Used {
    /// The client came for packages that can't be seen.
    unforeseen: bool,
    /// What most packages import has still to be looked for.
    guess: bool,
    /// By folder.
    folders: BTreeSet<Box<str>>,
    /// Those of them whose imports were not followed yet.
    fresh: Vec<Box<str>>,
    /// Only a guess led here: nothing further is followed before the client comes for it.
    waits: bool,
}

impl Used {
    fn add(&mut self, folder: &str) {
        if !self.folders.contains(folder) {
            self.folders.insert(folder.into());
            self.fresh.push(folder.into());
        }
    }
}

/// What is known of a build.
#[derive(Debug, Default)]
pub(super) struct Lazy {
    used: HashMap<NodeId, Used>,
    /// Imports of which no module is known yet.
    pending: BTreeSet<(NodeId, Box<str>)>,
}

impl Lazy {
    pub(super) fn is_idle(&self) -> bool {
        self.used.is_empty()
    }

    pub(super) fn modules(&self) -> usize {
        self.used.len()
    }

    pub(super) fn uses(&self, id: NodeId) -> bool {
        self.used.contains_key(&id)
    }

    pub(super) fn zips(self) -> Vec<NodeId> {
        self.used.into_iter().filter(|(_, used)| used.unforeseen).map(|(id, _)| id).collect()
    }
}

impl Session {
    /// The client asks for a zip that it wants to build with.
    pub(super) fn build(&mut self, graph: &Graph, id: NodeId) {
        // The client's own version of a path counts from now on, though a higher one was named.
        self.best.insert(graph.path(id), id);
        for (module, folder) in self.who_imports(graph, id) {
            self.lazy.used.entry(module).or_default().add(&folder);
            self.visit(graph, module);
        }
        let named = self.packages_asked_for(graph, id);
        let used = self.lazy.used.entry(id).or_default();
        if let Some(folder) = named {
            used.add(&folder);
        }
        used.waits = false;
        if used.folders.is_empty() {
            (used.unforeseen, used.guess) = (true, true);
        }
        self.accompany(graph, id);
        if graph.packages(id).is_none() {
            self.wish(Draft { id, kind: ObjectKind::Zip, rank: rank::FACTS, why: Why::Facts, facts: true });
        }
        self.visit(graph, id);
        self.resolve_pending(graph);
    }

    /// A module that is asked for gives away which packages of earlier ones are built: those that import it, if only one of a module
    /// does.
    fn who_imports(&self, graph: &Graph, id: NodeId) -> Vec<(NodeId, Box<str>)> {
        let path = graph.path_text(id);
        let mut found = Vec::new();
        for (module, used) in self.lazy.used.iter().filter(|(_, used)| used.unforeseen) {
            let Some(facts) = graph.packages(*module) else { continue };
            let mut importers = facts.packages.iter().filter(|(_, package)| {
                !package.is_command && package.imports.iter().any(|import| folder_in(import, path).is_some())
            });
            if let (Some((folder, _)), None) = (importers.next(), importers.next())
                && !used.folders.contains(folder)
            {
                found.push((*module, folder.clone()));
            }
        }
        found
    }

    /// `go install PACKAGE@VERSION` asks for the `.info` of each prefix of the package's path first.
    fn packages_asked_for(&self, graph: &Graph, id: NodeId) -> Option<Box<str>> {
        let version = graph.of(id).version();
        let asked = self.asked.keys().filter(|other| **other != id && graph.of(**other).version() == version);
        let folders = asked.filter_map(|other| folder_in(graph.path_text(*other), graph.path_text(id)));
        folders.max_by_key(|folder| folder.len()).map(Box::from)
    }

    /// After the zip come the `.mod`, and the `.info` in the end.
    fn accompany(&mut self, graph: &Graph, id: NodeId) {
        let rank = rank::COMPANION;
        self.wish(Draft { id, kind: ObjectKind::Mod, rank, why: Why::Companion, facts: true });
        self.wish(Draft { id, kind: ObjectKind::Info, rank, why: Why::Companion, facts: false });
        self.follow(graph, id);
    }

    /// Follows the imports of the packages of a module that are built.
    pub(super) fn visit(&mut self, graph: &Graph, id: NodeId) {
        let mut work = vec![id];
        while let Some(id) = work.pop() {
            let Some(facts) = graph.packages(id) else { continue };
            let Some(used) = self.lazy.used.get_mut(&id).filter(|used| !used.waits) else { continue };
            let mut imports = Vec::new();
            let mut guesses = Vec::new();
            // A large module is come back to for each of its packages that is imported, so only what is new is looked at.
            for folder in used.fresh.drain(..) {
                if let Some(package) = facts.packages.get(&folder) {
                    imports.extend(package.imports.iter().cloned());
                }
            }
            if std::mem::take(&mut used.guess) {
                guesses = common::imports(graph.path_text(id), facts);
            }
            for guess in guesses {
                let known = self.lazy.used.len();
                let found = self.resolve(graph, id, &guess);
                if let Some(module) = found.filter(|_| self.lazy.used.len() > known) {
                    self.lazy.used.entry(module).or_default().waits = true;
                }
            }
            for import in imports {
                if let Some(module) = self.resolve(graph, id, &import) {
                    self.lazy.used.entry(module).or_default().waits = false;
                    work.push(module);
                } else if self.lazy.pending.len() < MAX_PENDING {
                    self.lazy.pending.insert((id, (*import).into()));
                }
            }
        }
    }

    /// More modules are known: looks for imports that had none.
    pub(super) fn resolve_pending(&mut self, graph: &Graph) {
        for (id, import) in std::mem::take(&mut self.lazy.pending) {
            match self.resolve(graph, id, &import) {
                Some(module) => self.visit(graph, module),
                None => {
                    self.lazy.pending.insert((id, import));
                }
            }
        }
    }

    /// Finds the module of an import and notes its package as built.
    fn resolve(&mut self, graph: &Graph, from: NodeId, import: &str) -> Option<NodeId> {
        let (module, folder) = if let Some(folder) = folder_in(import, graph.path_text(from)) {
            (from, folder)
        } else {
            let mut prefix = import;
            loop {
                if let Some(best) = graph.path_known(prefix).and_then(|path| self.best.get(&path)) {
                    break (*best, folder_in(import, prefix)?);
                }
                prefix = prefix.rsplit_once('/')?.0;
            }
        };
        let used = self.lazy.used.entry(module).or_default();
        used.add(folder);
        if module != from {
            let (kind, rank) = (ObjectKind::Zip, rank::IMPORTED);
            self.wish(Draft { id: module, kind, rank, why: Why::Imported, facts: true });
            self.accompany(graph, module);
        }
        Some(module)
    }
}

pub(super) fn folder_in<'a>(import: &'a str, module: &str) -> Option<&'a str> {
    let rest = import.strip_prefix(module)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}
