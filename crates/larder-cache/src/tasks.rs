//! The work that outlives requests: how much of it may run, and how a stop waits for it.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use larder_upstream::Urgency;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::metrics::{Metrics, Raised};

/// Too many fetches are under way and too many wait already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Saturated;

/// The slots that fetches run in, with a bounded queue before them.
///
/// A fetch has its slot while it waits for a stalled upstream. So no route may have all of them where there are others.
#[derive(Debug)]
pub(crate) struct Slots {
    running: Arc<Semaphore>,
    limit: usize,
    shares: Mutex<Shares>,
    waiting: AtomicUsize,
    queue: usize,
}

#[derive(Debug)]
struct Shares {
    limit: usize,
    routes: HashMap<String, Arc<Semaphore>>,
}

/// A slot; free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _permits: [Option<OwnedSemaphorePermit>; 2],
    _in_flight: Raised,
}

impl Slots {
    pub(crate) fn new(running: usize, queue: usize) -> Self {
        let limit = running.max(1);
        Self {
            running: Arc::new(Semaphore::new(limit)),
            limit,
            shares: Mutex::new(Shares { limit, routes: HashMap::new() }),
            waiting: AtomicUsize::new(0),
            queue,
        }
    }

    /// Shares the slots among so many routes.
    pub(crate) fn share_among(&self, routes: usize) {
        let limit = if routes > 1 { self.limit.div_ceil(2) } else { self.limit };
        *self.lock() = Shares { limit, routes: HashMap::new() };
    }

    /// Waits for a slot, unless the queue is full. What is fetched ahead takes none: it was counted before it began.
    pub(crate) async fn acquire(
        &self,
        route: &str,
        urgency: &Urgency,
        metrics: &Metrics,
    ) -> Result<Slot, Saturated> {
        if !urgency.is_now() {
            return Ok(Slot { _permits: [None, None], _in_flight: Raised::new(metrics.in_flight()) });
        }
        let share = self.share_of(route);
        let slot = |permits| Slot { _permits: permits, _in_flight: Raised::new(metrics.in_flight()) };
        let mut first = Arc::clone(&share).try_acquire_owned().ok();
        if first.is_some()
            && let Ok(second) = Arc::clone(&self.running).try_acquire_owned()
        {
            return Ok(slot([first, Some(second)]));
        }
        let _place = Place::take(&self.waiting, self.queue).ok_or(Saturated)?;
        let _waiting = Raised::new(metrics.waiting());
        // The semaphores are never closed.
        if first.is_none() {
            first = share.acquire_owned().await.ok();
        }
        let second = Arc::clone(&self.running).acquire_owned().await.ok();
        Ok(slot([first, second]))
    }

    fn share_of(&self, route: &str) -> Arc<Semaphore> {
        let mut shares = self.lock();
        if let Some(share) = shares.routes.get(route) {
            return Arc::clone(share);
        }
        let share = Arc::new(Semaphore::new(shares.limit));
        shares.routes.insert(route.to_owned(), Arc::clone(&share));
        share
    }

    fn lock(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let taken = waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < limit).then_some(count + 1));
        taken.ok().map(|_| Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts tasks, so that a stop can wait for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(Arc<TaskState>);

#[derive(Debug, Default)]
struct TaskState {
    running: AtomicUsize,
    closing: AtomicBool,
    stopping: Notify,
    idle: Notify,
}

struct Running(Arc<TaskState>);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Tasks {
    /// Spawns a counted task.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.running.fetch_add(1, Ordering::AcqRel);
        let running = Running(Arc::clone(&self.0));
        tokio::spawn(async move {
            let _running = running;
            work.await;
        });
    }

    /// Reports whether a stop has begun.
    pub(crate) fn closing(&self) -> bool {
        self.0.closing.load(Ordering::Acquire)
    }

    /// Spawns a counted task that a stop doesn't wait for, unless a client does.
    pub(crate) fn spawn_ahead(&self, urgency: Urgency, work: impl Future<Output = ()> + Send + 'static) {
        let tasks = self.clone();
        self.spawn(async move {
            let cut = async {
                tasks.stopping().await;
                if urgency.is_now() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = work => {}
                () = cut => {}
            }
        });
    }

    async fn stopping(&self) {
        let stopping = self.0.stopping.notified();
        if !self.closing() {
            stopping.await;
        }
    }

    /// Announces the stop and waits until no task runs, at most `limit`; reports whether all had ended.
    pub(crate) async fn close(&self, limit: Duration) -> bool {
        self.0.closing.store(true, Ordering::Release);
        self.0.stopping.notify_waiters();
        let all_done = async {
            loop {
                let idle = self.0.idle.notified();
                if self.0.running.load(Ordering::Acquire) == 0 {
                    return;
                }
                idle.await;
            }
        };
        tokio::time::timeout(limit, all_done).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_turns_work_away() {
        let slots = Arc::new(Slots::new(1, 1));
        let metrics = Metrics::new();
        let first = slots.acquire("default", &Urgency::now(), &metrics).await.expect("a free slot");
        let waiting = tokio::spawn({
            let slots = Arc::clone(&slots);
            let metrics = metrics.clone();
            async move { slots.acquire("default", &Urgency::now(), &metrics).await.is_ok() }
        });
        while metrics.waiting().get() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(slots.acquire("default", &Urgency::now(), &metrics).await.err(), Some(Saturated));
        drop(first);
        assert!(waiting.await.expect("no panic"));
        assert_eq!(metrics.in_flight().get(), 0);
    }

    #[tokio::test]
    async fn a_route_that_stalls_leaves_slots_to_others() {
        let slots = Slots::new(4, 100);
        slots.share_among(2);
        let metrics = Metrics::new();
        let mut stalled = Vec::new();
        for _ in 0..2 {
            stalled.push(slots.acquire("stalled", &Urgency::now(), &metrics).await.expect("a slot"));
        }
        let urgency = Urgency::now();
        let mut third = Box::pin(slots.acquire("stalled", &urgency, &metrics));
        let waits = tokio::time::timeout(Duration::from_millis(1), &mut third).await.is_err();
        assert!(waits, "it has its share");
        assert!(slots.acquire("other", &Urgency::now(), &metrics).await.is_ok());
        drop(stalled.pop());
        assert!(third.await.is_ok());
    }

    #[tokio::test]
    async fn closing_waits_for_work() {
        let tasks = Tasks::default();
        let (send, receive) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn(async move {
            receive.await.ok();
        });
        assert!(!tasks.close(Duration::from_millis(5)).await);
        assert!(tasks.closing());
        send.send(()).expect("the task waits");
        assert!(tasks.close(Duration::from_secs(5)).await);
    }
}
