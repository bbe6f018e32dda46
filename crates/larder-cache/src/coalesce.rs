//! One run for all who ask the same thing at the same time.
//!
//! The run is a task of its own: a caller that goes away cancels nothing for the others. A result is shared only with those who were
//! waiting when it came; who asks later starts anew, so that a failure never outlives its attempt.

use std::{
    collections::HashMap,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::tasks::Tasks;

type Running<K, V> = Mutex<HashMap<K, watch::Receiver<Option<V>>>>;

/// A set of runs by key.
#[derive(Debug)]
pub(crate) struct Coalesce<K, V>(Arc<Running<K, V>>);

/// The run ended without a result: it panicked, or the runtime stops.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Vanished;

impl<K, V> Default for Coalesce<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// Takes a run off the list, whatever way it ends.
struct Entry<K: Eq + Hash, V> {
    running: Arc<Running<K, V>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Entry<K, V> {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.key);
    }
}

impl<K, V> Coalesce<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Joins the run of `key`, or starts it.
    pub(crate) fn join<F>(&self, tasks: &Tasks, key: &K, start: impl FnOnce() -> F) -> Joined<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(receiver) = running.get(key) {
            return Joined(receiver.clone());
        }
        let (sender, receiver) = watch::channel(None);
        running.insert(key.clone(), receiver.clone());
        drop(running);
        let entry = Entry { running: Arc::clone(&self.0), key: key.clone() };
        let work = start();
        tasks.spawn(async move {
            let value = work.await;
            drop(entry);
            sender.send_replace(Some(value));
        });
        Joined(receiver)
    }
}

/// A place among those who wait for a run.
#[derive(Debug)]
pub(crate) struct Joined<V>(watch::Receiver<Option<V>>);

impl<V: Clone> Joined<V> {
    /// Waits for the result.
    pub(crate) async fn wait(mut self) -> Result<V, Vanished> {
        let value = self.0.wait_for(Option::is_some).await.map_err(|_| Vanished)?;
        value.clone().ok_or(Vanished)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn one_run_serves_all_and_outlives_the_first() {
        let runs = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Semaphore::new(0));
        let coalesce = Coalesce::<&str, usize>::default();
        let tasks = Tasks::default();
        let start = || {
            let (runs, gate) = (Arc::clone(&runs), Arc::clone(&gate));
            async move {
                let _open = gate.acquire().await;
                runs.fetch_add(1, Ordering::SeqCst) + 1
            }
        };
        let first = coalesce.join(&tasks, &"key", start);
        drop(first);
        let others: Vec<_> = (0..50).map(|_| coalesce.join(&tasks, &"key", start)).collect();
        gate.add_permits(1);
        for other in others {
            assert_eq!(other.wait().await, Ok(1));
        }
        assert_eq!(coalesce.join(&tasks, &"key", start).wait().await, Ok(2), "later callers start anew");
    }

    #[tokio::test]
    async fn a_panic_is_told_and_the_next_caller_starts_anew() {
        let coalesce = Coalesce::<u8, u8>::default();
        let tasks = Tasks::default();
        let broken = coalesce.join(&tasks, &1, || async { panic!("for the test") });
        assert_eq!(broken.wait().await, Err(Vanished));
        assert_eq!(coalesce.join(&tasks, &1, || async { 7 }).wait().await, Ok(7));
    }
}
