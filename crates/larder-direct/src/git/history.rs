//! Which tag comes before a commit, and which commit descends from which.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use larder_module::semver;
use larder_upstream::DirectFaultKind;
use tokio::sync::OwnedRwLockReadGuard;

use super::fetch::{Want, Wanted};
use super::refs::Refs;
use super::repository::Repository;
use super::revision::is_hash;
use super::run::Output;
use super::said::Meaning;
use crate::error::DirectError;

/// What `rev-list` may say: more than any real history.
const LIMIT: usize = 2 << 30;
/// How often a mirror is made that is thrown away before it is used.
const ATTEMPTS: usize = 3;
/// So many digits, as in pseudo-versions, begin one commit only.
const UNIQUE_DIGITS: usize = 12;

impl Repository {
    /// Returns the highest allowed tag, by version, whose commit is an ancestor of a revision or the revision itself; nothing if
    /// there is none. `allowed` gets names with the prefix.
    ///
    /// # Errors
    ///
    /// Fails when history can't be had.
    pub async fn recent_tag(
        &self,
        revision: &str,
        prefix: &str,
        allowed: &(dyn Fn(&str) -> bool + Send + Sync),
    ) -> Result<Option<String>, DirectError> {
        let commit = self.stat(revision).await?;
        let refs = self.refs().await?;
        let mut candidates: HashMap<String, String> = HashMap::new();
        for (name, hash) in refs.iter() {
            let Some(tag) = name.strip_prefix("refs/tags/").filter(|tag| tag.starts_with(prefix)) else {
                continue;
            };
            if !semver::is_valid(&tag[prefix.len()..]) || !allowed(tag) {
                continue;
            }
            let known = candidates.entry(hash).or_insert_with(|| tag.to_owned());
            if is_higher(tag, known, prefix) {
                *known = tag.to_owned();
            }
        }
        if candidates.is_empty() {
            return Ok(None);
        }
        let mut best: Option<String> = None;
        self.ancestors(&commit.hash, &refs, &mut |hash| {
            if let Some(tag) = candidates.remove(hash)
                && best.as_ref().is_none_or(|best| is_higher(&tag, best, prefix))
            {
                candidates.retain(|_, other| is_higher(other, &tag, prefix));
                best = Some(tag);
            }
            !candidates.is_empty()
        })
        .await?;
        Ok(best)
    }

    /// Reports whether a revision is the commit of a tag or descends from it. A tag that doesn't exist is nobody's ancestor.
    ///
    /// # Errors
    ///
    /// Fails when history can't be had, and with absence when there is no such revision.
    pub async fn descends_from(&self, revision: &str, tag: &str) -> Result<bool, DirectError> {
        let refs = self.refs().await?;
        let Some(ancestor) = refs.find(&format!("refs/tags/{tag}")) else { return Ok(false) };
        let commit = self.stat(revision).await?;
        if commit.hash == ancestor {
            return Ok(true);
        }
        let mut found = false;
        self.ancestors(&commit.hash, &refs, &mut |hash| {
            found = hash == ancestor;
            !found
        })
        .await?;
        Ok(found)
    }

    /// Finds a commit that no reference names: it has to be in the history of a branch or tag, or else it is none of the repository's
    /// (forges keep the commits of proposed changes under other names, and would give them out).
    pub(super) async fn find_in_history(&self, digits: &str, refs: &Refs) -> Result<String, DirectError> {
        let history = self.state.mirror.history();
        if digits.len() == refs.hash_digits() && history.holds(digits) {
            return Ok(digits.to_owned());
        }
        // Nearly always it is in the default branch. Few digits could begin another commit elsewhere.
        if let Some(hash) = refs.find("HEAD").filter(|_| digits.len() >= UNIQUE_DIGITS) {
            if !history.holds(&hash) {
                self.fetch(Want::History(Wanted { hash, source: "HEAD".to_owned() })).await?;
            }
            if let Some(found) = self.look_up(digits).await? {
                return Ok(found);
            }
        }
        self.fetch(Want::Everything { sum: refs.sum() }).await?;
        self.look_up(digits).await?.ok_or_else(|| self.no_revision(digits))
    }

    /// Completes the digits of a commit in what history there is, and gives it its name there.
    async fn look_up(&self, digits: &str) -> Result<Option<String>, DirectError> {
        let history = self.state.mirror.history();
        let used = Arc::clone(&self.state.in_use).read_owned().await;
        let name = format!("{digits}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &name];
        let done = self.run_in(&history, &arguments, Vec::new(), Output::Memory(4096)).await?;
        let found = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        if done.is_success() && is_hash(&found) {
            self.name(&history, &found).await?;
            return Ok(Some(found));
        }
        let failure = self.failure("read the history of", &done);
        if failure.meaning != Meaning::Damaged {
            // So git says that there is nothing. Any other end says nothing about the repository.
            let is_nothing = done.stopped.is_none() && done.status.code() == Some(1);
            return if is_nothing { Ok(None) } else { Err(failure.error) };
        }
        drop(used);
        self.rebuild().await?;
        Err(failure.error)
    }

    /// Makes sure that a commit and all its ancestors are in the history as long as what is returned is held.
    async fn history_of(&self, hash: &str, refs: &Refs) -> Result<OwnedRwLockReadGuard<()>, DirectError> {
        let history = self.state.mirror.history();
        let source = refs.with_hash_prefix(hash).map(|(name, _)| name.to_owned()).next();
        for _ in 0..ATTEMPTS {
            match &source {
                _ if history.holds(hash) => {}
                Some(source) => {
                    let wanted = Wanted { hash: hash.to_owned(), source: source.clone() };
                    self.fetch(Want::History(wanted)).await?;
                }
                None => drop(self.find_in_history(hash, refs).await?),
            }
            let used = Arc::clone(&self.state.in_use).read_owned().await;
            if history.holds(hash) {
                return Ok(used);
            }
        }
        let text = format!("the mirror of {} is thrown away faster than it is made", self.url());
        Err(DirectError::new(DirectFaultKind::StorageFull, text))
    }

    /// Walks from a commit to all of its ancestors until `each` has seen enough.
    async fn ancestors(
        &self,
        hash: &str,
        refs: &Refs,
        each: &mut (dyn FnMut(&str) -> bool + Send),
    ) -> Result<(), DirectError> {
        let history = self.state.mirror.history();
        let arguments = ["rev-list", "--end-of-options", hash];
        let mut again = true;
        loop {
            let used = self.history_of(hash, refs).await?;
            let mut line = |line: &[u8]| std::str::from_utf8(line).is_ok_and(&mut *each);
            let done = self.run_in(&history, &arguments, Vec::new(), Output::Lines(LIMIT, &mut line)).await?;
            if done.is_success() {
                return Ok(());
            }
            let failure = self.failure("read the history of", &done);
            if !again || !matches!(failure.meaning, Meaning::Damaged | Meaning::NoRevision) {
                return Err(failure.error);
            }
            again = false;
            drop(used);
            self.rebuild().await?;
        }
    }
}

/// Reports whether a tag is of a higher version than another; among equals the one whose name sorts first stays.
fn is_higher(tag: &str, other: &str, prefix: &str) -> bool {
    match semver::compare(&tag[prefix.len()..], &other[prefix.len()..]) {
        Ordering::Greater => true,
        Ordering::Equal => tag < other,
        Ordering::Less => false,
    }
}
