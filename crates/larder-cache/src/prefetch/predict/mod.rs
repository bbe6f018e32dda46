//! What a client will ask for next, told from what it asked for.
//!
//! The go command asks for two things at a time (on two cores), in an order that Go's own rules fix, so over a long link it mostly
//! waits. It goes through phases, and each of them can be told from the outside:
//!
//! 1. *Roots*: the `.mod` of each requirement of its main module, sorted by path. Each names nearly all of its own dependencies, so
//!    after a few roots most of the others have been named too: the highest version named is most often the one that comes.
//! 2. *Subtrees*: whatever lies below modules whose go line is older than 1.17, breadth first. All of it is certain.
//! 3. `go mod download`: the `.info` of each root, one at a time, in the order of the main module's go.mod file, then the `.zip` of
//!    each. Versions are settled by now.
//! 4. `go build` of a tidy module skips 1 to 3: it asks for the zip of a module once it meets an import of it, then for its `.mod`, and
//!    at the very end for the `.info` of all it built with. The imports inside the zips tell what comes next.
//!
//! A [`Predictor`] is told what was asked for and what files say, and answers with [`Wish`]es. It does no I/O and has no clock. It
//! never decides what a client gets, so a wrong guess costs a fetch at most; and a client whose ways it doesn't understand soon runs out
//! of the credit that each kind of wish has.

mod common;
mod credit;
mod facts;
mod graph;
mod lazy;
mod session;

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use larder_module::{request::ObjectKind, version::ModuleVersion};

pub(crate) use facts::{ModFacts, ZipFacts};

use graph::Graph;
use session::Session;

/// A session that asks for nothing for so long is over.
const IDLE: Duration = Duration::from_secs(60);
/// The most sessions at a time; beyond, the one that has been idle longest ends.
const MAX_SESSIONS: usize = 256;
/// After so many repeats a connection is another client's.
const REPEATS: usize = 2;
/// What may be kept of go.mod files and zips (see [`Graph::weight`]); beyond, everything is forgotten, which costs predictions only.
const MAX_WEIGHT: usize = 1_500_000;
/// What all sessions may keep besides (see [`Session::load`]); beyond, the one that keeps most ends.
const MAX_LOAD: usize = 1_000_000;

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct SessionKey {
    /// The connection, by a number that no other one has.
    pub(crate) connection: u64,
    /// The client's address.
    pub(crate) client: IpAddr,
    /// It may read modules of private routes.
    pub(crate) private_ok: bool,
}

/// Why something is wished for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Why {
    /// The client asked for it itself; what it says is needed for predictions.
    Facts,
    /// The client asks for it for certain: it lies below a module that doesn't name all it needs.
    Required,
    /// It goes with what the client asked for: the `.mod` and `.info` of a module whose zip it took.
    Companion,
    /// A package that is being built imports it.
    Imported,
    /// It is the highest version named so far, so it is probably the one that the main module names.
    Likely,
    /// The client lists all modules of its graph.
    Listed,
    /// The client downloads all that its main module names.
    Selected,
}

/// Something to fetch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Wish {
    /// What.
    pub(crate) of: ModuleVersion,
    /// Which file of it.
    pub(crate) kind: ObjectKind,
    /// The lower, the sooner it is needed.
    pub(crate) rank: u32,
    /// Why.
    pub(crate) why: Why,
    /// What the file says is needed: once it is stored, [`Predictor::learned`] or [`Predictor::unpacked`] has to be called.
    pub(crate) facts: bool,
    /// On whose behalf: the latest connection of each session that wants it.
    pub(crate) sessions: Vec<SessionKey>,
}

/// Where a connection belongs to.
#[derive(Debug)]
struct Place {
    session: u64,
    /// How many files it asked for that its session had asked for over another connection.
    repeats: usize,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Predictor {
    graph: Graph,
    sessions: HashMap<u64, Session>,
    connections: HashMap<SessionKey, Place>,
    next: u64,
    order: u64,
    /// Sessions with new wishes.
    eager: HashSet<u64>,
}

impl Predictor {
    /// A client asked for a file, whether or not it is stored.
    pub(crate) fn asked(&mut self, key: SessionKey, of: &ModuleVersion, kind: ObjectKind, now: Instant) {
        self.stay_small();
        let id = self.graph.id(of);
        let number = self.session(key, id, kind, now);
        self.order += 1;
        if let Some(session) = self.sessions.get_mut(&number) {
            session.asked(&self.graph, key, id, kind, self.order, now);
            self.eager.insert(number);
        }
    }

    /// The requirements of a version are known.
    pub(crate) fn learned(&mut self, of: &ModuleVersion, facts: &ModFacts) {
        let Some(id) = self.graph.known(of) else { return };
        if self.graph.learn(id, facts) {
            for (number, session) in &mut self.sessions {
                if session.learned(&self.graph, id) {
                    self.eager.insert(*number);
                }
            }
            self.stay_small();
        }
    }

    /// The packages of a version are known.
    pub(crate) fn unpacked(&mut self, of: &ModuleVersion, facts: Arc<ZipFacts>) {
        let Some(id) = self.graph.known(of) else { return };
        if self.graph.unpack(id, facts) {
            for (number, session) in &mut self.sessions {
                if session.unpacked(&self.graph, id) {
                    self.eager.insert(*number);
                }
            }
            self.stay_small();
        }
    }

    /// A file can't be had.
    pub(crate) fn gone(&mut self, of: &ModuleVersion, kind: ObjectKind) {
        if let Some(id) = self.graph.known(of)
            && kind == ObjectKind::Mod
        {
            self.graph.lose(id);
        }
    }

    /// Takes what is wished for since the last call. Each file is wished for once by a session.
    pub(crate) fn wishes(&mut self) -> Vec<Wish> {
        let mut places: HashMap<(graph::NodeId, ObjectKind), usize> = HashMap::new();
        let mut wishes: Vec<Wish> = Vec::new();
        for number in self.eager.drain() {
            let Some(session) = self.sessions.get_mut(&number) else { continue };
            let key = session.key();
            for draft in session.take_drafts() {
                if let Some(&place) = places.get(&(draft.id, draft.kind)) {
                    let wish: &mut Wish = &mut wishes[place];
                    wish.rank = wish.rank.min(draft.rank);
                    wish.facts |= draft.facts;
                    wish.sessions.push(key);
                    continue;
                }
                places.insert((draft.id, draft.kind), wishes.len());
                let of = self.graph.of(draft.id).clone();
                wishes.push(Wish {
                    of,
                    kind: draft.kind,
                    rank: draft.rank,
                    why: draft.why,
                    facts: draft.facts,
                    sessions: vec![key],
                });
            }
        }
        wishes.sort_by_key(|wish| wish.rank);
        wishes
    }

    /// Ends sessions that have been idle, and forgets what only they needed to know.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.sessions.retain(|_, session| now.saturating_duration_since(session.last()) < IDLE);
        self.forget_connections();
        if self.sessions.is_empty() && self.graph.weight() > MAX_WEIGHT / 4 {
            self.graph = Graph::default();
        }
    }

    /// Returns how many sessions go on.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Forgets what is too much. Anybody may have made the files that are read here.
    fn stay_small(&mut self) {
        if self.graph.weight() > MAX_WEIGHT {
            *self = Self { next: self.next, ..Self::default() };
        }
        let mut load: usize = self.sessions.values().map(Session::load).sum();
        while load > MAX_LOAD
            && let Some((&number, heaviest)) = self.sessions.iter().max_by_key(|(_, session)| session.load())
        {
            load -= heaviest.load();
            self.sessions.remove(&number);
            self.forget_connections();
        }
    }

    fn forget_connections(&mut self) {
        self.connections.retain(|_, place| self.sessions.contains_key(&place.session));
    }

    /// Finds the session that a request belongs to.
    ///
    /// Clients open connections as they please, so a session gathers those whose requests it foresaw. The same address is not enough:
    /// behind one address many projects are built. A young session joins an older one as soon as that one knew better what it would ask.
    /// But no client asks for one file twice: those that seem to are two, at work on the same project.
    fn session(&mut self, key: SessionKey, id: graph::NodeId, kind: ObjectKind, now: Instant) -> u64 {
        let Some(place) = self.connections.get_mut(&key) else {
            return self.join(key, None, id, kind).unwrap_or_else(|| self.begin(key, now));
        };
        let own = place.session;
        let Some(session) = self.sessions.get(&own) else { return self.begin(key, now) };
        if session.was_asked_elsewhere(key, id, kind) {
            place.repeats += 1;
            return if place.repeats < REPEATS { own } else { self.begin(key, now) };
        }
        if !session.is_young() || session.foresees(&self.graph, id, kind) {
            return own;
        }
        self.join(key, Some(own), id, kind).unwrap_or(own)
    }

    /// Finds another session that foresaw a request, for the connection or all of its session so far.
    fn join(
        &mut self,
        key: SessionKey,
        own: Option<u64>,
        id: graph::NodeId,
        kind: ObjectKind,
    ) -> Option<u64> {
        let mine = own.and_then(|own| self.sessions.get(&own));
        let others = self.sessions.iter().filter(|(number, session)| {
            Some(**number) != own
                && session.key().client == key.client
                && session.key().private_ok == key.private_ok
                && session.foresees(&self.graph, id, kind)
                && mine.is_none_or(|mine| !session.overlaps(mine))
        });
        let far = |session: &Session| session.key().connection.abs_diff(key.connection);
        let mut others: Vec<_> = others.map(|(number, session)| (far(session), *number)).collect();
        others.sort_unstable();
        // Of several it might be any; what they ask for next tells them apart, unless they do the very same in step.
        let is_clear = others.len() == 1 || mine.is_some_and(Session::has_waited);
        let number = others.first().filter(|_| is_clear)?.1;
        self.connections.insert(key, Place { session: number, repeats: 0 });
        if let Some(own) = own
            && let Some(young) = self.sessions.remove(&own)
            && let Some(session) = self.sessions.get_mut(&number)
        {
            session.take_over(&self.graph, young);
            for place in self.connections.values_mut().filter(|place| place.session == own) {
                place.session = number;
            }
        }
        Some(number)
    }

    fn begin(&mut self, key: SessionKey, now: Instant) -> u64 {
        if self.sessions.len() >= MAX_SESSIONS
            && let Some(oldest) =
                self.sessions.iter().min_by_key(|(_, session)| session.last()).map(|(number, _)| *number)
        {
            self.sessions.remove(&oldest);
            self.forget_connections();
        }
        self.next += 1;
        self.sessions.insert(self.next, Session::new(key, now));
        self.connections.insert(key, Place { session: self.next, repeats: 0 });
        self.next
    }
}
