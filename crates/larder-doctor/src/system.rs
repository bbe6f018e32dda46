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
    /// Makes one from variables alone: for reading settings, of this process or of none.
    #[must_use]
    pub fn of_environment(environment: BTreeMap<String, String>) -> Self {
        Self { environment, folder: PathBuf::new(), root: "/".into(), now: SystemTime::UNIX_EPOCH }
    }

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

    /// Returns what a path of that process leads to, links of its last element followed, still as that process names it.
    #[must_use]
    pub fn resolved(&self, path: &Path) -> PathBuf {
        let mut path = path.to_owned();
        for _ in 0..40 {
            let Ok(target) = fs_err::read_link(self.path(&path)) else { break };
            path = plain(&path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target)));
        }
        path
    }
}

/// Takes `.` and `..` out of a path, without asking the disk.
pub(crate) fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::ParentDir => {
                out.pop();
            }
            std::path::Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}
