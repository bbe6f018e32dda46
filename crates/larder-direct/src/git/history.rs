//! Which tag comes before a commit, and which commit descends from which.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use larder_module::semver;
use larder_upstream::DirectFaultKind;
use tokio::sync::OwnedRwLockReadGuard;

use super::fetch::Want;
use super::repository::Repository;
use super::run::Output;
use super::said::Meaning;
use crate::error::DirectError;

/// What `rev-list` may say: more than any real history.
const LIMIT: usize = 2 << 30;
/// How often a mirror is made that is thrown away before it is used.
const ATTEMPTS: usize = 3;

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
        self.ancestors(&refs.sum(), &commit.hash, &mut |hash| {
            if let Some(tag) = candidates.remove(hash)
                && best.as_ref().is_none_or(|best| is_higher(&tag, best, prefix))
            {
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
        self.ancestors(&refs.sum(), &commit.hash, &mut |hash| {
            found = hash == ancestor;
            !found
        })
        .await?;
        Ok(found)
    }

    /// Makes sure that all history is in the mirror as long as what is returned is held.
    pub(super) async fn history(&self, sum: &str) -> Result<OwnedRwLockReadGuard<()>, DirectError> {
        for _ in 0..ATTEMPTS {
            self.fetch(Want::Everything { sum: sum.to_owned() }).await?;
            let used = Arc::clone(&self.state.in_use).read_owned().await;
            if self.state.mirror.holds_history(sum) {
                return Ok(used);
            }
        }
        let text = format!("the mirror of {} is thrown away faster than it is made", self.url());
        Err(DirectError::new(DirectFaultKind::StorageFull, text))
    }

    /// Walks from a commit to all of its ancestors until `each` has seen enough.
    async fn ancestors(
        &self,
        sum: &str,
        hash: &str,
        each: &mut (dyn FnMut(&str) -> bool + Send),
    ) -> Result<(), DirectError> {
        let arguments = ["rev-list", "--end-of-options", hash];
        let mut again = true;
        loop {
            let used = self.history(sum).await?;
            let mut line = |line: &[u8]| std::str::from_utf8(line).is_ok_and(&mut *each);
            let done = self.run_local(&arguments, Vec::new(), Output::Lines(LIMIT, &mut line)).await?;
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
