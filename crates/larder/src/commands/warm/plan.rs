//! What is to be fetched, as it becomes known: projects resolve while their files arrive.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use larder_module::dirhash;
use larder_module::gomod::GoMod;
use larder_module::gosum::GoSumLine;
use larder_module::graph::{Graph, Project, Source};
use larder_module::{ModuleVersion, ObjectKind};

use super::provider::Missing;
use super::tally::Failed;
use crate::project::ProjectFiles;

/// One file of one version.
pub(crate) type Item = (ModuleVersion, ObjectKind);

/// What of a resolved graph is fetched whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    /// The whole build list in place of what `go mod download` takes.
    pub(crate) all: bool,
    /// go.mod files only; the rest is written down.
    pub(crate) dry_run: bool,
}

/// One graph that is being read.
#[derive(Debug)]
struct Growing {
    graph: Graph,
    /// The project's files; none of a version by itself.
    files: Option<Box<ProjectFiles>>,
    finished: bool,
}

/// All that is to be fetched.
#[derive(Debug)]
pub(crate) struct Plan {
    scope: Scope,
    graphs: Vec<Growing>,
    /// go.mod files first, then `.info`s, then zips: the first tell what else there is.
    mods: VecDeque<ModuleVersion>,
    infos: VecDeque<ModuleVersion>,
    zips: VecDeque<ModuleVersion>,
    known: HashSet<Item>,
    parsed: HashMap<ModuleVersion, Option<Arc<GoMod>>>,
    /// What go.sum says, by module, version and kind.
    sums: HashMap<Item, Vec<String>>,
    pub(crate) failures: Vec<Failed>,
    /// What a dry run doesn't fetch.
    pub(crate) left_out: Vec<Item>,
}

impl Plan {
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            graphs: Vec::new(),
            mods: VecDeque::new(),
            infos: VecDeque::new(),
            zips: VecDeque::new(),
            known: HashSet::new(),
            parsed: HashMap::new(),
            sums: HashMap::new(),
            failures: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Adds a project.
    pub(crate) fn add_project(&mut self, files: Box<ProjectFiles>) {
        for line in &files.sums {
            self.note_sum(line);
        }
        let has_sums = !files.sums.is_empty();
        let graph = Graph::new(files.project.clone());
        // What go.sum has a zip's hash of will be wanted, unless the project isn't tidy; so it need not wait for the graph.
        for of in graph.likely_downloads() {
            let has_sum = self.sums.contains_key(&(of.clone(), ObjectKind::Zip));
            if has_sum || (!has_sums && graph.names_all()) {
                self.add_whole(&of);
            }
        }
        self.graphs.push(Growing { graph, files: Some(files), finished: false });
        self.advance();
    }

    /// Adds a version; what its packages need, too, when its go.mod file is given.
    pub(crate) fn add_version(&mut self, of: &ModuleVersion, go_mod: Option<&[u8]>) {
        self.add_whole(of);
        match go_mod.map(GoMod::parse_lax) {
            Some(Ok(file)) => {
                let graph = Graph::new(Project::version(of, &file));
                self.graphs.push(Growing { graph, files: None, finished: false });
                self.advance();
            }
            Some(Err(error)) => self.fail(&of.to_string(), "go.mod", &error.to_string(), Vec::new()),
            None => {}
        }
    }

    /// Adds exactly what the lines of a go.sum file name.
    pub(crate) fn add_sums(&mut self, lines: &[GoSumLine]) {
        for line in lines {
            let (version, is_mod) = line.split_version();
            match ModuleVersion::parse(&line.module, version) {
                Ok(of) if is_mod => self.add((of, ObjectKind::Mod)),
                Ok(of) => {
                    self.add((of.clone(), ObjectKind::Info));
                    self.add((of, ObjectKind::Zip));
                }
                Err(error) => {
                    self.fail(
                        &format!("{}@{version}", line.module),
                        "go.sum",
                        &error.to_string(),
                        Vec::new(),
                    );
                }
            }
            self.note_sum(line);
        }
    }

    /// Takes the next file to fetch: a zip only where one more may be under way.
    pub(crate) fn next(&mut self, may_be_zip: bool) -> Option<Item> {
        let small = self.mods.pop_front().map(|of| (of, ObjectKind::Mod));
        let small = small.or_else(|| self.infos.pop_front().map(|of| (of, ObjectKind::Info)));
        if small.is_some() || !may_be_zip {
            return small;
        }
        self.zips.pop_front().map(|of| (of, ObjectKind::Zip))
    }

    /// Returns how many files are known of, those that were fetched included.
    pub(crate) fn known(&self) -> usize {
        self.known.len()
    }

    /// Returns how many go.mod files are waited for.
    pub(crate) fn unread(&self) -> usize {
        self.graphs.iter().map(|growing| growing.graph.outstanding()).sum()
    }

    /// Takes in a go.mod file that was fetched.
    pub(crate) fn learn(&mut self, of: &ModuleVersion, bytes: &[u8]) {
        self.compare(&(of.clone(), ObjectKind::Mod), &dirhash::hash_mod(bytes).to_string());
        let parsed = match GoMod::parse_lax(bytes) {
            Ok(file) => Some(Arc::new(file)),
            Err(error) => {
                let chain = self.required_by(of);
                self.fail(&of.to_string(), "go.mod", &error.to_string(), chain);
                None
            }
        };
        self.tell(of, parsed);
    }

    /// Notes that a file can't be had.
    pub(crate) fn lost(&mut self, item: &Item, missing: Missing) {
        let (of, kind) = item;
        let required_by = self.required_by(of);
        let file = format!(".{}", kind.extension());
        let Missing { reason, lines, .. } = missing;
        self.failures.push(Failed { of: of.to_string(), file, reason, lines, required_by });
        if *kind == ObjectKind::Mod {
            self.tell(of, None);
        }
    }

    /// Reports whether go.sum says what is in a file.
    pub(crate) fn has_sum(&self, item: &Item) -> bool {
        self.sums.contains_key(item)
    }

    /// Compares a file's hash with what go.sum says.
    pub(crate) fn compare(&mut self, item: &Item, found: &str) {
        let Some(expected) = self.sums.get(item) else { return };
        // Hashes of other kinds than this one are none that could be compared.
        let comparable: Vec<&String> = expected.iter().filter(|hash| hash.starts_with("h1:")).collect();
        if comparable.is_empty() || comparable.iter().any(|hash| *hash == found) {
            return;
        }
        let lines = vec![format!("go.sum says {}", comparable[0]), format!("what came has {found}")];
        let (of, kind) = item;
        self.failures.push(Failed {
            of: of.to_string(),
            file: format!(".{}", kind.extension()),
            reason: "go-sum-mismatch".to_owned(),
            lines,
            required_by: Vec::new(),
        });
    }

    /// Returns the zips that go.sum says something of, among those that were fetched.
    pub(crate) fn zips_with_sums(&self) -> Vec<ModuleVersion> {
        let zips = self.sums.keys().filter(|item| item.1 == ObjectKind::Zip && self.known.contains(*item));
        zips.map(|(of, _)| of.clone()).collect()
    }

    /// Notes what is wrong with the graphs themselves, once they are read.
    pub(crate) fn finish(&mut self) {
        let problems: Vec<_> =
            self.graphs.iter().flat_map(|growing| growing.graph.problems().to_vec()).collect();
        for problem in problems {
            self.fail(&problem.of, "go.mod", &problem.fault.to_string(), problem.required_by);
        }
    }

    fn fail(&mut self, of: &str, file: &str, line: &str, required_by: Vec<String>) {
        let failed = Failed {
            of: of.to_owned(),
            file: file.to_owned(),
            reason: "invalid".to_owned(),
            lines: vec![line.to_owned()],
            required_by,
        };
        if !self.failures.contains(&failed) {
            self.failures.push(failed);
        }
    }

    fn note_sum(&mut self, line: &GoSumLine) {
        let (version, is_mod) = line.split_version();
        let kind = if is_mod { ObjectKind::Mod } else { ObjectKind::Zip };
        if let Ok(of) = ModuleVersion::parse(&line.module, version) {
            self.sums.entry((of, kind)).or_default().push(line.hash.clone());
        }
    }

    fn required_by(&self, of: &ModuleVersion) -> Vec<String> {
        let source = Source::Module(of.clone());
        let chains = self.graphs.iter().map(|growing| growing.graph.required_by(&source));
        chains.into_iter().find(|chain| !chain.is_empty()).unwrap_or_default()
    }

    fn tell(&mut self, of: &ModuleVersion, parsed: Option<Arc<GoMod>>) {
        let source = Source::Module(of.clone());
        for growing in &mut self.graphs {
            match &parsed {
                Some(file) => growing.graph.learn(&source, file),
                None => growing.graph.failed(&source),
            }
        }
        self.parsed.insert(of.clone(), parsed);
        self.advance();
    }

    /// Gives the graphs what is at hand already, asks for what isn't, and takes what they select in the end.
    fn advance(&mut self) {
        for index in 0..self.graphs.len() {
            loop {
                let wanted = self.graphs[index].graph.wanted();
                if wanted.is_empty() {
                    break;
                }
                for source in wanted {
                    self.provide(index, &source);
                }
            }
            let growing = &mut self.graphs[index];
            if growing.finished || !growing.graph.is_settled() {
                continue;
            }
            growing.finished = true;
            let graph = &growing.graph;
            for of in if self.scope.all { graph.everything() } else { graph.downloads() } {
                self.add_whole(&of);
            }
        }
    }

    fn provide(&mut self, index: usize, source: &Source) {
        match source {
            Source::Module(of) => match self.parsed.get(of).cloned() {
                Some(Some(file)) => self.graphs[index].graph.learn(source, &file),
                Some(None) => self.graphs[index].graph.failed(source),
                None => self.add((of.clone(), ObjectKind::Mod)),
            },
            Source::Folder(folder) => {
                let files = self.graphs[index].files.as_ref();
                match files.map(|files| files.go_mod_of(folder)) {
                    Some(Ok(file)) => self.graphs[index].graph.learn(source, &file),
                    Some(Err(error)) => {
                        self.graphs[index].graph.failed(source);
                        self.fail(folder, "go.mod", &error.to_string(), Vec::new());
                    }
                    None => self.graphs[index].graph.failed(source),
                }
            }
        }
    }

    fn add_whole(&mut self, of: &ModuleVersion) {
        for kind in [ObjectKind::Mod, ObjectKind::Info, ObjectKind::Zip] {
            self.add((of.clone(), kind));
        }
    }

    /// Adds a file, unless it is known already.
    pub(crate) fn add(&mut self, item: Item) {
        if !self.known.insert(item.clone()) {
            return;
        }
        let (of, kind) = item;
        match kind {
            ObjectKind::Mod => self.mods.push_back(of),
            ObjectKind::Info | ObjectKind::Zip if self.scope.dry_run => self.left_out.push((of, kind)),
            ObjectKind::Info => self.infos.push_back(of),
            ObjectKind::Zip => self.zips.push_back(of),
        }
    }
}
