//! Go's rules for the modules of a repository: which tags are versions, what a query means, how a pseudo-version is made and
//! checked, where the go.mod is, what belongs into the zip.

mod assemble;

pub use assemble::{ModuleZip, assemble};

use bytes::Bytes;
use larder_module::{ModulePath, Query, Version};

use crate::discover::RepositoryPlace;
use crate::error::DirectError;
use crate::git::{Repository, SourceArchive};

/// One module of one repository.
#[derive(Debug)]
pub struct CodeModule {
    _repository: Repository,
    _place: RepositoryPlace,
    _module: ModulePath,
}

impl CodeModule {
    /// Puts a module path and its repository together.
    ///
    /// # Errors
    ///
    /// Fails when the path can't be a module of that repository.
    pub fn new(
        repository: Repository,
        place: RepositoryPlace,
        module: ModulePath,
    ) -> Result<Self, DirectError> {
        Ok(Self { _repository: repository, _place: place, _module: module })
    }

    /// Returns the versions of `@v/list`, sorted.
    ///
    /// # Errors
    ///
    /// Fails when the repository can't be asked.
    pub async fn versions(&self) -> Result<Vec<Version>, DirectError> {
        todo!()
    }

    /// Returns the `.info` of what `go list -m MODULE@latest` says.
    ///
    /// # Errors
    ///
    /// Fails with absence when there is no version and no commit.
    pub async fn latest(&self) -> Result<Bytes, DirectError> {
        todo!()
    }

    /// Returns the `.info` of a version.
    ///
    /// # Errors
    ///
    /// Fails with absence when there is none, as invalid when Go's rules exclude it.
    pub async fn info(&self, version: &Version) -> Result<Bytes, DirectError> {
        let _ = version;
        todo!()
    }

    /// Returns the `.info` of what a query stands for.
    ///
    /// # Errors
    ///
    /// As [`CodeModule::info`].
    pub async fn query(&self, query: &Query) -> Result<Bytes, DirectError> {
        let _ = query;
        todo!()
    }

    /// Returns the go.mod of a version: raw bytes, or the synthetic one of a legacy module.
    ///
    /// # Errors
    ///
    /// As [`CodeModule::info`].
    pub async fn go_mod(&self, version: &Version) -> Result<Bytes, DirectError> {
        let _ = version;
        todo!()
    }

    /// Returns the canonical zip of a version as an unnamed temporary file.
    ///
    /// # Errors
    ///
    /// As [`CodeModule::info`].
    pub async fn zip(&self, version: &Version) -> Result<SourceArchive, DirectError> {
        let _ = version;
        todo!()
    }
}
