//! What the doctor may look at: values that the binary passes down, so that tests and `--pid` can pass others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The place where the download fails.
#[derive(Clone, Debug)]
pub struct System {
    /// The environment of the process that fails; names and values that are not UTF-8 are left out.
    pub environment: BTreeMap<String, String>,
    /// Its working folder.
    pub folder: PathBuf,
    /// Where its file system begins: `/`, or `/proc/PID/root` of another process.
    pub root: PathBuf,
    /// The wall clock at start.
    pub now: SystemTime,
}

impl System {
    /// Returns a variable, unless it is unset or empty: Go treats both alike.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns where an absolute path of that process lies for this one.
    #[must_use]
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        absolute.strip_prefix("/").map_or_else(|_| self.folder.join(absolute), |rest| self.root.join(rest))
    }

    /// Returns the home folder as `os.UserHomeDir` finds it.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").map(PathBuf::from)
    }
}
