//! One piece of work for all who want its result at the same time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::BoxFuture;
use larder_upstream::Urgency;
use tokio::sync::watch;

/// Work under way, by key. It runs as a task of its own: who stops waiting stops nothing.
pub(super) struct Flights<K, V>(Mutex<HashMap<K, Flight<V>>>);

/// Where the result will be, and whether a client waits for it.
type Flight<V> = (watch::Receiver<Option<V>>, Urgency);

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Joins the work of that key or starts it; `None` means that the task broke down.
    ///
    /// The work is boxed: the compiler can't see that long chains of async functions are `Send` whatever they borrow.
    pub(super) async fn join(
        self: &Arc<Self>,
        key: K,
        start: impl FnOnce() -> BoxFuture<'static, V>,
    ) -> Option<V> {
        self.join_as(&Urgency::now(), key, |_| start()).await
    }

    /// Does the same for something that is wanted so soon; the work is told how soon it is wanted by all who wait for it.
    pub(super) async fn join_as(
        self: &Arc<Self>,
        urgency: &Urgency,
        key: K,
        start: impl FnOnce(Urgency) -> BoxFuture<'static, V>,
    ) -> Option<V> {
        let (mut result, shared) = self.enter(urgency, key, start);
        if !shared.is_now() {
            tokio::select! {
                biased;
                value = result.wait_for(Option::is_some) => return value.ok()?.clone(),
                () = urgency.raised() => shared.raise(),
            }
        }
        let value = result.wait_for(Option::is_some).await.ok()?;
        value.clone()
    }

    fn enter(
        self: &Arc<Self>,
        urgency: &Urgency,
        key: K,
        start: impl FnOnce(Urgency) -> BoxFuture<'static, V>,
    ) -> Flight<V> {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(&key) {
            if urgency.is_now() {
                flight.1.raise();
            }
            return flight.clone();
        }
        let (sender, result) = watch::channel(None);
        // Its own: one guess that is raised raises what all wait for, and not the other guesses.
        let shared = if urgency.is_now() { Urgency::now() } else { Urgency::ahead() };
        let flight = (result, shared.clone());
        flights.insert(key.clone(), flight.clone());
        drop(flights);
        let landing = Landing { flights: Arc::clone(self), key };
        let work = start(shared);
        tokio::spawn(async move {
            let value = work.await;
            // First off the board, then told: who comes later sees what the work left behind.
            drop(landing);
            sender.send_replace(Some(value));
        });
        flight
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Flight<V>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the key off the board, also when the work panics.
struct Landing<K: Clone + Eq + Hash + Send + 'static, V: Clone + Send + Sync + 'static> {
    flights: Arc<Flights<K, V>>,
    key: K,
}

impl<K: Clone + Eq + Hash + Send + 'static, V: Clone + Send + Sync + 'static> Drop for Landing<K, V> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn all_who_wait_share_one_run() {
        let flights = Arc::new(Flights::default());
        let runs = Arc::new(AtomicU32::new(0));
        let gate = Arc::new(tokio::sync::Notify::new());
        let join = || {
            let (runs, gate) = (Arc::clone(&runs), Arc::clone(&gate));
            flights.join("key", move || {
                async move {
                    gate.notified().await;
                    runs.fetch_add(1, Ordering::SeqCst)
                }
                .boxed()
            })
        };
        let (first, second, ()) = tokio::join!(join(), join(), async {
            tokio::task::yield_now().await;
            gate.notify_one();
        });
        assert_eq!((first, second), (Some(0), Some(0)));
        gate.notify_one();
        assert_eq!(join().await, Some(1));
    }

    #[tokio::test]
    async fn a_panic_leaves_no_key_behind() {
        let flights: Arc<Flights<u8, u8>> = Arc::default();
        assert_eq!(flights.join(1, || async { panic!("on purpose") }.boxed()).await, None);
        assert_eq!(flights.join(1, || async { 7 }.boxed()).await, Some(7));
    }
}
