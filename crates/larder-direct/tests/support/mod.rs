//! What the tests of repositories share: settings in a folder of their own, and a forge to ask.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larder_direct::discover::{Govcs, RepositoryPlace};
use larder_direct::git::{Mirrors, Repository};
use larder_direct::{DirectSettings, MovedTag, Observer};
use larder_module::pattern::Patterns;
use larder_testkit::GitServer;

/// Keeps what it is told.
#[derive(Debug, Default)]
pub struct Noted(pub Mutex<Vec<MovedTag>>);

impl Observer for Noted {
    fn tag_moved(&self, moved: &MovedTag) {
        self.0.lock().expect("no test panics with it").push(moved.clone());
    }
}

/// Returns settings whose folders are below `folder`, and that know nothing of the machine's users.
pub fn settings(folder: &Path) -> DirectSettings {
    DirectSettings {
        mirrors: folder.join("mirrors"),
        staging: folder.join("staging"),
        budget: 10 << 30,
        repository_limit: 1 << 30,
        program: "git".into(),
        processes: 4,
        network_deadline: Duration::from_secs(60),
        local_deadline: Duration::from_secs(60),
        refs_freshness: Duration::from_secs(60),
        root_freshness: Duration::from_secs(60),
        repositories: Vec::new(),
        listed_hosts: vec!["127.0.0.1".to_owned()],
        insecure: Patterns::parse(""),
        govcs: Govcs::default(),
        private: Patterns::parse(""),
        environment: vec![
            ("PATH".into(), std::env::join_paths(larder_testkit::settings::search_path()).expect("a path")),
            ("HOME".into(), folder.into()),
            ("GIT_CONFIG_GLOBAL".into(), folder.join("gitconfig").into()),
            ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
        ],
        certificate_authorities: Vec::new(),
        guardian: Vec::new(),
        tokens: Vec::new(),
        observer: Arc::new(Noted::default()),
    }
}

/// Returns the place of a URL.
pub fn place(url: &str) -> RepositoryPlace {
    RepositoryPlace {
        root: "git.corp.example/team/repo".to_owned(),
        url: url.to_owned(),
        subdirectory: String::new(),
        insecure: url.starts_with("file:") || url.starts_with("http:"),
        pinned: Vec::new(),
    }
}

/// A forge with one repository, and mirrors in a folder of their own.
pub struct Lab {
    /// Where mirrors and staging are.
    pub folder: tempfile::TempDir,
    /// The forge.
    pub forge: GitServer,
    /// What asks it.
    pub mirrors: Arc<Mirrors>,
}

/// The repository that a lab asks.
pub const NAME: &str = "git.corp.example/team/repo";

impl Lab {
    /// Starts one.
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Starts one with other settings than the usual ones.
    pub fn start_with(change: impl FnOnce(&mut DirectSettings)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let forge = GitServer::start();
        let mut settings = settings(folder.path());
        settings.certificate_authorities = vec![forge.authority_file()];
        change(&mut settings);
        Self { folder, forge, mirrors: Mirrors::new(Arc::new(settings)) }
    }

    /// Returns its repository.
    pub fn repository(&self) -> Repository {
        self.repository_of(NAME)
    }

    /// Returns another one.
    pub fn repository_of(&self, name: &str) -> Repository {
        self.mirrors.repository(&place(&self.forge.url(name))).expect("a URL that is asked")
    }

    /// Returns the folders of mirrors.
    pub fn mirror_folders(&self) -> Vec<std::path::PathBuf> {
        let entries = fs_err::read_dir(self.mirrors.folder()).expect("mirrors");
        let folders = entries.flatten().map(|entry| entry.path());
        folders.filter(|path| path.extension().is_some_and(|extension| extension == "git")).collect()
    }
}
