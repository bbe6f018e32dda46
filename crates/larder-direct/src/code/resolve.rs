//! From a revision's name to a commit, and from a version to its commit.
//!
//! A version that was answered once stays what it was: the ledger names its commit, and the tag is not asked again. So the
//! `.zip` is always of the commit that the `.info` named, though the tag may have moved between the two.

use larder_module::time::Timestamp;
use larder_upstream::DirectFaultKind;

use super::CodeModule;
use super::origin::Revision;
use crate::error::DirectError;
use crate::git::Commit;

/// 9999-12-31T23:59:59Z, the last second that an `.info` can hold.
const LAST_SECOND: i64 = 253_402_300_799;

impl CodeModule {
    /// Resolves anything that a client may name, as Go's `Stat` does: a version, a branch, a tag, a commit.
    pub(super) async fn stat(&self, wanted: &str) -> Result<Revision, DirectError> {
        if wanted == "latest" {
            return self.newest_commit().await;
        }
        let revision = self.location.revision_of(wanted);
        let commit = self.resolve(&revision).await.map_err(|error| match error.kind {
            DirectFaultKind::Absent => DirectError {
                text: format!("{}@{wanted}: invalid version: {}", self.module, error.text),
                ..error
            },
            _ => error,
        })?;
        self.convert(&commit, wanted).await
    }

    /// Returns the newest commit of the default branch as a version.
    pub(super) async fn newest_commit(&self) -> Result<Revision, DirectError> {
        let commit = self.memory.ledger.adjusted(self.repository.latest().await?);
        checked_time(&commit)?;
        self.convert(&commit, "").await
    }

    /// Returns the commit of a canonical version, which has to be one by all rules.
    ///
    /// The go command checks only a pseudo-version before it reads a go.mod or packs a zip, so that a branch called `v1.5.0` gives both. It
    /// doesn't get far with them without an `.info`; here they would be kept for ever under a name that means something else tomorrow.
    pub(super) async fn commit_of(&self, version: &str) -> Result<Commit, DirectError> {
        let revision = self.stat(version).await?;
        if revision.version != version {
            let why = format!("resolves to version {}", revision.version);
            return Err(self.invalid(version, DirectFaultKind::Invalid, &why));
        }
        self.resolve(&self.location.revision_of(version)).await
    }

    /// Returns the commit that a revision names.
    pub(super) async fn resolve(&self, revision: &str) -> Result<Commit, DirectError> {
        let commit = match self.memory.ledger.commit_of(revision) {
            Some(kept) => self.kept_commit(revision, &kept).await?,
            None => self.repository.stat(revision).await?,
        };
        checked_time(&commit)?;
        Ok(self.memory.ledger.adjusted(commit))
    }

    /// Returns the commit that a tag named when its version was first answered.
    async fn kept_commit(&self, tag: &str, kept: &str) -> Result<Commit, DirectError> {
        let mut commit = self.repository.stat(kept).await.map_err(|error| {
            if !error.is_absence() {
                return error;
            }
            let text = format!(
                "{tag} of {} moved away from commit {kept}, of which parts were served and which is gone; nothing of another commit is served under the same version",
                self.repository.url()
            );
            DirectError::new(DirectFaultKind::Refused, text)
        })?;
        tag.clone_into(&mut commit.version);
        commit.reference = Some(format!("refs/tags/{tag}"));
        Ok(commit)
    }
}

/// Refuses a commit from a time that no `.info` can hold.
fn checked_time(commit: &Commit) -> Result<Timestamp, DirectError> {
    if (0..=LAST_SECOND).contains(&commit.time) {
        return Ok(Timestamp::from_unix(commit.time));
    }
    let text = format!("the time of commit {} is not between the years 1970 and 9999", commit.hash);
    Err(DirectError::new(DirectFaultKind::Invalid, text))
}
