//! The one fetch of a key that all its callers share, as they see it.
//!
//! A flight first looks into the store, then fetches, then shows its body while it arrives, then is done. It stays on the board until
//! what it fetched is durable: until then nobody is served the object as a hit, because a hit is a promise that it survives.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use larder_store::ObjectKey;
use larder_upstream::{UpstreamName, Urgency};
use tokio::{sync::watch, time::Instant};

use crate::{
    Body, Failure, Outcome,
    clock::{Moment, age_text},
    growing::Growing,
    prefetch::Mark,
};

/// A whole, verified object, ready to be served to anyone.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub(crate) body: ReadyBody,
    pub(crate) etag: Arc<str>,
    pub(crate) modified: Option<SystemTime>,
    pub(crate) outcome: Outcome,
    /// Set for what could not be stored: from then on the store is tried again.
    pub(crate) expires: Option<Moment>,
    /// Set for what nobody has asked for.
    pub(crate) mark: Option<Arc<Mark>>,
}

impl Ready {
    /// Takes note that a client is served from this; false if it can't be, because it was just removed.
    pub(crate) fn claim(&self) -> bool {
        self.mark.as_ref().is_none_or(|mark| mark.claim())
    }
}

#[derive(Clone, Debug)]
pub(crate) enum ReadyBody {
    Memory(Bytes),
    File { file: Arc<std::fs::File>, len: u64 },
}

impl ReadyBody {
    pub(crate) fn to_body(&self) -> Body {
        match self {
            Self::Memory(bytes) => Body::Memory(bytes.clone()),
            Self::File { file, len } => Body::File { file: Arc::clone(file), len: *len },
        }
    }
}

/// How far a flight is.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// The store is being asked.
    Looking,
    /// Upstreams are being asked.
    Fetching,
    /// A large body is arriving.
    Streaming { growing: Arc<Growing>, upstream: UpstreamName },
    /// The end.
    Done(Result<Ready, Stop>),
}

/// Why a flight brought nothing.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// It isn't stored, and this flight was not to fetch.
    NotStored,
    /// The fetch failed.
    Failed(Arc<Failure>),
    /// Its task ended without a word: it panicked, or the runtime stops. Or it was a guess that failed in a way that says nothing to
    /// whoever asks in earnest.
    Vanished,
}

/// One flight.
#[derive(Debug)]
pub(crate) struct Flight {
    /// Set once somebody joined who wants things fetched; changed under the board's lock only.
    may_fetch: AtomicBool,
    /// Whether a client waits for it.
    urgency: Urgency,
    /// The announced length of its body.
    size: AtomicU64,
    phase: watch::Sender<Phase>,
    asking: Mutex<Option<(UpstreamName, Instant)>>,
    begun: Instant,
}

impl Flight {
    /// Notes whom the flight is waiting for.
    pub(crate) fn note_asking(&self, upstream: UpstreamName) {
        *self.asking.lock().unwrap_or_else(PoisonError::into_inner) = Some((upstream, Instant::now()));
    }

    /// Says whom the flight is waiting for, and since when.
    pub(crate) fn asking(&self) -> Vec<String> {
        let asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |(upstream, since): &(UpstreamName, Instant)| {
            format!(
                "{upstream}: it was asked {} ago and has not sent all of it yet",
                age_text(since.elapsed())
            )
        };
        asking.iter().map(line).collect()
    }

    /// Returns when somebody first wanted it.
    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    pub(crate) fn urgency(&self) -> &Urgency {
        &self.urgency
    }

    pub(crate) fn note_size(&self, size: u64) {
        self.size.store(size, Ordering::Relaxed);
    }

    /// Returns the announced length of its body; 0 before that is known.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    pub(crate) fn may_fetch(&self) -> bool {
        self.may_fetch.load(Ordering::Acquire)
    }

    /// Returns how far it is, now and whenever that changes.
    pub(crate) fn follow(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(crate) fn advance(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    fn is_done(&self) -> bool {
        matches!(&*self.phase.borrow(), Phase::Done(_))
    }

    /// Returns the body that is being shown to callers, if any.
    pub(crate) fn shown(&self) -> Option<Arc<Growing>> {
        match &*self.phase.borrow() {
            Phase::Streaming { growing, .. } => Some(Arc::clone(growing)),
            Phase::Looking | Phase::Fetching | Phase::Done(_) => None,
        }
    }
}

/// Every flight under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<Mutex<HashMap<ObjectKey, Arc<Flight>>>>);

impl Board {
    /// Joins the flight of `key`; when there is none, makes one and returns the landing with which its task must end it.
    ///
    /// Whoever wants it fetched raises a flight that began ahead of its clients.
    pub(crate) fn join(&self, key: &ObjectKey, may_fetch: bool) -> (Arc<Flight>, Option<Landing>) {
        self.enter(key, may_fetch, Urgency::now())
    }

    /// Does the same for a client that hasn't asked yet.
    pub(crate) fn join_ahead(&self, key: &ObjectKey) -> (Arc<Flight>, Option<Landing>) {
        self.enter(key, true, Urgency::ahead())
    }

    /// Returns the flight of `key` if there is one.
    pub(crate) fn find(&self, key: &ObjectKey) -> Option<Arc<Flight>> {
        self.lock().get(key).cloned()
    }

    fn enter(&self, key: &ObjectKey, may_fetch: bool, urgency: Urgency) -> (Arc<Flight>, Option<Landing>) {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(key) {
            flight.may_fetch.fetch_or(may_fetch, Ordering::AcqRel);
            if may_fetch && urgency.is_now() {
                flight.urgency.raise();
            }
            return (Arc::clone(flight), None);
        }
        let phase = watch::Sender::new(Phase::Looking);
        let flight = Arc::new(Flight {
            may_fetch: may_fetch.into(),
            urgency,
            size: AtomicU64::new(0),
            phase,
            asking: Mutex::default(),
            begun: Instant::now(),
        });
        flights.insert(key.clone(), Arc::clone(&flight));
        let landing =
            Landing { board: self.clone(), key: key.clone(), flight: Arc::clone(&flight), on_board: true };
        (flight, Some(landing))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Arc<Flight>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a flight, also when its task panics: readers of a body that vanished must break, not wait.
#[derive(Debug)]
pub(crate) struct Landing {
    board: Board,
    key: ObjectKey,
    flight: Arc<Flight>,
    on_board: bool,
}

impl Landing {
    pub(crate) fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// Ends the flight for everyone; who comes later starts another.
    pub(crate) fn end(mut self, result: Result<Ready, Stop>) {
        self.leave_board();
        self.flight.advance(Phase::Done(result));
    }

    /// Ends a flight that found nothing and was not to fetch; gives it back when somebody joined meanwhile who wants more.
    pub(crate) fn end_unless_wanted(self) -> Option<Self> {
        self.end_unless(Flight::may_fetch, Stop::NotStored)
    }

    /// Ends a flight whose guess came to nothing; gives it back when a client joined meanwhile.
    pub(crate) fn give_up_unless_urgent(self) -> Option<Self> {
        self.end_unless(|flight| flight.urgency.is_now(), Stop::Vanished)
    }

    fn end_unless(mut self, is_wanted: impl FnOnce(&Flight) -> bool, stop: Stop) -> Option<Self> {
        let mut flights = self.board.lock();
        if is_wanted(&self.flight) {
            drop(flights);
            return Some(self);
        }
        flights.remove(&self.key);
        drop(flights);
        self.on_board = false;
        self.flight.advance(Phase::Done(Err(stop)));
        None
    }

    /// Gives callers their result while the flight stays on the board, so that who comes joins it until it is durable.
    pub(crate) fn show_result(&self, ready: Ready) {
        self.flight.advance(Phase::Done(Ok(ready)));
    }

    /// Takes a flight whose result was shown off the board.
    pub(crate) fn leave(mut self) {
        self.leave_board();
    }

    fn leave_board(&mut self) {
        if self.on_board {
            self.board.lock().remove(&self.key);
            self.on_board = false;
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.leave_board();
        let shown = self.flight.shown();
        if !self.flight.is_done() {
            self.flight.advance(Phase::Done(Err(Stop::Vanished)));
        }
        if let Some(growing) = shown {
            growing.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use larder_module::{request::ObjectKind, version::ModuleVersion};

    use super::*;

    fn key() -> ObjectKey {
        let of = ModuleVersion::parse("example.com/a", "v1.0.0").expect("a module version");
        ObjectKey::new(of, ObjectKind::Zip)
    }

    #[test]
    fn a_flight_that_vanishes_tells_its_callers_and_leaves_the_board() {
        let board = Board::default();
        let (flight, landing) = board.join(&key(), true);
        assert!(board.join(&key(), true).1.is_none(), "the second joins");
        let phase = flight.follow();
        drop(landing.expect("the first starts"));
        assert!(matches!(&*phase.borrow(), Phase::Done(Err(Stop::Vanished))));
        assert!(board.join(&key(), true).1.is_some());
    }

    #[test]
    fn whoever_wants_a_fetch_turns_a_mere_look_into_one() {
        let board = Board::default();
        let (_, landing) = board.join(&key(), false);
        let (flight, none) = board.join(&key(), true);
        assert!(none.is_none() && flight.may_fetch());
        let landing = landing.expect("the first starts").end_unless_wanted().expect("somebody wants more");
        assert!(matches!(&*flight.follow().borrow(), Phase::Looking));
        landing.end(Err(Stop::NotStored));
        let (flight, landing) = board.join(&key(), false);
        board.join(&key(), false);
        assert!(landing.expect("a new one").end_unless_wanted().is_none());
        assert!(matches!(&*flight.follow().borrow(), Phase::Done(Err(Stop::NotStored))));
        assert!(board.join(&key(), true).1.is_some(), "it has left the board");
    }

    #[test]
    fn a_result_that_was_shown_is_joined_until_the_flight_leaves() {
        let board = Board::default();
        let (_, landing) = board.join(&key(), true);
        let landing = landing.expect("the first starts");
        landing.show_result(Ready {
            body: ReadyBody::Memory(Bytes::from_static(b"zip")),
            etag: "\"x\"".into(),
            modified: None,
            outcome: Outcome::Computed,
            expires: None,
            mark: None,
        });
        let (late, none) = board.join(&key(), true);
        assert!(none.is_none() && matches!(&*late.follow().borrow(), Phase::Done(Ok(_))));
        landing.leave();
        assert!(matches!(&*late.follow().borrow(), Phase::Done(Ok(_))), "the result stands");
        assert!(board.join(&key(), true).1.is_some());
    }
}
