//! From a question of the module proxy protocol to a repository's answer.
//!
//! The work on a question belongs to nobody who asks: it runs on its own, equal questions share it, and when everybody has stopped
//! waiting it still ends, so that the next one finds the mirror filled.

mod flights;
mod proxied;

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use larder_module::{ModulePath, ModuleVersion, ObjectKind, Version};
use larder_upstream::{
    Answering, Deadline, DirectErrand, DirectFaultKind, FetchCause, ListedHosts, Refusal, Upstreams,
    VersionControl, Wanted,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use self::flights::Flights;
use crate::code::{CodeModule, Memory};
use crate::discover::{Discovery, Place, RepositoryPlace};
use crate::error::DirectError;
use crate::git::{DiskUse, Follow, Following, Mirrors, Repository, RunCounts};
use crate::settings::DirectSettings;

/// How long a zip waits for somebody who asks again.
const ZIP_KEPT: Duration = Duration::from_secs(120);

/// How many repositories are remembered; the idle ones beyond are forgotten, for their ledgers can be read again.
const MOST_MEMORIES: usize = 512;

/// Version control as an upstream. One per process.
#[derive(Debug)]
pub struct Direct {
    shared: Arc<Shared>,
    small: Arc<Flights<(Wanted, bool), Bytes>>,
    zips: Arc<Flights<(ModuleVersion, bool), Claim>>,
}

/// A finished zip; a file has one position, so only one can have it.
type Claim = Arc<Mutex<Option<(File, u64)>>>;

struct Shared {
    settings: Arc<DirectSettings>,
    discovery: Discovery,
    mirrors: Arc<Mirrors>,
    upstreams: Upstreams,
    listed: ListedHosts,
    /// By the URL without user info.
    memories: Mutex<HashMap<String, MemoryCell>>,
}

type MemoryCell = Arc<OnceCell<Arc<Memory>>>;

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").field("mirrors", &self.mirrors).finish_non_exhaustive()
    }
}

impl Direct {
    /// Builds the upstream. Nothing is run or created before the first question. `upstreams` are asked where a go-import page names a
    /// module proxy.
    ///
    /// # Errors
    ///
    /// Fails when what fetches go-import pages can't be set up.
    pub fn new(settings: DirectSettings, upstreams: Upstreams) -> Result<Self, DirectError> {
        let settings = Arc::new(settings);
        let mirrors = Mirrors::new(Arc::clone(&settings));
        let git = Arc::new(Arc::clone(&mirrors));
        let discovery = Discovery::new(Arc::clone(&settings), upstreams.clone(), git);
        let listed = discovery.listed().clone();
        let shared = Shared { settings, discovery, mirrors, upstreams, listed, memories: Mutex::default() };
        let shared = Arc::new(shared);
        let follower = Arc::downgrade(&shared);
        shared.mirrors.set_follower(follower);
        Ok(Self { shared, small: Flights::new(Duration::ZERO), zips: Flights::new(ZIP_KEPT) })
    }
}

impl Direct {
    /// Returns how often git was run and is running.
    pub fn run_counts(&self) -> RunCounts {
        self.shared.mirrors.run_counts()
    }

    /// Returns what the mirrors take on disk, as far as they were measured.
    pub fn disk_use(&self) -> DiskUse {
        self.shared.mirrors.disk_use()
    }
}

impl Follow for Shared {
    fn follow<'a>(&'a self, place: &'a RepositoryPlace, private: bool) -> Following<'a> {
        Box::pin(self.discovery.moved(place, private))
    }
}

impl VersionControl for Direct {
    fn small<'a>(
        &'a self,
        wanted: &'a Wanted,
        errand: DirectErrand,
        deadline: Deadline,
    ) -> Answering<'a, Bytes> {
        Box::pin(async move {
            let began = Instant::now();
            let work = || {
                let (shared, wanted) = (Arc::clone(&self.shared), wanted.clone());
                async move { shared.small(&wanted, errand).await }
            };
            match timeout_at(deadline, self.small.join((wanted.clone(), errand.private), work)).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let cause = FetchCause::DeadlinePassed { after: began.elapsed() };
                    Err(Refusal { cause, said: None })
                }
            }
        })
    }

    fn zip<'a>(&'a self, of: &'a ModuleVersion, errand: DirectErrand) -> Answering<'a, (File, u64)> {
        Box::pin(async move {
            let key = (of.clone(), errand.private);
            loop {
                let work = || {
                    let (shared, of) = (Arc::clone(&self.shared), of.clone());
                    async move {
                        let made = shared.zip(&of, errand).await?;
                        Ok(Arc::new(Mutex::new(Some(made))))
                    }
                };
                let claim = self.zips.join(key.clone(), work).await?;
                let taken = claim.lock().unwrap_or_else(PoisonError::into_inner).take();
                self.zips.forget(&key);
                if let Some(made) = taken {
                    return Ok(made);
                }
            }
        })
    }
}

impl Shared {
    async fn small(&self, wanted: &Wanted, errand: DirectErrand) -> Result<Bytes, Refusal> {
        let place = match self.discovery.find(wanted.module(), errand.private).await? {
            Place::Repository(place) => place,
            Place::Proxy { url, .. } => {
                let deadline = Instant::now() + self.settings.network_deadline;
                return proxied::small(&self.upstreams, &self.listed, &url, wanted, errand, deadline).await;
            }
        };
        let answer = self.answer(&place, wanted).await;
        Ok(answer.map_err(|error| self.for_whom(error, wanted.module(), errand))?)
    }

    async fn answer(&self, place: &RepositoryPlace, wanted: &Wanted) -> Result<Bytes, DirectError> {
        let module = self.code(place, wanted.module()).await?;
        match wanted {
            Wanted::List(_) => Ok(list(&module.versions().await?)),
            Wanted::Latest(_) => module.latest().await,
            Wanted::Query { query, .. } => module.query(query).await,
            Wanted::Object { of, kind: ObjectKind::Info } => module.info(of.version()).await,
            Wanted::Object { of, kind: ObjectKind::Mod } => module.go_mod(of.version()).await,
            Wanted::Object { kind: ObjectKind::Zip, .. } => {
                Err(DirectError::new(DirectFaultKind::Broken, "a zip where a small file was asked for"))
            }
        }
    }

    /// Returns what a failure means to whoever asked. One repository may hold private modules and others, so the module decides.
    fn for_whom(&self, error: DirectError, module: &ModulePath, errand: DirectErrand) -> DirectError {
        match errand.private || self.settings.private.matches(module.as_str()) {
            true => error,
            false => error.in_public(),
        }
    }

    async fn zip(&self, of: &ModuleVersion, errand: DirectErrand) -> Result<(File, u64), Refusal> {
        match self.discovery.find(of.module(), errand.private).await? {
            Place::Repository(place) => {
                let made = async { self.code(&place, of.module()).await?.zip(of.version()).await };
                let made = made.await.map_err(|error| self.for_whom(error, of.module(), errand))?;
                Ok((made.file, made.len))
            }
            Place::Proxy { url, .. } => {
                proxied::zip(&self.upstreams, &self.listed, &url, of, errand, &self.settings.staging).await
            }
        }
    }

    async fn code(&self, place: &RepositoryPlace, module: &ModulePath) -> Result<CodeModule, DirectError> {
        let repository = self.mirrors.repository(place)?;
        let memory = self.memory(&repository).await;
        CodeModule::new(repository, place, module.clone(), memory, self.settings.staging.clone())
    }

    /// Returns what is known of a repository, its ledger read when it is first needed.
    async fn memory(&self, repository: &Repository) -> Arc<Memory> {
        let url = repository.url();
        let cell = {
            let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
            make_room(&mut memories, &url);
            Arc::clone(memories.entry(url.clone()).or_default())
        };
        let open = || async {
            let (file, observer) = (self.ledger_file(&url), Arc::clone(&self.settings.observer));
            let opened = {
                let (file, url, observer) = (file.clone(), url.clone(), Arc::clone(&observer));
                tokio::task::spawn_blocking(move || Memory::open(file, url, observer)).await
            };
            // Only a runtime that is ending drops such work.
            Arc::new(opened.unwrap_or_else(|_| Memory::open(file, url.clone(), observer)))
        };
        Arc::clone(cell.get_or_init(open).await)
    }

    /// Returns where a repository's ledger is: beside the mirrors, because it outlives them.
    fn ledger_file(&self, url: &str) -> PathBuf {
        let digest = Sha256::digest(url.as_bytes());
        let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let mut folder = self.settings.mirrors.clone().into_os_string();
        folder.push("-made");
        PathBuf::from(folder).join(name)
    }
}

/// Forgets the repositories that nobody asks, if there is no room for another one.
fn make_room(memories: &mut HashMap<String, MemoryCell>, url: &str) {
    if memories.len() >= MOST_MEMORIES && !memories.contains_key(url) {
        // Whoever waits for a cell, or uses what is in it, holds it.
        memories.retain(|_, cell| {
            Arc::strong_count(cell) > 1 || cell.get().is_some_and(|memory| !memory.is_idle())
        });
    }
}

/// Writes a version list.
fn list(versions: &[Version]) -> Bytes {
    let mut text = String::new();
    for version in versions {
        text.push_str(version.as_str());
        text.push('\n');
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nobody;

    impl crate::Observer for Nobody {
        fn tag_moved(&self, _moved: &crate::MovedTag) {}
    }

    #[test]
    fn repositories_beyond_the_most_are_forgotten_unless_they_are_in_use() {
        let memory = || Arc::new(Memory::open("/nonexistent/x".into(), String::new(), Arc::new(Nobody)));
        let cell = || Arc::new(OnceCell::new_with(Some(memory())));
        let mut memories: HashMap<_, _> =
            (0..MOST_MEMORIES).map(|number| (number.to_string(), cell())).collect();
        let (waited_for, used) = (Arc::clone(&memories["1"]), Arc::clone(memories["2"].get().expect("set")));
        make_room(&mut memories, "3");
        assert_eq!(memories.len(), MOST_MEMORIES, "it is known");
        make_room(&mut memories, "new");
        let mut left: Vec<_> = memories.keys().map(String::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["1", "2"]);
        drop((waited_for, used));
    }
}
