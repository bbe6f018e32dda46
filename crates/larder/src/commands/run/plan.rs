//! What to fetch ahead for one command, in which order: the project's own files say most of it before anything is fetched.
//!
//! A plan does no input or output besides reading the project at its start. It names what it wants next, is told what that says, and
//! names more. What the go command reads first comes first: go.mod files as the graph asks for them, then those that go.sum names, then
//! what is downloaded, in the order in which the command will ask.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::path::Path;

use larder_module::gomod::GoMod;
use larder_module::graph::{BuildItem, Graph, Source};
use larder_module::request::{ObjectKind, ProxyRequest};
use larder_module::version::ModuleVersion;

use super::intent::{TOOL, Want};
use super::module_cache::ModuleCache;
use super::walk::{Content, Provider, Reading, Walk, package_folders};
use crate::project::ProjectFiles;

/// How soon something is wanted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Rank {
    /// The graph can't go on without it.
    Graph,
    /// A package can't be read without it.
    Package,
    /// go.sum says that the graph will come to it.
    Listed,
    /// It is downloaded at the end.
    Download,
}

/// So many surprises are no accident.
const SURPRISES: usize = 4;

/// Something to fetch.
pub(super) type Wish = (ModuleVersion, ObjectKind);

/// The plan.
#[derive(Debug)]
pub(super) struct Plan {
    graph: Graph,
    walk: Walk,
    cache: ModuleCache,
    files: ProjectFiles,
    /// The go.mod files of the graph are wanted.
    reads_graph: bool,
    /// Everything that the project names is wanted.
    downloads: bool,
    /// Modules have been named to the walk.
    provided: bool,
    downloads_named: bool,
    /// How often the command asked for a module that its packages don't need.
    unforeseen: usize,
    /// What the command asked for that wasn't planned.
    surprises: Vec<ProxyRequest>,
    wished: HashSet<Wish>,
    /// Modules that go.mod files name: the project's, and those that came through a proxy.
    heard: HashSet<String>,
    /// What go.sum lists of modules that none has named so far.
    unheard: HashMap<String, Vec<ModuleVersion>>,
    queue: BinaryHeap<Reverse<(Rank, usize, ModuleVersion, u8)>>,
    next: usize,
}

impl Plan {
    /// Makes a plan for a project; reads the folders that patterns stand for. Blocks.
    pub(super) fn new(files: ProjectFiles, want: &Want, folder: &Path, cache: ModuleCache) -> Self {
        let mut plan = Self {
            graph: Graph::new(files.project.clone()),
            walk: Walk::default(),
            cache,
            reads_graph: false,
            downloads: false,
            provided: false,
            downloads_named: false,
            unforeseen: 0,
            surprises: Vec::new(),
            wished: HashSet::new(),
            heard: files.project.names().map(str::to_owned).collect(),
            unheard: HashMap::new(),
            queue: BinaryHeap::new(),
            next: 0,
            files,
        };
        match want {
            Want::Nothing => {}
            Want::Graph => plan.read_graph(),
            Want::Everything => plan.download_all(),
            Want::Packages { patterns, tests } => plan.seed(patterns, *tests, folder),
        }
        plan.settle();
        plan
    }

    /// Reports whether the plan comes to everything that the command will ask for, as far as the project is tidy.
    pub(super) fn knows_all(&self) -> bool {
        self.downloads || !self.walk.is_empty()
    }

    /// Takes the next thing to fetch.
    pub(super) fn wish(&mut self) -> Option<Wish> {
        let Reverse((_, _, of, kind)) = self.queue.pop()?;
        Some((of, KINDS[usize::from(kind)]))
    }

    /// Takes what is to be read now.
    pub(super) fn readings(&mut self) -> Vec<Reading> {
        self.walk.readings()
    }

    /// A go.mod file came, or did not.
    pub(super) fn learned_mod(&mut self, of: &ModuleVersion, file: Option<&[u8]>) {
        let file = file.and_then(|text| GoMod::parse_lax(text).ok());
        self.hear(file.as_ref());
        self.tell(&Source::Module(of.clone()), file.as_ref());
        self.settle();
    }

    /// The content of a version came.
    pub(super) fn learned_content(&mut self, of: &ModuleVersion, content: &Content) {
        self.walk.learn(of, content);
    }

    /// Packages import these.
    pub(super) fn learned_imports(&mut self, imports: &[String]) {
        for package in imports {
            self.walk.need(package, false);
        }
        self.settle();
    }

    /// A command that nobody knows asked for something. If that is more and more of what the project names and its packages don't
    /// need, the command is about to download all of it.
    pub(super) fn note(&mut self, path: &str) {
        if self.downloads || self.unforeseen == SURPRISES || !path.ends_with(".info") {
            return;
        }
        let named = self.graph.likely_downloads();
        let asked = named.into_iter().find(|of| is_path_of(of, path));
        if asked.is_some_and(|of| !self.wished.contains(&(of, ObjectKind::Info))) {
            self.unforeseen += 1;
            if self.unforeseen == SURPRISES {
                self.download_all();
                self.settle();
            }
        }
    }

    /// Reports whether the command has asked for so much that wasn't planned that the project can't be tidy: versions of modules that
    /// nobody names yet, or what those bring along.
    pub(super) fn is_wrong_about(&mut self, path: &str) -> bool {
        let Ok(request) = ProxyRequest::parse(path) else { return false };
        if matches!(request, ProxyRequest::Checksum { .. }) {
            return false;
        }
        self.surprises.push(request);
        // What was asked for before it was planned is no surprise any more.
        let wished = &self.wished;
        self.surprises.retain(|request| match request {
            ProxyRequest::Object { of, kind } => !wished.contains(&(of.clone(), *kind)),
            _ => true,
        });
        self.surprises.len() >= SURPRISES && (!self.reads_graph || self.graph.is_settled())
    }

    fn tell(&mut self, source: &Source, file: Option<&GoMod>) {
        match file {
            Some(file) => self.graph.learn(source, file),
            None => self.graph.failed(source),
        }
    }

    /// Wants the go.mod files that go.sum lists, since the graph comes to them.
    ///
    /// Unless the project isn't tidy: then go.sum still lists what was replaced or is required no longer, which go asks nobody for.
    /// The names of such modules are not to be told to a proxy, so those wait that no go.mod file names.
    fn read_graph(&mut self) {
        self.reads_graph = true;
        for line in self.files.sums.clone() {
            let (version, true) = line.split_version() else { continue };
            let Ok(of) = ModuleVersion::parse(&line.module, version) else { continue };
            if self.files.project.replaces(&line.module, version) {
                continue;
            }
            if self.heard.contains(&line.module) {
                self.want(Rank::Listed, of, ObjectKind::Mod);
            } else {
                self.unheard.entry(line.module).or_default().push(of);
            }
        }
    }

    /// Takes note of the modules that a go.mod file names.
    fn hear(&mut self, file: Option<&GoMod>) {
        for line in file.into_iter().flat_map(|file| &file.require) {
            if self.heard.insert(line.path.clone()) {
                for of in self.unheard.remove(&line.path).unwrap_or_default() {
                    self.want(Rank::Listed, of, ObjectKind::Mod);
                }
            }
        }
    }

    fn download_all(&mut self) {
        self.downloads = true;
        if !self.reads_graph {
            self.read_graph();
        }
    }

    /// Names the packages that patterns stand for.
    fn seed(&mut self, patterns: &[String], tests: bool, folder: &Path) {
        for pattern in patterns {
            if let Some(tool) = pattern.strip_prefix(TOOL) {
                let is_it = |path: &&String| path.rsplit('/').next() == Some(tool);
                for package in self.files.tools.iter().filter(is_it) {
                    self.walk.need(package, false);
                }
                continue;
            }
            for package in self.packages_of(pattern, folder) {
                self.walk.need(&package, tests);
            }
        }
        // Without names of all that packages need, the go command reads the whole graph first.
        if !self.graph.names_all() {
            self.read_graph();
        }
    }

    fn packages_of(&self, pattern: &str, folder: &Path) -> Vec<String> {
        let is_local = pattern.starts_with('.') || pattern.starts_with('/');
        let (stem, recurses) = match pattern.strip_suffix("...") {
            Some(stem) => (stem.trim_end_matches('/'), true),
            None => (pattern, false),
        };
        if !is_local && pattern != "all" && !pattern.ends_with(".go") {
            let in_project = self.files.mains.iter().find_map(|(module, root)| {
                let rest = stem.strip_prefix(module.as_str())?;
                (rest.is_empty() || rest.starts_with('/')).then(|| root.join(rest.trim_start_matches('/')))
            });
            return match (in_project, recurses) {
                (Some(folder), true) => self.below(&folder),
                (None, true) => Vec::new(),
                (_, false) => vec![stem.to_owned()],
            };
        }
        let start = match pattern {
            "all" => return self.files.mains.iter().flat_map(|(_, root)| self.below(root)).collect(),
            file if file.ends_with(".go") => {
                folder.join(file).parent().map(Path::to_owned).unwrap_or_default()
            }
            _ => folder.join(stem),
        };
        let start = fs_err::canonicalize(&start).unwrap_or(start);
        if recurses { self.below(&start) } else { self.package_at(&start).into_iter().collect() }
    }

    /// Returns the packages of main modules in and below a folder.
    fn below(&self, folder: &Path) -> Vec<String> {
        let here = package_folders(folder).into_iter().map(|sub| folder.join(sub));
        here.filter_map(|folder| self.package_at(&folder)).collect()
    }

    /// Returns the import path of a folder in a main module.
    fn package_at(&self, folder: &Path) -> Option<String> {
        let inside = self.files.mains.iter().filter_map(|(module, root)| {
            let rest = folder.strip_prefix(root).ok()?;
            Some((root.components().count(), module, rest))
        });
        let (_, module, rest) = inside.max_by_key(|(depth, ..)| *depth)?;
        let rest = rest.to_string_lossy();
        Some(if rest.is_empty() { module.clone() } else { format!("{module}/{rest}") })
    }

    /// Draws every conclusion from what is known.
    fn settle(&mut self) {
        loop {
            self.read_folders();
            self.provide();
            self.name_downloads();
            let packages = self.walk.wanted();
            if packages.is_empty() {
                return;
            }
            for of in packages {
                match self.cache.unpacked(&of) {
                    Some(folder) => self.walk.learn(&of, &Content::Folder(folder)),
                    None => {
                        for kind in [ObjectKind::Zip, ObjectKind::Mod, ObjectKind::Info] {
                            self.want(Rank::Package, of.clone(), kind);
                        }
                    }
                }
            }
        }
    }

    /// Takes what the graph wants: out of folders and the go command's own cache at once, the rest as wishes.
    fn read_folders(&mut self) {
        if !self.reads_graph {
            return;
        }
        loop {
            let wanted = self.graph.wanted();
            if wanted.is_empty() {
                return;
            }
            for source in wanted {
                match &source {
                    Source::Folder(folder) => {
                        let file = self.files.go_mod_of(folder).ok();
                        self.tell(&source, file.as_ref());
                    }
                    Source::Module(of) => match self.cache.go_mod(of) {
                        Some(text) => {
                            let file = GoMod::parse_lax(&text).ok();
                            if !self.cache.is_elsewhere(of) {
                                self.hear(file.as_ref());
                            }
                            self.tell(&source, file.as_ref());
                        }
                        None if self.cache.is_elsewhere(of) => self.tell(&source, None),
                        None => self.want_again(Rank::Graph, of.clone()),
                    },
                }
            }
        }
    }

    /// Tells the walk where modules are, once that is certain enough.
    fn provide(&mut self) {
        if self.provided || !(self.graph.names_all() || self.graph.is_settled()) {
            return;
        }
        self.provided = true;
        let mains =
            self.files.mains.iter().map(|(path, root)| (path.clone(), Provider::Folder(root.clone())));
        let others = self.graph.build_list().into_iter().filter_map(|item| self.provider_of(item));
        let all: Vec<_> = mains.chain(others).collect();
        self.walk.provide(all);
    }

    fn provider_of(&self, item: BuildItem) -> Option<(String, Provider)> {
        let provider = match item.source? {
            Source::Module(of) if self.cache.is_elsewhere(&of) => Provider::Folder(self.cache.unpacked(&of)?),
            Source::Module(of) => Provider::Version(of),
            Source::Folder(folder) => Provider::Folder(self.files.folder(&folder)),
        };
        Some((item.path.to_string(), provider))
    }

    fn name_downloads(&mut self) {
        if !self.downloads || self.downloads_named || !(self.graph.names_all() || self.graph.is_settled()) {
            return;
        }
        self.downloads_named = self.graph.is_settled();
        let named = if self.downloads_named { self.graph.downloads() } else { self.graph.likely_downloads() };
        for of in named {
            for kind in [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip] {
                self.want(Rank::Download, of.clone(), kind);
            }
        }
    }

    fn want(&mut self, rank: Rank, of: ModuleVersion, kind: ObjectKind) {
        if !self.cache.is_elsewhere(&of)
            && !self.cache.has(&of, kind)
            && self.wished.insert((of.clone(), kind))
        {
            self.push(rank, of, kind);
        }
    }

    /// The graph wants a go.mod file, which may have been fetched because go.sum names it: it is asked for again, and is there.
    fn want_again(&mut self, rank: Rank, of: ModuleVersion) {
        self.wished.insert((of.clone(), ObjectKind::Mod));
        self.push(rank, of, ObjectKind::Mod);
    }

    fn push(&mut self, rank: Rank, of: ModuleVersion, kind: ObjectKind) {
        let kind = KINDS.iter().position(|known| *known == kind).unwrap_or_default();
        self.queue.push(Reverse((rank, self.next, of, u8::try_from(kind).unwrap_or_default())));
        self.next += 1;
    }
}

const KINDS: [ObjectKind; 3] = [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip];

fn is_path_of(of: &ModuleVersion, path: &str) -> bool {
    path.strip_prefix('/').and_then(|path| path.strip_prefix(&*of.module().escaped())).is_some_and(|rest| {
        rest.strip_prefix("/@v/").and_then(|rest| rest.strip_suffix(".info"))
            == Some(&*of.version().escaped())
    })
}

#[cfg(test)]
mod tests;
