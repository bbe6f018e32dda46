//! The Go SDK that would run: found and dated without running it.

use std::path::{Path, PathBuf};

use super::env_file::EnvFile;
use crate::{GoVersion, System};

/// A Go SDK.
#[derive(Clone, Debug)]
pub(super) struct Sdk {
    /// Its folder, as the process names it.
    pub(super) root: PathBuf,
    /// What its `VERSION` file says.
    pub(super) version: Option<GoVersion>,
    /// Its go.env.
    pub(super) file: EnvFile,
}

impl Sdk {
    /// Finds the SDK: `GOROOT` of the user's file, else of the environment (this is Go's order here), else around `program`.
    pub(super) fn find(system: &System, named: Option<&str>, program: Option<&Path>) -> Option<Self> {
        let named = named.filter(|root| !root.is_empty()).or_else(|| system.variable("GOROOT"));
        let root = match named {
            Some(root) => PathBuf::from(root),
            None => around(system, program?)?,
        };
        let version = fs_err::read_to_string(system.path(root.join("VERSION"))).ok();
        Some(Self {
            version: version.and_then(|text| GoVersion::parse(text.lines().next()?)),
            file: EnvFile::read(system, &root.join("go.env")),
            root,
        })
    }
}

/// Returns the `go` that the `PATH` finds.
pub(super) fn program(system: &System) -> Option<PathBuf> {
    let path = system.variable("PATH")?;
    path.split(':')
        .filter(|folder| !folder.is_empty())
        .map(|folder| Path::new(folder).join("go"))
        .find(|file| system.path(file).is_file())
}

/// The two places around a program where its SDK can be, first for the name it was started by, then for what that links to.
fn around(system: &System, program: &Path) -> Option<PathBuf> {
    let candidates = [program.to_owned(), system.resolved(program)];
    let roots = candidates.iter().flat_map(|file| file.ancestors().skip(2).take(2).map(Path::to_owned));
    let mut roots: Vec<PathBuf> = roots.collect();
    let fallback = candidates[1].ancestors().nth(2).map(Path::to_owned);
    let is_root = |root: &PathBuf| system.path(root.join("pkg/tool")).is_dir();
    roots.retain(is_root);
    roots.into_iter().next().or(fallback)
}
