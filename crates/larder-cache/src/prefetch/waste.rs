//! What was fetched ahead and nobody has asked for.
//!
//! Such an object carries a mark, in the index and wherever it is kept at hand. The first client that is served from it takes the mark off;
//! from then on it is an object like any other. What still has its mark may take a share of the store: beyond that, and when it is old,
//! it is removed again, the oldest first. A lost mark lets the object stay; a removed object that is asked for after all is fetched anew.

use std::{
    collections::HashSet,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use larder_store::{ObjectKey, Store, Unused};

use super::{PrefetchSettings, counts::Counts};
use crate::{
    engine::Engine,
    flight::{Ready, Stop},
    spool::blocking,
};

const UNUSED: u8 = 0;
const USED: u8 = 1;
const REMOVED: u8 = 2;

/// Stands for the fact that nobody has asked for an object yet.
#[derive(Debug)]
pub(crate) struct Mark {
    state: AtomicU8,
    key: ObjectKey,
    size: u64,
    ledger: Arc<Ledger>,
}

impl Mark {
    /// Takes the mark off on behalf of a client; false if the object was just removed.
    pub(crate) fn claim(&self) -> bool {
        match self.state.load(Ordering::Acquire) {
            USED => true,
            REMOVED => false,
            _ => match self.state.compare_exchange(UNUSED, USED, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.ledger.used(&self.key, self.size);
                    true
                }
                Err(state) => state == USED,
            },
        }
    }

    /// Says that the object is removed, unless a client was first.
    fn remove(&self) -> bool {
        self.state.compare_exchange(UNUSED, REMOVED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// What the index has still to be told.
#[derive(Debug)]
struct Ledger {
    counts: Counts,
    entries: Mutex<Entries>,
    /// Bytes that got a mark since the store was last looked through.
    added: AtomicU64,
}

#[derive(Debug, Default)]
struct Entries {
    fresh: Vec<ObjectKey>,
    used: Vec<ObjectKey>,
}

impl Ledger {
    fn used(&self, key: &ObjectKey, size: u64) {
        self.counts.used(key.kind(), size);
        self.lock().used.push(key.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        let entries = self.lock();
        entries.fresh.is_empty() && entries.used.is_empty()
    }

    /// Tells the index; blocks.
    fn write(&self, store: &Store) {
        let Entries { mut fresh, used } = mem::take(&mut *self.lock());
        let served: HashSet<&ObjectKey> = used.iter().collect();
        fresh.retain(|key| !served.contains(key));
        for keys in fresh.chunks(BATCH) {
            store.mark_unused(keys);
        }
        for keys in used.chunks(BATCH) {
            store.mark_used(keys);
        }
    }
}

/// How many marks are changed in one go.
const BATCH: usize = 500;

/// All marks.
#[derive(Debug)]
pub(crate) struct Waste {
    settings: PrefetchSettings,
    ledger: Arc<Ledger>,
    tidying: AtomicBool,
}

impl Waste {
    pub(super) fn new(settings: PrefetchSettings, counts: Counts) -> Self {
        // The first look through the store says what an earlier run left.
        let ledger = Ledger { counts, entries: Mutex::default(), added: AtomicU64::new(u64::MAX) };
        Self { settings, ledger: Arc::new(ledger), tidying: AtomicBool::new(false) }
    }

    /// Marks an object that was just stored.
    pub(crate) fn mark(&self, key: &ObjectKey, size: u64) -> Arc<Mark> {
        self.ledger.counts.fetched(key.kind(), size);
        self.ledger.added.fetch_add(size.max(1), Ordering::Relaxed);
        self.ledger.lock().fresh.push(key.clone());
        self.known(key, size)
    }

    /// Returns the mark of an object of which the index says that it has one.
    pub(crate) fn known(&self, key: &ObjectKey, size: u64) -> Arc<Mark> {
        let ledger = Arc::clone(&self.ledger);
        Arc::new(Mark { state: AtomicU8::new(UNUSED), key: key.clone(), size, ledger })
    }

    /// Tells the index all that it hasn't been told; blocks.
    pub(crate) fn flush(&self, store: &Store) {
        self.ledger.write(store);
    }

    /// Reports whether the store should be looked through.
    fn is_due(&self) -> bool {
        self.ledger.added.load(Ordering::Relaxed) > self.settings.unused_bytes / 16
    }
}

impl Engine {
    /// Tells the index about marks, and removes what is too much or too old; in the background, one run at a time.
    pub(super) fn tidy_later(self: &Arc<Self>, look_through: bool) {
        let waste = &self.prefetch.waste;
        if !look_through && !waste.is_due() && waste.ledger.is_empty() {
            return;
        }
        if waste.tidying.swap(true, Ordering::AcqRel) {
            return;
        }
        let engine = Arc::clone(self);
        self.tasks.spawn(async move {
            engine.tidy(look_through).await;
            engine.prefetch.waste.tidying.store(false, Ordering::Release);
        });
    }

    async fn tidy(self: &Arc<Self>, look_through: bool) {
        let waste = &self.prefetch.waste;
        let look_through = look_through || waste.is_due();
        if look_through {
            waste.ledger.added.store(0, Ordering::Relaxed);
        }
        let (engine, store) = (Arc::clone(self), self.store.clone());
        let unused = blocking(move || {
            engine.prefetch.waste.flush(&store);
            Ok(if look_through { store.unused() } else { Vec::new() })
        });
        let Ok(unused) = unused.await else { return };
        if !look_through {
            return;
        }
        let now = self.settings.clock.now();
        let is_old = |unused: &Unused| {
            now.duration_since(unused.since).is_ok_and(|age| age > waste.settings.unused_age)
        };
        let mut left: u64 = unused.iter().map(|unused| unused.size).sum();
        let mut kept = Vec::new();
        for unused in unused {
            let is_too_much = left > waste.settings.unused_bytes;
            if (is_too_much || is_old(&unused)) && self.remove_unused(&unused).await {
                left -= unused.size;
            } else {
                kept.push(unused);
            }
        }
        waste.ledger.counts.unused(&kept);
    }

    /// Removes an object unless somebody asks for it this very moment.
    async fn remove_unused(self: &Arc<Self>, unused: &Unused) -> bool {
        // While this is on the board, nobody looks into the store for it: who comes waits, and then looks anew.
        let (_, Some(landing)) = self.board.join_ahead(&unused.key) else { return false };
        let may_remove = match self.at_hand.peek(&unused.key) {
            None => true,
            Some(Ready { mark: Some(mark), .. }) => mark.remove(),
            Some(_) => false,
        };
        if may_remove {
            self.at_hand.forget(&unused.key);
        }
        let (store, key) = (self.store.clone(), unused.key.clone());
        let removed = may_remove && blocking(move || store.remove_unused(&key)).await.unwrap_or(false);
        landing.end(Err(Stop::Vanished));
        if removed {
            self.prefetch.waste.ledger.counts.removed(unused.key.kind(), unused.size);
        }
        removed
    }
}

/// How long something may lie in the store that nobody has asked for, unless the settings say otherwise.
pub(super) const UNUSED_AGE: Duration = Duration::from_secs(7 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use larder_module::{request::ObjectKind, version::ModuleVersion};

    use super::*;

    #[test]
    fn a_mark_is_taken_off_once_and_never_after_the_object_is_gone() {
        let waste = Waste::new(PrefetchSettings::default(), Counts::default());
        let of = ModuleVersion::parse("example.com/a", "v1.0.0").expect("a module version");
        let key = ObjectKey::new(of, ObjectKind::Zip);
        let mark = waste.mark(&key, 10);
        assert!(mark.claim() && mark.claim());
        assert!(!mark.remove(), "a client was first");
        assert_eq!(waste.ledger.lock().used.len(), 1);
        let mark = waste.known(&key, 10);
        assert!(mark.remove() && !mark.claim());
    }
}
