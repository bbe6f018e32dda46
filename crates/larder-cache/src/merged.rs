//! Lists with the stored versions in them, ready to be served.

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::atomic::{AtomicU64, Ordering},
};

use larder_module::path::ModulePath;
use quick_cache::{Weighter, sync::Cache};

use crate::{answers::Text, clock::Moment};

/// A list as it was merged.
#[derive(Clone, Debug)]
struct Merged {
    of: Moment,
    body: Text,
}

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<ModulePath, Merged> for ByBytes {
    fn weight(&self, _module: &ModulePath, merged: &Merged) -> u64 {
        512 + merged.body.len()
    }
}

/// The merged lists at hand.
#[derive(Debug)]
pub(crate) struct MergedLists {
    lists: Cache<ModulePath, Merged, ByBytes>,
    /// How often versions were stored, by the module's hash: a list that was read meanwhile may lack one.
    changes: [AtomicU64; 64],
}

/// How often versions had been stored when the reading of them began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Before(u64);

impl MergedLists {
    pub(crate) fn new(memory: u64) -> Self {
        Self {
            lists: Cache::with_weighter(256, memory, ByBytes),
            changes: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Returns the list that was merged from what was learned at `of`.
    pub(crate) fn find(&self, module: &ModulePath, of: Moment) -> Option<Text> {
        self.lists.get(module).filter(|merged| merged.of == of).map(|merged| merged.body)
    }

    /// Begins a merge: to be called before the stored versions are read.
    pub(crate) fn begin(&self, module: &ModulePath) -> Before {
        Before(self.changes_of(module).load(Ordering::SeqCst))
    }

    /// Keeps a merged list, unless a version was stored since it was begun.
    pub(crate) fn keep(&self, module: &ModulePath, before: Before, of: Moment, body: Text) {
        self.lists.insert(module.clone(), Merged { of, body });
        // Looked at after the insertion: a version that comes later still takes the list away itself.
        if self.begin(module) != before {
            self.lists.remove(module);
        }
    }

    /// Takes away the list of a module that has one version more.
    pub(crate) fn forget(&self, module: &ModulePath) {
        self.changes_of(module).fetch_add(1, Ordering::SeqCst);
        self.lists.remove(module);
    }

    fn changes_of(&self, module: &ModulePath) -> &AtomicU64 {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(module);
        let at = usize::try_from(hash % self.changes.len() as u64).unwrap_or(0);
        &self.changes[at]
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::WallClock;

    fn text(len: usize) -> Text {
        Text::from(Bytes::from(vec![b'v'; len]))
    }

    #[test]
    fn a_version_that_is_stored_during_a_merge_is_not_lost() {
        let lists = MergedLists::new(1 << 20);
        let module: ModulePath = "example.com/a".parse().expect("a path");
        let of = WallClock::new(|| std::time::UNIX_EPOCH).moment();
        let before = lists.begin(&module);
        lists.forget(&module);
        lists.keep(&module, before, of, text(7));
        assert!(lists.find(&module, of).is_none(), "it may lack the version");
        let before = lists.begin(&module);
        lists.keep(&module, before, of, text(7));
        assert!(lists.find(&module, of).is_some());
        lists.forget(&module);
        assert!(lists.find(&module, of).is_none());
    }

    #[test]
    fn long_lists_take_no_more_than_the_memory() {
        let lists = MergedLists::new(1 << 20);
        let of = WallClock::new(|| std::time::UNIX_EPOCH).moment();
        for number in 0..500 {
            let module: ModulePath = format!("example.com/m{number}").parse().expect("a path");
            lists.keep(&module, lists.begin(&module), of, text(10_000));
        }
        assert!(lists.lists.weight() <= 1 << 20, "{}", lists.lists.weight());
    }
}
