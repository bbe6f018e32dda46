//! A cap on requests in flight for each host, with a queue that is bounded too.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::error::FetchCause;
use crate::name::Origin;
use crate::settings::Concurrency;
use crate::urgency::{Turns, Urgency};

/// The gates of all hosts.
#[derive(Debug)]
pub(crate) struct Gates {
    settings: Concurrency,
    gates: Mutex<HashMap<Origin, Arc<Gate>>>,
}

/// More hosts than this are not remembered: redirects could name ever new ones.
const MOST_GATES: usize = 4096;

/// Where HTTP/2 may be spoken, all requests share one connection, and servers allow a hundred or so at a time on one. Beyond that a
/// client's request would wait behind those that nobody waits for.
const STREAMS_AHEAD: usize = 64;

impl Gates {
    pub(crate) fn new(settings: Concurrency) -> Self {
        Self { settings, gates: Mutex::default() }
    }

    /// Returns the gate of an origin.
    pub(crate) fn of(&self, origin: &Origin) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(origin) {
            return Arc::clone(gate);
        }
        if gates.len() >= MOST_GATES {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        let ahead = match origin.scheme() {
            "https" => self.settings.ahead.min(STREAMS_AHEAD),
            _ => self.settings.ahead,
        };
        let gate = Arc::new(Gate {
            settings: self.settings,
            turns: Turns::new(self.settings.in_flight, ahead),
            waiting: AtomicUsize::new(0),
        });
        gates.insert(origin.clone(), Arc::clone(&gate));
        gate
    }
}

/// The gate of one host.
#[derive(Debug)]
pub(crate) struct Gate {
    settings: Concurrency,
    turns: Turns,
    waiting: AtomicUsize,
}

impl Gate {
    /// Waits for a turn; it lasts until the permit is dropped, for a body as long as it is read.
    ///
    /// What is fetched ahead has turns of its own and takes none of the others'.
    pub(crate) async fn enter(
        &self,
        urgency: &Urgency,
        deadline: Option<Instant>,
    ) -> Result<OwnedSemaphorePermit, FetchCause> {
        if let Some(permit) = self.turns.try_take(urgency) {
            return Ok(permit);
        }
        // The places of the queue are for those that somebody waits for.
        let _place = if urgency.is_now() { Some(Place::take(self)?) } else { None };
        let longest = Instant::now() + self.settings.longest_wait;
        let until = deadline.map_or(longest, |deadline| deadline.min(longest));
        match timeout_at(until, self.turns.take(urgency)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(FetchCause::Saturated),
        }
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.settings.in_flight.max(1) - self.turns.free()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A place in the queue.
struct Place<'a>(&'a Gate);

impl<'a> Place<'a> {
    fn take(gate: &'a Gate) -> Result<Self, FetchCause> {
        if gate.waiting.fetch_add(1, Ordering::Relaxed) >= gate.settings.queue {
            gate.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(FetchCause::Saturated);
        }
        Ok(Self(gate))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use url::Url;

    use super::*;

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let gates = Gates::new(Concurrency {
            in_flight: 1,
            queue: 1,
            longest_wait: Duration::from_secs(5),
            ..Concurrency::default()
        });
        let origin = Origin::of_url(&Url::parse("https://a.example.com").unwrap()).unwrap();
        let gate = gates.of(&origin);
        let first = gate.enter(&Urgency::now(), None).await.unwrap();
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter(&Urgency::now(), None).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert_eq!((gate.in_flight(), gate.waiting()), (1, 1));
        assert_eq!(gates.of(&origin).enter(&Urgency::now(), None).await.unwrap_err(), FetchCause::Saturated);
        drop(first);
        waiting.await.unwrap().unwrap();
        let _all = gate.enter(&Urgency::now(), None).await.unwrap();
        let late = gate.enter(&Urgency::now(), Some(Instant::now() + Duration::from_millis(20))).await;
        assert_eq!(late.unwrap_err(), FetchCause::Saturated);
        assert_eq!(gate.waiting(), 0);
    }
}
