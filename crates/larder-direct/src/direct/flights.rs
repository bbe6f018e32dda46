//! Work that is shared by all who ask for the same, and that goes on when they stop waiting.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use larder_upstream::{DirectFaultKind, Refusal};
use tokio::sync::watch;

use crate::error::DirectError;

/// How something went.
pub(super) type Outcome<T> = Result<T, Refusal>;

/// Work under way, and work just done that nobody has taken.
#[derive(Debug)]
pub(super) struct Flights<K, T> {
    open: Mutex<HashMap<K, Flight<T>>>,
    /// How long finished work is kept for those who ask again.
    kept: Duration,
}

#[derive(Clone, Debug)]
struct Flight<T> {
    result: watch::Receiver<Option<Outcome<T>>>,
}

impl<K, T> Flights<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    pub(super) fn new(kept: Duration) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), kept })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<K, Flight<T>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the work under a key, beginning it if nobody has.
    pub(super) async fn join<F>(self: &Arc<Self>, key: K, work: impl FnOnce() -> F) -> Outcome<T>
    where
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let mut result = {
            let mut open = self.open();
            match open.get(&key) {
                Some(flight) => flight.result.clone(),
                None => {
                    let (sender, result) = watch::channel(None);
                    open.insert(key.clone(), Flight { result: result.clone() });
                    self.begin(key, sender, work());
                    result
                }
            }
        };
        let outcome = result.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or_else(|| {
            let text = "the work on this question ended without an answer";
            Err(DirectError::new(DirectFaultKind::Broken, text).into())
        })
    }

    fn begin<F>(self: &Arc<Self>, key: K, sender: watch::Sender<Option<Outcome<T>>>, work: F)
    where
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let entry = Entry { flights: Arc::clone(self), key, result: sender.subscribe() };
        tokio::spawn(async move {
            let outcome = work.await;
            let is_good = outcome.is_ok();
            sender.send_replace(Some(outcome));
            if is_good && !entry.flights.kept.is_zero() {
                tokio::time::sleep(entry.flights.kept).await;
            }
            drop(entry);
        });
    }

    /// Forgets finished work, so that the next one who asks begins anew.
    pub(super) fn forget(&self, key: &K) {
        let mut open = self.open();
        if open.get(key).is_some_and(|flight| flight.result.borrow().is_some()) {
            open.remove(key);
        }
    }
}

/// Takes the work out when it is over, also when it panicked.
struct Entry<K: Eq + Hash, T> {
    flights: Arc<Flights<K, T>>,
    key: K,
    result: watch::Receiver<Option<Outcome<T>>>,
}

impl<K: Eq + Hash, T> Drop for Entry<K, T> {
    fn drop(&mut self) {
        let mut open = self.flights.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.get(&self.key).is_some_and(|flight| flight.result.same_channel(&self.result)) {
            open.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn work_is_shared_and_outlives_who_asked() {
        let flights = Flights::<&str, usize>::new(Duration::ZERO);
        let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let ask = || {
            let (begun, gate) = (Arc::clone(&begun), Arc::clone(&gate));
            flights.join("key", move || async move {
                let number = begun.fetch_add(1, Ordering::SeqCst);
                gate.notified().await;
                Ok(number)
            })
        };
        assert!(tokio::time::timeout(Duration::ZERO, ask()).await.is_err(), "it isn't done");
        let (first, second, ()) = tokio::join!(ask(), ask(), async { gate.notify_one() });
        assert_eq!((first.ok(), second.ok()), (Some(0), Some(0)));
        gate.notify_one();
        while !flights.open().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(ask().await.ok(), Some(1));
    }

    #[tokio::test]
    async fn work_that_panics_fails_those_who_wait() {
        let flights = Flights::<&str, usize>::new(Duration::ZERO);
        let outcome = flights.join("key", || async { panic!("a test") }).await;
        assert!(outcome.is_err());
        while !flights.open().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_nobody_took_is_kept_for_a_while() {
        let flights = Flights::<&str, usize>::new(Duration::from_secs(60));
        assert_eq!(flights.join("key", || async { Ok(1) }).await.ok(), Some(1));
        assert_eq!(flights.join("key", || async { Ok(2) }).await.ok(), Some(1));
        flights.forget(&"key");
        assert_eq!(flights.join("key", || async { Ok(3) }).await.ok(), Some(3));
        let brief = Flights::<&str, usize>::new(Duration::from_millis(1));
        assert_eq!(brief.join("key", || async { Ok(4) }).await.ok(), Some(4));
        while !brief.open().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(brief.join("key", || async { Ok(5) }).await.ok(), Some(5));
    }
}
