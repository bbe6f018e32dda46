//! All mirrors of this process: the folder, what git may be run with, and which repositories are known.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use larder_upstream::DirectFaultKind;

use super::address::Address;
use super::authorities;
use super::budget::Budget;
use super::command::{Commands, Contact};
use super::guardian::Guardian;
use super::mirror::{self, Mirror, storage_fault};
use super::operator::{Operator, OperatorConfiguration};
use super::repository::{Repository, State};
use super::run::{Done, Output, RunCounts, Runner};
use crate::discover::RepositoryPlace;
use crate::error::DirectError;
use crate::settings::DirectSettings;

/// The first git that takes an address for a host (`http.curloptResolve`).
const PINNING: (u32, u32) = (2, 37);
/// The first git that takes configuration from its environment, which is how logins are given to it.
const OLDEST: (u32, u32) = (2, 31);
/// How many repositories are remembered; the idle ones beyond are forgotten, their folders are not.
const REMEMBERED: usize = 4096;
/// How often and how long the lock of the folder is waited for.
const LOCK_TRIES: u32 = 25;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// All mirrors of this process.
#[derive(Debug)]
pub struct Mirrors {
    pub(super) settings: Arc<DirectSettings>,
    pub(super) commands: Commands,
    pub(super) runner: Runner,
    operator: Operator,
    pub(super) budget: Budget,
    pub(super) repositories: Mutex<HashMap<String, Arc<State>>>,
    /// Held as long as this process works on the folder.
    lock: Mutex<Option<File>>,
    authorities: Mutex<Option<PathBuf>>,
    follower: OnceLock<Weak<dyn Follow>>,
}

/// Finds out where a repository that has moved is now, judging each place on the way: git itself follows no redirects, because it
/// would go anywhere.
pub trait Follow: fmt::Debug + Send + Sync {
    /// Returns the new place.
    fn follow<'a>(&'a self, place: &'a RepositoryPlace, private: bool) -> Following<'a>;
}

/// A new place that is being looked for.
pub type Following<'a> = Pin<Box<dyn Future<Output = Result<RepositoryPlace, DirectError>> + Send + 'a>>;

/// Where a repository is asked.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    pub(super) address: Address,
    pub(super) place: RepositoryPlace,
}

impl Mirrors {
    /// Builds it; nothing is created yet.
    pub fn new(settings: Arc<DirectSettings>) -> Arc<Self> {
        Arc::new(Self {
            commands: Commands::new(Arc::clone(&settings)),
            runner: Runner::new(
                settings.program.clone(),
                settings.processes,
                Guardian::new(settings.guardian.clone()),
            ),
            operator: Operator::default(),
            budget: Budget::default(),
            repositories: Mutex::default(),
            lock: Mutex::default(),
            authorities: Mutex::default(),
            follower: OnceLock::new(),
            settings,
        })
    }

    /// Sets who finds repositories that have moved; without anybody, they are not found. The first one stays.
    pub fn set_follower(&self, follower: Weak<dyn Follow>) {
        self.follower.set(follower).ok();
    }

    /// Returns where a repository has moved to.
    pub(super) async fn follow(
        &self,
        place: &RepositoryPlace,
        private: bool,
    ) -> Result<RepositoryPlace, DirectError> {
        match self.follower.get().and_then(Weak::upgrade) {
            Some(follower) => follower.follow(place, private).await,
            None => Err(DirectError::new(DirectFaultKind::Unreachable, "nobody follows redirects")),
        }
    }

    /// Returns the repository at a place.
    ///
    /// # Errors
    ///
    /// Fails for a URL that is not asked.
    pub fn repository(self: &Arc<Self>, place: &RepositoryPlace) -> Result<Repository, DirectError> {
        let address = Address::parse(&place.url)?;
        let name = mirror::folder_name(&address);
        let mut repositories = self.repositories.lock().unwrap_or_else(PoisonError::into_inner);
        if repositories.len() >= REMEMBERED {
            repositories.retain(|_, state| Arc::strong_count(state) > 1);
        }
        let state = repositories.entry(name).or_insert_with_key(|name| {
            let mirror = Mirror { folder: self.settings.mirrors.join(name) };
            Arc::new(State::new(address, mirror, self.settings.private.matches(&place.root)))
        });
        state.set_place(place);
        Ok(Repository { mirrors: Arc::clone(self), state: Arc::clone(state) })
    }

    /// Returns the folder.
    pub fn folder(&self) -> PathBuf {
        self.settings.mirrors.clone()
    }

    /// Returns how often git was run and is running.
    pub fn run_counts(&self) -> RunCounts {
        self.runner.counts()
    }

    /// Returns what the operator's git configuration (`url.*.insteadOf`) makes of a URL.
    ///
    /// # Errors
    ///
    /// Fails for a URL that git must not be given, and when git can't be run.
    pub async fn rewritten(&self, url: &str) -> Result<String, DirectError> {
        let address = Address::parse(url)?;
        if !self.configuration().await?.rewrites {
            return Ok(url.to_owned());
        }
        let folder = self.ready_folder()?;
        let argument = address.argument();
        let job =
            self.commands.configured(folder, &["ls-remote", "--get-url", "--end-of-options", &argument]);
        let done = self.runner.run(job, Output::Memory(64 << 10)).await?;
        let answer = String::from_utf8_lossy(&done.stdout).trim_end_matches('\n').to_owned();
        if !done.is_success() || answer.is_empty() {
            let text = format!("git could not say what insteadOf makes of {}", address.shown());
            return Err(DirectError::new(DirectFaultKind::Broken, text));
        }
        // Nothing was rewritten: what was left out for the argument stays.
        Ok(if answer == argument { url.to_owned() } else { answer })
    }

    /// Returns the protocols that the operator's git configuration allows by name (`protocol.NAME.allow`).
    ///
    /// # Errors
    ///
    /// Fails when git can't be run.
    pub async fn allowed_protocols(&self) -> Result<Vec<String>, DirectError> {
        Ok(self.configuration().await?.allowed)
    }

    async fn configuration(&self) -> Result<OperatorConfiguration, DirectError> {
        let folder = self.ready_folder()?;
        self.operator.configuration(&self.commands, &self.runner, folder).await
    }

    /// Runs git against a forge: in a mirror, or beside them all.
    pub(super) async fn run_network(
        &self,
        mirror: Option<&Mirror>,
        grows: &Path,
        remote: &Remote,
        arguments: &[&str],
        output: Output<'_>,
    ) -> Result<Done, DirectError> {
        let Remote { address, place } = remote;
        let configuration = self.configuration().await?;
        self.check_protocol(address, place, &configuration).await?;
        check_pins(remote, &configuration)?;
        let authorities = if configuration.own_authorities { None } else { self.authorities()? };
        let contact = Contact {
            address,
            insecure: place.insecure,
            pinned: &place.pinned,
            own_ssh: configuration.own_ssh,
            authorities: authorities.as_deref(),
        };
        let folder = match mirror {
            Some(mirror) => &mirror.folder,
            None => self.ready_folder()?,
        };
        let mut job = self.commands.network(folder, mirror.is_some(), contact, arguments);
        job.growth = mirror.map(|_| (grows.to_owned(), self.settings.repository_limit));
        self.runner.run(job, output).await
    }

    /// Refuses what others can listen to, unless the place is listed or the operator's own configuration of git says so.
    async fn check_protocol(
        &self,
        address: &Address,
        place: &RepositoryPlace,
        configuration: &OperatorConfiguration,
    ) -> Result<(), DirectError> {
        let protocol = address.scheme.protocol();
        if address.scheme.is_safe()
            || place.insecure
            || configuration.allowed.iter().any(|allowed| allowed == protocol)
            || (configuration.rewrites && self.rewritten(&place.url).await? != place.url)
        {
            return Ok(());
        }
        let text = format!(
            "{} is not asked: {protocol} is not used for places that are not listed",
            address.shown()
        );
        Err(DirectError::new(DirectFaultKind::Refused, text))
    }

    /// Returns the file with all certificate authorities, if there are others than the system's.
    fn authorities(&self) -> Result<Option<PathBuf>, DirectError> {
        let added = &self.settings.certificate_authorities;
        if added.is_empty() {
            return Ok(None);
        }
        let folder = self.ready_folder()?;
        let mut known = self.authorities.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|path| !path.exists()) {
            *known = Some(authorities::together(folder, added, self.system_authorities())?);
        }
        Ok(known.clone())
    }

    /// Returns the file that the operator's environment names in place of the system's authorities.
    fn system_authorities(&self) -> Option<&Path> {
        let named = self.settings.environment.iter().find(|(name, _)| name == "SSL_CERT_FILE");
        named.map(|(_, file)| Path::new(file))
    }

    /// Makes the folder and takes its lock, once.
    pub(super) fn ready_folder(&self) -> Result<&Path, DirectError> {
        let folder = &self.settings.mirrors;
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_some() && folder.is_dir() {
            return Ok(folder);
        }
        let fault = |error: std::io::Error| storage_fault("make the folder of the mirrors", &error);
        fs_err::create_dir_all(folder).map_err(fault)?;
        let path = folder.join(".lock");
        let file = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(fault)?
            .into_parts()
            .0;
        match lock_soon(&file) {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                tracing::error!("another process uses the mirrors in {}", folder.display());
                let text = "another process uses Larder's mirrors";
                return Err(DirectError::new(DirectFaultKind::Broken, text));
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(fault(error)),
        }
        *lock = Some(file);
        self.clear_halves(folder);
        Ok(folder)
    }

    /// Removes what was being made or thrown away when the last process ended.
    fn clear_halves(&self, folder: &Path) {
        let entries = fs_err::read_dir(folder).ok().into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(mirror::MAKING) || name.starts_with(mirror::TRASH) {
                // Tried again at the next start.
                mirror::remove_any(&entry.path());
            }
        }
    }
}

/// Takes the lock of the mirrors. A process that has just been forked holds a copy of every descriptor until it becomes another program,
/// so a lock that was let go a moment ago may still be held for a moment.
fn lock_soon(file: &std::fs::File) -> Result<(), std::fs::TryLockError> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            outcome => return outcome,
        }
    }
    file.try_lock()
}

/// Refuses a git that is too old for how it is run, and one that can't be held to addresses that were checked. One that doesn't say its
/// version is believed to be new.
fn check_pins(remote: &Remote, configuration: &OperatorConfiguration) -> Result<(), DirectError> {
    let version @ (major, minor) = configuration.version;
    let shown = remote.address.shown();
    if version != (0, 0) && version < OLDEST {
        let text = format!(
            "{shown} is not asked: git {major}.{minor} is too old, Larder needs {}.{}",
            OLDEST.0, OLDEST.1
        );
        return Err(DirectError::new(DirectFaultKind::Broken, text));
    }
    if !remote.place.pinned.is_empty() && version < PINNING {
        let text = format!(
            "{shown} is not asked: git {major}.{minor} can't be held to the address that was checked; git {}.{} can, or name \
             the host in a route",
            PINNING.0, PINNING.1
        );
        return Err(DirectError::new(DirectFaultKind::Refused, text));
    }
    if !remote.place.pinned.is_empty() && configuration.own_proxy {
        let text = format!(
            "{shown} is not asked: the proxy in git's configuration would look up its address, which was checked; name the \
             host in a route"
        );
        return Err(DirectError::new(DirectFaultKind::Refused, text));
    }
    Ok(())
}
