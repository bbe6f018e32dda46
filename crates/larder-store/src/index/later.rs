//! Changes that nobody waits for.
//!
//! Answers, causes and events are kept for later, and whoever learned one has somebody to answer. So they are queued, and a thread
//! hands them to the index in groups. When the index can't be written for a while (a full disk, a lock that another process holds), the
//! queue fills up and further changes are dropped: the index is a convenience, the memory is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tracing::{info, warn};

use super::Index;
use crate::error::StoreError;

/// What all queued changes may weigh.
const QUEUE: usize = 16 << 20;
/// What a change weighs besides its texts.
const CHANGE: usize = 256;
/// Most changes in one group.
const GROUP: usize = 256;

type Change = Arc<dyn Fn(&Connection) -> rusqlite::Result<i64> + Send + Sync>;

enum Item {
    Change(Change, usize),
    /// Answered when everything queued before has been tried.
    Mark(SyncSender<()>),
}

/// The queue before the index.
#[derive(Debug)]
pub(crate) struct Later {
    items: Option<Sender<Item>>,
    weight: Arc<AtomicUsize>,
    dropping: AtomicBool,
    thread: Option<JoinHandle<()>>,
}

impl Later {
    /// Starts the thread.
    pub(crate) fn start(index: Arc<Index>) -> Result<Self, StoreError> {
        let (items, receiver) = channel();
        let weight = Arc::new(AtomicUsize::new(0));
        let (path, queued) = (index.path.clone(), Arc::clone(&weight));
        let thread = std::thread::Builder::new()
            .name("larder-later".to_owned())
            .spawn(move || run(&index, &receiver, &queued))
            .map_err(|error| StoreError::from_io("start the thread of", &path, error))?;
        Ok(Self { items: Some(items), weight, dropping: AtomicBool::new(false), thread: Some(thread) })
    }

    /// Queues a change with texts of this size. Never waits; drops the change when the queue is full.
    pub(crate) fn push(
        &self,
        size: usize,
        change: impl Fn(&Connection) -> rusqlite::Result<i64> + Send + Sync + 'static,
    ) {
        let weight = CHANGE + size;
        let fits = |queued: usize| Some(queued.saturating_add(weight)).filter(|sum| *sum <= QUEUE);
        if self.weight.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_err() {
            if !self.dropping.swap(true, Ordering::Relaxed) {
                warn!("the index can't keep up; what was learned is not written down for now");
            }
            return;
        }
        if self.dropping.swap(false, Ordering::Relaxed) {
            info!("the index keeps up again");
        }
        if let Some(items) = &self.items
            && items.send(Item::Change(Arc::new(change), weight)).is_err()
        {
            // The thread is gone only when it panicked.
            self.weight.fetch_sub(weight, Ordering::AcqRel);
        }
    }

    /// Waits until everything queued so far has been tried.
    pub(crate) fn flush(&self) {
        let (mark, reached) = sync_channel(1);
        if self.items.as_ref().is_some_and(|items| items.send(Item::Mark(mark)).is_ok()) {
            // It fails only when the thread is gone.
            let _ = reached.recv();
        }
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        self.items = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn run(index: &Index, items: &Receiver<Item>, queued: &AtomicUsize) {
    while let Ok(first) = items.recv() {
        let (mut group, mut marks, mut sum) = (Vec::new(), Vec::new(), 0);
        for item in std::iter::once(first).chain(items.try_iter().take(GROUP - 1)) {
            match item {
                Item::Change(change, weight) => {
                    group.push(change);
                    sum += weight;
                }
                Item::Mark(mark) => marks.push(mark),
            }
        }
        if !group.is_empty() {
            // What can't be written is lost, which the index has said already.
            index.write(move |connection| {
                group.iter().try_for_each(|change| change(connection).map(drop)).map(|()| 0)
            });
            queued.fetch_sub(sum, Ordering::AcqRel);
        }
        for mark in marks {
            // Whoever waits may have given up.
            let _ = mark.send(());
        }
    }
}
