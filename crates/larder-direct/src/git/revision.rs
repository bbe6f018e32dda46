//! What a revision means, by the go command's rules: tag, branch, `HEAD`, full hash, hash prefix.

use std::pin::Pin;
use std::sync::Arc;

use larder_upstream::DirectFaultKind;
use tokio::time::Instant;

use super::Commit;
use super::fetch::{Want, Wanted};
use super::mirror::commit_reference;
use super::refs::{Refs, is_fetchable};
use super::repository::Repository;
use super::run::{Done, Output};
use super::said::Meaning;
use crate::error::DirectError;

/// Fewer digits are not taken for a hash.
const FEWEST_DIGITS: usize = 7;
const PSEUDO_VERSION_DIGITS: usize = 12;

/// A run of git under way. Boxed, because the compiler can't tell that what an async closure returns may move between threads.
pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Result<Done, DirectError>> + Send + 'a>>;

/// What a revision turned out to be.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Meant {
    /// A reference of the remote.
    Reference { name: String, hash: String, tag: bool },
    /// Hexadecimal digits that no reference's commit begins with.
    Hash,
    /// Nothing that the remote has.
    Nothing,
    /// Digits that begin several commits.
    Ambiguous,
}

impl Repository {
    /// Resolves a revision by the go command's rules: tag, branch, full hash, hash prefix.
    ///
    /// # Errors
    ///
    /// Fails with absence when there is no such revision.
    pub async fn stat(&self, revision: &str) -> Result<Commit, DirectError> {
        if revision == "latest" {
            return self.latest().await;
        }
        let arrived = Instant::now();
        let refs = self.refs().await?;
        match self.stat_in(revision, &refs).await {
            // What was pushed a moment ago is not in a list that is remembered.
            Err(error) if error.is_absence() && is_fetchable(&format!("refs/tags/{revision}")) => {
                let newer = self.refs_asked_since(arrived).await?;
                if Arc::ptr_eq(&newer, &refs) || newer.sum() == refs.sum() {
                    return Err(error);
                }
                self.stat_in(revision, &newer).await
            }
            done => done,
        }
    }

    /// Returns the newest commit of the default branch.
    ///
    /// # Errors
    ///
    /// Fails with absence for an empty repository.
    pub async fn latest(&self) -> Result<Commit, DirectError> {
        let refs = self.refs().await?;
        let Some(hash) = refs.find("HEAD") else {
            let text = format!("{} has no commits", self.url());
            return Err(DirectError::new(DirectFaultKind::Absent, text));
        };
        let mut commit = self.stat_in(&hash, &refs).await?;
        commit.reference = Some("HEAD".to_owned());
        commit.hash = hash;
        Ok(commit)
    }

    async fn stat_in(&self, revision: &str, refs: &Arc<Refs>) -> Result<Commit, DirectError> {
        match meant(revision, refs) {
            Meant::Reference { name, hash, tag } => {
                self.need(&hash, &name).await?;
                let time = self.time(&hash, &name).await?;
                let version = if tag { revision.to_owned() } else { hash.clone() };
                // The go command fetches what only `HEAD` names by its hash, and so knows no reference for it.
                let reference = (name != "HEAD").then_some(name);
                Ok(commit(hash, time, version, refs, reference))
            }
            Meant::Hash => {
                let hash = self.inside_history(revision, refs).await?;
                let time = self.time(&hash, &hash).await?;
                Ok(commit(hash.clone(), time, hash, refs, None))
            }
            Meant::Nothing => Err(self.no_revision(&printable(revision))),
            Meant::Ambiguous => Err(DirectError::new(
                DirectFaultKind::Invalid,
                format!("{} has several commits that begin with {revision}", self.url()),
            )),
        }
    }

    /// Makes sure that a commit is in the mirror.
    async fn need(&self, hash: &str, reference: &str) -> Result<(), DirectError> {
        if self.state.mirror.holds(hash) {
            return Ok(());
        }
        self.fetch(Want::Files(Wanted { hash: hash.to_owned(), source: reference.to_owned() })).await
    }

    /// Completes the digits of a commit that no reference names, and makes sure that it is in the mirror.
    async fn inside_history(&self, digits: &str, refs: &Refs) -> Result<String, DirectError> {
        if digits.len() == refs.hash_digits() && self.state.mirror.holds(digits) {
            return Ok(digits.to_owned());
        }
        let hash = self.find_in_history(digits, refs).await?;
        self.need(&hash, &hash).await?;
        Ok(hash)
    }

    /// Returns a commit's time.
    async fn time(&self, hash: &str, reference: &str) -> Result<i64, DirectError> {
        if let Some(time) = self.state.time_of(hash) {
            return Ok(time);
        }
        let name = commit_reference(hash);
        let arguments =
            ["log", "--no-decorate", "-n1", "--format=format:%H %ct", "--end-of-options", &name, "--"];
        let done = self
            .on_commit(hash, reference, || {
                Box::pin(self.run_local(&arguments, Vec::new(), Output::Memory(4096)))
            })
            .await?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let time = said.split_once(' ').and_then(|(_, time)| time.trim().parse().ok()).ok_or_else(|| {
            let text = format!("{} has a commit without a time: {hash}", self.url());
            DirectError::new(DirectFaultKind::Invalid, text)
        })?;
        self.state.remember_time(hash, time);
        Ok(time)
    }

    /// Runs git on a commit in the mirror. A mirror that turns out to be damaged, or was thrown away meanwhile, is made anew once.
    pub(super) async fn on_commit<'a>(
        &self,
        hash: &str,
        reference: &str,
        run: impl Fn() -> Running<'a> + Sync,
    ) -> Result<Done, DirectError> {
        let mut again = true;
        loop {
            let done = {
                let _used = Arc::clone(&self.state.in_use).read_owned().await;
                match self.state.mirror.holds(hash) {
                    true => Some(run().await?),
                    false => None,
                }
            };
            match done {
                Some(done) if done.is_success() => return Ok(done),
                Some(done) => {
                    let failure = self.failure("read the mirror of", &done);
                    let damaged = matches!(failure.meaning, Meaning::Damaged | Meaning::NoRevision);
                    if !damaged || !again || done.stopped.is_some() {
                        return Err(failure.error);
                    }
                    self.rebuild().await?;
                }
                None if !again => return Err(self.no_revision(hash)),
                None => {}
            }
            again = false;
            self.need_again(hash, reference).await?;
        }
    }
}

impl Repository {
    /// Fetches a commit that was here before.
    async fn need_again(&self, hash: &str, reference: &str) -> Result<(), DirectError> {
        if !is_hash(reference) {
            return self.need(hash, reference).await;
        }
        let refs = self.refs().await?;
        match meant(hash, &refs) {
            Meant::Reference { name, .. } => self.need(hash, &name).await,
            _ => self.inside_history(hash, &refs).await.map(drop),
        }
    }
}

fn meant(revision: &str, refs: &Refs) -> Meant {
    let find = |name: String, tag| refs.find(&name).map(|hash| Meant::Reference { name, hash, tag });
    if let Some(found) = find(format!("refs/tags/{revision}"), true) {
        return found;
    }
    if let Some(found) = find(format!("refs/heads/{revision}"), false) {
        return found;
    }
    if revision == "HEAD" {
        return find("HEAD".to_owned(), false).unwrap_or(Meant::Nothing);
    }
    if !(FEWEST_DIGITS..=refs.hash_digits()).contains(&revision.len()) || !is_hex(revision) {
        return Meant::Nothing;
    }
    let mut found: Option<(String, String)> = None;
    for (name, hash) in refs.with_hash_prefix(revision) {
        match &found {
            Some((_, known)) if *known != hash => return Meant::Ambiguous,
            // By name, so `HEAD` is first, then branches, then tags.
            Some(_) => {}
            None => found = Some((name.to_owned(), hash)),
        }
    }
    found.map_or(Meant::Hash, |(name, hash)| Meant::Reference { name, hash, tag: false })
}

fn commit(hash: String, time: i64, version: String, refs: &Refs, reference: Option<String>) -> Commit {
    let tags = refs.tags_at(&hash);
    let short = hash[..PSEUDO_VERSION_DIGITS.min(hash.len())].to_owned();
    Commit { hash, short, time, version, tags, reference }
}

/// Go takes lower case only.
fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && is_hex(text)
}

/// Makes a revision from outside fit for a text.
fn printable(revision: &str) -> String {
    revision.chars().filter(|c| larder_module::unicode::is_print(*c)).take(100).collect()
}
