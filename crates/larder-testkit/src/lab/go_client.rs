//! The go commands that the lab lets fail.

use std::path::{Path, PathBuf};

use crate::settings;

/// A go command of some version.
#[derive(Clone, Debug)]
pub struct GoClient {
    root: PathBuf,
    version: String,
    minor: u32,
}

impl GoClient {
    /// Finds the machine's own.
    pub fn machine() -> Option<Self> {
        let usual = PathBuf::from("/usr/local/go/bin");
        let folders = settings::search_path().into_iter().chain([usual]);
        let binary = folders.map(|folder| folder.join("go")).find(|file| file.is_file())?;
        let binary = fs_err::canonicalize(binary).ok()?;
        Self::at(binary.parent()?.parent()?)
    }

    /// Uses the one whose `GOROOT` this is.
    pub fn at(root: &Path) -> Option<Self> {
        let text = fs_err::read_to_string(root.join("VERSION")).ok()?;
        let version = text.lines().next()?.trim().trim_start_matches("go").to_owned();
        let minor = version.split('.').nth(1)?.parse().ok()?;
        root.join("bin/go").is_file().then(|| Self { root: root.to_owned(), version, minor })
    }

    /// Returns its `GOROOT`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns its version, such as `1.26.8`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the second number of its version.
    pub fn minor(&self) -> u32 {
        self.minor
    }

    /// Returns the program.
    pub fn binary(&self) -> PathBuf {
        self.root.join("bin/go")
    }
}
