//! One repository: what is known of it, and how its runs of git are made and judged.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use larder_upstream::DirectFaultKind;
use tokio::sync::{Mutex as AsyncMutex, RwLock};

use super::address::{Address, Scheme};
use super::fetch::Queue;
use super::listing::Listing;
use super::mirror::Mirror;
use super::mirrors::{Mirrors, Remote};
use super::run::{Done, Output, Stopped, ending};
use super::said::{self, Meaning};
use crate::discover::RepositoryPlace;
use crate::error::DirectError;

/// How many commit times are remembered for one repository.
const REMEMBERED_TIMES: usize = 10_000;
/// How often the use of a mirror is noted on disk.
const TOUCH: Duration = Duration::from_secs(60);

/// One repository. Cloning is cheap; clones share fetches and what is known.
#[derive(Clone, Debug)]
pub struct Repository {
    pub(super) mirrors: Arc<Mirrors>,
    pub(super) state: Arc<State>,
}

/// What is shared by all who ask one repository.
#[derive(Debug)]
pub(super) struct State {
    pub(super) address: Address,
    pub(super) mirror: Mirror,
    place: Mutex<Option<RepositoryPlace>>,
    /// Where redirects led, and when.
    moved: Mutex<Option<(Instant, Remote)>>,
    /// Its root is private, so redirects lead to hosts that are named for it only.
    private: bool,
    pub(super) listing: Listing,
    pub(super) queue: Queue,
    /// Read by whoever uses the mirror, written by who throws it away.
    pub(super) in_use: Arc<RwLock<()>>,
    /// Held by who gives a commit its name and by who sweeps: a lock file of git's may be a leftover or in use.
    pub(super) naming: Arc<AsyncMutex<()>>,
    times: Mutex<HashMap<Box<str>, i64>>,
    touched: Mutex<Option<Instant>>,
}

/// A run that failed: what it is about, and the failure for whoever asked.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) meaning: Meaning,
    pub(super) error: DirectError,
}

impl From<DirectError> for Failure {
    fn from(error: DirectError) -> Self {
        Self { meaning: Meaning::Other, error }
    }
}

impl State {
    pub(super) fn new(address: Address, mirror: Mirror, private: bool) -> Self {
        Self {
            address,
            mirror,
            place: Mutex::default(),
            moved: Mutex::default(),
            private,
            listing: Listing::default(),
            queue: Queue::default(),
            in_use: Arc::default(),
            naming: Arc::default(),
            times: Mutex::default(),
            touched: Mutex::default(),
        }
    }

    /// Notes where the repository was found last: its pinned addresses change.
    pub(super) fn set_place(&self, place: &RepositoryPlace) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place.clone());
    }

    fn place(&self) -> RepositoryPlace {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.clone().unwrap_or_else(|| RepositoryPlace {
            root: String::new(),
            url: self.address.argument(),
            subdirectory: String::new(),
            insecure: false,
            pinned: Vec::new(),
        })
    }

    /// Notes now and then that the mirror is used.
    fn touch(&self) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        if touched.is_none_or(|touched| touched.elapsed() > TOUCH) {
            self.mirror.touch();
            *touched = Some(Instant::now());
        }
    }

    pub(super) fn time_of(&self, hash: &str) -> Option<i64> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).get(hash).copied()
    }

    pub(super) fn remember_time(&self, hash: &str, time: i64) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        if times.len() >= REMEMBERED_TIMES {
            times.clear();
        }
        times.insert(hash.into(), time);
    }
}

impl Repository {
    /// Returns the URL for people and for `Origin`: without user info.
    pub fn url(&self) -> String {
        self.state.address.shown()
    }

    /// Returns where the repository is asked: where it was found, or where it has moved to.
    pub(super) fn remote(&self) -> Remote {
        let moved = self.state.moved.lock().unwrap_or_else(PoisonError::into_inner);
        match &*moved {
            Some((when, remote)) if when.elapsed() < self.mirrors.settings.root_freshness => remote.clone(),
            _ => Remote { address: self.state.address.clone(), place: self.state.place() },
        }
    }

    /// Finds out where the repository has moved to, and asks it there from now on.
    pub(super) async fn follow(&self) -> Result<(), DirectError> {
        let place = self.mirrors.follow(&self.state.place(), self.state.private).await?;
        let remote = Remote { address: Address::parse(&place.url)?, place };
        tracing::debug!("{} has moved to {}", self.url(), remote.address.shown());
        *self.state.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), remote));
        Ok(())
    }

    /// Runs git against the forge.
    pub(super) async fn run_network(
        &self,
        mirror: Option<&Mirror>,
        remote: &Remote,
        arguments: &[&str],
        output: Output<'_>,
    ) -> Result<Done, DirectError> {
        self.mirrors.run_network(mirror, &self.state.mirror.folder, remote, arguments, output).await
    }

    /// Runs git on the mirror.
    pub(super) async fn run_local(
        &self,
        arguments: &[&str],
        input: Vec<u8>,
        output: Output<'_>,
    ) -> Result<Done, DirectError> {
        self.run_in(&self.state.mirror, arguments, input, output).await
    }

    /// Runs git on the mirror or on its history.
    pub(super) async fn run_in(
        &self,
        mirror: &Mirror,
        arguments: &[&str],
        input: Vec<u8>,
        output: Output<'_>,
    ) -> Result<Done, DirectError> {
        self.state.touch();
        let mut job = self.mirrors.commands.local(&mirror.folder, arguments);
        job.input = input;
        self.mirrors.runner.run(job, output).await
    }

    /// The failure of a repository that takes more of the disk than it may.
    pub(super) fn too_large(&self) -> Failure {
        let limit = self.mirrors.settings.repository_limit >> 20;
        let text = format!("{} is larger than the {limit} MiB that one repository may take", self.url());
        Failure { meaning: Meaning::TooLarge, error: DirectError::new(DirectFaultKind::StorageFull, text) }
    }

    /// Judges a run that failed.
    pub(super) fn failure(&self, doing: &str, done: &Done) -> Failure {
        let shown = self.state.address.shown();
        let fail = |meaning, kind, what: String| Failure {
            meaning,
            error: DirectError::new(kind, format!("could not {doing} {shown}: {what}")),
        };
        match done.stopped {
            Some(Stopped::Deadline) => {
                return fail(
                    Meaning::TimedOut,
                    DirectFaultKind::TimedOut,
                    "git took too long and was ended".into(),
                );
            }
            Some(Stopped::Flood) => {
                return fail(Meaning::Flood, DirectFaultKind::Broken, "git said more than it may".into());
            }
            Some(Stopped::Growth) => return self.too_large(),
            Some(Stopped::Enough) | None => {}
        }
        let remote = self.remote();
        let login = self.mirrors.commands.login(&remote.address);
        let has_login = login.is_some();
        let known = has_login || remote.address.scheme == Scheme::Ssh;
        let meaning = said::meaning(&done.stderr);
        let what = match (meaning, done.status.code()) {
            (Meaning::Unknown, Some(_)) => format!("git failed with {}", ending(done.status)),
            (_, None) => format!("git was ended by {}", ending(done.status)),
            (meaning, Some(_)) => meaning.words(has_login).to_owned(),
        };
        let kind = match done.status.code() {
            Some(_) => meaning.kind(has_login),
            None => DirectFaultKind::Broken,
        };
        let mut failure = fail(meaning, kind, what);
        // Where the mirrors lie is nobody's business either.
        let folder = self.mirrors.settings.mirrors.to_string_lossy();
        let mut secrets: Vec<&str> = login.iter().map(|(_, password)| password.as_str()).collect();
        secrets.push(&folder);
        failure.error.said = said::quotation(&done.stderr, &secrets);
        if meaning == Meaning::NoRepository && kind == DirectFaultKind::Absent && !known {
            failure.error = failure.error.hidden();
        }
        failure
    }
}
