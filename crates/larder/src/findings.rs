//! What should not go unnoticed about repositories: told to the log, counted, and kept in the store.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use larder_cache::{Event, Metrics};
use larder_direct::{MovedTag, Observer};
use larder_store::Store;
use tracing::{error, warn};

/// The word for a tag that moved, in the store's events and wherever they are shown.
pub(crate) const TAG_MOVED: &str = "tag-moved";

/// Changes that are remembered as told; the store knows of more.
const REMEMBERED: usize = 4_096;

/// Takes notice of what version control observes. It is made before the store is opened and told of it afterwards.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept_in: OnceLock<(Store, Metrics)>,
    told: Mutex<HashSet<MovedTag>>,
}

impl Findings {
    /// Says where findings are kept and counted.
    pub(crate) fn keep_in(&self, store: Store, metrics: Metrics) {
        // Only the first call counts, and there is one.
        let _told_before = self.kept_in.set((store, metrics));
    }

    fn is_told(&self, moved: &MovedTag) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= REMEMBERED {
            told.clear();
        }
        !told.insert(moved.clone())
    }
}

impl Observer for Findings {
    fn tag_moved(&self, moved: &MovedTag) {
        if self.is_told(moved) {
            return;
        }
        let Some((store, metrics)) = self.kept_in.get().cloned() else { return };
        let moved = moved.clone();
        let record = move || {
            let subject = format!("{}@{}", moved.module, moved.version);
            let detail = describe(&moved);
            if !store.record_change(TAG_MOVED, &subject, &detail) {
                return;
            }
            metrics.event(Event::TagMoved);
            warn!(
                module = %moved.module, version = %moved.version, tag = moved.tag, was = moved.was,
                now = moved.now, "{subject} keeps its bytes: {detail}"
            );
        };
        // It reads the index, and whoever observes may not wait for a disk.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(record)),
            Err(missing) => error!("a finding was lost: {missing}"),
        }
    }
}

fn describe(moved: &MovedTag) -> String {
    let MovedTag { repository, tag, was, now, .. } = moved;
    match now {
        Some(now) => format!("{tag} of {repository} was {was} when the version was made and is {now} now"),
        None => format!("{tag} of {repository} was {was} when the version was made and is gone now"),
    }
}

#[cfg(test)]
mod tests {
    use larder_store::StoreOptions;

    use super::*;

    fn moved(now: Option<&str>) -> MovedTag {
        MovedTag {
            module: "git.corp.example/a".parse().expect("a path"),
            version: "v1.0.0".parse().expect("a version"),
            repository: "https://git.corp.example/a".to_owned(),
            tag: "refs/tags/v1.0.0".to_owned(),
            was: "1".repeat(40),
            now: now.map(str::to_owned),
        }
    }

    #[test]
    fn each_change_is_recorded_once_across_restarts() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(StoreOptions::new(folder.path(), crate::clock::wall)).expect("a store");
        let other = "2".repeat(40);
        for _start in 0..2 {
            let (findings, metrics) = (Findings::default(), Metrics::new());
            findings.keep_in(store.clone(), metrics);
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            for _ in 0..3 {
                runtime.block_on(async { findings.tag_moved(&moved(Some(&other))) });
            }
            drop(runtime);
        }
        let (findings, metrics) = (Findings::default(), Metrics::new());
        findings.keep_in(store.clone(), metrics.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async { findings.tag_moved(&moved(None)) });
        drop(runtime);
        let events = store.events(10);
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(
            events[1].detail.contains(&other) && events[1].detail.contains(&"1".repeat(40)),
            "{events:?}"
        );
        assert!(events[0].detail.contains("is gone now"), "{events:?}");
        assert!(metrics.render().contains(r#"event="tag-moved"} 1"#));
    }
}
