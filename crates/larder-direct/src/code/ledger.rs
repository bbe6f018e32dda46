//! Which commit each version was made from, once and for good.
//!
//! Private modules are in no public checksum database, so nobody but Larder notices when a tag moves. The first answer about a version fixes its
//! commit here: later answers are made from the same commit, whatever the tag says by then, and a tag that moved is reported. Without
//! this the `.info` of one commit could be stored beside the `.zip` of another.
//!
//! There is one file per repository, beside the mirrors and not in them, since a mirror may be thrown away at any time. Lines are only ever
//! appended; a torn last line, left by a crash, is the one of an answer that nobody got.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_module::{ModulePath, Version};
use serde::{Deserialize, Serialize};

use crate::git::Commit;
use crate::settings::{MovedTag, Observer};

/// The commits of one repository's versions.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Locked while it is written, so that lines are entered in the order in which they stand there.
    file: Mutex<PathBuf>,
    /// Without user info.
    repository: String,
    observer: Arc<dyn Observer>,
    /// Never locked while a disk is waited for.
    made: Mutex<Made>,
    /// Some lines are only here, because the disk didn't take them.
    has_unwritten: AtomicBool,
}

/// By tag.
type Made = BTreeMap<String, Entry>;

/// What is known of one tag.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    /// The commit that versions were made from.
    commit: String,
    /// The versions made from it: `v2.0.0` may be one of a path with `/v2` and one with `+incompatible`.
    versions: BTreeSet<(String, String)>,
    /// What the tag names, as far as it was told; nothing when it is gone.
    now: Option<String>,
}

/// A line of the file.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Line {
    Made { tag: String, commit: String, module: String, version: String },
    Now { tag: String, now: Option<String> },
}

impl Ledger {
    /// Reads the ledger in `file`; one that isn't there is empty. `repository` is the URL without user info.
    pub(super) fn open(file: PathBuf, repository: String, observer: Arc<dyn Observer>) -> Self {
        let text = match fs_err::read(&file) {
            Ok(text) => text,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    tracing::warn!(%error, "could not read which commits versions were made from");
                }
                Vec::new()
            }
        };
        let mut made = Made::new();
        for line in text.split(|byte| *byte == b'\n') {
            if let Ok(line) = serde_json::from_slice(line) {
                enter(&mut made, line);
            }
        }
        let (file, made) = (Mutex::new(file), Mutex::new(made));
        Self { file, repository, observer, made, has_unwritten: AtomicBool::new(false) }
    }

    /// Reports whether a ledger that is opened anew would know as much.
    pub(super) fn is_written(&self) -> bool {
        !self.has_unwritten.load(Ordering::Relaxed)
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the commit that a tag's versions are made from, if there are any.
    pub(super) fn commit_of(&self, tag: &str) -> Option<String> {
        self.made().get(tag).map(|entry| entry.commit.clone())
    }

    /// Puts the tags of a commit as they were when versions were made from them.
    pub(super) fn adjusted(&self, mut commit: Commit) -> Commit {
        let made = self.made();
        commit.tags.retain(|tag| made.get(tag).is_none_or(|entry| entry.commit == commit.hash));
        for (tag, _) in made.iter().filter(|(_, entry)| entry.commit == commit.hash) {
            if let Err(place) = commit.tags.binary_search(tag) {
                commit.tags.insert(place, tag.clone());
            }
        }
        commit
    }

    /// Writes down that a version is made from a commit. Reports false if it was made from another one before.
    ///
    /// A disk that can't be written to is no reason not to answer: as long as the process lives, the version stays the same.
    pub(super) async fn keep(
        self: &Arc<Self>,
        tag: &str,
        commit: &str,
        module: &ModulePath,
        version: &Version,
    ) -> bool {
        let name = (module.as_str().to_owned(), version.as_str().to_owned());
        match self.made().get(tag) {
            Some(entry) if entry.commit != commit => return false,
            Some(entry) if entry.versions.contains(&name) => return true,
            _ => {}
        }
        let (module, version) = name;
        let line = Line::Made { tag: tag.to_owned(), commit: commit.to_owned(), module, version };
        self.write(vec![line]).await;
        self.commit_of(tag).is_some_and(|kept| kept == commit)
    }

    /// Compares what a remote's tags with a prefix name now, and reports those that moved, once per move.
    pub(super) async fn compare(self: &Arc<Self>, prefix: &str, commit_now: impl Fn(&str) -> Option<String>) {
        let (mut lines, mut moved) = (Vec::new(), Vec::new());
        for (tag, entry) in self.made().iter().filter(|(tag, _)| tag.starts_with(prefix)) {
            let now = commit_now(tag);
            if now == entry.now {
                continue;
            }
            if now.as_ref() != Some(&entry.commit) {
                moved.extend(self.reports(tag, entry, now.as_ref()));
            }
            lines.push(Line::Now { tag: tag.clone(), now });
        }
        if lines.is_empty() {
            return;
        }
        self.write(lines).await;
        for moved in &moved {
            self.observer.tag_moved(moved);
        }
    }

    fn reports(&self, tag: &str, entry: &Entry, now: Option<&String>) -> Vec<MovedTag> {
        let report = |(module, version): &(String, String)| {
            Some(MovedTag {
                module: module.parse().ok()?,
                version: version.parse().ok()?,
                repository: self.repository.clone(),
                tag: format!("refs/tags/{tag}"),
                was: entry.commit.clone(),
                now: now.cloned(),
            })
        };
        entry.versions.iter().filter_map(report).collect()
    }

    /// Appends lines to the file and enters them.
    async fn write(self: &Arc<Self>, lines: Vec<Line>) {
        let ledger = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || {
            let mut text = Vec::new();
            for line in &lines {
                // Plain structures always have a JSON form.
                let _ = serde_json::to_writer(&mut text, line);
                text.push(b'\n');
            }
            let file = ledger.file.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = append(&file, &text);
            if outcome.is_err() {
                ledger.has_unwritten.store(true, Ordering::Relaxed);
            }
            let mut made = ledger.made();
            for line in lines {
                enter(&mut made, line);
            }
            outcome
        });
        if let Ok(Err(error)) = written.await {
            tracing::warn!(%error, "could not write down which commit a version was made from");
        }
    }
}

/// Enters a line; the first commit of a tag stays.
fn enter(made: &mut Made, line: Line) {
    match line {
        Line::Made { tag, commit, module, version } => {
            let now = Some(commit.clone());
            let fresh = Entry { commit: commit.clone(), versions: BTreeSet::new(), now };
            let entry = made.entry(tag).or_insert(fresh);
            if entry.commit == commit {
                entry.versions.insert((module, version));
            }
        }
        Line::Now { tag, now } => {
            if let Some(entry) = made.get_mut(&tag) {
                entry.now = now;
            }
        }
    }
}

/// Appends whole lines, on a line of their own even after a torn one.
fn append(file: &std::path::Path, text: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs_err::create_dir_all(folder)?;
    }
    let mut open = fs_err::OpenOptions::new().create(true).append(true).open(file)?;
    let is_new = open.metadata()?.len() == 0;
    let line: Vec<u8> = if is_new { text.to_vec() } else { [b"\n", text].concat() };
    open.write_all(&line)?;
    open.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<MovedTag>>);

    impl Observer for Heard {
        fn tag_moved(&self, moved: &MovedTag) {
            self.0.lock().expect("no panic").push(moved.clone());
        }
    }

    impl Heard {
        fn taken(&self) -> Vec<(String, Option<String>)> {
            let moved = std::mem::take(&mut *self.0.lock().expect("no panic"));
            moved.into_iter().map(|moved| (moved.was, moved.now)).collect()
        }
    }

    fn tags<'a>(list: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |wanted| list.iter().find(|(name, _)| *name == wanted).map(|(_, hash)| (*hash).to_owned())
    }

    #[tokio::test]
    async fn the_first_commit_stays_and_each_move_is_told_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("made/x");
        let heard = Arc::new(Heard::default());
        let open =
            || Arc::new(Ledger::open(file.clone(), "https://git.corp.example/a".into(), heard.clone()));
        let module: ModulePath = "git.corp.example/a".parse().expect("a path");
        let version: Version = "v1.0.0".parse().expect("a version");

        let ledger = open();
        assert!(ledger.keep("v1.0.0", "aaa", &module, &version).await);
        assert!(ledger.keep("v1.0.0", "aaa", &module, &version).await);
        assert!(!ledger.keep("v1.0.0", "bbb", &module, &version).await);
        ledger.compare("", tags(&[("v1.0.0", "aaa")])).await;
        assert_eq!(heard.taken(), []);
        ledger.compare("", tags(&[("v1.0.0", "bbb")])).await;
        ledger.compare("", tags(&[("v1.0.0", "bbb")])).await;
        assert_eq!(heard.taken(), [("aaa".to_owned(), Some("bbb".to_owned()))]);
        ledger.compare("sub/", tags(&[])).await;
        assert_eq!(heard.taken(), [], "a list of other tags says nothing");

        let text = fs_err::read(&file).expect("the file");
        fs_err::write(&file, [&text[..], b"\n{\"tag\":\"v1.0"].concat()).expect("a torn line");
        let ledger = open();
        assert_eq!(ledger.commit_of("v1.0.0").as_deref(), Some("aaa"));
        ledger.compare("", tags(&[("v1.0.0", "bbb")])).await;
        assert_eq!(heard.taken(), [], "told before the restart");
        ledger.compare("", tags(&[])).await;
        assert_eq!(heard.taken(), [("aaa".to_owned(), None)]);
        ledger.compare("", tags(&[("v1.0.0", "aaa")])).await;
        assert_eq!(heard.taken(), [], "it is back");
        let ledger = open();
        assert!(ledger.keep("v1.0.0", "aaa", &module, &version).await, "lines after a torn one count");
        assert_eq!(ledger.made().get("v1.0.0").and_then(|entry| entry.now.clone()).as_deref(), Some("aaa"));
    }

    #[tokio::test]
    async fn tags_of_a_commit_are_those_it_was_answered_with() {
        let folder = tempfile::tempdir().expect("a folder");
        let heard = Arc::new(Heard::default());
        let ledger = Arc::new(Ledger::open(folder.path().join("x"), String::new(), heard));
        let module: ModulePath = "git.corp.example/a".parse().expect("a path");
        ledger.keep("v1.0.0", "aaa", &module, &"v1.0.0".parse().expect("a version")).await;
        let commit = |hash: &str, tags: &[&str]| Commit {
            hash: hash.into(),
            short: String::new(),
            time: 0,
            version: String::new(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            reference: None,
        };
        assert_eq!(ledger.adjusted(commit("bbb", &["v1.0.0", "x"])).tags, ["x"]);
        assert_eq!(ledger.adjusted(commit("aaa", &["a", "x"])).tags, ["a", "v1.0.0", "x"]);
    }
}
