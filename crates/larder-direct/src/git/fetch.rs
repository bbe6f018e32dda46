//! Bringing commits into the mirror, as few and as seldom as the questions allow.
//!
//! Whoever needs a commit puts it into the queue. One fetch runs at a time for one repository and takes along all that waits, so a
//! hundred questions for ten versions cost about two fetches.

use std::sync::{Arc, Mutex, PoisonError};

use larder_upstream::DirectFaultKind;
use tokio::sync::{Mutex as AsyncMutex, oneshot};

use super::mirror::{commit_reference, storage_fault};
use super::refs::is_fetchable;
use super::repository::{Failure, Repository};
use super::run::{Done, Output};
use super::said::Meaning;
use crate::error::DirectError;

/// How many commits one fetch takes along, so that arguments stay short.
const BATCH: usize = 200;
const SAID: usize = 1 << 20;

/// What waits to be fetched.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Vec<Waiting>>,
    /// Held by the one who fetches.
    fetching: Arc<AsyncMutex<()>>,
}

#[derive(Debug)]
struct Waiting {
    want: Want,
    answer: oneshot::Sender<Result<(), DirectError>>,
}

/// Something to be fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Want {
    /// One commit with its files: its hash, and the reference that leads to it.
    Commit { hash: String, reference: String },
    /// All branches and tags with all their history; the sum of the references that were listed tells whether that is done already.
    Everything { sum: String },
}

impl Repository {
    /// Fetches what is wanted, together with what others want.
    pub(super) async fn fetch(&self, want: Want) -> Result<(), DirectError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { want, answer };
        self.state.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
        let repository = self.clone();
        // On its own, because it also works for others.
        tokio::spawn(async move { repository.work().await });
        answered.await.unwrap_or_else(|_| {
            Err(DirectError::new(
                DirectFaultKind::Broken,
                format!("fetching from {} was broken off", self.url()),
            ))
        })
    }

    async fn work(&self) {
        let _fetching = Arc::clone(&self.state.queue.fetching).lock_owned().await;
        loop {
            let batch: Vec<Waiting> = {
                let mut waiting = self.state.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let count = waiting.len().min(BATCH);
                waiting.drain(..count).collect()
            };
            if batch.is_empty() {
                return;
            }
            self.serve(batch).await;
        }
    }

    async fn serve(&self, batch: Vec<Waiting>) {
        let mut commits: Vec<(String, String)> = Vec::new();
        for waiting in &batch {
            if let Want::Commit { hash, reference } = &waiting.want
                && !commits.iter().any(|(known, _)| known == hash)
                && !self.state.mirror.holds(hash)
            {
                commits.push((hash.clone(), reference.clone()));
            }
        }
        let mut outcome = if commits.is_empty() { Ok(()) } else { self.repaired(&commits).await };
        self.mirrors.keep_budget(&self.state.mirror);
        let one_by_one = outcome.is_err() && commits.len() > 1;
        for waiting in batch {
            let result = match &waiting.want {
                Want::Commit { hash, .. } if self.state.mirror.holds(hash) => Ok(()),
                Want::Commit { hash, reference } if one_by_one => {
                    self.repaired(&[(hash.clone(), reference.clone())]).await
                }
                Want::Commit { .. } => outcome.clone(),
                Want::Everything { sum } if self.state.mirror.holds_history(sum) => Ok(()),
                Want::Everything { sum } => {
                    outcome = self.everything(Some(sum)).await.map_err(|failure| failure.error);
                    outcome.clone()
                }
            };
            // Whoever asked may have gone away.
            waiting.answer.send(result.map_err(Into::into)).ok();
        }
    }

    /// Fetches commits; a damaged mirror is thrown away and made anew, once.
    async fn repaired(&self, commits: &[(String, String)]) -> Result<(), DirectError> {
        let before = self.state.mirror.holds_any();
        let mut outcome = self.commits(commits).await;
        let anew = match &outcome {
            Err(Failure { meaning: Meaning::Damaged, .. }) => true,
            // What was fetched earlier has to go to let the new in.
            Err(Failure { meaning: Meaning::TooLarge, .. }) => before,
            _ => false,
        };
        if anew {
            self.rebuild().await?;
            outcome = self.commits(commits).await;
        }
        if outcome.as_ref().is_err_and(|failure| failure.meaning == Meaning::TooLarge) {
            self.rebuild().await?;
        }
        match outcome {
            Ok(()) => Ok(()),
            Err(failure) if commits.len() == 1 && failure.meaning.is_about_the_way() => {
                // The go command does the same: whatever the server dislikes, it may still give everything.
                let (hash, _) = &commits[0];
                self.everything(None).await.map_err(|second| match failure.meaning {
                    Meaning::NoRevision => failure.error.clone(),
                    _ => second.error,
                })?;
                self.name_commit(hash).await
            }
            Err(failure) => Err(failure.error),
        }
    }

    /// Fetches some commits with their files and without their history.
    async fn commits(&self, commits: &[(String, String)]) -> Result<(), Failure> {
        let digits = commits.first().map_or(40, |(hash, _)| hash.len());
        let _used = self.prepare(digits).await?;
        let is_deep = self.state.mirror.is_deep();
        let missing = if is_deep { self.name_commits(commits).await } else { commits.to_vec() };
        if missing.is_empty() {
            return Ok(());
        }
        let url = self.state.address.argument();
        let refspecs: Vec<String> = missing
            .iter()
            .map(|(hash, reference)| {
                let source = if is_fetchable(reference) { reference } else { hash };
                format!("{source}:{}", commit_reference(hash))
            })
            .collect();
        let mut arguments = FETCH.to_vec();
        if !is_deep {
            // Where all history is, this would cut it off again.
            arguments.push("--depth=1");
        }
        arguments.extend(["--end-of-options", &url]);
        arguments.extend(refspecs.iter().map(String::as_str));
        let done = self.run_network(true, &arguments, Output::Memory(SAID)).await.map_err(other)?;
        if !done.is_success() {
            return Err(self.fetch_failure("fetch from", &done));
        }
        self.check_size().await?;
        let hashes: Vec<&str> = missing.iter().map(|(hash, _)| hash.as_str()).collect();
        self.drop_misnamed(&hashes).await
    }

    /// Fetches all branches and tags with their history, and notes the sum of the references that this was done for.
    async fn everything(&self, sum: Option<&str>) -> Result<(), Failure> {
        let digits = self.refs().await.map_err(other)?.hash_digits();
        let _used = self.prepare(digits).await?;
        let url = self.state.address.argument();
        let mut arguments = FETCH.to_vec();
        arguments.push("--prune");
        if self.state.mirror.is_shallow() {
            arguments.push("--unshallow");
        }
        arguments.extend(["--end-of-options", &url]);
        arguments.extend(["+refs/heads/*:refs/larder/all/heads/*", "+refs/tags/*:refs/larder/all/tags/*"]);
        let done = self.run_network(true, &arguments, Output::Memory(SAID)).await.map_err(other)?;
        if !done.is_success() {
            return Err(self.fetch_failure("fetch the history of", &done));
        }
        if let Some(sum) = sum {
            self.state.mirror.note_history(sum);
        }
        self.check_size().await
    }

    /// Finds out whether a mirror has become too large, in case it grew too fast for whoever looked meanwhile.
    async fn check_size(&self) -> Result<(), Failure> {
        let (folder, limit) = (self.state.mirror.folder.clone(), self.mirrors.settings.repository_limit);
        let size =
            tokio::task::spawn_blocking(move || super::disk::size_of(&folder)).await.unwrap_or_default();
        if size > limit { Err(self.too_large()) } else { Ok(()) }
    }

    /// Judges a fetch that failed, and clears away at once what it left: it may be large, and the disk may be full.
    fn fetch_failure(&self, doing: &str, done: &Done) -> Failure {
        let full = super::disk::size_of(&self.state.mirror.folder) >= self.mirrors.settings.repository_limit;
        self.state.mirror.sweep();
        // A git that was cut short at its limit says no more than that something went wrong.
        let failure = if full { self.too_large() } else { self.failure(doing, done) };
        if failure.meaning == Meaning::DiskFull {
            self.mirrors.give_back();
        }
        failure
    }

    /// Makes the mirror if need be, clears it of leftovers, and keeps it from being thrown away meanwhile.
    async fn prepare(&self, digits: usize) -> Result<tokio::sync::OwnedRwLockReadGuard<()>, Failure> {
        self.mirrors.ready_folder().map_err(other)?;
        let used = Arc::clone(&self.state.in_use).read_owned().await;
        let (mirror, shown) = (self.state.mirror.clone(), self.url());
        let made = tokio::task::spawn_blocking(move || {
            mirror.create(&shown, digits == 64)?;
            mirror.sweep();
            Ok(())
        });
        made.await.unwrap_or_else(|_| Ok(())).map_err(other)?;
        Ok(used)
    }

    /// Throws the mirror away once nobody uses it.
    pub(super) async fn rebuild(&self) -> Result<(), DirectError> {
        let _alone = Arc::clone(&self.state.in_use).write_owned().await;
        tracing::warn!(repository = %self.url(), "the mirror of {} can't be used as it is and is made anew", self.url());
        let mirror = self.state.mirror.clone();
        let removed = tokio::task::spawn_blocking(move || mirror.remove()).await;
        removed.unwrap_or(Ok(())).map_err(|error| storage_fault("remove a damaged mirror", &error))
    }

    /// Takes back names that don't lead to the commit that they say, because the remote's reference moved after it was listed.
    async fn drop_misnamed(&self, hashes: &[&str]) -> Result<(), Failure> {
        let input: String =
            hashes.iter().map(|hash| format!("{}^{{commit}}\n", commit_reference(hash))).collect();
        let check = ["cat-file", "--batch-check=%(objectname)"];
        let done = self.run_local(&check, input.into_bytes(), Output::Memory(SAID)).await.map_err(other)?;
        if !done.is_success() {
            return Err(self.failure("look at what was fetched from", &done));
        }
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        for (hash, found) in hashes.iter().zip(said.lines()) {
            if *hash != found {
                let path = self.state.mirror.folder.join(commit_reference(hash));
                fs_err::remove_file(path)
                    .map_err(|error| other(storage_fault("forget a reference", &error)))?;
            }
        }
        match hashes.iter().find(|hash| !self.state.mirror.holds(hash)) {
            None => Ok(()),
            Some(hash) => Err(Failure { meaning: Meaning::NoRevision, error: self.no_revision(hash) }),
        }
    }

    /// Gives commits that came with everything their names, and returns those that didn't come.
    async fn name_commits(&self, commits: &[(String, String)]) -> Vec<(String, String)> {
        let mut missing = Vec::new();
        for commit in commits {
            if self.name_commit(&commit.0).await.is_err() {
                missing.push(commit.clone());
            }
        }
        missing
    }

    /// Gives a commit that came with everything its name.
    pub(super) async fn name_commit(&self, hash: &str) -> Result<(), DirectError> {
        let reference = commit_reference(hash);
        let arguments = ["update-ref", "--end-of-options", &reference, hash];
        let done = self.run_local(&arguments, Vec::new(), Output::Memory(SAID)).await?;
        if done.is_success() { Ok(()) } else { Err(self.no_revision(hash)) }
    }

    pub(super) fn no_revision(&self, revision: &str) -> DirectError {
        DirectError::new(DirectFaultKind::Absent, format!("unknown revision {revision} in {}", self.url()))
    }
}

const FETCH: &[&str] = &[
    "fetch",
    "--quiet",
    "--force",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-gc",
    "--no-recurse-submodules",
];

fn other(error: DirectError) -> Failure {
    Failure { meaning: Meaning::Other, error }
}
