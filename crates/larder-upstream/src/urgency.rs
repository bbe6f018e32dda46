//! Whether a client waits for something, or it is merely thought that one will.
//!
//! What is fetched ahead has room of its own at every place where work queues up, so that it never takes a place from what a client
//! waits for. Once a client does ask for it, it is raised: wherever it waits at that moment, it goes on as if it had been asked for.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch};

/// How soon something is wanted. Clones stand for the same wish.
#[derive(Clone, Default)]
pub struct Urgency(Option<Arc<watch::Sender<bool>>>);

impl Urgency {
    /// A client waits.
    #[must_use]
    pub fn now() -> Self {
        Self(None)
    }

    /// Nobody waits yet.
    #[must_use]
    pub fn ahead() -> Self {
        Self(Some(Arc::new(watch::Sender::new(false))))
    }

    /// Reports whether somebody waits.
    #[must_use]
    pub fn is_now(&self) -> bool {
        self.0.as_ref().is_none_or(|raised| *raised.borrow())
    }

    /// Says that from now on somebody waits.
    pub fn raise(&self) {
        if let Some(raised) = &self.0 {
            raised.send_if_modified(|raised| !std::mem::replace(raised, true));
        }
    }

    /// Returns once somebody waits.
    pub async fn raised(&self) {
        if let Some(raised) = &self.0 {
            // The sender lives as long as this.
            drop(raised.subscribe().wait_for(|raised| *raised).await);
        }
    }
}

impl fmt::Debug for Urgency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_now() { "now" } else { "ahead" })
    }
}

/// A limit on how much happens at a time, with room of its own for what nobody waits for.
#[derive(Debug)]
pub struct Turns {
    now: Arc<Semaphore>,
    ahead: Arc<Semaphore>,
}

impl Turns {
    /// Allows so many at a time that somebody waits for, and so many others besides.
    #[must_use]
    pub fn new(now: usize, ahead: usize) -> Self {
        Self { now: Arc::new(Semaphore::new(now.max(1))), ahead: Arc::new(Semaphore::new(ahead.max(1))) }
    }

    /// Takes a turn if there is one at once.
    #[must_use]
    pub fn try_take(&self, urgency: &Urgency) -> Option<OwnedSemaphorePermit> {
        let semaphore = if urgency.is_now() { &self.now } else { &self.ahead };
        Arc::clone(semaphore).try_acquire_owned().ok()
    }

    /// Waits for a turn; whoever is raised while waiting waits with those that somebody waits for.
    ///
    /// # Errors
    ///
    /// Never fails: nobody closes the semaphores.
    pub async fn take(&self, urgency: &Urgency) -> Result<OwnedSemaphorePermit, AcquireError> {
        if !urgency.is_now() {
            tokio::select! {
                biased;
                turn = Arc::clone(&self.ahead).acquire_owned() => return turn,
                () = urgency.raised() => {}
            }
        }
        Arc::clone(&self.now).acquire_owned().await
    }

    /// Returns how many more could begin that somebody waits for.
    #[must_use]
    pub fn free(&self) -> usize {
        self.now.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a future has at once.
    async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            value = future => Some(value),
            () = std::future::ready(()) => None,
        }
    }

    #[tokio::test]
    async fn what_nobody_waits_for_takes_no_turn_of_others() {
        let turns = Turns::new(1, 1);
        let _ahead = turns.take(&Urgency::ahead()).await.unwrap();
        assert!(at_once(turns.take(&Urgency::ahead())).await.is_none(), "its own room is bounded");
        assert!(at_once(turns.take(&Urgency::now())).await.is_some());
        assert_eq!(turns.free(), 1);
    }

    #[tokio::test]
    async fn whoever_is_raised_goes_on_at_once() {
        let turns = Turns::new(1, 1);
        let _ahead = turns.take(&Urgency::ahead()).await.unwrap();
        let urgency = Urgency::ahead();
        let mut waiting = Box::pin(turns.take(&urgency));
        assert!(at_once(&mut waiting).await.is_none());
        urgency.clone().raise();
        assert!(waiting.await.is_ok());
        assert!(urgency.is_now() && turns.try_take(&urgency).is_some());
    }
}
