//! A forge: smart HTTP for a folder of repositories, go-import pages, logins, and a record of who asked for what.
//!
//! Repositories lie at `<folder>/<host>/<path>.git` and are served as `https://<host>/<path>` with or without `.git`; asked for by
//! address, the host is the first element of the path. Git itself answers, through `git http-backend`, so that what is measured
//! is what git really sends.

mod backend;
mod pages;
mod serve;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use base64::Engine as _;
use tempfile::TempDir;

pub use pages::Page;

use crate::certificates::Authority;
use crate::git::{GitRepository, ObjectFormat};

/// What a request to a repository wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// `info/refs`: the begin of every conversation. In protocol 2 it lists nothing yet.
    Advertisement,
    /// The list of references in protocol 2.
    Listing,
    /// Objects.
    Fetch,
    /// A page, such as `?go-get=1`.
    Page,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The host that was asked for, without port.
    pub host: String,
    /// The path with its query.
    pub path: String,
    /// What it wants.
    pub stage: Stage,
    /// `host/path` of the repository, without `.git`, if there is one.
    pub repository: Option<String>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The status of the answer; 0 until it is known.
    pub status: u16,
}

/// What was exchanged about one repository.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// Conversations begun.
    pub advertisements: usize,
    /// Lists of references (each `ls-remote` and each fetch makes one in protocol 2).
    pub listings: usize,
    /// Requests for objects.
    pub fetches: usize,
    /// Bytes of bodies sent.
    pub bytes: u64,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum GitFault {
    /// An answer of the forge's own.
    Status(u16, String),
    /// Nothing, for ever.
    Hang,
    /// The right answer, later.
    Delay(Duration),
    /// The right answer, broken off after so many bytes of its body.
    Cut(u64),
    /// The right answer, which stops for ever after so many bytes of its body.
    Stall(u64),
    /// A redirect of each request to another place; the path behind the prefix is kept.
    Redirect(String),
}

/// How a protected place treats strangers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Strangers {
    /// Asks them to log in: 401.
    Challenged,
    /// Says that there is nothing: 404.
    Denied,
}

#[derive(Clone, Debug)]
struct Lock {
    prefix: String,
    authorizations: Vec<String>,
    strangers: Strangers,
    pages: bool,
}

#[derive(Clone, Debug)]
struct Rule {
    prefix: String,
    stage: Option<Stage>,
    fault: GitFault,
    left: Option<usize>,
}

#[derive(Default)]
struct State {
    log: Vec<Asked>,
    traffic: BTreeMap<String, Traffic>,
    pages: BTreeMap<String, Page>,
    pages_below: BTreeMap<String, Page>,
    locks: Vec<Lock>,
    rules: Vec<Rule>,
}

struct Shared {
    root: PathBuf,
    state: Mutex<State>,
    changed: std::sync::Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the state")
    }
}

/// A forge on loopback that runs until it is dropped.
pub struct GitServer {
    folder: TempDir,
    shared: Arc<Shared>,
    address: SocketAddr,
    plain: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl fmt::Display for GitServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "https://{}", self.address)
    }
}

impl GitServer {
    /// Starts one on free ports; repositories are asked for by its address, host first.
    pub fn start() -> Self {
        Self::start_at(0, 0, &[])
    }

    /// Starts one on the usual ports under these names, inside [`crate::namespace::inside`].
    pub fn start_named(hosts: &[&str]) -> Self {
        Self::start_at(443, 80, hosts)
    }

    /// Starts one on free ports whose certificate has these names, for those who know by themselves where names lead.
    pub fn start_for(hosts: &[&str]) -> Self {
        Self::start_at(0, 0, hosts)
    }

    fn start_at(port: u16, plain: u16, hosts: &[&str]) -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST, (port, plain), hosts, &Authority::new("Example Corp Authority"))
    }

    /// Starts one on an address and two ports of this machine, its certificate signed by an authority that others use too.
    pub fn start_on(
        address: Ipv4Addr,
        (port, plain): (u16, u16),
        hosts: &[&str],
        authority: &Authority,
    ) -> Self {
        let folder = TempDir::with_prefix("larder-forge-").expect("a temporary folder");
        let root = folder.path().join("repositories");
        fs_err::create_dir_all(&root).expect("a temporary folder");
        authority.write(&folder.path().join("ca.pem"));
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        names.extend(hosts.iter().map(|host| (*host).to_owned()));
        let tls = authority.server(&names);
        let bind = |port| TcpListener::bind((address, port)).expect("the address has this port free");
        let (listener, plain) = (bind(port), bind(plain));
        let address = |listener: &TcpListener| listener.local_addr().expect("a bound socket has an address");
        let (address, plain_address) = (address(&listener), address(&plain));
        let shared = Arc::new(Shared { root, state: Mutex::default(), changed: std::sync::Condvar::new() });
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let for_server = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("forge".to_owned())
            .spawn(move || serve::run(listener, plain, tls, for_server, stopped))
            .expect("the machine can start a thread");
        Self { folder, shared, address, plain: plain_address, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns its address for https.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its address for plain http.
    pub fn plain_address(&self) -> SocketAddr {
        self.plain
    }

    /// Returns the clone URL, by address, of a repository such as `git.corp.example/team/repo`.
    pub fn url(&self, repository: &str) -> String {
        format!("https://{}/{repository}.git", self.address)
    }

    /// Returns the file with the authority's certificate.
    pub fn authority_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Returns the folder of repositories.
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// Makes a repository such as `git.corp.example/team/repo`.
    pub fn repository(&self, name: &str) -> GitRepository {
        self.repository_as(name, ObjectFormat::Sha1)
    }

    /// Makes a repository with a hash function of choice.
    pub fn repository_as(&self, name: &str, format: ObjectFormat) -> GitRepository {
        GitRepository::create_as(&self.shared.root.join(format!("{name}.git")), format)
    }

    /// Serves an existing repository under a name.
    pub fn link(&self, name: &str, folder: &Path) {
        let link = self.shared.root.join(format!("{name}.git"));
        fs_err::create_dir_all(link.parent().expect("below the root")).expect("a temporary folder");
        fs_err::os::unix::fs::symlink(folder, link).expect("a temporary folder");
    }

    /// Answers `?go-get=1` of one path (`git.corp.example/some/path`) in a way of its own. Without, the path of a repository and
    /// everything below names that repository, and everything else is 404.
    pub fn page(&self, path: &str, page: Page) {
        self.shared.state().pages.insert(path.to_owned(), page);
    }

    /// Answers `?go-get=1` of a path and of everything below it, as servers of vanity names do.
    pub fn page_below(&self, path: &str, page: Page) {
        self.shared.state().pages_below.insert(path.to_owned(), page);
    }

    /// Wants a login for everything below a prefix such as `git.corp.example/team`. May be called again for more accounts.
    pub fn protect(&self, prefix: &str, user: &str, password: &str, strangers: Strangers) {
        let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let authorization = format!("Basic {text}");
        let mut state = self.shared.state();
        match state.locks.iter_mut().find(|lock| lock.prefix == prefix) {
            Some(lock) => lock.authorizations.push(authorization),
            None => state.locks.push(Lock {
                prefix: prefix.to_owned(),
                authorizations: vec![authorization],
                strangers,
                pages: false,
            }),
        }
    }

    /// Wants the login for pages below the prefix too.
    pub fn protect_pages(&self, prefix: &str) {
        for lock in self.shared.state().locks.iter_mut().filter(|lock| lock.prefix == prefix) {
            lock.pages = true;
        }
    }

    /// Revokes every account of a prefix.
    pub fn revoke(&self, prefix: &str) {
        for lock in self.shared.state().locks.iter_mut().filter(|lock| lock.prefix == prefix) {
            lock.authorizations.clear();
        }
    }

    /// Makes everything below a prefix go wrong, at one stage or all; so many times, or until healed.
    pub fn fault(&self, prefix: &str, stage: Option<Stage>, fault: GitFault, times: Option<usize>) {
        self.shared.state().rules.push(Rule { prefix: prefix.to_owned(), stage, fault, left: times });
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.shared.state().rules.clear();
    }

    /// Returns every request so far.
    pub fn log(&self) -> Vec<Asked> {
        self.shared.state().log.clone()
    }

    /// Returns what was exchanged about a repository such as `git.corp.example/team/repo`.
    pub fn traffic(&self, repository: &str) -> Traffic {
        self.shared.state().traffic.get(repository).copied().unwrap_or_default()
    }

    /// Forgets all requests so far.
    pub fn forget(&self) {
        let mut state = self.shared.state();
        state.log.clear();
        state.traffic.clear();
    }

    /// Waits until the record satisfies a condition; reports whether that came true in time.
    pub fn wait_until(&self, limit: Duration, condition: impl Fn(&[Asked]) -> bool) -> bool {
        let end = Instant::now() + limit;
        let mut state = self.shared.state();
        loop {
            if condition(&state.log) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.changed.wait_timeout(state, left).expect("nobody panics holding it").0;
        }
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reports whether `path` is the prefix or lies below it.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest.starts_with('.'))
}

impl State {
    /// Returns what goes wrong with a request, and counts it.
    fn strike(&mut self, place: &str, stage: Stage) -> Option<(String, GitFault)> {
        let rule = self.rules.iter_mut().find(|rule| {
            is_below(place, &rule.prefix)
                && rule.stage.is_none_or(|wanted| wanted == stage)
                && rule.left.is_none_or(|left| left > 0)
        })?;
        if let Some(left) = &mut rule.left {
            *left -= 1;
        }
        Some((rule.prefix.clone(), rule.fault.clone()))
    }

    /// Returns the status for someone who may not see a place.
    fn refuse(&self, place: &str, stage: Stage, authorization: Option<&str>) -> Option<u16> {
        let lock = self.locks.iter().find(|lock| is_below(place, &lock.prefix))?;
        if stage == Stage::Page && !lock.pages {
            return None;
        }
        match authorization {
            Some(given) if lock.authorizations.iter().any(|known| known == given) => None,
            Some(_) => Some(401),
            None => Some(match lock.strangers {
                Strangers::Challenged => 401,
                Strangers::Denied => 404,
            }),
        }
    }

    fn page(&self, place: &str) -> Option<Page> {
        let below = || self.pages_below.iter().rev().find(|(prefix, _)| is_below(place, prefix));
        self.pages.get(place).or_else(|| below().map(|(_, page)| page)).cloned()
    }

    fn traffic(&mut self, repository: &str) -> &mut Traffic {
        self.traffic.entry(repository.to_owned()).or_default()
    }
}
