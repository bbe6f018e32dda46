//! Fetching ahead of clients.
//!
//! The go command asks for two things at a time on two cores, so over a long link it mostly waits. From the go.mod files that
//! pass by it can be told what it will ask for next.
//!
//! Requests leave a note as they pass ([`Engine::note_asked`]); that is all they have to do with it. One task reads the notes and owns
//! everything else without locks: the [`predict`]or, which says what will be asked for, and the queue and budget, which say when it is
//! fetched. A fetch ahead is a flight like any other, verified the same way before anybody is served from it, only that nobody waits for it:
//! it has room of its own wherever work queues up, tries once, and is remembered as a cause of nothing. A client that asks for it meanwhile
//! joins it and raises it.

mod actor;
mod budget;
mod counts;
mod facts;
mod predict;
mod queue;
mod seen;
mod waste;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use larder_module::{request::ObjectKind, version::ModuleVersion};
use larder_upstream::{Routes, Trail};
use tokio::sync::mpsc;

use self::{actor::Actor, predict::SessionKey, seen::Seen};
pub(crate) use self::{
    actor::is_allowed,
    counts::Counts,
    waste::{Mark, Waste},
};
use crate::{Access, engine::Engine};

/// How much may be fetched ahead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PrefetchSettings {
    /// How many fetches ahead may be under way.
    pub requests: usize,
    /// How many of them at one upstream.
    pub upstream_requests: usize,
    /// How many bytes of zips may be on their way.
    pub bytes: u64,
    /// How many of them from one upstream.
    pub upstream_bytes: u64,
    /// How many bytes may lie in the store that nobody has asked for.
    pub unused_bytes: u64,
    /// For how long.
    pub unused_age: Duration,
}

impl Default for PrefetchSettings {
    fn default() -> Self {
        Self {
            requests: 256,
            upstream_requests: 128,
            bytes: 256 << 20,
            upstream_bytes: 192 << 20,
            unused_bytes: 2 << 30,
            unused_age: waste::UNUSED_AGE,
        }
    }
}

/// What a request left behind as it passed.
#[derive(Debug)]
struct Note {
    session: SessionKey,
    of: ModuleVersion,
    kind: ObjectKind,
    trail: Trail,
}

/// How many notes may wait; more are lost, which costs clients speed and nothing else.
const NOTES: usize = 4_096;

/// The requests' end of it.
#[derive(Debug)]
pub(crate) struct Prefetcher {
    notes: Option<mpsc::Sender<Note>>,
    /// Some route has things fetched ahead.
    is_on: AtomicBool,
    seen: Seen,
    counts: Counts,
    pub(crate) waste: Waste,
}

impl Prefetcher {
    /// Makes the requests' end and, where there is a runtime to run in, what starts the other.
    pub(crate) fn new(settings: PrefetchSettings, counts: Counts) -> (Self, Option<Actor>) {
        let is_possible = settings.requests > 0 && settings.upstream_requests > 0;
        let (sender, receiver) = mpsc::channel(NOTES);
        let actor = is_possible.then(|| Actor::new(settings, receiver, counts.clone()));
        let notes = actor.is_some().then_some(sender);
        let waste = Waste::new(settings, counts.clone());
        (Self { notes, is_on: AtomicBool::new(false), seen: Seen::new(), counts, waste }, actor)
    }

    /// Begins nothing more.
    pub(crate) fn stop(&self) {
        self.is_on.store(false, Ordering::Relaxed);
    }

    /// Takes note of which routes there are.
    pub(crate) fn routes_changed(&self, routes: &Routes) {
        let is_on = routes.iter().any(|route| route.prefetch != larder_upstream::Prefetch::Off);
        self.is_on.store(is_on, Ordering::Relaxed);
    }
}

impl Engine {
    /// Starts what fetches ahead; without a runtime nothing does.
    pub(crate) fn start_fetching_ahead(self: &Arc<Self>, actor: Option<Actor>) {
        if let (Some(actor), Ok(runtime)) = (actor, tokio::runtime::Handle::try_current()) {
            runtime.spawn(actor.run(Arc::downgrade(self)));
        }
    }

    /// Takes note of what a client asks for, whether or not it is stored.
    ///
    /// It never waits. Who came through another Larder is left to that one, and who wants nothing fetched gets nothing fetched.
    pub(crate) fn note_asked(&self, of: &ModuleVersion, kind: ObjectKind, access: &Access) {
        let (Some(session), Some(notes)) = (access.session, &self.prefetch.notes) else { return };
        if access.cached_only || !self.prefetch.is_on.load(Ordering::Relaxed) || access.trail.names_larder() {
            return;
        }
        let session = SessionKey {
            connection: session.connection,
            client: session.client,
            private_ok: access.client_is_private_ok,
        };
        if !self.prefetch.seen.is_new(&session, of, kind) {
            return;
        }
        let note = Note { session, of: of.clone(), kind, trail: access.trail.clone() };
        if notes.try_send(note).is_err() {
            self.prefetch.counts.note_lost();
        }
    }
}
