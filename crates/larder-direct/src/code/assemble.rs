//! From the files of a commit to the zip of a module: what the go command does between `git archive` and its module cache.

use std::fs::File;
use std::path::Path;

use larder_module::ModuleVersion;
use larder_module::dirhash::H1;

use crate::error::DirectError;
use crate::git::{Repository, SourceArchive};

/// The canonical zip of a module version.
#[derive(Debug)]
pub struct ModuleZip {
    /// An unnamed temporary file, positioned at its start.
    pub file: File,
    /// Its length.
    pub len: u64,
    /// The hash that go.sum has for it.
    pub h1: H1,
}

/// Makes the zip of a module version from an archive of the folder that the module lies in.
///
/// `commit` is what was archived, `folder` the module's folder in the repository without slashes around it (empty for the root). A module
/// in a folder without LICENSE inherits the repository's; `staging` is where the temporary file goes.
///
/// # Errors
///
/// Fails as invalid when the files break Go's rules for module zips.
pub async fn assemble(
    repository: &Repository,
    commit: &str,
    archive: SourceArchive,
    folder: &str,
    of: &ModuleVersion,
    staging: &Path,
) -> Result<ModuleZip, DirectError> {
    let _ = (repository, commit, archive, folder, of, staging);
    todo!()
}
