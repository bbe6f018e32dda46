//! The forms of a fetch.
//!
//! A mirror has two parts. Files come as shallow fetches of single commits into the mirror itself. History comes into a repository of its
//! own inside it, without trees and files where the server can leave them out (`--filter=tree:0`): most questions about
//! ancestors need a hundredth of what a clone holds. They are two, because git would fetch what such a partial clone lacks by itself,
//! in the middle of an archive. A server that can't leave anything out sends all, and then the first part borrows objects from the second.
//!
//! Objects are not checked by `fsck` on arrival, just as with the go command: old histories hold harmless flaws that it refuses. Nothing
//! is ever checked out, hashes and deltas are verified by `index-pack`, and names are judged when a module zip is made.

use std::sync::Arc;

use tokio::sync::OwnedRwLockReadGuard;

use super::fetch::{Load, Wanted};
use super::mirror::{Mirror, commit_reference, storage_fault};
use super::mirrors::Remote;
use super::refs::is_fetchable;
use super::repository::{Failure, Repository};
use super::run::{Done, Output};
use super::said::{self, Meaning};
use crate::error::DirectError;
use larder_upstream::DirectFaultKind;

const SAID: usize = 1 << 20;
const FETCH: &[&str] = &[
    "fetch",
    "--quiet",
    "--force",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-gc",
    "--no-recurse-submodules",
];
/// All branches and tags. Pruning keeps names that came and went from clashing with each other.
const ALL: &[&str] = &["+refs/heads/*:refs/larder/all/heads/*", "+refs/tags/*:refs/larder/all/tags/*"];

impl Repository {
    /// Fetches some commits with their files and without their history.
    pub(super) async fn bring_files(&self, wanted: &[Wanted]) -> Result<(), Failure> {
        let _used = self.prepare(wanted.first().map_or(40, |wanted| wanted.hash.len())).await?;
        let mirror = &self.state.mirror;
        if mirror.borrows() && wanted.iter().all(|wanted| wanted.source == wanted.hash) {
            for wanted in wanted {
                self.name(mirror, &wanted.hash).await?;
            }
            return Ok(());
        }
        let remote = self.remote();
        let url = remote.address.argument();
        wanted.iter().for_each(|wanted| mirror.unname(&wanted.hash));
        let refspecs = refspecs(wanted);
        let mut arguments = FETCH.to_vec();
        arguments.extend(["--depth=1", "--end-of-options", &url]);
        arguments.extend(refspecs.iter().map(String::as_str));
        self.transfer(mirror, &remote, &arguments, "fetch from").await?;
        self.check_names(mirror, wanted).await
    }

    /// Fetches the history of some commits.
    pub(super) async fn bring_histories(&self, wanted: &[Wanted]) -> Result<(), Failure> {
        let _used = self.prepare(wanted.first().map_or(40, |wanted| wanted.hash.len())).await?;
        let history = self.state.mirror.history();
        wanted.iter().for_each(|wanted| history.unname(&wanted.hash));
        let refspecs = refspecs(wanted);
        self.transfer_history(&[], &refspecs.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        self.check_names(&history, wanted).await
    }

    /// Fetches the history of all branches and tags.
    pub(super) async fn bring_everything(&self, sum: &str) -> Result<(), Failure> {
        let digits = self.refs().await?.hash_digits();
        let _used = self.prepare(digits).await?;
        self.transfer_history(&["--prune"], ALL).await?;
        self.state.mirror.history().note_everything(sum);
        Ok(())
    }

    /// Fetches all there is, files included, in the form that every server knows.
    pub(super) async fn bring_whole_repository(&self, sum: Option<&str>) -> Result<(), Failure> {
        let digits = self.refs().await?.hash_digits();
        let _used = self.prepare(digits).await?;
        let history = self.state.mirror.history();
        if !self.state.mirror.borrows() {
            // What was fetched without files can't be completed.
            let (mirror, shown) = (history.clone(), self.url());
            blocking(move || {
                mirror.remove()?;
                mirror.make(&shown, digits == 64, "")
            })
            .await?;
        }
        let remote = self.remote();
        let url = remote.address.argument();
        let mut arguments = FETCH.to_vec();
        arguments.extend(["--prune", "--end-of-options", &url]);
        arguments.extend(ALL);
        self.transfer(&history, &remote, &arguments, "fetch all of").await?;
        self.borrow_objects().await?;
        if let Some(sum) = sum {
            history.note_everything(sum);
        }
        Ok(())
    }

    /// Gives a commit its name after all there is was fetched.
    pub(super) async fn name_from_whole(&self, wanted: &Wanted, load: Load<'_>) -> Result<(), Failure> {
        let history = self.state.mirror.history();
        let mirror = if matches!(load, Load::Files(_)) { &self.state.mirror } else { &history };
        Ok(self.name(mirror, &wanted.hash).await?)
    }

    /// Fetches into the history, without files if the server can leave them out.
    async fn transfer_history(&self, options: &[&str], refspecs: &[&str]) -> Result<(), Failure> {
        let history = self.state.mirror.history();
        let remote = self.remote();
        let url = format!("remote.origin.url={}", remote.address.argument());
        let borrowed = self.state.mirror.borrows();
        let mut arguments = vec!["-c", "fetch.writeCommitGraph=true", "-c", &url];
        arguments.extend(FETCH);
        if !borrowed {
            arguments.push("--filter=tree:0");
        }
        arguments.extend(options);
        arguments.extend(["--end-of-options", "origin"]);
        arguments.extend(refspecs);
        let done = self.transfer(&history, &remote, &arguments, "fetch the history of").await?;
        if !borrowed && said::is_unfiltered(&done.stderr) {
            self.borrow_objects().await?;
        }
        Ok(())
    }

    /// Lets the mirror use what the history holds, now that it is known to hold files too.
    async fn borrow_objects(&self) -> Result<(), Failure> {
        let mirror = self.state.mirror.clone();
        blocking(move || mirror.borrow_from_history()).await
    }

    /// Runs a fetch and looks at what it cost.
    async fn transfer(
        &self,
        into: &Mirror,
        remote: &Remote,
        arguments: &[&str],
        doing: &str,
    ) -> Result<Done, Failure> {
        let done = self.run_network(Some(into), remote, arguments, Output::Memory(SAID)).await?;
        let (whole, limit) = (self.state.mirror.clone(), self.mirrors.settings.repository_limit);
        let success = done.is_success();
        let naming = Arc::clone(&self.state.naming);
        let size = tokio::task::spawn_blocking(move || {
            let size = super::disk::size_of(&whole.folder);
            if !success {
                // It may be large, and the disk may be full.
                let _naming = naming.blocking_lock();
                whole.sweep();
            }
            size
        });
        // A git that was cut short at its limit says no more than that something went wrong.
        if size.await.unwrap_or_default() >= limit {
            return Err(self.too_large());
        }
        if success {
            if into.has_many_packs() {
                // One index in place of many; without it, looking for an object takes longer, and nothing else happens.
                let arguments = ["multi-pack-index", "write"];
                drop(self.run_in(into, &arguments, Vec::new(), Output::Memory(SAID)).await);
            }
            return Ok(done);
        }
        let failure = self.failure(doing, &done);
        if failure.meaning == Meaning::DiskFull {
            self.mirrors.give_back();
        }
        Err(failure)
    }

    /// Makes the mirror if need be, clears it of leftovers, and keeps it from being thrown away meanwhile.
    async fn prepare(&self, digits: usize) -> Result<OwnedRwLockReadGuard<()>, Failure> {
        self.mirrors.ready_folder()?;
        let used = Arc::clone(&self.state.in_use).read_owned().await;
        let (mirror, shown) = (self.state.mirror.clone(), self.url());
        let naming = Arc::clone(&self.state.naming).lock_owned().await;
        blocking(move || {
            mirror.create(&shown, digits == 64)?;
            mirror.sweep();
            drop(naming);
            Ok(())
        })
        .await?;
        Ok(used)
    }

    /// Looks whether each name leads to the commit that it says, and learns the commits' times. A name doesn't, if the remote's
    /// reference moved after it was listed, or leads to what is no commit.
    async fn check_names(&self, mirror: &Mirror, wanted: &[Wanted]) -> Result<(), Failure> {
        let names: Vec<String> = wanted.iter().map(|wanted| commit_reference(&wanted.hash)).collect();
        let found = self.times(mirror, &names.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let mut lost = None;
        for Wanted { hash, .. } in wanted {
            // The name may be of a tag's own object, or of a branch that went on and still leads there.
            match found.contains(hash) || self.leads_to(mirror, hash).await? {
                true if mirror.holds(hash) => {}
                true => self.name(mirror, hash).await?,
                false => {
                    // Without the name it is asked for again.
                    fs_err::remove_file(mirror.folder.join(commit_reference(hash))).ok();
                    lost = Some(hash);
                }
            }
        }
        match lost {
            None => Ok(()),
            Some(hash) => Err(Failure { meaning: Meaning::Vanished, error: self.no_revision(hash) }),
        }
    }

    /// Reports whether a commit is there, under whatever name.
    async fn leads_to(&self, mirror: &Mirror, hash: &str) -> Result<bool, Failure> {
        match self.times(mirror, &[&format!("{hash}^{{commit}}")]).await {
            Ok(found) => Ok(found.iter().any(|found| found == hash)),
            Err(failure) if matches!(failure.meaning, Meaning::NoRevision | Meaning::Damaged) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Returns the commits that some names lead to, and remembers their times.
    async fn times(&self, mirror: &Mirror, names: &[&str]) -> Result<Vec<String>, Failure> {
        let mut arguments =
            vec!["log", "--no-walk=unsorted", "--no-decorate", "--format=%H %ct", "--end-of-options"];
        arguments.extend(names);
        arguments.push("--");
        let done = self.run_in(mirror, &arguments, Vec::new(), Output::Memory(SAID)).await?;
        if !done.is_success() {
            return Err(self.failure("look at what was fetched from", &done));
        }
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let mut found = Vec::with_capacity(names.len());
        for (hash, time) in said.lines().filter_map(|line| line.split_once(' ')) {
            if let Ok(time) = time.parse() {
                self.state.remember_time(hash, time);
            }
            found.push(hash.to_owned());
        }
        Ok(found)
    }

    /// Gives a commit that is there its name; fails with absence only if it isn't there.
    pub(super) async fn name(&self, mirror: &Mirror, hash: &str) -> Result<(), DirectError> {
        let reference = commit_reference(hash);
        let arguments = ["update-ref", "--end-of-options", &reference, hash];
        let _naming = self.state.naming.lock().await;
        let done = self.run_in(mirror, &arguments, Vec::new(), Output::Memory(SAID)).await?;
        if done.is_success() {
            return Ok(());
        }
        let failure = self.failure("name a commit of", &done);
        Err(if failure.meaning == Meaning::NoRevision { self.no_revision(hash) } else { failure.error })
    }

    pub(super) fn no_revision(&self, revision: &str) -> DirectError {
        DirectError::new(DirectFaultKind::Absent, format!("unknown revision {revision} in {}", self.url()))
    }
}

fn refspecs(wanted: &[Wanted]) -> Vec<String> {
    let refspec = |wanted: &Wanted| {
        let source = if is_fetchable(&wanted.source) { &wanted.source } else { &wanted.hash };
        format!("{source}:{}", commit_reference(&wanted.hash))
    };
    wanted.iter().map(refspec).collect()
}

async fn blocking(work: impl FnOnce() -> std::io::Result<()> + Send + 'static) -> Result<(), Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.unwrap_or_else(|error| Err(error.into()));
    done.map_err(|error| storage_fault("make a mirror", &error).into())
}
