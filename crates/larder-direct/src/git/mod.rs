//! Git repositories: a bare mirror of each, asked only through the `git` program.
//!
//! [`Mirrors`] owns the folder, the budget and the limit on runs; a [`Repository`] is one mirror and answers what the go command's own
//! repository type answers, fetching no more than a question needs.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::discover::RepositoryPlace;
use crate::error::DirectError;
use crate::settings::DirectSettings;

/// All mirrors of this process.
#[derive(Debug)]
pub struct Mirrors {
    _settings: Arc<DirectSettings>,
}

/// One repository. Cloning is cheap; clones share fetches and what is known.
#[derive(Clone, Debug)]
pub struct Repository {
    _mirrors: Arc<Mirrors>,
    _place: RepositoryPlace,
}

/// A reference of the remote repository.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tag {
    /// The name without `refs/tags/`.
    pub name: String,
    /// The commit (peeled) that it names, 40 or 64 hex digits.
    pub hash: String,
}

/// The tags of a repository, as `ls-remote` listed them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tags {
    /// Sorted by name.
    pub list: Vec<Tag>,
    /// Go's `Origin.TagSum` of them.
    pub tag_sum: String,
}

/// A commit that a revision resolved to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Commit {
    /// The full hash.
    pub hash: String,
    /// The twelve digits that pseudo-versions use.
    pub short: String,
    /// The commit time in seconds since 1970.
    pub time: i64,
    /// What the revision is called: the tag or branch asked for, else the hash (Go's `RevInfo.Version`).
    pub version: String,
    /// All tags that name this commit, sorted.
    pub tags: Vec<String>,
    /// The full reference that was resolved (`refs/tags/v1.0.0`, `refs/heads/main`, `HEAD`), if one was: Go's `Origin.Ref`.
    pub reference: Option<String>,
}

/// A commit's files as `git archive` packed them: a zip without compression in a temporary file.
#[derive(Debug)]
pub struct SourceArchive {
    /// The file.
    pub file: std::fs::File,
    /// Its length.
    pub len: u64,
    /// What stands before each name in it, slash included.
    pub prefix: String,
}

impl Mirrors {
    /// Builds it; nothing is created yet.
    pub fn new(settings: Arc<DirectSettings>) -> Arc<Self> {
        Arc::new(Self { _settings: settings })
    }

    /// Returns the repository at a place.
    ///
    /// # Errors
    ///
    /// Fails for a URL that is not asked.
    pub fn repository(self: &Arc<Self>, place: &RepositoryPlace) -> Result<Repository, DirectError> {
        Ok(Repository { _mirrors: Arc::clone(self), _place: place.clone() })
    }

    /// Returns the folder.
    pub fn folder(&self) -> PathBuf {
        self._settings.mirrors.clone()
    }
}

impl Repository {
    /// Returns the URL for people and for `Origin`: without user info.
    pub fn url(&self) -> String {
        todo!()
    }

    /// Returns the remote's tags whose names begin with `prefix`.
    ///
    /// # Errors
    ///
    /// Fails when the remote can't be asked.
    pub async fn tags(&self, prefix: &str) -> Result<Tags, DirectError> {
        let _ = prefix;
        todo!()
    }

    /// Resolves a revision by the go command's rules: tag, branch, full hash, hash prefix.
    ///
    /// # Errors
    ///
    /// Fails with absence when there is no such revision.
    pub async fn stat(&self, revision: &str) -> Result<Commit, DirectError> {
        let _ = revision;
        todo!()
    }

    /// Returns the newest commit of the default branch.
    ///
    /// # Errors
    ///
    /// Fails with absence for an empty repository.
    pub async fn latest(&self) -> Result<Commit, DirectError> {
        todo!()
    }

    /// Returns the raw bytes of a file at a commit, or nothing if there is no such file there.
    ///
    /// # Errors
    ///
    /// Fails when it is larger than `limit`.
    pub async fn read_file(
        &self,
        revision: &str,
        path: &str,
        limit: u64,
    ) -> Result<Option<Bytes>, DirectError> {
        let _ = (revision, path, limit);
        todo!()
    }

    /// Returns the most recent allowed tag that is an ancestor of a revision or the revision itself, by Go's rules (highest semver
    /// among those with the prefix), or nothing.
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
        let _ = (revision, prefix, allowed);
        todo!()
    }

    /// Reports whether a revision is the commit of a tag or descends from it.
    ///
    /// # Errors
    ///
    /// Fails with absence when there is no such tag.
    pub async fn descends_from(&self, revision: &str, tag: &str) -> Result<bool, DirectError> {
        let _ = (revision, tag);
        todo!()
    }

    /// Packs a folder of a commit with the bytes that the go command would archive.
    ///
    /// # Errors
    ///
    /// Fails when there is no such folder, or more than `limit` bytes.
    pub async fn archive(
        &self,
        revision: &str,
        folder: &str,
        limit: u64,
    ) -> Result<SourceArchive, DirectError> {
        let _ = (revision, folder, limit);
        todo!()
    }
}
