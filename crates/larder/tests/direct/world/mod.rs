//! The repositories that are compared, and what is asked about each.

mod attributes;
mod files;
mod history;
mod layout;
mod mirrors;
mod places;
mod tags;

use std::collections::BTreeSet;

use larder_testkit::git_server::Page;
use larder_testkit::{GitRepository, GitServer, Mark, ObjectFormat};

use crate::questions::{Asks, Question};

/// The forge's hosts.
pub(crate) const HOSTS: &[&str] = &[
    "git.corp.example",
    "ssh.corp.example",
    "go.corp.example",
    "github.com",
    "bitbucket.org",
    "gopkg.in",
    "mod.corp.example",
];

/// How the repositories of a world are reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    /// `https://git.corp.example/team/NAME`.
    Https,
    /// A page of `ssh.corp.example` names `ssh://git.corp.example/git.corp.example/team/NAME.git`.
    Ssh,
}

/// Everything that was built so far.
pub(crate) struct World<'a> {
    server: &'a GitServer,
    way: Way,
    questions: BTreeSet<Question>,
    repositories: usize,
}

/// One repository in the making.
pub(crate) struct Case {
    /// The repository.
    pub(crate) repository: GitRepository,
    /// Its module path: the host and the path.
    pub(crate) path: String,
    name: String,
    questions: BTreeSet<Question>,
}

impl<'a> World<'a> {
    /// Begins with nothing.
    pub(crate) fn new(server: &'a GitServer, way: Way) -> Self {
        Self { server, way, questions: BTreeSet::new(), repositories: 0 }
    }

    /// Builds all repositories.
    pub(crate) fn whole(server: &'a GitServer) -> Self {
        let mut world = Self::new(server, Way::Https);
        layout::build(&mut world);
        tags::build(&mut world);
        history::build(&mut world);
        files::build(&mut world);
        attributes::build(&mut world);
        places::build(&mut world);
        world
    }

    /// Builds those that touch on fetching in every way.
    pub(crate) fn over_ssh(server: &'a GitServer) -> Self {
        let mut world = Self::new(server, Way::Ssh);
        layout::plain(&mut world);
        layout::nested(&mut world);
        layout::empty(&mut world);
        history::merges(&mut world);
        tags::kinds(&mut world);
        world
    }

    /// Serves the repositories of a folder.
    pub(crate) fn of_mirrors(server: &'a GitServer, folder: &std::path::Path) -> Self {
        let mut world = Self::new(server, Way::Https);
        mirrors::build(&mut world, folder);
        world
    }

    /// Returns what is asked.
    pub(crate) fn questions(&self) -> Vec<Question> {
        self.questions.iter().cloned().collect()
    }

    /// Returns how many repositories there are.
    pub(crate) fn repositories(&self) -> usize {
        self.repositories
    }

    /// Begins a repository of the team.
    fn case(&mut self, name: &str) -> Case {
        self.case_as(name, ObjectFormat::Sha1)
    }

    fn case_as(&mut self, name: &str, format: ObjectFormat) -> Case {
        let place = format!("git.corp.example/team/{name}");
        let path = match self.way {
            Way::Https => place.clone(),
            Way::Ssh => {
                let path = format!("ssh.corp.example/{name}");
                let url = format!("ssh://git.corp.example/{place}.git");
                self.server.page_below(&path, Page::import(&path, "git", &url));
                path
            }
        };
        self.at_as(&place, &path, format)
    }

    /// Begins a repository at a place (`host/path`) of choice, for a module path that leads there.
    fn at(&mut self, place: &str, path: &str) -> Case {
        self.at_as(place, path, ObjectFormat::Sha1)
    }

    fn at_as(&mut self, place: &str, path: &str, format: ObjectFormat) -> Case {
        let repository = self.server.repository_as(place, format);
        let (name, path) = (place.to_owned(), path.to_owned());
        Case { repository, path, name, questions: BTreeSet::new() }
    }

    /// Answers `?go-get=1` at a path.
    fn page(&self, path: &str, page: Page) {
        self.server.page(path, page);
    }

    /// Answers `?go-get=1` at a path and below.
    fn page_below(&self, path: &str, page: Page) {
        self.server.page_below(path, page);
    }

    /// Finishes a repository.
    fn add(&mut self, mut case: Case) {
        case.repository.save();
        self.repositories += 1;
        self.questions.append(&mut case.questions);
    }
}

impl Case {
    /// Asks about the module at the root, and whatever else is named there: versions, branches, hashes, with spaces between.
    pub(crate) fn ask(&mut self, what: &str) {
        let path = self.path.clone();
        self.ask_of(&path, what);
    }

    /// Asks about a module below the root.
    pub(crate) fn ask_below(&mut self, below: &str, what: &str) {
        let path = format!("{}/{below}", self.path);
        self.ask_of(&path, what);
    }

    /// Asks about a module. No question may hold a slash: the protocol can't carry it, so that a client asks by hash instead.
    pub(crate) fn ask_of(&mut self, module: &str, what: &str) {
        assert!(!what.contains('/'), "{what} can't be asked for");
        let words = what.split_whitespace().map(|word| {
            if fits(module, word) { Asks::Version(word.to_owned()) } else { Asks::Query(word.to_owned()) }
        });
        for asks in [Asks::List, Asks::Latest].into_iter().chain(words) {
            self.questions.insert(Question {
                repository: self.name.clone(),
                module: module.to_owned(),
                asks,
            });
        }
    }

    /// Returns the go.mod of the module at a folder.
    pub(crate) fn go_mod(&self, below: &str) -> String {
        let slash = if below.is_empty() { "" } else { "/" };
        format!("module {}{slash}{below}\n\ngo 1.21\n", self.path)
    }

    /// Returns the pseudo-version of a commit: what stands before the time, then time and hash.
    pub(crate) fn pseudo(&mut self, before: &str, mark: Mark) -> String {
        let hash = self.repository.hash(mark);
        let format = ["log", "-1", "--format=%cd", "--date=format-local:%Y%m%d%H%M%S"];
        let time = self.repository.git(&[format.as_slice(), &[hash.as_str()]].concat());
        format!("{before}{time}-{}", &hash[..12])
    }

    /// Returns the digits of a commit's hash.
    pub(crate) fn hash(&mut self, mark: Mark, digits: usize) -> String {
        self.repository.hash(mark)[..digits].to_owned()
    }
}

/// Reports whether a word is a canonical version that a module of this path can have; everything else is a query.
fn fits(module: &str, word: &str) -> bool {
    let version = word.parse::<larder_module::Version>().ok();
    let module = module.parse::<larder_module::ModulePath>().ok();
    module
        .zip(version)
        .is_some_and(|(module, version)| larder_module::ModuleVersion::new(module, version).is_ok())
}
