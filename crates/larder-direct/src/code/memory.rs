//! What is known of a repository beyond one question: which commit each version was made from, and small files that were read.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::ledger::Ledger;
use crate::settings::Observer;

/// How many bytes of files are remembered for one repository.
const MOST_BYTES: usize = 1 << 20;
/// What an entry takes beside its bytes, about.
const OVERHEAD: usize = 200;

/// What outlives a question about a repository.
#[derive(Debug)]
pub struct Memory {
    pub(super) ledger: Arc<Ledger>,
    pub(super) files: Files,
}

impl Memory {
    /// Reads the ledger in `file`; one that isn't there is empty. `repository` is the URL without user info.
    pub fn open(file: PathBuf, repository: String, observer: Arc<dyn Observer>) -> Self {
        Self { ledger: Arc::new(Ledger::open(file, repository, observer)), files: Files::default() }
    }

    /// Reports whether nobody uses it and nothing is lost if it is opened anew.
    pub fn is_idle(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1 && Arc::strong_count(&self.ledger) == 1 && self.ledger.is_written()
    }
}

/// Files of commits, which never change; so lists and `.mod` are answered again without running git.
#[derive(Debug, Default)]
pub(super) struct Files(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// By commit and path.
    files: HashMap<(String, String), Option<Bytes>>,
    bytes: usize,
}

impl Files {
    /// Returns what a file holds, or that there is none, if that is remembered.
    pub(super) fn find(&self, commit: &str, path: &str) -> Option<Option<Bytes>> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.files.get(&(commit.to_owned(), path.to_owned())).cloned()
    }

    /// Remembers a file; when there is no room, everything else is forgotten.
    pub(super) fn remember(&self, commit: &str, path: &str, content: Option<&Bytes>) {
        let size = OVERHEAD + commit.len() + path.len() + content.map_or(0, Bytes::len);
        if size > MOST_BYTES / 8 {
            return;
        }
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.bytes + size > MOST_BYTES {
            *remembered = Remembered::default();
        }
        // A copy, because what git said may be much larger than the file.
        let content = content.map(|content| Bytes::copy_from_slice(content));
        if remembered.files.insert((commit.to_owned(), path.to_owned()), content).is_none() {
            remembered.bytes += size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_remembered_within_bounds() {
        let files = Files::default();
        assert_eq!(files.find("c", "go.mod"), None);
        files.remember("c", "go.mod", None);
        assert_eq!(files.find("c", "go.mod"), Some(None));
        let text = Bytes::from_static(b"module m");
        files.remember("d", "go.mod", Some(&text));
        assert_eq!(files.find("d", "go.mod"), Some(Some(text)));
        files.remember("e", "go.mod", Some(&Bytes::from(vec![0; MOST_BYTES])));
        assert_eq!(files.find("e", "go.mod"), None, "too large");
        for number in 0..10_000 {
            files.remember(&format!("{number:040}"), "go.mod", None);
        }
        let remembered = files.0.lock().expect("no panic");
        assert!(remembered.bytes <= MOST_BYTES && remembered.files.len() < 10_000);
    }
}
