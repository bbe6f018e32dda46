//! Go's rules for the modules of a repository: which tags are versions, what a query means, how a pseudo-version is made and
//! checked, where the go.mod is, what belongs into the zip.
//!
//! A [`CodeModule`] is one module path at one repository and lives for one question. Nothing here talks to anybody: [`Repository`] does
//! that, and remembers. What outlives a question is in [`Memory`]: above all the commit that each version's first answer was made from.

mod assemble;
mod convert;
mod folder;
mod ledger;
mod location;
mod memory;
mod origin;
mod pseudo;
mod resolve;
mod select;
mod versions;

pub use assemble::{ModuleZip, assemble};
pub use memory::Memory;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use larder_module::{ModulePath, ModuleVersion, Query, Version, zip};
use larder_upstream::DirectFaultKind;
use tokio::sync::OnceCell;

use self::folder::Folder;
use self::location::Location;
use self::select::Retractions;
use crate::discover::RepositoryPlace;
use crate::error::DirectError;
use crate::git::{Commit, Repository};

/// The most bytes of an archive that a module is made from. It holds more than the module, nested modules for instance, so it may be larger
/// than the largest module.
const MOST_ARCHIVED: u64 = 4 * zip::MAX_ZIP;

/// One module of one repository.
#[derive(Debug)]
pub struct CodeModule {
    repository: Repository,
    module: ModulePath,
    location: Location,
    memory: Arc<Memory>,
    staging: PathBuf,
    /// What the highest version retracts, read at most once per question.
    retracted: OnceCell<Retractions>,
}

impl CodeModule {
    /// Puts a module path and its repository together; `staging` is where zips are made.
    ///
    /// # Errors
    ///
    /// Fails when the path can't be a module of that repository.
    pub fn new(
        repository: Repository,
        place: &RepositoryPlace,
        module: ModulePath,
        memory: Arc<Memory>,
        staging: PathBuf,
    ) -> Result<Self, DirectError> {
        let location = Location::new(&module, &place.root, &place.subdirectory)?;
        Ok(Self { repository, module, location, memory, staging, retracted: OnceCell::new() })
    }

    /// Returns the versions of `@v/list`, sorted.
    ///
    /// # Errors
    ///
    /// Fails when the repository can't be asked.
    pub async fn versions(&self) -> Result<Vec<Version>, DirectError> {
        let versions = self.list("").await?.list;
        // A tag may be a version by Go's rules for lists and yet not fit the path by the protocol's; nobody could ask for it.
        Ok(versions.iter().filter_map(|version| version.parse().ok()).collect())
    }

    /// Returns the `.info` of what `go list -m MODULE@latest` says.
    ///
    /// # Errors
    ///
    /// Fails with absence when there is no version and no commit.
    pub async fn latest(&self) -> Result<Bytes, DirectError> {
        self.selected("latest").await
    }

    /// Returns the `.info` of a version, as the go command keeps it in its module cache.
    ///
    /// # Errors
    ///
    /// Fails with absence when there is none, as invalid when Go's rules exclude it.
    pub async fn info(&self, version: &Version) -> Result<Bytes, DirectError> {
        let revision = loop {
            let revision = self.stat(version.as_str()).await?;
            if self.settles(&revision.version, &revision.commit).await {
                break revision;
            }
        };
        if revision.version != version.as_str() {
            let why = format!("resolves to version {}", revision.version);
            return Err(self.invalid(version.as_str(), DirectFaultKind::Invalid, &why));
        }
        Ok(revision.file_json())
    }

    /// Returns the `.info` of what a query stands for, with all that the answer depends on.
    ///
    /// # Errors
    ///
    /// As [`CodeModule::info`].
    pub async fn query(&self, query: &Query) -> Result<Bytes, DirectError> {
        self.selected(query.as_str()).await
    }

    /// Returns the go.mod of a version: raw bytes, or the synthetic one of a legacy module.
    ///
    /// # Errors
    ///
    /// As [`CodeModule::info`], and when it is larger than the one of a module may be: the go command finds that out with the zip, but no
    /// store and no proxy would keep it until then.
    pub async fn go_mod(&self, version: &Version) -> Result<Bytes, DirectError> {
        let (_, folder) = self.version_folder(version).await?;
        let content = folder.go_mod.unwrap_or_else(|| self.legacy_go_mod());
        if content.len() as u64 > larder_module::zip::MAX_GO_MOD {
            let text = format!("the go.mod at {version} has {} bytes, more than one may have", content.len());
            return Err(DirectError::new(DirectFaultKind::Invalid, text));
        }
        Ok(content)
    }

    /// Returns the canonical zip of a version.
    ///
    /// # Errors
    ///
    /// As [`CodeModule::info`].
    pub async fn zip(&self, version: &Version) -> Result<ModuleZip, DirectError> {
        let of = ModuleVersion::new(self.module.clone(), version.clone())
            .map_err(|error| DirectError::new(DirectFaultKind::Invalid, error.to_string()))?;
        // The go.mod may be large, and is in the archive once more.
        let (commit, Folder { path, .. }) = self.version_folder(version).await?;
        let archive = self.repository.archive(&commit.hash, &path, MOST_ARCHIVED).await?;
        assemble(&self.repository, &commit.hash, archive, &path, &of, &self.staging).await
    }

    async fn selected(&self, query: &str) -> Result<Bytes, DirectError> {
        loop {
            let revision = self.select(query).await?;
            if self.settles(&revision.version, &revision.commit).await {
                return Ok(revision.query_json());
            }
        }
    }

    /// Finds the commit and the folder that a version is made from.
    async fn version_folder(&self, version: &Version) -> Result<(Commit, Folder), DirectError> {
        loop {
            let commit = self.commit_of(version.as_str()).await?;
            let folder = self.find_folder(&commit.hash, version.as_str()).await?;
            if self.settles(version.as_str(), &commit.hash).await {
                return Ok((commit, folder));
            }
        }
    }

    /// Writes down that a version is made from a commit, before anybody gets anything of it.
    ///
    /// Of two that resolved the same version to different commits, because its tag moved between them, the second one gets false, starts
    /// again and finds what the first has written.
    async fn settles(&self, version: &str, commit: &str) -> bool {
        let Ok(version) = version.parse::<Version>() else { return true };
        let tag = self.location.revision_of(version.as_str());
        version.is_pseudo() || self.memory.ledger.keep(&tag, commit, &self.module, &version).await
    }

    /// Returns the go.mod that the go command makes up for a module without one.
    fn legacy_go_mod(&self) -> Bytes {
        // A valid module path needs no quotes.
        format!("module {}\n", self.module).into()
    }

    /// Builds the failure that the go command would print for a version.
    fn invalid(&self, version: &str, kind: DirectFaultKind, why: &str) -> DirectError {
        let text = format!("{}@{version}: invalid version: {why} ({})", self.module, self.repository.url());
        DirectError::new(kind, text)
    }

    /// Builds the failure that the go command would print for a pseudo-version.
    fn invalid_pseudo(&self, version: &str, kind: DirectFaultKind, why: &str) -> DirectError {
        let url = self.repository.url();
        DirectError::new(kind, format!("{}@{version}: invalid pseudo-version: {why} ({url})", self.module))
    }
}
